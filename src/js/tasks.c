/*
 * What the host tells the room: each function is one turn.
 */
#include "js/natives.h"

static const char internal[] = "internal error in the JavaScript room";

static void abort_task(struct js_version *v, uint32_t task, const char *reason)
{
    JSValueRef argv[2] = {JSValueMakeNumber(v->ctx, task), js_value_utf8(v->ctx, span_str(reason))};
    js_enter(v, ENTRY_ABORT, 2, argv);
}

bool js_task_enter(struct js_version *v, uint32_t task, enum js_entry entry, size_t argc,
                   const JSValueRef *argv)
{
    js_ids_remove(&v->going, task);
    js_ids_add(&v->unanswered, task);
    if (js_enter(v, entry, argc, argv) != NULL) {
        return true;
    }
    abort_task(v, task, internal);
    return false;
}

void js_task_done(struct js_version *v, uint32_t task, const struct js_result *res)
{
    if (js_ids_remove(&v->unanswered, task)) {
        if (res->more) {
            js_ids_add(&v->going, task);
        }
        v->host->done(v->arg, task, res);
        js_body_given(v, &res->body);
        return;
    }
    js_body_drop(v, &res->body);
}

void js_task_call_done(struct js_version *v, uint32_t task, struct span result, struct span error)
{
    if (js_ids_remove(&v->unanswered, task)) {
        js_ids_add(&v->going, task);
        v->host->call_done(v->arg, task, result, error);
    }
}

static void over(struct js_version *v, uint32_t task)
{
    if (js_ids_remove(&v->going, task)) {
        v->host->over(v->arg, task);
    }
}

/* (task) */
JS_NATIVE(js_native_over)
{
    over(js_running(ctx), js_uint(ctx, argv[0]));
    return JSValueMakeUndefined(ctx);
}

static void run_request(struct js_version *v, uint32_t task, enum js_entry entry, size_t argc,
                        const JSValueRef *argv)
{
    if (!js_task_enter(v, task, entry, argc, argv)) {
        struct js_result res = {.kind = JS_RESULT_ERROR, .error = span_str(internal)};
        js_task_done(v, task, &res);
        over(v, task);
    }
}

static void run_call(struct js_version *v, uint32_t task, enum js_entry entry, size_t argc,
                     const JSValueRef *argv)
{
    if (!js_task_enter(v, task, entry, argc, argv)) {
        js_task_call_done(v, task, (struct span){NULL, 0}, span_str(internal));
        over(v, task);
    }
}

void js_dispatch(struct js_version *v, const struct js_dispatch *d)
{
    JSValueRef argv[4] = {
        JSValueMakeNumber(v->ctx, d->task),
        JSValueMakeNumber(v->ctx, d->instance->number),
        JSValueMakeNumber(v->ctx, d->handler),
    };
    size_t argc = 3;
    if (d->params.len != 0) {
        argv[argc++] = js_value_utf8(v->ctx, d->params);
    }
    run_request(v, d->task, ENTRY_DISPATCH, argc, argv);
}

void js_serve(struct js_version *v, uint32_t task)
{
    JSValueRef id = JSValueMakeNumber(v->ctx, task);
    run_request(v, task, ENTRY_SERVE, 1, &id);
}

void js_scheduled(struct js_version *v, uint32_t task, struct span detail)
{
    JSValueRef argv[2] = {JSValueMakeNumber(v->ctx, task), js_value_utf8(v->ctx, detail)};
    run_call(v, task, ENTRY_SCHEDULED, 2, argv);
}

void js_alarm(struct js_instance *inst, uint32_t task, struct span detail)
{
    struct js_version *v = inst->version;
    JSValueRef argv[3] = {
        JSValueMakeNumber(v->ctx, task),
        JSValueMakeNumber(v->ctx, inst->number),
        js_value_utf8(v->ctx, detail),
    };
    run_call(v, task, ENTRY_ALARM, 3, argv);
}

void js_call(struct js_instance *inst, uint32_t task, struct span method, struct span args)
{
    struct js_version *v = inst->version;
    JSValueRef argv[4] = {
        JSValueMakeNumber(v->ctx, task),
        JSValueMakeNumber(v->ctx, inst->number),
        js_value_utf8(v->ctx, method),
        js_value_utf8(v->ctx, args.len != 0 ? args : SPAN_LIT("[]")),
    };
    run_call(v, task, ENTRY_CALL, 4, argv);
}

void js_task_abort(struct js_version *v, uint32_t task, const char *reason)
{
    js_ids_remove(&v->unanswered, task);
    js_ids_remove(&v->going, task);
    abort_task(v, task, reason);
}

void js_fetch_done(struct js_version *v, uint32_t fetch, const struct js_response *res)
{
    uint32_t flags = (res->body ? 1u : 0u) | (res->redirected ? 2u : 0u);
    JSValueRef argv[3] = {
        JSValueMakeNumber(v->ctx, fetch),
        JSValueMakeNumber(v->ctx, res->status),
        JSValueMakeNumber(v->ctx, flags),
    };
    js_enter(v, ENTRY_FETCH_DONE, 3, argv);
}

void js_fetch_failed(struct js_version *v, uint32_t fetch, struct span message)
{
    JSValueRef argv[2] = {JSValueMakeNumber(v->ctx, fetch), js_value_utf8(v->ctx, message)};
    js_ids_remove(&v->fetches, fetch);
    js_enter(v, ENTRY_FETCH_FAILED, 2, argv);
}

/* The shim wants a value as bytes or as text; bytes carry both. */
void js_kv_done(struct js_version *v, uint32_t call, const struct js_kv_result *res)
{
    JSValueRef argv[5] = {
        JSValueMakeNumber(v->ctx, call),
        JSValueMakeBoolean(v->ctx, res->ok),
        JSValueMakeBoolean(v->ctx, res->found),
        res->ok ? js_bytes(v->ctx, res->value) : js_value_utf8(v->ctx, res->value),
        js_value_utf8(v->ctx, res->metadata),
    };
    js_enter(v, ENTRY_KV_DONE, 5, argv);
}

void js_policy_done(struct js_version *v, uint32_t call, const char *error)
{
    JSValueRef argv[2] = {
        JSValueMakeNumber(v->ctx, call),
        error != NULL ? js_value_utf8(v->ctx, span_str(error)) : JSValueMakeNull(v->ctx),
    };
    js_enter(v, ENTRY_POLICY_DONE, 2, argv);
}

void js_secret_changed(struct js_version *v, struct span name, bool present)
{
    JSValueRef argv[2] = {js_value_utf8(v->ctx, name), JSValueMakeBoolean(v->ctx, present)};
    js_enter(v, ENTRY_SECRET, 2, argv);
}
