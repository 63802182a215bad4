/*
 * loop: libuv as start/cancel pairs, and work that waits for the end of a turn.
 *
 * After a cancel the callback is silent and the handle is gone; a cancel inside its own callback
 * is allowed. All callbacks run on the thread that called loop_run.
 *
 * A *turn* is everything between two waits for events. A loop_task that was queued runs once at
 * the end of the turn; tasks queued by tasks run in the same end, until none is left. Writers use
 * this to gather what a whole turn produced into one system call.
 */
#ifndef SALLYPORT_LOOP_LOOP_H
#define SALLYPORT_LOOP_LOOP_H

#include "base/error.h"
#include "base/list.h"

#include <stdint.h>

struct loop;
struct loop_watch;
struct loop_timer;
struct loop_signal;

#define LOOP_READ  1u
#define LOOP_WRITE 2u

struct loop *loop_create(struct error *err);
/* Every handle was cancelled before. */
void loop_destroy(struct loop *l);
/* Runs until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Readiness of a descriptor, level triggered. events in the callback is LOOP_READ|LOOP_WRITE
 * when the descriptor has failed: the next read or write tells how. The descriptor stays the
 * caller's and must not be closed before the cancel. */
typedef void (*loop_watch_fn)(void *arg, unsigned events);
int loop_watch_start(struct loop *l, int fd, unsigned events, loop_watch_fn fn, void *arg,
                     struct loop_watch **out, struct error *err);
/* Changes what is waited for; 0 waits for nothing. No system call when nothing changes. */
void loop_watch_set(struct loop_watch *w, unsigned events);
void loop_watch_cancel(struct loop_watch *w); /* NULL is allowed */

/* Fires after delay_ms, then every repeat_ms (0: once). A timer that fired once is still to be
 * cancelled by its owner. NULL when memory is out. */
typedef void (*loop_timer_fn)(void *arg);
struct loop_timer *loop_timer_start(struct loop *l, uint64_t delay_ms, uint64_t repeat_ms,
                                    loop_timer_fn fn, void *arg);
void loop_timer_again(struct loop_timer *t, uint64_t delay_ms); /* starts anew, once */
void loop_timer_cancel(struct loop_timer *t);                   /* NULL is allowed */

typedef void (*loop_signal_fn)(void *arg, int signum);
int loop_signal_start(struct loop *l, int signum, loop_signal_fn fn, void *arg,
                      struct loop_signal **out, struct error *err);
void loop_signal_cancel(struct loop_signal *s); /* NULL is allowed */

/* Stands inside the object that it belongs to. */
struct loop_task {
    struct list node;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};

void loop_task_init(struct loop_task *t, struct loop *l, void (*fn)(void *arg), void *arg);
void loop_task_queue(struct loop_task *t);  /* queued twice runs once */
void loop_task_cancel(struct loop_task *t); /* allowed at any time after init */

#endif
