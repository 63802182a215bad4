/*
 * KV, policy setters, secrets, the log: natives that pass a request to the host and leave.
 */
#include "js/natives.h"

#include "js/utf8.h"

/* (call, task, op, namespace, key, value|null, options|null) -> false when it does not fit */
JS_NATIVE(js_native_kv)
{
    struct js_version *v = js_running(ctx);
    static struct buf options = {.ceiling = JS_LOG_MAX};
    bool ok = true;
    struct js_kv kv = {
        .call = js_uint(ctx, argv[0]),
        .task = js_uint(ctx, argv[1]),
        .op = (enum js_kv_op)js_uint(ctx, argv[2]),
        .namespace_id = js_text_utf8(ctx, argv[3], 0, &ok),
        .key = js_text_utf8(ctx, argv[4], 1, &ok),
        .value = js_text_bytes(ctx, argv[5], 2, &ok),
    };
    buf_clear(&options);
    if (JSValueIsString(ctx, argv[6])) {
        ok = ok && js_append_utf8(ctx, argv[6], &options);
    }
    kv.options = buf_span(&options);
    if (ok) {
        v->host->kv(v->arg, &kv);
    }
    return JSValueMakeBoolean(ctx, ok);
}

/* (call, instance, method, args JSON, facts JSON) -> false when it does not fit */
JS_NATIVE(js_native_policy_set)
{
    struct js_version *v = js_running(ctx);
    struct js_instance *inst = js_table_get(&v->instances, js_uint(ctx, argv[1]));
    bool ok = inst != NULL;
    struct span method = js_text_utf8(ctx, argv[2], 0, &ok);
    struct span args = js_text_utf8(ctx, argv[3], 1, &ok);
    struct span facts = js_text_utf8(ctx, argv[4], 2, &ok);
    if (ok && inst != NULL) {
        v->host->policy_set(v->arg, js_uint(ctx, argv[0]), inst->owner, method, args, facts);
    }
    return JSValueMakeBoolean(ctx, ok);
}

/* (name) -> string, or undefined when it is gone */
JS_NATIVE(js_native_secret)
{
    struct js_version *v = js_running(ctx);
    bool ok = true;
    struct span name = js_text_utf8(ctx, argv[0], 0, &ok);
    struct span value = ok ? v->host->secret(v->arg, name) : (struct span){NULL, 0};
    return value.ptr != NULL ? js_value_utf8(ctx, value) : JSValueMakeUndefined(ctx);
}

/* (level, instance or 0, text) */
JS_NATIVE(js_native_log)
{
    struct js_version *v = js_running(ctx);
    struct js_instance *inst = js_table_get(&v->instances, js_uint(ctx, argv[1]));
    struct span text = js_text_utf8(ctx, argv[2], 0, NULL);
    if (text.ptr != NULL) {
        if (text.len > JS_LOG_MAX) {
            text.len = JS_LOG_MAX;
            text.len -= js_utf8_incomplete(text);
        }
        v->host->log(v->arg, inst != NULL ? inst->owner : NULL,
                     (enum js_log_level)js_uint(ctx, argv[0]), text);
    }
    return JSValueMakeUndefined(ctx);
}

/* (stack of the engine's) -> the stack in the user's files */
JS_NATIVE(js_native_map_stack)
{
    struct js_version *v = js_running(ctx);
    struct span stack = js_text_utf8(ctx, argv[0], 0, NULL);
    struct buf *out = &v->scratch[1];
    buf_clear(out);
    if (stack.ptr != NULL) {
        js_stack_map(v->map, stack, out);
    }
    return js_value_utf8(ctx, buf_span(out));
}
