/*
 * What the host tells the room: each function is one turn.
 */
#include "js/engine.h"

#include <errno.h>
#include <stdlib.h>

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
    if (js_enter(v, ENTRY_DISPATCH, argc, argv) == NULL) {
        struct js_result res = {.kind = JS_RESULT_ERROR,
                                .error = SPAN_LIT("internal error in the JavaScript room")};
        v->host->done(v->arg, d->task, &res);
    }
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
    if (js_enter(v, ENTRY_CALL, 4, argv) == NULL) {
        v->host->call_done(v->arg, task, (struct span){NULL, 0},
                           SPAN_LIT("internal error in the JavaScript room"));
    }
}

void js_task_abort(struct js_version *v, uint32_t task, const char *reason)
{
    JSValueRef argv[2] = {JSValueMakeNumber(v->ctx, task), js_value_utf8(v->ctx, span_str(reason))};
    js_enter(v, ENTRY_ABORT, 2, argv);
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

/* The shim answers with a string that begins with "!" for an error, else with the facts. */
static int instance_construct(struct js_instance *inst, const struct js_instance_spec *spec,
                              struct buf *facts, struct error *err)
{
    struct js_version *v = inst->version;
    JSValueRef argv[5] = {
        JSValueMakeNumber(v->ctx, inst->number), js_value_utf8(v->ctx, spec->id),
        js_value_utf8(v->ctx, spec->class_name), js_value_utf8(v->ctx, spec->name),
        JSValueMakeNumber(v->ctx, spec->task),
    };
    struct buf text;
    buf_init(&text, JS_TEXT_MAX);
    JSValueRef value = js_enter(v, ENTRY_INSTANCE_CREATE, 5, argv);
    int rc = 0;
    if (value == NULL || !js_append_utf8(v->ctx, value, &text) || buf_len(&text) == 0) {
        rc = error_set(err, 0, "create an instance: internal error");
    } else if (buf_span(&text).ptr[0] == '!') {
        rc = error_set(err, 0, SPAN_FMT, SPAN_ARG(span_from(buf_span(&text), 1)));
    } else if (!buf_append_span(facts, buf_span(&text))) {
        rc = error_set(err, ENOMEM, "create an instance");
    }
    buf_free(&text);
    return rc;
}

struct js_instance *js_instance_create(struct js_version *v, const struct js_instance_spec *spec,
                                       struct buf *facts, struct error *err)
{
    struct js_instance *inst = calloc(1, sizeof *inst);
    if (inst == NULL) {
        error_set(err, ENOMEM, "create an instance");
        return NULL;
    }
    inst->version = v;
    inst->owner = spec->owner;
    inst->number = js_table_add(&v->instances, inst);
    if (inst->number == 0) {
        error_set(err, ENOMEM, "create an instance: too many");
        free(inst);
        return NULL;
    }
    if (instance_construct(inst, spec, facts, err) < 0) {
        js_instance_destroy(inst);
        return NULL;
    }
    return inst;
}

void js_instance_destroy(struct js_instance *inst)
{
    struct js_version *v = inst->version;
    JSValueRef number = JSValueMakeNumber(v->ctx, inst->number);
    js_enter(v, ENTRY_INSTANCE_DESTROY, 1, &number);
    js_table_remove(&v->instances, inst->number);
    free(inst);
}
