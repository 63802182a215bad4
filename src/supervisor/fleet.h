/*
 * fleet: the objects that have a sandbox, are getting one or are losing it.
 *
 *     STOPPED -> QUEUED -> STARTING -> RUNNING -> ENDING -> STOPPED
 *                  └───────── fails ──────┴───────────────────^
 *
 * A member is here from the first wish for its sandbox to the end of it; what outlives that is in
 * the store. A start that is wished for while the sandbox ends follows the end: new processes, a
 * new CA. Few start at once, so that each of many is ready as early as it can be.
 */
#ifndef SALLYPORT_SUPERVISOR_FLEET_H
#define SALLYPORT_SUPERVISOR_FLEET_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "supervisor/events.h"
#include "supervisor/instance.h"

#include <sys/types.h>

#define FLEET_MAX        10000u /* members */
#define FLEET_STARTS_MAX 4u     /* that start at the same time */
#define FLEET_CLASS_MAX  128u   /* bytes of a class's name */
#define FLEET_NAME_MAX   1024u  /* bytes of an object's name (as JS_OBJECT_NAME_MAX) */
#define FLEET_STOP_MS    10000u /* from the signal that asks to SIGKILL */

struct fleet;
struct supervisor;

enum member_state { MEMBER_STOPPED, MEMBER_QUEUED, MEMBER_STARTING, MEMBER_RUNNING, MEMBER_ENDING };

struct member {
    struct list node;  /* of the fleet */
    struct list queue; /* of those that wait for their start */
    struct fleet *fleet;
    char id[INSTANCE_ID_MAX + 1];
    char *class_name; /* "": the only one */
    char *name;       /* "": none */
    char started[40]; /* RFC 3339; of the sandbox */
    enum member_state state;
    struct instance *instance; /* STARTING, RUNNING, ENDING */
    uid_t uid;                 /* 0: as we are */
    char *options;             /* JSON of this start, as the runtime gets it */
    char *env;                 /* of this start: `K=V`, a NUL behind each */
    size_t env_len;
    char *entrypoint; /* of this start: words, a NUL behind each */
    size_t entrypoint_len;
    char *command; /* that runs in its background by request: words, a NUL behind each */
    size_t command_len;
    bool told_running; /* the runtime of the moment knows that it runs */
    bool ran;          /* a runtime was told so before */
    struct list waiting;
    struct list leaving;
    struct list tasks; /* member_task */
    struct loop_timer *deadline;
    unsigned held; /* is not freed meanwhile */
};

/* One who waits; stands inside its owner's object and is told once, unless list_remove is called
 * before. why is NULL: the sandbox runs (or, of a stop, is gone); else it cannot be. */
struct member_wait {
    struct list node;
    void (*fn)(void *arg, struct member *m, const char *why);
    void *arg;
};

/* Work that ends when the sandbox does; told once, unless removed before. */
struct member_task {
    struct list node;
    void (*lost)(void *arg);
    void *arg;
    bool foreign; /* not begun by the app's code */
};

struct member_ident {
    struct span id;
    struct span class_name;
    struct span name;
};

/* How a sandbox starts; NULL members: as the spec says. Copied. */
struct member_start {
    const char *options;
    struct span env;
    struct span entrypoint;       /* words of a main process without descriptors; empty: none */
    const struct agent_run *main; /* a main process: lent; such a start is not queued */
};

struct fleet_events {
    void (*started)(void *arg, struct member *m); /* before those who wait are told */
    /* After them. started: status is the main process's; else why is the reason. */
    void (*ended)(void *arg, struct member *m, bool started, int status, const char *why);
};

int fleet_create(struct supervisor *s, const struct fleet_events *events, struct fleet **out,
                 struct error *err);
/* Nothing starts any more. */
void fleet_drain(struct fleet *f);
/* Ends all at once; nobody is told. NULL is allowed. */
void fleet_destroy(struct fleet *f);

struct member *fleet_find(struct fleet *f, struct span id); /* NULL: none */
/* Who says a line: the id, and its name where a member has it. */
struct events_source fleet_source(struct fleet *f, struct span id);
/* What a member's names may be; err says so. */
int fleet_check(const struct member_ident *ident, struct error *err);
/* The one with this id, made if it is not there. NULL: not allowed, err says why. */
struct member *fleet_open(struct fleet *f, const struct member_ident *ident, struct error *err);
/* Whether m is the only one that has or wants a sandbox, or none is. */
bool fleet_last(const struct fleet *f, const struct member *m);
size_t fleet_count(const struct fleet *f, enum member_state state);
/* fn may end the member that it is given, no other. */
void fleet_each(struct fleet *f, void (*fn)(void *arg, struct member *m), void *arg);

/* The waiter may be told from inside, and m may be gone afterwards. `how` counts when this begins
 * the start. */
void member_start(struct member *m, const struct member_start *how, struct member_wait *wait);
/* signum now, SIGKILL after FLEET_STOP_MS. wait may be NULL; told from inside when it is stopped.
 */
void member_stop(struct member *m, int signum, struct member_wait *wait);

/* s->user_ns and net_ns are there, after starts that did not wait for them. */
void fleet_namespaces(struct fleet *f);
/* This runtime serves from now on; NULL: none does. */
void fleet_runtime(struct fleet *f, struct runtime_link *r);

#endif
