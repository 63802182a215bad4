/*
 * kv_daemon: the KV namespaces of the daemon that is up, as a store.
 */
#ifndef SALLYPORT_CLI_KV_DAEMON_H
#define SALLYPORT_CLI_KV_DAEMON_H

#include "cli/client.h"
#include "store/store.h"

/* Has the kv functions of the table and close; the others are NULL. A namespace may also be named
 * by a binding of the daemon's configuration. Takes c (given, also on failure). NULL: memory. */
struct store *kv_daemon_create(struct client *c, struct error *err);

#endif
