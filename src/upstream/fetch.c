/* One exchange: its request on the way up, and how it ends when there is no response. */
#include "upstream/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "proto/http1/write.h"

#include <errno.h>
#include <stdlib.h>

#define OUT_KEPT   8192u /* bytes of memory that a freed exchange keeps for its next request */
#define CHUNK_LEAD 6u    /* "ffff\r\n" */
#define CHUNK_MAX  0xffffu

static bool idempotent(struct span method)
{
    static const struct span methods[] = {SPAN_INIT("GET"),     SPAN_INIT("HEAD"),
                                          SPAN_INIT("OPTIONS"), SPAN_INIT("TRACE"),
                                          SPAN_INIT("PUT"),     SPAN_INIT("DELETE")};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (span_eq(method, methods[i])) {
            return true;
        }
    }
    return false;
}

static void task_run(void *arg)
{
    struct upstream_fetch *f = arg;
    if (f->why == NULL) {
        body_wake(f);
        return;
    }
    const struct upstream_events *events = f->events;
    void *owner = f->arg;
    enum upstream_failure failure = f->failure;
    bool sent = f->sent;
    char *why = f->why;
    f->why = NULL;
    fetch_free(f);
    events->failed(owner, failure, why, sent);
    free(why);
}

static struct upstream_fetch *fetch_alloc(struct upstream *up)
{
    struct upstream_fetch *f;
    struct buf out;
    if (!list_empty(&up->free)) {
        f = LIST_ENTRY(up->free.next, struct upstream_fetch, node);
        list_remove(&f->node);
        up->free_count--;
        out = f->out;
        memset(f, 0, sizeof *f);
    } else {
        f = calloc(1, sizeof *f);
        if (f == NULL) {
            return NULL;
        }
        buf_init(&out, UPSTREAM_REQUEST_MAX + UPLOAD_PIECE + 2 * HTTP1_CHUNK_HEAD_MAX);
    }
    f->up = up;
    f->out = out;
    list_init(&f->queue);
    loop_task_init(&f->task, up->loop, task_run, f);
    list_append(&up->fetches, &f->node);
    return f;
}

void fetch_free(struct upstream_fetch *f)
{
    struct upstream *up = f->up;
    loop_task_cancel(&f->task);
    list_remove(&f->node);
    list_remove(&f->queue);
    fetch_body_drop(f);
    free(f->trailers);
    free(f->why);
    if (f->origin != NULL) {
        pool_origin_put(f->origin);
    }
    if (f->out.cap > OUT_KEPT) {
        buf_free(&f->out);
    }
    buf_clear(&f->out);
    if (up->free_count < FETCHES_KEPT) {
        up->free_count++;
        list_append(&up->free, &f->node);
    } else {
        buf_free(&f->out);
        free(f);
    }
}

void fetch_body_drop(struct upstream_fetch *f)
{
    struct source *body = f->body;
    f->body = NULL;
    if (body != NULL) {
        if (f->watching) {
            source_watch(body, NULL, NULL);
        }
        source_close(body);
    }
    f->watching = false;
}

void fetch_fail(struct upstream_fetch *f, enum upstream_failure failure, const char *why)
{
    fetch_body_drop(f);
    list_remove(&f->queue);
    f->deadline_ms = 0;
    f->failure = failure;
    free(f->why);
    f->why = strdup(why);
    if (f->why == NULL) {
        f->failure = UPSTREAM_INTERNAL;
        f->why = calloc(1, 1);
    }
    loop_task_queue(&f->task);
}

void fetch_retry(struct upstream_fetch *f)
{
    struct error err;
    f->retried = true;
    f->state = FETCH_QUEUED;
    f->out_at = 0;
    f->all_sent = false;
    f->scan = (struct http1_scan){0};
    f->deadline_ms = 0;
    if (!pool_may_open(f->origin)) {
        fetch_fail(f, UPSTREAM_INTERNAL, "too many upstream connections");
    } else if (conn_open(f->origin, f, &err) < 0) {
        fetch_fail(f, UPSTREAM_INTERNAL, err.text);
    }
}

/* ---- the request on its way ---- */

