/*
 * front: the front door. The listening socket stays here: a door that ends is replaced and no
 * client is turned away meanwhile.
 */
#ifndef SALLYPORT_SUPERVISOR_FRONT_H
#define SALLYPORT_SUPERVISOR_FRONT_H

#include "base/error.h"
#include "loop/loop.h"
#include "supervisor/runtime_link.h"

#define FRONT_ADDRESS_MAX 64u

struct front;

struct front_config {
    struct loop *loop;
    const char *name; /* of the app; kept by pointer */
    int listener;     /* given, also on failure */
    int user_ns;      /* both live as long as the front */
    int net_ns;
};

struct front_events {
    void (*serving)(void *arg);                 /* each time a door stands */
    void (*failed)(void *arg, const char *why); /* the very first did not get ready */
    void (*drained)(void *arg);                 /* front_drain: the last connection has ended */
};

/* `ADDR:PORT`, IPv6 in brackets. *fd listens; address is the one that it has (port 0 is replaced).
 */
int front_listen(const char *listen, int *fd, char address[FRONT_ADDRESS_MAX], struct error *err);

int front_start(const struct front_config *config, const struct front_events *events, void *arg,
                struct front **out, struct error *err);
/* This runtime serves from now on; NULL: none does, and requests wait or get 503. */
void front_runtime(struct front *f, struct runtime_link *r);
/* Accepts no more; told once the open requests have their answers. */
void front_drain(struct front *f);
void front_close(struct front *f); /* NULL is allowed */
pid_t front_pid(const struct front *f);

#endif
