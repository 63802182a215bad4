#include "runtime/task.h"

#include "base/clock.h"
#include "runtime/call.h"
#include "runtime/exchange.h"
#include "runtime/half.h"

#include <stdlib.h>

#define TASK_SPAN_FIRST 1024u

struct rest {
    struct list node; /* in runtime.rests */
    struct instance *inst;
    uint32_t task;
    uint64_t deadline_ms; /* monotonic */
};

uint32_t task_open(struct version *v, enum task_kind kind, void *object)
{
    struct runtime *rt = v->rt;
    while (rt->task_span < JS_TASKS_MAX && rt->task_count >= rt->task_span / 2) {
        rt->task_span = rt->task_span == 0 ? TASK_SPAN_FIRST : rt->task_span * 2;
        rt->task_span = rt->task_span < JS_TASKS_MAX ? rt->task_span : JS_TASKS_MAX;
    }
    for (uint32_t i = 0; i < rt->task_span; i++) {
        rt->task_next = rt->task_next % rt->task_span + 1;
        struct task *t = &rt->tasks[rt->task_next];
        if (t->kind == TASK_FREE) {
            *t = (struct task){object, (uint8_t)kind, v->slot};
            rt->task_count++;
            return rt->task_next;
        }
    }
    return 0;
}

void task_close(struct runtime *rt, uint32_t task)
{
    rt->task_count -= rt->tasks[task].kind != TASK_FREE ? 1 : 0;
    rt->tasks[task] = (struct task){NULL, TASK_FREE, 0};
}

void *task_object(const struct runtime *rt, uint32_t task, enum task_kind kind)
{
    return task <= JS_TASKS_MAX && rt->tasks[task].kind == kind ? rt->tasks[task].object : NULL;
}

bool task_instance(const struct runtime *rt, uint32_t task, struct instance **inst)
{
    const struct task *t = &rt->tasks[task <= JS_TASKS_MAX ? task : 0];
    switch ((enum task_kind)t->kind) {
    case TASK_FREE:
        return false;
    case TASK_EXCHANGE:
        *inst = ((const struct exchange *)t->object)->flow.door->inst;
        return true;
    case TASK_CALL:
        *inst = call_instance(t->object);
        return true;
    case TASK_OBJECT:
        *inst = ((const struct half *)t->object)->inst;
        return true;
    case TASK_REST:
        *inst = ((const struct rest *)t->object)->inst;
        return true;
    }
    return false;
}

/* ---- tasks whose answer is out ---- */

static void rest_free(struct runtime *rt, struct rest *r)
{
    task_close(rt, r->task);
    list_remove(&r->node);
    free(r);
}

static void rest_abort(struct runtime *rt, struct rest *r, const char *why)
{
    struct version *v = rt->versions[rt->tasks[r->task].version];
    uint32_t task = r->task;
    /* The id is free only once JavaScript has let go of it. */
    js_task_abort(v->js, task, why);
    rest_free(rt, r);
}

void task_rest(struct runtime *rt, uint32_t task, struct instance *inst)
{
    struct task *t = &rt->tasks[task];
    struct rest *r = calloc(1, sizeof *r);
    if (r == NULL) {
        js_task_abort(rt->versions[t->version]->js, task, "out of memory");
        task_close(rt, task);
        return;
    }
    *r = (struct rest){
        .inst = inst, .task = task, .deadline_ms = clock_monotonic_ms() + TASK_REST_MS};
    list_append(&rt->rests, &r->node);
    t->object = r;
    t->kind = TASK_REST;
}

bool task_over(struct runtime *rt, uint32_t task)
{
    struct rest *r = task_object(rt, task, TASK_REST);
    if (r != NULL) {
        rest_free(rt, r);
    }
    return r != NULL;
}

void task_rest_abort(struct runtime *rt, const struct instance *inst, const struct version *v)
{
    LIST_FOREACH_SAFE(node, next, &rt->rests)
    {
        struct rest *r = LIST_ENTRY(node, struct rest, node);
        bool of_version = v != NULL && rt->tasks[r->task].version == v->slot;
        if (of_version || (inst != NULL && r->inst == inst)) {
            rest_abort(rt, r, "the instance is gone");
        }
    }
}

/* The oldest come first: each has the same time. */
void task_clock(struct runtime *rt, uint64_t now_ms)
{
    while (!list_empty(&rt->rests)) {
        struct rest *r = LIST_ENTRY(rt->rests.next, struct rest, node);
        if (now_ms < r->deadline_ms) {
            return;
        }
        runtime_log(rt, r->inst != NULL ? span_str(r->inst->id) : span_of("", 0), JS_LOG_WARN,
                    SPAN_LIT("waitUntil: cancelled, the promise took more than 30 s after the "
                             "answer"));
        rest_abort(rt, r, "time limit");
    }
}
