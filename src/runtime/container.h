/*
 * container: what code asks of its sandbox, by way of the supervisor: to start and to end it, to
 * run things in it, and to be joined with a port inside.
 */
#ifndef SALLYPORT_RUNTIME_CONTAINER_H
#define SALLYPORT_RUNTIME_CONTAINER_H

#include "runtime/instance.h"

#define CONTAINER_ASKS_MAX 8192u /* open questions of all instances */

/* js_host.container; arg is the version. Answered by js_container_done. */
void container_ask(void *arg, const struct js_container *c);

/* A stream socket joined with a port inside. Called once from the loop; fd is given, -1: why. */
typedef void (*container_joined_fn)(void *arg, int fd, struct span why);
struct container_join;
struct container_join *container_join(struct instance *inst, uint16_t port,
                                      container_joined_fn joined, void *arg);
void container_join_cancel(struct container_join *j); /* NULL is allowed; not after joined */

/* RUNTIME_CONTAINER_DONE */
void container_done(struct runtime *rt, struct ipc_message *m);

/* The instance goes: its output may still be read, nobody is told of an end. */
void container_forget(struct instance *inst);
/* A version goes: nobody is told any more of what it asked. */
void container_version_gone(struct runtime *rt, const struct version *v);
void container_drop_all(struct runtime *rt);

#endif
