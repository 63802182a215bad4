#include "runtime/call.h"

#include "runtime/change.h"
#include "runtime/control.h"
#include "runtime/update.h"

#include <stdio.h>
#include <stdlib.h>

struct call {
    struct instance *inst;
    char *seq;
};

static void call_free(struct runtime *rt, uint32_t task)
{
    struct call *c = runtime_task(rt, task, TASK_CALL);
    runtime_task_close(rt, task);
    free(c->seq);
    free(c);
}

struct instance *call_instance(const struct runtime *rt, uint32_t task)
{
    const struct call *c = runtime_task(rt, task, TASK_CALL);
    return c != NULL ? c->inst : NULL;
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

static void call_js(struct instance *inst, const struct call_spec *spec)
{
    struct runtime *rt = inst->rt;
    struct call *c = calloc(1, sizeof *c);
    char *seq = strndup(spec->seq.ptr, spec->seq.len);
    uint32_t task = c != NULL && seq != NULL ? runtime_task_open(rt, TASK_CALL, c) : 0;
    if (task == 0) {
        free(c);
        free(seq);
        control_reply(rt, spec->seq, false, SPAN_LIT("too many calls at once"));
        return;
    }
    *c = (struct call){inst, seq};
    js_call(inst->js, task, spec->method, spec->args);
}

void call_start(struct instance *inst, const struct call_spec *spec)
{
    if (span_eq(spec->method, SPAN_LIT("$policy"))) {
        describe(inst, spec->seq);
    } else if (change_is_method(spec->method)) {
        update_from_call(inst, spec->seq, spec->method, spec->args);
    } else if (inst->js != NULL) {
        call_js(inst, spec);
    } else {
        control_reply(inst->rt, spec->seq, false,
                      SPAN_LIT("the class Sandbox has no method of that name"));
    }
}

void call_done(void *arg, uint32_t task, struct span result, struct span error)
{
    struct runtime *rt = arg;
    const struct call *c = runtime_task(rt, task, TASK_CALL);
    if (c == NULL) {
        return;
    }
    control_reply(rt, span_str(c->seq), error.ptr == NULL, error.ptr == NULL ? result : error);
    call_free(rt, task);
}

void call_drop_all(struct instance *inst)
{
    struct runtime *rt = inst->rt;
    for (uint32_t task = 1; task <= JS_TASKS_MAX; task++) {
        const struct call *c = runtime_task(rt, task, TASK_CALL);
        if (c != NULL && c->inst == inst) {
            js_task_abort(rt->version, task, "the instance is gone");
            control_reply(rt, span_str(c->seq), false, SPAN_LIT("the instance is gone"));
            call_free(rt, task);
        }
    }
}

void call_kv(void *arg, const struct js_kv *kv)
{
    static const char *const ops[] = {
        [JS_KV_GET] = "get", [JS_KV_PUT] = "put", [JS_KV_DELETE] = "delete", [JS_KV_LIST] = "list"};
    struct runtime *rt = arg;
    char id[16];
    snprintf(id, sizeof id, "%u", kv->call);
    struct span fields[] = {
        span_str(id), span_str(ops[kv->op]), kv->namespace_id, kv->key, kv->value, kv->options};
    for (size_t i = 0; i < 6; i++) {
        fields[i] = fields[i].ptr != NULL ? fields[i] : span_of("", 0);
    }
    /* A channel that is full or closed ends the process: the promise need not be settled then. */
    if (rt->control != NULL) {
        ipc_send(rt->control, RUNTIME_KV, fields, 6, NULL, 0);
    }
}

void call_kv_done(struct runtime *rt, struct span call, struct span ok, struct span payload,
                  struct span metadata)
{
    uint32_t id = 0;
    for (size_t i = 0; i < call.len && i < 9 && call.ptr[i] >= '0' && call.ptr[i] <= '9'; i++) {
        id = id * 10 + (uint32_t)(call.ptr[i] - '0');
    }
    if (rt->version != NULL) {
        js_kv_done(rt->version, id,
                   &(struct js_kv_result){.ok = !span_eq(ok, SPAN_LIT("error")),
                                          .found = span_eq(ok, SPAN_LIT("ok")),
                                          .value = payload,
                                          .metadata = metadata});
    }
}
