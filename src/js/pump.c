/*
 * GLib's loop inside ours. The engine keeps its timers (collection, FinalizationRegistry, wasm) on
 * the thread's default GMainContext; without an iteration they never run. One descriptor wakes us
 * for work that other threads attach; what our own thread attaches is found at the end of the
 * loop's turn in which JavaScript ran.
 */
#include "js/engine.h"

#include "base/clock.h"

#include <glib.h>

#define PUMP_ITERATIONS 64 /* at once, so that a busy source cannot hold the loop */

struct js_pump {
    struct loop *loop;
    GMainContext *context;
    struct loop_watch *watch;
    struct loop_timer *timer;
    uint64_t timer_due_ms; /* 0: not armed */
    struct loop_task task;
};

static void pump_arm(struct js_pump *p);

static void pump_iterate(struct js_pump *p)
{
    int n = 0;
    js_turn_stamp(true); /* finalizers are JavaScript too */
    while (n++ < PUMP_ITERATIONS && g_main_context_iteration(p->context, FALSE)) {
    }
    js_turn_stamp(false);
    pump_arm(p);
}

static void on_readable(void *arg, unsigned events)
{
    (void)events;
    pump_iterate(arg);
}

static void on_timer(void *arg)
{
    struct js_pump *p = arg;
    p->timer_due_ms = 0;
    pump_iterate(p);
}

static void pump_arm(struct js_pump *p)
{
    gint priority = 0;
    gint timeout = -1;
    GPollFD fds[4];
    gboolean ready = g_main_context_prepare(p->context, &priority);
    g_main_context_query(p->context, priority, &timeout, fds, G_N_ELEMENTS(fds));
    if (ready) {
        timeout = 0;
    }
    if (timeout < 0) {
        return;
    }
    uint64_t due = clock_monotonic_ms() + (uint64_t)timeout;
    if (p->timer_due_ms != 0 && p->timer_due_ms <= due) {
        return;
    }
    p->timer_due_ms = due;
    if (p->timer == NULL) {
        p->timer = loop_timer_start(p->loop, (uint64_t)timeout, 0, on_timer, p);
    } else {
        loop_timer_again(p->timer, (uint64_t)timeout);
    }
}

static void on_turn(void *arg)
{
    pump_arm(arg);
}

void js_pump_turn(struct js_pump *p)
{
    loop_task_queue(&p->task);
}

struct js_pump *js_pump_start(struct loop *loop, struct error *err)
{
    struct js_pump *p = calloc(1, sizeof *p);
    if (p == NULL) {
        error_set(err, ENOMEM, "start the JavaScript engine");
        return NULL;
    }
    p->loop = loop;
    p->context = g_main_context_new();
    g_main_context_push_thread_default(p->context);
    g_main_context_acquire(p->context);
    loop_task_init(&p->task, loop, on_turn, p);
    GPollFD fds[4];
    gint priority = 0;
    gint timeout = 0;
    g_main_context_prepare(p->context, &priority);
    gint n = g_main_context_query(p->context, G_MAXINT, &timeout, fds, G_N_ELEMENTS(fds));
    if (n < 1) {
        error_set(err, 0, "start the JavaScript engine: GLib gave no descriptor to wait on");
        free(p);
        return NULL;
    }
    if (loop_watch_start(loop, fds[0].fd, LOOP_READ, on_readable, p, &p->watch, err) < 0) {
        free(p);
        return NULL;
    }
    return p;
}
