/*
 * runtime: the outer door as one object. It owns what the app owns once: engine, upstream pool,
 * secrets, the table of tasks; and the list of instances.
 */
#ifndef SALLYPORT_RUNTIME_RUNTIME_H
#define SALLYPORT_RUNTIME_RUNTIME_H

#include "base/list.h"
#include "ipc/conversations.h"
#include "js/js.h"
#include "loop/loop.h"
#include "runtime/app.h"
#include "runtime/secrets.h"
#include "runtime/task.h"
#include "runtime/version.h"
#include "tls/tls.h"
#include "upstream/upstream.h"

struct watchdog;

#define RUNTIME_BUCKETS  1024u
#define RUNTIME_IDLE_MAX 256u /* exchanges whose memory is kept */

struct runtime {
    struct loop *loop;
    struct ipc_channel *control; /* NULL in tests that have none */
    struct secrets *secrets;
    struct app app;
    bool started; /* RUNTIME_START was done */
    struct tls_client *tls;
    struct upstream *upstream;
    struct js *js;           /* NULL without a module */
    struct version *version; /* the current one; NULL without a module */
    struct version *versions[VERSION_SLOTS];
    uint32_t version_count;    /* loads so far */
    struct watchdog *watchdog; /* NULL without a module */
    struct list doors;         /* struct door.node */
    struct list asks;          /* struct container_join.node */
    uint32_t ask_count;
    struct list pumps;                    /* pipe.h */
    struct list fronts;                   /* struct front.node */
    struct list rests;                    /* struct rest.node, task.h */
    struct list instances;                /* struct instance.node, the longest unused first */
    struct list buckets[RUNTIME_BUCKETS]; /* the same by id */
    struct list openings;                 /* struct opening.node, opening.c */
    struct list opening_buckets[RUNTIME_BUCKETS];
    uint32_t opening_count;
    uint64_t questions; /* to the supervisor, that are not a version's */
    uint32_t instance_count;
    struct list settling;     /* answers that wait, settle.h */
    struct loop_timer *clock; /* limits in time */
    struct loop_timer *warm;
    struct task tasks[JS_TASKS_MAX + 1];
    uint32_t task_next;
    uint32_t task_count; /* that are not free */
    uint32_t task_span;  /* ids are from 1..task_span: twice as many as were in use, at least */
    struct list idle;    /* struct exchange.flow.node: memory for the next ones */
    uint32_t idle_count;
    uint64_t log_lost;           /* lines, since that was last told */
    struct list kv_refused;      /* struct refused.node, kv.c */
    uint64_t failures;           /* counts ids of failed handlers */
    bool confine;                /* false in tests only */
    const char *storage_refused; /* why objects have no storage; NULL: they have */
};

/* NULL: memory. control_fd is given; -1: none. */
struct runtime *runtime_create(struct loop *loop, int control_fd, struct error *err);
/* Every instance, task and fetch ends without an answer. */
void runtime_destroy(struct runtime *rt);

/* RUNTIME_START: reads the app, makes trust, pool and, with a module, the engine. */
int runtime_start(struct runtime *rt, struct span app, const struct version_code *code,
                  struct error *err);
/* App facts of RUNTIME_READY, appended; v NULL: there is no module. */
int runtime_facts(const struct version *v, struct buf *out, struct error *err);

/* What JavaScript asks of us (js_host), one table. */
extern const struct js_host runtime_js_host;

/* One RUNTIME_LOG; instance may be empty. */
void runtime_log(struct runtime *rt, struct span instance, enum js_log_level level,
                 struct span text);

#endif
