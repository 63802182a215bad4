/*
 * instance: one sandbox as the outer door knows it: by the gate its bytes arrive on, and by nothing
 * that those bytes say. It owns the policy, the object of the user's class and the open flows.
 */
#ifndef SALLYPORT_RUNTIME_INSTANCE_H
#define SALLYPORT_RUNTIME_INSTANCE_H

#include "base/buf.h"
#include "gate/gate.h"
#include "policy/policy.h"
#include "runtime/app.h"
#include "runtime/event.h"
#include "runtime/inject.h"
#include "runtime/runtime.h"

#define INSTANCE_EVENTS_MAX (256u * 1024u) /* bytes of audit lines that wait */
#define INSTANCE_EVENTS_MS  20u            /* how long, after one that went out at once */

struct instance {
    struct list node; /* in runtime.instances */
    struct runtime *rt;
    char *id;
    char *class_name;
    struct options options;
    bool internet;
    bool intercept_https;
    struct policy *policy;
    struct inject *inject;
    const struct js_class *cls; /* NULL without a module */
    struct js_instance *js;     /* the same */
    struct gate *gate;          /* NULL while there is none */
    struct list flows;          /* struct flow.node */
    uint32_t flow_count;
    struct list updates; /* struct update.node, the first is being saved */
    struct buf events;   /* audit lines that wait */
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

/* The instance with its policy, without a gate; facts gets the JSON of docs/control.md. */
struct instance *instance_create(struct runtime *rt, const struct instance_spec *spec,
                                 struct buf *facts, struct error *err);
/* Flows end without an answer. */
void instance_destroy(struct instance *inst);
struct instance *instance_find(const struct runtime *rt, struct span id);

/* Serves fd (given) from now on; the flows of the gate before it end. */
int instance_gate(struct instance *inst, int fd, struct error *err);

/* What the policy is configured with, from the class, the properties that JavaScript reported
 * (facts; ptr NULL without a module) and the options. On error nothing has changed. */
int instance_configure(struct instance *inst, struct policy **policy, struct span facts,
                       struct error *err);

/* The decision line of `check`: appended to out. */
int instance_check(const struct instance *inst, struct span url, struct buf *out,
                   struct error *err);

/* The effective policy as `$policy` gives it. */
int instance_describe(const struct instance *inst, struct buf *out, struct error *err);

void instance_event(struct instance *inst, const struct event *e);

#endif
