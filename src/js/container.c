/*
 * Sandboxes: what code asks of one, the answers, and what the host tells of its processes. The
 * shim's half is webapi/sandbox/calls.js and life.js.
 */
#include "js/natives.h"

#include <errno.h>

enum { SLOT_OP, SLOT_ARGS, SLOT_WHY, SLOT_INPUT };

/* (call, task, instance, op, args JSON, body kind, body) -> false when it does not fit */
JS_NATIVE(js_native_container)
{
    struct js_version *v = js_running(ctx);
    struct js_instance *inst = js_table_get(&v->instances, js_uint(ctx, argv[2]));
    bool ok = inst != NULL;
    struct js_container c = {
        .call = js_uint(ctx, argv[0]),
        .task = js_uint(ctx, argv[1]),
        .op = js_text_utf8(ctx, argv[3], SLOT_OP, &ok),
        .args = js_text_utf8(ctx, argv[4], SLOT_ARGS, &ok),
    };
    ok = js_body_of(ctx, js_uint(ctx, argv[5]), argv[6], SLOT_INPUT, &c.input) && ok;
    if (!ok || inst == NULL) {
        js_body_drop(v, &c.input);
    } else {
        c.owner = inst->owner;
        v->host->container(v->arg, &c);
        js_body_given(v, &c.input);
    }
    return JSValueMakeBoolean(ctx, ok);
}

/* -> number, 0 when there is none or memory is out */
static JSValueRef reader_of(struct js_version *v, struct source *s)
{
    return JSValueMakeNumber(v->ctx, s != NULL ? js_reader_adopt(v, s) : 0);
}

void js_container_done(struct js_version *v, uint32_t call, const struct js_container_result *res)
{
    JSValueRef argv[5] = {
        JSValueMakeNumber(v->ctx, call),
        JSValueMakeBoolean(v->ctx, res->ok),
        js_value_utf8(v->ctx, res->value),
        reader_of(v, res->out),
        reader_of(v, res->err),
    };
    js_enter(v, ENTRY_CONTAINER_DONE, 5, argv);
}

void js_process_ended(struct js_instance *inst, uint32_t process, struct span how, uint32_t number)
{
    struct js_version *v = inst->version;
    JSValueRef argv[4] = {
        JSValueMakeNumber(v->ctx, inst->number),
        JSValueMakeNumber(v->ctx, process),
        js_value_utf8(v->ctx, how),
        JSValueMakeNumber(v->ctx, number),
    };
    js_enter(v, ENTRY_PROCESS_ENDED, 4, argv);
}

void js_container_started(struct js_instance *inst, bool anew)
{
    struct js_version *v = inst->version;
    JSValueRef argv[2] = {
        JSValueMakeNumber(v->ctx, inst->number),
        JSValueMakeBoolean(v->ctx, anew),
    };
    js_enter(v, ENTRY_CONTAINER_STARTED, 2, argv);
}

void js_container_ended(struct js_instance *inst, int status, struct span why)
{
    struct js_version *v = inst->version;
    JSValueRef argv[3] = {
        JSValueMakeNumber(v->ctx, inst->number),
        JSValueMakeNumber(v->ctx, status),
        js_value_utf8(v->ctx, why),
    };
    js_enter(v, ENTRY_CONTAINER_ENDED, 3, argv);
}
