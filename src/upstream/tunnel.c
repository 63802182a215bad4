/*
 * A raw connection to a named host: resolved, vetted and dialled as any other, its bytes not
 * opened.
 *
 *     DIALLING --connected--> OPEN --reset, close--> BROKEN
 *         └──failed──> (free)
 */
#include "upstream/internal.h"

#include <errno.h>
#include <stdlib.h>

struct upstream_tunnel {
    struct source source; /* first: what the peer sends */
    struct upstream *up;
    struct dial *dial;     /* DIALLING */
    struct tls_conn *conn; /* OPEN, in the clear */
    const struct upstream_tunnel_events *events;
    void *arg;
    source_ready_fn ready;
    void *ready_arg;
    bool stalled;          /* the last read said -EAGAIN */
    bool short_write;      /* who writes waits for room */
    struct loop_task task; /* calls ready, and writable when the connection broke */
    int broken;            /* negative errno */
};

static struct upstream_tunnel *tunnel_of(struct source *s)
{
    return (struct upstream_tunnel *)(void *)s;
}

static void wake(struct upstream_tunnel *t)
{
    source_ready_fn ready = t->ready;
    t->ready = NULL;
    if (ready != NULL) {
        ready(t->ready_arg);
    }
}

static void task_run(void *arg)
{
    struct upstream_tunnel *t = arg;
    if (t->broken != 0 && t->short_write) {
        t->short_write = false;
        if (t->ready != NULL) {
            loop_task_queue(&t->task); /* one callback at a time: t may be closed in each */
        }
        if (t->events->writable != NULL) {
            t->events->writable(t->arg);
        }
        return;
    }
    wake(t);
}

static ssize_t tunnel_read(struct source *s, void *dst, size_t len)
{
    struct upstream_tunnel *t = tunnel_of(s);
    if (t->conn == NULL) {
        return t->broken != 0 ? t->broken : -EAGAIN;
    }
    ssize_t n = tls_conn_read(t->conn, dst, len);
    t->stalled = n == -EAGAIN;
    return n;
}

static void tunnel_watch(struct source *s, source_ready_fn ready, void *arg)
{
    struct upstream_tunnel *t = tunnel_of(s);
    t->ready = ready;
    t->ready_arg = arg;
    if (ready == NULL) {
        return;
    }
    if (t->conn == NULL || !t->stalled) {
        loop_task_queue(&t->task);
    } else {
        tls_conn_pause(t->conn, false);
    }
}

static void tunnel_source_close(struct source *s)
{
    (void)s; /* it is lent; upstream_tunnel_close ends it */
}

static const struct source_ops tunnel_ops = {tunnel_read, tunnel_watch, tunnel_source_close};

static void on_readable(void *arg)
{
    struct upstream_tunnel *t = arg;
    if (t->ready != NULL) {
        wake(t);
    } else {
        tls_conn_pause(t->conn, true);
    }
}

static void on_writable(void *arg)
{
    struct upstream_tunnel *t = arg;
    t->short_write = false;
    if (t->events->writable != NULL) {
        t->events->writable(t->arg);
    }
}

static void on_closed(void *arg, enum tls_failure failure, const char *why)
{
    struct upstream_tunnel *t = arg;
    (void)why;
    tls_conn_destroy(t->conn);
    t->conn = NULL;
    t->broken = failure == TLS_INTERNAL ? -ENOMEM : -ECONNRESET;
    loop_task_queue(&t->task);
}

static const struct tls_conn_events conn_events = {
    .readable = on_readable,
    .writable = on_writable,
    .closed = on_closed,
};

static void dialled(void *arg, const struct dial_result *result)
{
    struct upstream_tunnel *t = arg;
    struct error err;
    enum upstream_failure failure = result->failure;
    const char *why = result->why;
    t->dial = NULL;
    if (result->fd >= 0) {
        t->conn = tls_conn_create(t->up->loop, result->fd, &conn_events, t, &err);
        failure = UPSTREAM_INTERNAL;
        why = err.text;
    }
    if (t->conn != NULL) {
        t->events->opened(t->arg, result->peer);
        return;
    }
    const struct upstream_tunnel_events *events = t->events;
    void *owner = t->arg;
    upstream_tunnel_close(t);
    events->failed(owner, failure, why);
}

struct upstream_tunnel *upstream_tunnel_start(struct upstream *up, struct span host, uint16_t port,
                                              const struct upstream_tunnel_events *events,
                                              void *arg, struct error *err)
{
    if (up->open >= UPSTREAM_CONNECTIONS_MAX) {
        error_set(err, 0, "upstream: too many connections");
        return NULL;
    }
    struct upstream_tunnel *t = calloc(1, sizeof *t);
    if (t == NULL) {
        error_set(err, 0, "upstream tunnel: out of memory");
        return NULL;
    }
    t->source = (struct source){&tunnel_ops, -1};
    t->up = up;
    t->events = events;
    t->arg = arg;
    loop_task_init(&t->task, up->loop, task_run, t);
    t->dial = dial_start(up->loop, &up->rules, host, port, dialled, t, err);
    if (t->dial == NULL) {
        free(t);
        return NULL;
    }
    up->open++;
    return t;
}

struct source *upstream_tunnel_source(struct upstream_tunnel *t)
{
    return &t->source;
}

ssize_t upstream_tunnel_write(struct upstream_tunnel *t, struct span bytes)
{
    if (t->conn == NULL) {
        return t->broken != 0 ? t->broken : 0;
    }
    ssize_t n = tls_conn_write(t->conn, bytes.ptr, bytes.len);
    n = n == -EAGAIN ? 0 : n;
    t->short_write = n >= 0 && (size_t)n < bytes.len;
    return n;
}

void upstream_tunnel_finish(struct upstream_tunnel *t)
{
    if (t->conn != NULL) {
        tls_conn_end(t->conn);
    }
}

void upstream_tunnel_close(struct upstream_tunnel *t)
{
    if (t == NULL) {
        return;
    }
    dial_cancel(t->dial);
    loop_task_cancel(&t->task);
    tls_conn_destroy(t->conn);
    t->up->open--;
    free(t);
}
