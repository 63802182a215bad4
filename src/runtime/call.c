#include "runtime/call.h"

#include "runtime/change.h"
#include "runtime/control.h"
#include "runtime/update.h"
#include "runtime/watchdog.h"

#include <stdlib.h>

struct call {
    struct list node;      /* in instance.calls, or alone */
    struct instance *inst; /* NULL: the Worker's own */
    uint32_t task;
    char *seq;
};

static void call_free(struct call *c)
{
    list_remove(&c->node);
    free(c->seq);
    free(c);
}

struct instance *call_instance(const struct call *c)
{
    return c->inst;
}

static void describe(struct instance *inst, struct span seq)
{
    struct buf text;
    struct error err;
    buf_init(&text, POLICY_STATE_MAX);
    if (instance_describe(inst, &text, &err) == 0) {
        control_reply(inst->rt, seq, true, buf_span(&text));
    } else {
        control_reply(inst->rt, seq, false, span_str(err.text));
    }
    buf_free(&text);
}

/* A task for it in v; 0: the caller was told why not. */
static uint32_t enter(struct version *v, struct instance *inst, struct span seq)
{
    struct call *c = calloc(1, sizeof *c);
    if (c != NULL) {
        list_init(&c->node);
        c->inst = inst;
        c->seq = strndup(seq.ptr, seq.len);
        c->task = c->seq != NULL ? task_open(v, TASK_CALL, c) : 0;
    }
    if (c == NULL || c->task == 0) {
        control_reply(v->rt, seq, false, SPAN_LIT("too many calls at once"));
        if (c != NULL) {
            call_free(c);
        }
        return 0;
    }
    if (inst != NULL) {
        list_append(&inst->calls, &c->node);
    }
    watchdog_name(inst != NULL ? inst->id : "scheduled");
    return c->task;
}

static void call_js(struct instance *inst, const struct call_spec *spec)
{
    uint32_t task = enter(inst->half->version, inst, spec->seq);
    if (task != 0) {
        js_call(inst->half->js, task, spec->method, spec->args);
    }
}

void call_start(struct instance *inst, const struct call_spec *spec)
{
    bool setters = inst->kind == JS_CLASS_SANDBOX;
    if (span_eq(spec->method, SPAN_LIT("$policy"))) {
        describe(inst, spec->seq);
    } else if (setters && change_is_method(spec->method)) {
        update_from_call(inst, spec->seq, spec->method, spec->args);
    } else if (inst->half != NULL) {
        call_js(inst, spec);
    } else {
        control_reply(inst->rt, spec->seq, false,
                      SPAN_LIT("the class Sandbox has no method of that name"));
    }
}

void call_alarm(struct instance *inst, struct span seq, struct span detail)
{
    uint32_t task = inst->half != NULL ? enter(inst->half->version, inst, seq) : 0;
    if (task != 0) {
        js_alarm(inst->half->js, task, detail);
    } else if (inst->half == NULL) {
        control_reply(inst->rt, seq, false, SPAN_LIT("the class has no alarm()"));
    }
}

void call_scheduled(struct runtime *rt, struct span seq, struct span detail)
{
    struct version *v = rt->version;
    if (v == NULL || !js_worker(v->js).scheduled) {
        control_reply(rt, seq, false, SPAN_LIT("the module's default export has no scheduled()"));
        return;
    }
    uint32_t task = enter(v, NULL, seq);
    if (task != 0) {
        js_scheduled(v->js, task, detail);
    }
}

void call_done(void *arg, uint32_t task, struct span result, struct span error)
{
    struct runtime *rt = ((struct version *)arg)->rt;
    struct call *c = task_object(rt, task, TASK_CALL);
    if (c == NULL) {
        return;
    }
    control_reply(rt, span_str(c->seq), error.ptr == NULL, error.ptr == NULL ? result : error);
    task_rest(rt, task, c->inst);
    call_free(c);
}

void call_stop(struct runtime *rt, uint32_t task, const char *why)
{
    struct call *c = task_object(rt, task, TASK_CALL);
    struct version *v = rt->versions[rt->tasks[task].version];
    js_task_abort(v->js, task, why);
    control_reply(rt, span_str(c->seq), false, span_str(why));
    task_close(rt, task);
    call_free(c);
}

void call_stop_all(struct instance *inst, const char *why)
{
    while (!list_empty(&inst->calls)) {
        call_stop(inst->rt, LIST_ENTRY(inst->calls.next, struct call, node)->task, why);
    }
}
