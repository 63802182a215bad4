/*
 * container_start: the options of a start that code asks for (docs/control.md, op "start").
 */
#ifndef SALLYPORT_SUPERVISOR_CONTAINER_START_H
#define SALLYPORT_SUPERVISOR_CONTAINER_START_H

#include "base/buf.h"
#include "supervisor/fleet.h"

#define CONTAINER_START_MAX (1024u * 1024u) /* bytes of the options */

struct container_start {
    struct member_start start; /* points into the rest */
    struct buf env;            /* `K=V`, a NUL behind each */
    struct buf entrypoint;     /* words, a NUL behind each; empty: none */
    char *options;
};

/* json: {"env"?,"internet"?,"entrypoint"?}, or empty. base: the options of every instance, a JSON
 * object. Text of a process that user code runs in: strict. */
int container_start_parse(struct span json, const char *base, struct container_start *out,
                          struct error *err);
void container_start_free(struct container_start *c);

#endif
