/*
 * instance: one object of the user's class, (class, id), as the outer door knows it, with the
 * policy of its sandbox. The sandbox itself is known by the gate its bytes arrive on, and by
 * nothing that those bytes say; it comes and goes, the object stays.
 */
#ifndef SALLYPORT_RUNTIME_INSTANCE_H
#define SALLYPORT_RUNTIME_INSTANCE_H

#include "base/buf.h"
#include "gate/gate.h"
#include "policy/policy.h"
#include "runtime/app.h"
#include "runtime/door.h"
#include "runtime/event.h"
#include "runtime/half.h"
#include "runtime/inject.h"
#include "runtime/runtime.h"

#define INSTANCES_MAX       4096u  /* open at once; one more takes the place of an unused one */
#define INSTANCE_UNUSED_MS  10000u /* that one without a sandbox and without work stays */
#define INSTANCE_EVENTS_MAX (256u * 1024u) /* bytes of audit lines that wait */
#define INSTANCE_EVENTS_MS  20u            /* how long, after one that went out at once */

struct instance {
    struct list node;   /* in runtime.instances, the longest unused first */
    struct list bucket; /* in runtime.buckets */
    struct runtime *rt;
    char *id;
    char *name; /* that the id was made of; empty: not known */
    char *class_name;
    enum js_class_kind kind;
    struct options options;
    bool internet;
    bool intercept_https;
    bool started_internet; /* start() of an object that has no lists said so */
    bool running;          /* its sandbox runs */
    struct policy *policy;
    struct inject *inject;
    struct half *half;     /* in the current version; NULL without a module */
    struct list halves;    /* struct half.of_instance: in every version that is loaded */
    struct door door;      /* of its sandbox */
    struct list calls;     /* struct call.node */
    struct list processes; /* struct process.node */
    uint32_t fetch_count;
    struct object_db *db; /* its storage; NULL: not used yet */
    uint64_t look_ms;     /* monotonic, when to see whether it is unused */
    struct list updates;  /* struct update.node, the first is being saved */
    struct buf events;    /* audit lines that wait */
    struct loop_task events_flush;
    struct loop_timer *events_timer; /* NULL until the first event */
    bool events_wait;                /* lines wait for the timer, not for the end of the turn */
};

struct instance_spec { /* lent for the call */
    struct span id;
    struct span class_name; /* empty: the only class */
    struct span name;       /* what the id was made of; empty: not known */
    struct span options;
    struct span state; /* empty: none */
};

/* The instance with its policy, without a gate. */
struct instance *instance_create(struct runtime *rt, const struct instance_spec *spec,
                                 struct error *err);
/* Flows end without an answer. */
void instance_destroy(struct instance *inst);
/* Twice a second: lets go of those that are unused. */
void instance_clock(struct runtime *rt, uint64_t now_ms);
/* How long nothing has been under way, in ms; 0: it is in use, or has a sandbox. */
uint64_t instance_unused_ms(const struct instance *inst);
/* Room for one more, if need be by letting go of an unused one. */
bool instance_make_room(struct runtime *rt, struct error *err);
struct instance *instance_find(const struct runtime *rt, struct span id);

/* Its sandbox has ended: gate and flows go, the events they leave are sent, the hooks run. */
void instance_ended(struct instance *inst, int status, struct span why);
/* The JSON of docs/control.md, appended. */
int instance_facts(const struct instance *inst, struct buf *out, struct error *err);

/* What the policy is configured with, from the class (cls; NULL without a module), the properties
 * that JavaScript reported (facts; ptr NULL without a module) and the options. On error nothing has
 * changed. */
int instance_configure(struct instance *inst, struct policy **policy, const struct js_class *cls,
                       struct span facts, struct error *err);
/* A line in the log for each of the first handlers that were set and that the code lacks. */
void instance_tell_lost(const struct instance *inst);
/* An exported class that instances may have; an empty name: the only sandbox class. */
const struct js_class *instance_class(const struct version *v, struct span name, struct error *err);

/* The decision line of `check`: appended to out. */
int instance_check(const struct instance *inst, struct span url, struct buf *out,
                   struct error *err);

/* The effective policy as `$policy` gives it. */
int instance_describe(const struct instance *inst, struct buf *out, struct error *err);

void instance_event(struct instance *inst, const struct event *e);
/* Sends the events that wait. */
void instance_flush(struct instance *inst);

#endif
