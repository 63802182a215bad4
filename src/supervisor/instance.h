/*
 * instance: one sandbox with its two doors, wired.
 *
 *     STARTING -> GO -> RUNNING -> ENDED
 *
 * "go" is given only when the sidecar holds the sockets and has the certificate, and the runtime
 * has the instance. The listening sockets and the CA's certificate stay here, so that a sidecar or
 * a runtime can be replaced and nothing slips past meanwhile.
 */
#ifndef SALLYPORT_SUPERVISOR_INSTANCE_H
#define SALLYPORT_SUPERVISOR_INSTANCE_H

#include "base/buf.h"
#include "base/list.h"
#include "supervisor/runtime_link.h"
#include "supervisor/sandbox.h"

#define INSTANCE_ID_MAX    64u
#define INSTANCE_STATE_MAX (1024u * 1024u) /* bytes of what was set at run time */

struct instance;

enum instance_phase { INSTANCE_STARTING, INSTANCE_GO, INSTANCE_RUNNING, INSTANCE_ENDED };

struct instance_events {
    void (*started)(void *arg, struct instance *i);
    /* Of one that has started: nothing more can be begun in it. May be said more than once. */
    void (*ending)(void *arg, struct instance *i);
    /* Last callback. started: status is the command's; else why is the reason. */
    void (*ended)(void *arg, struct instance *i, bool started, int status, const char *why);
};

/* All kept by pointer but what is lent; the namespaces live as long as the instance. */
struct instance_config {
    const char *id;
    const char *class_name;       /* "" for the only one */
    const char *name;             /* what the id was made of, or "" */
    struct span options;          /* JSON for the runtime */
    struct span launcher_spec;    /* JSON for the launcher; needed until instance_start returns */
    const struct agent_run *main; /* what ends with it; lent until instance_start returns. NULL:
                                     none */
    int user_ns;
    int net_ns;
};

int instance_start(struct loop *loop, const struct instance_config *config,
                   const struct instance_events *events, void *arg, struct instance **out,
                   struct error *err);
/* The shared empty namespaces, when they were not there yet at the start. */
void instance_namespaces(struct instance *i, int user_ns, int net_ns);
/* Ends everything of it; no callback. NULL is allowed. */
void instance_destroy(struct instance *i);

/* This runtime serves from now on. NULL: none does. */
void instance_runtime(struct instance *i, struct runtime_link *r);
/* What was set at run time: kept for the next runtime. false: over the ceiling. */
bool instance_state_set(struct instance *i, struct span state);
struct span instance_state(const struct instance *i);
/* To what runs inside, or to the start of it (sandbox.h). SIGKILL ends the sandbox. */
void instance_signal(struct instance *i, int signum);
/* For what is to run inside, from the start to the end; NULL once it has ended. Lent. */
struct agent_link *instance_agent(struct instance *i);

const char *instance_id(const struct instance *i);
const char *instance_class(const struct instance *i);
enum instance_phase instance_phase(const struct instance *i);
pid_t instance_pid(const struct instance *i);         /* first process of the sandbox, 0: none */
pid_t instance_sidecar_pid(const struct instance *i); /* 0: none */
struct span instance_facts(const struct instance *i); /* empty before the runtime gave them */
struct span instance_certificate(const struct instance *i); /* DER; empty before */

#endif
