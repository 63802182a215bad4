/*
 * Turns: every way from the loop into JavaScript goes through here, so that the watchdog sees when
 * one began and natives know whose it is.
 */
#include "js/engine.h"

#include "base/clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SCRATCH_KEPT (1024u * 1024u) /* bytes a scratch buffer may hold on to between turns */

static _Atomic uint64_t turn_started_ns;
static struct js_version *running;
static struct list versions = {&versions, &versions};

uint64_t js_turn_started_ns(void)
{
    return atomic_load_explicit(&turn_started_ns, memory_order_relaxed);
}

struct js_version *js_running(JSContextRef ctx)
{
    if (running != NULL) {
        return running;
    }
    JSGlobalContextRef global = JSContextGetGlobalContext(ctx);
    LIST_FOREACH(node, &versions)
    {
        struct js_version *v = LIST_ENTRY(node, struct js_version, node);
        if (v->ctx == global) {
            return v;
        }
    }
    abort(); /* a native of a version that was unloaded: its heap is gone, so it cannot run */
}

void js_turn_adopt(struct js_version *v)
{
    list_append(&versions, &v->node);
}

void js_turn_stamp(bool running_now)
{
    uint64_t now = running_now ? clock_ns(CLOCK_MONOTONIC) : 0;
    atomic_store_explicit(&turn_started_ns, now, memory_order_relaxed);
}

void js_turn_begin(struct js_version *v)
{
    /* A host callback called back into the room: the contract of js.h is broken. */
    assert(running == NULL);
    running = v;
    js_turn_stamp(true);
}

void js_turn_end(struct js_version *v)
{
    running = NULL;
    js_turn_stamp(false);
    for (size_t i = 0; i < sizeof v->scratch / sizeof v->scratch[0]; i++) {
        if (v->scratch[i].cap > SCRATCH_KEPT) {
            buf_free(&v->scratch[i]);
        }
    }
    js_pump_turn(v->js->pump);
}

JSValueRef js_enter(struct js_version *v, enum js_entry entry, size_t argc, const JSValueRef *argv)
{
    JSValueRef exception = NULL;
    js_turn_begin(v);
    JSLock(v->ctx); /* the microtasks run at the unlock */
    JSValueRef result =
        JSObjectCallAsFunction(v->ctx, v->entries[entry], NULL, argc, argv, &exception);
    if (exception != NULL) {
        if (!v->limit_hit) {
            js_log_exception(v, "internal", exception);
        }
        result = NULL;
    }
    JSUnlock(v->ctx);
    js_turn_end(v);
    return result;
}

/* Inside a turn: reading a thrown value may run code of the user's. */
void js_log_exception(struct js_version *v, const char *what, JSValueRef exception)
{
    struct buf text;
    buf_init(&text, JS_LOG_MAX);
    JSStringRef s = JSValueToStringCopy(v->ctx, exception, NULL);
    buf_appendf(&text, "%s: ", what);
    if (s == NULL || !js_append_utf8(v->ctx, JSValueMakeString(v->ctx, s), &text)) {
        buf_append_str(&text, s != NULL ? "an error too long to be shown"
                                        : "an error that cannot be read");
    }
    if (s != NULL) {
        JSStringRelease(s);
    }
    v->host->log(v->arg, NULL, JS_LOG_ERROR, buf_span(&text));
    buf_free(&text);
}
