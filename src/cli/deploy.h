/*
 * deploy: a configuration as the body of PUT /v1/app, and what the daemon says to it.
 */
#ifndef SALLYPORT_CLI_DEPLOY_H
#define SALLYPORT_CLI_DEPLOY_H

#include "cli/client.h"
#include "cli/sources.h"

#define DEPLOY_BYTES_MAX (160u * 1024u * 1024u)

struct deploy {
    struct config config;
    struct sources sources;
    json_t *body;  /* owned */
    uint64_t hash; /* of the body: the same for the same code and configuration */
};

/* Reads and bundles what path names; deploy_free also after a failure. */
int deploy_read(const char *path, struct deploy *out, struct error *err);
void deploy_free(struct deploy *d);

/* Sends it. *answer gets the daemon's object, a new reference; the old code stays on failure. */
int deploy_send(struct client *c, const struct deploy *d, json_t **answer, struct error *err);

#endif
