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
#include "tls/tls.h"
#include "upstream/upstream.h"

struct fetch;
struct watchdog;

#define RUNTIME_IDLE_MAX 256u /* exchanges whose memory is kept */

enum task_kind { TASK_FREE, TASK_EXCHANGE, TASK_CALL };

/* Who is behind a task of JavaScript. Ids are used again, the oldest first. */
struct task {
    enum task_kind kind;
    void *object; /* struct exchange or struct call */
};

struct runtime {
    struct loop *loop;
    struct ipc_channel *control; /* NULL in tests that have none */
    struct secrets *secrets;
    struct app app;
    bool started; /* RUNTIME_START was done */
    struct tls_client *tls;
    struct upstream *upstream;
    struct js *js;              /* NULL without a module */
    struct js_version *version; /* the same */
    struct watchdog *watchdog;  /* the same */
    struct list instances;      /* struct instance.node */
    struct list settling;       /* answers that wait, settle.h */
    struct loop_timer *clock;   /* limits in time */
    struct loop_timer *warm;
    struct task tasks[JS_TASKS_MAX + 1];
    uint32_t task_next;
    struct fetch *fetches[JS_FETCHES_MAX + 1];
    struct list idle; /* struct exchange.flow.node: memory for the next ones */
    uint32_t idle_count;
    uint64_t failures; /* counts ids of failed handlers */
    bool confine;      /* false in tests only */
};

/* NULL: memory. control_fd is given; -1: none. */
struct runtime *runtime_create(struct loop *loop, int control_fd, struct error *err);
/* Every instance, task and fetch ends without an answer. */
void runtime_destroy(struct runtime *rt);

/* RUNTIME_START: reads the app, makes trust, pool and, with a module, the engine. */
int runtime_start(struct runtime *rt, struct span app, struct span bundle, struct span map,
                  struct error *err);
/* App facts of RUNTIME_READY, appended. */
int runtime_facts(const struct runtime *rt, struct buf *out, struct error *err);

/* 0: all ids are in use. */
uint32_t runtime_task_open(struct runtime *rt, enum task_kind kind, void *object);
void runtime_task_close(struct runtime *rt, uint32_t task);
void *runtime_task(const struct runtime *rt, uint32_t task, enum task_kind kind);

/* What JavaScript asks of us (js_host), one table. */
extern const struct js_host runtime_js_host;

/* One RUNTIME_LOG; instance may be empty. */
void runtime_log(struct runtime *rt, struct span instance, enum js_log_level level,
                 struct span text);

#endif
