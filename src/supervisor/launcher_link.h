/*
 * launcher_link: the start of a sandbox and its end, as the supervisor sees them.
 *
 *     start -> sockets -> (go) -> started -> ended
 *       any  -> failed or ended
 *
 * The launcher becomes bubblewrap: one process from start to end.
 */
#ifndef SALLYPORT_SUPERVISOR_LAUNCHER_LINK_H
#define SALLYPORT_SUPERVISOR_LAUNCHER_LINK_H

#include "base/error.h"
#include "base/span.h"
#include "loop/loop.h"

#include <sys/types.h>

struct launcher_link;

struct launcher_sockets {
    int tcp;
    int dns_udp;
    int dns_tcp;
    int netns;
};

struct launcher_events {
    /* The descriptors are taken with steal_fd; what is left is closed. */
    void (*sockets)(void *arg, struct launcher_sockets *s);
    /* The agent is up; the exit status is what it says from now on. */
    void (*started)(void *arg);
    /* Last callback. started: status is the agent's. Else why is the reason, status 125 to 127.
     */
    void (*ended)(void *arg, bool started, int status, const char *why);
};

struct launcher_config {
    const char *id;
    struct span spec; /* JSON, launcher/spec.h */
    int agent;        /* lent: the agent's end of its socket */
};

int launcher_link_start(struct loop *loop, const struct launcher_config *config,
                        const struct launcher_events *events, void *arg, struct launcher_link **out,
                        struct error *err);
/* false: it has gone already. */
bool launcher_link_go(struct launcher_link *l, struct span certificate_pem);
/* To the agent when it is up, which passes it on, else to the launcher. */
void launcher_link_signal(struct launcher_link *l, int signum);
/* The sandbox's first process as seen from here, 0 when it is not there. */
pid_t launcher_link_pid(const struct launcher_link *l);
/* Ends the sandbox if it is there; no callback. NULL is allowed. */
void launcher_link_destroy(struct launcher_link *l);

#endif
