/*
 * sandbox: what runs inside, from the launcher to the last process: bubblewrap outside, the agent
 * inside, the main process if there is one.
 *
 *     start -> sockets -> (go) -> started -> ended
 *       any  -> ended
 *
 * It has ended when both have: the launcher's process and the agent's socket, so that the last
 * words are heard.
 */
#ifndef SALLYPORT_SUPERVISOR_SANDBOX_H
#define SALLYPORT_SUPERVISOR_SANDBOX_H

#include "supervisor/agent_link.h"
#include "supervisor/launcher_link.h"

struct sandbox;

struct sandbox_events {
    /* The descriptors are taken with steal_fd; what is left is closed. */
    void (*sockets)(void *arg, struct launcher_sockets *s);
    /* The agent is up, and starts the main process if there is one. */
    void (*started)(void *arg);
    /* Its first process or the way to the agent is gone: nothing more can be begun in it. May be
     * said more than once. */
    void (*ending)(void *arg);
    /* Last callback. started: status is the main process's, or the agent's (128+n when signal n
     * was to end it). Else why is the reason and status 125 to 127. */
    void (*ended)(void *arg, bool started, int status, const char *why);
};

/* All lent until sandbox_start returns. */
struct sandbox_config {
    const char *id;
    struct span spec;             /* JSON, launcher/spec.h */
    const struct agent_run *main; /* NULL: none */
};

int sandbox_start(struct loop *loop, const struct sandbox_config *config,
                  const struct sandbox_events *events, void *arg, struct sandbox **out,
                  struct error *err);
/* false: it has gone already. */
bool sandbox_go(struct sandbox *s, struct span certificate_pem);
/* To the main process; without one to all, and SIGTERM, INT, HUP or QUIT ends the sandbox once none
 * is left. SIGKILL ends it at once. Before it is up: to the launcher. */
void sandbox_signal(struct sandbox *s, int signum);
/* The sandbox's first process as seen from here, 0 when it is not there. */
pid_t sandbox_pid(const struct sandbox *s);
/* For what is to run inside; from the start to the end. Lent. */
struct agent_link *sandbox_agent(struct sandbox *s);
/* Ends it if it is there; no callback. NULL is allowed. */
void sandbox_destroy(struct sandbox *s);

#endif
