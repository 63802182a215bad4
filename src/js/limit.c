/*
 * A limit for code that runs while it is loaded. The engine's own time limit is too dear for
 * requests, does not see a storm of microtasks and drops what is queued (the runtime's watchdog is
 * the sure bound), but a load has nothing to lose, and here it can be said where the code was.
 */
#include "js/engine.h"

/* Exported by the library, absent from its headers. */
typedef bool (*JSShouldTerminateCallback)(JSContextRef ctx, void *arg);
extern void JSContextGroupSetExecutionTimeLimit(JSContextGroupRef group, double seconds,
                                                JSShouldTerminateCallback should, void *arg);
extern void JSContextGroupClearExecutionTimeLimit(JSContextGroupRef group);

static JSValueRef property(JSContextRef ctx, JSObjectRef object, const char *name)
{
    JSStringRef key = js_string_latin1(span_str(name));
    JSValueRef value = JSObjectGetProperty(ctx, object, key, NULL);
    JSStringRelease(key);
    return value;
}

/* Runs inside the code that is to be stopped: an error that is made now knows where that is. */
static bool on_limit(JSContextRef ctx, void *arg)
{
    struct js_version *v = arg;
    struct buf stack;
    buf_init(&stack, JS_LOG_MAX);
    buf_clear(&v->limit_place);
    v->limit_hit = true;
    JSObjectRef error = JSObjectMakeError(ctx, 0, NULL, NULL);
    JSValueRef text = error != NULL ? property(ctx, error, "stack") : NULL;
    if (text != NULL && js_append_utf8(ctx, text, &stack)) {
        js_stack_place(v->map, buf_span(&stack), &v->limit_place);
    }
    buf_free(&stack);
    return true;
}

void js_limit_begin(struct js_version *v, unsigned ms)
{
    v->limit_ms = ms;
    JSContextGroupSetExecutionTimeLimit(v->group, ms / 1000.0, on_limit, v);
}

void js_loaded(struct js_version *v)
{
    JSContextGroupClearExecutionTimeLimit(v->group);
    v->limit_hit = false;
}

int js_limit_error(struct js_version *v, const char *what, struct error *err)
{
    if (v->limit_hit) {
        /* The engine knows the places of calls and of what can throw: a loop of neither is told by
         * the last of them before it. */
        bool placed = buf_len(&v->limit_place) > 0;
        return error_set(err, 0,
                         SPAN_FMT "%s%s ran for more than its limit of %u s%s: leave the work to "
                                  "its handlers",
                         SPAN_ARG(buf_span(&v->limit_place)), placed ? ": " : "", what,
                         v->limit_ms / 1000, placed ? ", here or in what follows" : "");
    }
    return -1;
}
