/*
 * find: from an id or name to the control socket that serves it. The daemon's is asked first, then
 * that of the instance's own `run`.
 */
#ifndef SALLYPORT_CLI_FIND_H
#define SALLYPORT_CLI_FIND_H

#include "cli/client.h"

/* The daemon, or NULL when none is up (err->code ENOENT or ECONNREFUSED) or it cannot be asked. */
struct client *find_daemon(struct error *err);
/* Is that the reason? */
bool find_is_absent(const struct error *err);

/* The same for what only a daemon does: the sentence says how to start one. */
struct client *find_daemon_or_say(struct error *err);

/* A client that knows the instance by its id or name, NULL with a sentence otherwise. */
struct client *find_instance(const char *id, struct error *err);

/* Calls each for the daemon and every `run` that answers; client is lent. Stops at a negative
 * result. The number of calls that were made, or that result. */
typedef int (*find_fn)(void *arg, struct client *c, struct error *err);
int find_all(find_fn each, void *arg, struct error *err);

#endif
