/*
 * One timer of the loop for all of a version's; the shim keeps their order. Each that is due runs
 * in a turn of its own. What that turn's microtasks set is sooner than what the turn returned,
 * which was computed before they ran.
 */
#include "js/natives.h"

#include "base/clock.h"

#define TIMERS_AT_ONCE 100 /* then the loop serves others first */

static void arm(struct js_version *v, uint64_t delay_ms)
{
    v->timer_due_ms = clock_monotonic_ms() + delay_ms;
    loop_timer_again(v->timer, delay_ms);
}

static void on_timer(void *arg)
{
    struct js_version *v = arg;
    for (int i = 0; i < TIMERS_AT_ONCE; i++) {
        v->timer_due_ms = 0;
        JSValueRef next = js_enter(v, ENTRY_TIMER, 0, NULL);
        double ms = js_double(v->ctx, next);
        if (ms > 0 &&
            (v->timer_due_ms == 0 || clock_monotonic_ms() + (uint64_t)ms < v->timer_due_ms)) {
            arm(v, (uint64_t)ms);
        }
        if (!(ms >= 0 && ms < 1)) {
            return;
        }
    }
    arm(v, 1);
}

/* (milliseconds): fires then, instead of what was set before */
JS_NATIVE(js_native_timer_arm)
{
    struct js_version *v = js_running(ctx);
    double ms = js_double(ctx, argv[0]);
    uint64_t delay = ms > 0 && ms < 2147483648.0 ? (uint64_t)ms : 0;
    if (v->timer == NULL) {
        v->timer = loop_timer_start(v->js->loop, delay, 0, on_timer, v);
        v->timer_due_ms = clock_monotonic_ms() + delay;
    } else {
        arm(v, delay);
    }
    return JSValueMakeUndefined(ctx);
}

JS_NATIVE(js_native_now)
{
    return JSValueMakeNumber(ctx, (double)clock_monotonic_us() / 1000.0);
}

JS_NATIVE(js_native_wall)
{
    return JSValueMakeNumber(ctx, (double)clock_ns(CLOCK_REALTIME) / 1000000.0);
}