/* The request's own body broke: what was sent cannot be completed. */
static void upload_broken(struct upstream_fetch *f, const char *why)
{
    struct conn *c = f->conn;
    if (f->state == FETCH_BODY) {
        body_break(f, -ECANCELED);
        return;
    }
    f->conn = NULL;
    c->fetch = NULL;
    conn_close(c, true);
    fetch_fail(f, UPSTREAM_CANCELLED, why);
}

static void upload_ready(void *arg)
{
    struct upstream_fetch *f = arg;
    f->watching = false;
    if (f->conn != NULL && f->body != NULL) {
        fetch_pump(f);
    }
}

/* From now on a retry is out of the question, so what was taken may go. */
static void out_settle(struct upstream_fetch *f)
{
    buf_consume(&f->out, f->out_at);
    f->out_at = 0;
    f->body_read = true;
}

/* Appends the next piece of the body to out. > 0: something was appended, -EAGAIN: nothing now;
 * other < 0: broken. The body is dropped with its last piece. */
static ssize_t take_piece(struct upstream_fetch *f)
{
    size_t lead = f->chunked ? CHUNK_LEAD : 0;
    /* A first piece of one record: most bodies end in it. */
    size_t want = !f->body_read ? CONN_READ : f->chunked ? CHUNK_MAX : UPLOAD_PIECE;
    want = f->chunked || want < f->left ? want : (size_t)f->left;
    char *to = buf_reserve(&f->out, lead + want + 2);
    ssize_t n = to != NULL ? source_read(f->body, to + lead, want) : -ENOMEM;
    if (n < 0) {
        return n;
    }
    if (!f->chunked) {
        if (n == 0) {
            return -ECANCELED;
        }
        buf_commit(&f->out, (size_t)n);
        f->left -= (uint64_t)n;
    } else if (n > 0) {
        char head[HTTP1_CHUNK_HEAD_MAX];
        size_t head_len = http1_chunk_head(head, (size_t)n);
        if (head_len < lead) {
            memmove(to + head_len, to + lead, (size_t)n);
        }
        memcpy(to, head, head_len);
        memcpy(to + head_len + n, "\r\n", 2);
        buf_commit(&f->out, head_len + (size_t)n + 2);
    } else if (!http1_write_last_chunk(&f->out, NULL, 0)) {
        return -ENOMEM;
    }
    out_settle(f);
    if (f->chunked ? n == 0 : f->left == 0) {
        fetch_body_drop(f);
    }
    return 1;
}

/* false: the connection takes no more now; writable comes, or closed. */
static bool out_flush(struct upstream_fetch *f)
{
    struct span s = span_from(buf_span(&f->out), f->out_at);
    if (s.len == 0) {
        return true;
    }
    ssize_t n = tls_conn_write(f->conn->tls, s.ptr, s.len);
    if (n <= 0) {
        return false;
    }
    f->sent = true;
    if (f->body_read) {
        buf_consume(&f->out, (size_t)n);
    } else {
        f->out_at += (size_t)n;
    }
    return (size_t)n == s.len;
}

void fetch_pump(struct upstream_fetch *f)
{
    if (f->all_sent || f->conn == NULL || f->conn->tls == NULL) {
        return;
    }
    bool waits = f->state == FETCH_SENT;
    f->deadline_ms = waits ? clock_monotonic_ms() + f->up->head_ms : 0;
    while (out_flush(f)) {
        if (f->body == NULL) {
            f->all_sent = true;
            if (f->body_read) {
                buf_trim(&f->out);
            }
            return;
        }
        ssize_t n = take_piece(f);
        if (n == -EAGAIN) {
            /* The delay is ours, not the peer's. */
            f->deadline_ms = 0;
            f->watching = true;
            source_watch(f->body, upload_ready, f);
            return;
        }
        if (n < 0) {
            upload_broken(f, "the body of the request broke off");
            return;
        }
    }
}

void fetch_attach(struct upstream_fetch *f, struct conn *c)
{
    c->fetch = f;
    c->state = CONN_BUSY;
    c->deadline_ms = 0;
    c->serial++;
    f->conn = c;
    f->state = FETCH_SENT;
    tls_conn_pause(c->tls, false);
    if (f->body != NULL) {
        /* What is there already leaves in one write with the head. */
        ssize_t n = take_piece(f);
        if (n < 0 && n != -EAGAIN) {
            upload_broken(f, "the body of the request broke off");
            return;
        }
    }
    fetch_pump(f);
}

