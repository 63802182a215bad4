/*
 * sidecar_link: one inner door, from its start to its end.
 */
#ifndef SALLYPORT_SUPERVISOR_SIDECAR_LINK_H
#define SALLYPORT_SUPERVISOR_SIDECAR_LINK_H

#include "base/error.h"
#include "base/span.h"
#include "loop/loop.h"

#include <sys/types.h>

struct sidecar_link;

struct sidecar_events {
    /* Confined and serving. The certificate is hostile bytes, lent: compare or copy. Called once
     * after start, and once more after each sidecar_link_intercept. */
    void (*ready)(void *arg, struct span certificate_der);
    /* Last callback: it has ended, or broke a rule and is to be destroyed. */
    void (*ended)(void *arg, const char *why);
};

/* What it holds; all lent. */
struct sidecar_start {
    const char *id;
    bool intercept_https;
    struct span certificate_der; /* empty: a new CA is to be made */
    int tcp;
    int dns_udp;
    int dns_tcp;
    int gate;
    int key_memory;
    int user_ns;
    int net_ns;
};

/* Of a front door; all lent. */
struct sidecar_front {
    const char *name;
    int listener;
    int gate;
    int user_ns;
    int net_ns;
};

/* Starts the program, which gets itself ready as far as it can without sidecar_link_begin. */
int sidecar_link_start(struct loop *loop, const char *id, const struct sidecar_events *events,
                       void *arg, struct sidecar_link **out, struct error *err);
bool sidecar_link_begin(struct sidecar_link *s, const struct sidecar_start *start);
bool sidecar_link_front(struct sidecar_link *s, const struct sidecar_front *front);
bool sidecar_link_drain(struct sidecar_link *s); /* a front door; its end is told */
bool sidecar_link_gate(struct sidecar_link *s, int gate);
bool sidecar_link_intercept(struct sidecar_link *s, bool intercept_https);
pid_t sidecar_link_pid(const struct sidecar_link *s); /* 0 when there is none */
void sidecar_link_kill(struct sidecar_link *s);       /* its end is told; NULL is allowed */
void sidecar_link_destroy(struct sidecar_link *s);    /* NULL is allowed, also inside a callback */

#endif
