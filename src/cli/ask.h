/*
 * ask: the small steps that the commands share: operands, an instance's path, stdin.
 */
#ifndef SALLYPORT_CLI_ASK_H
#define SALLYPORT_CLI_ASK_H

#include "cli/client.h"
#include "cli/command.h"

#include <jansson.h>

/* Reads options into `into` and checks the number of operands; prints and gives EXIT_USAGE, else
 * 0. */
int ask_args(const struct command *c, int argc, char **argv, void *into, int *operands);
/* A usage failure of the command's own words. */
int ask_usage(const struct command *c, const char *what);

/* Starts `METHOD /v1/instances/ID/TAIL`; tail may hold slashes, NULL leaves it out. */
void ask_path(struct client_request *r, const char *method, const char *id, const char *tail);

/* One request to the instance; body may be NULL (lent). *result (may be NULL) gets the member
 * "result" of the answer, a new reference. */
int ask_instance(const char *id, struct client_request *r, const json_t *body, json_t **result,
                 struct error *err);

/* The same with the whole answer, freed by the caller on success. */
int ask_instance_reply(const char *id, struct client_request *r, const json_t *body,
                       struct client_reply *out, struct error *err);

/* Prints why an error answer (status 400 and above) is one; gives the status to exit with, which a
 * command that was not started inside has: 127, 126 or 125. */
int ask_refused(const struct client_reply *reply);

/* Everything on standard input, at most max bytes. Freed with buf_wipe. */
int ask_stdin(size_t max, struct buf *out, struct error *err);

/* The body as JSON; a new reference, NULL with a sentence. */
json_t *ask_json(const struct client_reply *reply, struct error *err);

/* "class" of an instance that took the module's only one; the supervisor knows it as a fact that it
 * does not read. */
void ask_name_class(json_t *instance);

#endif