/* ---- start and cancel ---- */

static int write_head(struct upstream_fetch *f, const struct upstream_request *req,
                      struct error *err)
{
    struct http1_request_out out = {
        .method = req->method,
        .target = req->target,
        .authority = req->authority,
        .headers = req->headers,
        .header_count = req->header_count,
        .body = HTTP1_BODY_NONE,
        .expect_continue = req->expect_continue && req->body != NULL,
    };
    if (req->body != NULL) {
        out.body = req->body->length >= 0 ? HTTP1_BODY_LENGTH : HTTP1_BODY_CHUNKED;
        out.length = req->body->length;
    }
    if (span_eq(req->method, SPAN_LIT("CONNECT")) || !http1_write_request(&f->out, &out) ||
        buf_len(&f->out) > UPSTREAM_REQUEST_MAX) {
        return error_set(err, 0, "upstream request: too large, or a field that must not be sent");
    }
    f->chunked = out.body == HTTP1_BODY_CHUNKED;
    f->left = out.body == HTTP1_BODY_LENGTH ? (uint64_t)out.length : 0;
    if (f->body != NULL && !f->chunked && f->left == 0) {
        fetch_body_drop(f);
    }
    return 0;
}

static int find_connection(struct upstream_fetch *f, struct error *err)
{
    struct origin *o = f->origin;
    struct conn *c = list_empty(&o->waiting) ? pool_take(o, !f->idempotent) : NULL;
    if (c != NULL) {
        fetch_attach(f, c);
        return 0;
    }
    if (pool_may_open(o)) {
        return conn_open(o, f, err);
    }
    if (o->open == 0) {
        return error_set(err, 0, "upstream: too many connections");
    }
    list_append(&o->waiting, &f->queue);
    f->deadline_ms = clock_monotonic_ms() + f->up->head_ms;
    return 0;
}

/* It is taken in any case. */
static void take_socket(const struct upstream_request *req)
{
    if (req->connected != NULL) {
        close_fd(req->connected);
    }
}

static int begin(struct upstream_fetch *f, const struct upstream_request *req, struct error *err)
{
    if (write_head(f, req, err) != 0) {
        return -1;
    }
    if (req->connected == NULL) {
        return find_connection(f, err);
    }
    if (f->up->open >= UPSTREAM_CONNECTIONS_MAX) {
        return error_set(err, 0, "upstream: too many connections");
    }
    return conn_adopt(f->origin, f, steal_fd(req->connected), err);
}

struct upstream_fetch *upstream_fetch_start(struct upstream *up, const struct upstream_request *req,
                                            const struct upstream_events *events, void *arg,
                                            struct error *err)
{
    struct upstream_fetch *f = fetch_alloc(up);
    if (f == NULL) {
        source_close(req->body);
        take_socket(req);
        error_set(err, 0, "upstream request: out of memory");
        return NULL;
    }
    f->events = events;
    f->arg = arg;
    f->body = req->body;
    f->idempotent = idempotent(req->method);
    f->head_method = span_eq(req->method, SPAN_LIT("HEAD"));
    /* No dialled host has a space in its name: this one is nobody's pool. */
    f->origin = req->connected != NULL
                    ? pool_origin(up, false, SPAN_LIT("the container"), req->port)
                    : pool_origin(up, req->secure, req->host, req->port);
    if (f->origin == NULL) {
        error_set(err, 0, "upstream request: out of memory");
    } else if (begin(f, req, err) == 0) {
        pool_sweep_start(up);
        return f;
    }
    take_socket(req);
    fetch_free(f);
    return NULL;
}

void upstream_fetch_cancel(struct upstream_fetch *f)
{
    if (f == NULL) {
        return;
    }
    struct conn *c = f->conn;
    f->conn = NULL;
    if (c != NULL) {
        c->fetch = NULL;
    }
    struct origin *o = f->origin;
    o->refs++;
    fetch_free(f);
    if (c != NULL) {
        conn_close(c, true);
    }
    pool_origin_put(o);
}
