#include "loop/loop.h"

#include <stdlib.h>
#include <uv.h>

/* A task that queues itself each time would keep the loop from its descriptors for ever. */
#define LOOP_TASK_ROUNDS 64
#define LOOP_CLOSE_TURNS 16

struct loop {
    uv_loop_t uv;
    uv_prepare_t turn_end;
    uv_idle_t more; /* active while tasks are left over: the loop then does not wait */
    struct list tasks;
};

struct loop_watch {
    uv_poll_t uv;
    unsigned events;
    loop_watch_fn fn;
    void *arg;
};

struct loop_timer {
    uv_timer_t uv;
    loop_timer_fn fn;
    void *arg;
};

struct loop_signal {
    uv_signal_t uv;
    loop_signal_fn fn;
    void *arg;
};

static void nothing_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void tasks_run(uv_prepare_t *prepare)
{
    struct loop *l = prepare->data;
    for (int round = 0; round < LOOP_TASK_ROUNDS && !list_empty(&l->tasks); round++) {
        struct list batch;
        list_init(&batch);
        while (!list_empty(&l->tasks)) {
            struct list *node = l->tasks.next;
            list_remove(node);
            list_append(&batch, node);
        }
        while (!list_empty(&batch)) {
            struct loop_task *t = LIST_ENTRY(batch.next, struct loop_task, node);
            list_remove(&t->node);
            t->fn(t->arg);
        }
    }
    if (list_empty(&l->tasks)) {
        uv_idle_stop(&l->more);
    } else {
        uv_idle_start(&l->more, nothing_idle);
    }
}

struct loop *loop_create(struct error *err)
{
    struct loop *l = calloc(1, sizeof *l);
    if (l == NULL) {
        error_set(err, 0, "event loop: out of memory");
        return NULL;
    }
    list_init(&l->tasks);
    int rc = uv_loop_init(&l->uv);
    if (rc < 0) {
        free(l);
        error_set(err, -rc, "event loop");
        return NULL;
    }
    uv_idle_init(&l->uv, &l->more);
    uv_prepare_init(&l->uv, &l->turn_end);
    l->turn_end.data = l;
    uv_prepare_start(&l->turn_end, tasks_run);
    uv_unref((uv_handle_t *)&l->turn_end);
    return l;
}

void loop_destroy(struct loop *l)
{
    if (l == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&l->turn_end, NULL);
    uv_close((uv_handle_t *)&l->more, NULL);
    /* A handle that was cancelled may need more than one turn until it is gone. */
    for (int turn = 0; turn < LOOP_CLOSE_TURNS && uv_loop_close(&l->uv) == UV_EBUSY; turn++) {
        uv_run(&l->uv, UV_RUN_NOWAIT);
    }
    free(l);
}

void loop_run(struct loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

static void handle_free(uv_handle_t *h)
{
    free(h->data);
}

static void watch_arm(struct loop_watch *w);

static void watch_fired(uv_poll_t *uv, int status, int events)
{
    struct loop_watch *w = uv->data;
    unsigned got = 0;
    if (status < 0) {
        /* libuv stops watching a descriptor with an error, once and for all; here it stays level
         * triggered, for there may be more to read before the error. */
        unsigned events_wanted = w->events;
        w->events = 0;
        loop_watch_set(w, events_wanted);
        got = LOOP_READ | LOOP_WRITE;
        /* libuv has stopped the handle. But bytes may still stand before the error in the socket,
         * so the owner's next read may not meet it yet. */
        watch_arm(w);
    } else {
        got |= (events & UV_READABLE) != 0 ? LOOP_READ : 0;
        got |= (events & UV_WRITABLE) != 0 ? LOOP_WRITE : 0;
    }
    w->fn(w->arg, got);
}

static void watch_arm(struct loop_watch *w)
{
    int want = ((w->events & LOOP_READ) != 0 ? UV_READABLE : 0) |
               ((w->events & LOOP_WRITE) != 0 ? UV_WRITABLE : 0);
    if (want != 0) {
        uv_poll_start(&w->uv, want, watch_fired);
    }
}

int loop_watch_start(struct loop *l, int fd, unsigned events, loop_watch_fn fn, void *arg,
                     struct loop_watch **out, struct error *err)
{
    struct loop_watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return error_set(err, 0, "watch a descriptor: out of memory");
    }
    int rc = uv_poll_init(&l->uv, &w->uv, fd);
    if (rc < 0) {
        free(w);
        return error_set(err, -rc, "watch descriptor %d", fd);
    }
    w->uv.data = w;
    w->fn = fn;
    w->arg = arg;
    loop_watch_set(w, events);
    *out = w;
    return 0;
}

void loop_watch_set(struct loop_watch *w, unsigned events)
{
    if (w->events == events) {
        return;
    }
    w->events = events;
    if (events == 0) {
        uv_poll_stop(&w->uv);
        return;
    }
    watch_arm(w);
}

void loop_watch_cancel(struct loop_watch *w)
{
    if (w != NULL) {
        uv_poll_stop(&w->uv);
        uv_close((uv_handle_t *)&w->uv, handle_free);
    }
}

static void timer_fired(uv_timer_t *uv)
{
    struct loop_timer *t = uv->data;
    t->fn(t->arg);
}

struct loop_timer *loop_timer_start(struct loop *l, uint64_t delay_ms, uint64_t repeat_ms,
                                    loop_timer_fn fn, void *arg)
{
    struct loop_timer *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    uv_timer_init(&l->uv, &t->uv);
    t->uv.data = t;
    t->fn = fn;
    t->arg = arg;
    /* The loop's clock stands still during a turn; a long turn would shorten the delay. */
    uv_update_time(&l->uv);
    uv_timer_start(&t->uv, timer_fired, delay_ms, repeat_ms);
    return t;
}

void loop_timer_again(struct loop_timer *t, uint64_t delay_ms)
{
    uv_timer_start(&t->uv, timer_fired, delay_ms, 0);
}

void loop_timer_cancel(struct loop_timer *t)
{
    if (t != NULL) {
        uv_timer_stop(&t->uv);
        uv_close((uv_handle_t *)&t->uv, handle_free);
    }
}

static void signal_fired(uv_signal_t *uv, int signum)
{
    struct loop_signal *s = uv->data;
    s->fn(s->arg, signum);
}

int loop_signal_start(struct loop *l, int signum, loop_signal_fn fn, void *arg,
                      struct loop_signal **out, struct error *err)
{
    struct loop_signal *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return error_set(err, 0, "watch a signal: out of memory");
    }
    uv_signal_init(&l->uv, &s->uv);
    s->uv.data = s;
    s->fn = fn;
    s->arg = arg;
    int rc = uv_signal_start(&s->uv, signal_fired, signum);
    if (rc < 0) {
        uv_close((uv_handle_t *)&s->uv, handle_free);
        return error_set(err, -rc, "watch signal %d", signum);
    }
    *out = s;
    return 0;
}

void loop_signal_cancel(struct loop_signal *s)
{
    if (s != NULL) {
        uv_signal_stop(&s->uv);
        uv_close((uv_handle_t *)&s->uv, handle_free);
    }
}

void loop_task_init(struct loop_task *t, struct loop *l, void (*fn)(void *arg), void *arg)
{
    *t = (struct loop_task){.loop = l, .fn = fn, .arg = arg};
    list_init(&t->node);
}

void loop_task_queue(struct loop_task *t)
{
    if (list_empty(&t->node)) {
        list_append(&t->loop->tasks, &t->node);
    }
}

void loop_task_cancel(struct loop_task *t)
{
    list_remove(&t->node);
}
