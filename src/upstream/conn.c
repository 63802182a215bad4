/* One connection: from its dial to its end, and the response heads that come on it. */
#include "upstream/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ALPN SPAN_LIT("\x08http/1.1")

static void conn_free_if_dead(struct conn *c)
{
    if (c->state == CONN_DEAD && c->depth == 0) {
        buf_free(&c->in);
        free(c);
    }
}

void conn_close(struct conn *c, bool reset)
{
    struct origin *o = c->origin;
    if (c->state == CONN_DEAD) {
        return;
    }
    c->state = CONN_DEAD;
    list_remove(&c->all);
    list_remove(&c->node);
    dial_cancel(c->dial);
    c->dial = NULL;
    if (c->tls != NULL && reset) {
        tls_conn_reset(c->tls);
    } else {
        tls_conn_destroy(c->tls);
    }
    c->tls = NULL;
    c->fetch = NULL;
    o->open--;
    o->up->open--;
    conn_free_if_dead(c);
    pool_next(o);
    pool_origin_put(o);
}

void conn_lost(struct conn *c, enum upstream_failure failure, const char *fmt, ...)
{
    char why[WHY_BYTES];
    va_list ap;
    int n = snprintf(why, sizeof why, "%s: ", c->origin->host);
    va_start(ap, fmt);
    vsnprintf(why + n, sizeof why - (size_t)n, fmt, ap);
    va_end(ap);

    struct upstream_fetch *f = c->fetch;
    bool silent = c->served > 0 && buf_len(&c->in) == 0 && failure == UPSTREAM_PROTOCOL;
    c->fetch = NULL;
    if (f != NULL) {
        f->conn = NULL;
    }
    conn_close(c, false);
    if (f == NULL) {
        return;
    }
    bool again =
        silent && f->informs == 0 && !f->retried && !f->body_read && (f->idempotent || !f->sent);
    if (again) {
        fetch_retry(f);
    } else {
        fetch_fail(f, failure, why);
    }
}

static void conn_go(struct conn *c)
{
    struct upstream_fetch *f = c->fetch;
    c->deadline_ms = 0;
    fetch_attach(f, c);
}

static void conn_failed(struct conn *c, enum tls_failure failure, const char *why)
{
    bool early = c->state == CONN_TLS;
    if (failure == TLS_CERTIFICATE) {
        conn_lost(c, UPSTREAM_CERTIFICATE, "certificate: %s", why);
    } else if (failure == TLS_INTERNAL) {
        conn_lost(c, UPSTREAM_INTERNAL, "%s", why);
    } else if (early) {
        conn_lost(c, UPSTREAM_PROTOCOL, "TLS handshake: %s", why);
    } else {
        conn_lost(c, UPSTREAM_PROTOCOL, "the connection broke before a response: %s", why);
    }
}

/* ---- events of the connection ---- */

static void on_closed(void *arg, enum tls_failure failure, const char *why)
{
    struct conn *c = arg;
    struct upstream_fetch *f = c->fetch;
    if (c->state == CONN_BUSY && f != NULL && f->state == FETCH_BODY) {
        /* What has come already may still be read, and may be all there is to come. */
        tls_conn_destroy(c->tls);
        c->tls = NULL;
        fetch_body_drop(f);
        body_wake(f);
        return;
    }
    if (c->state == CONN_IDLE) {
        conn_close(c, false);
        return;
    }
    conn_failed(c, failure, why);
}

static void on_handshaken(void *arg)
{
    conn_go(arg);
}

static void on_writable(void *arg)
{
    struct conn *c = arg;
    if (c->state == CONN_BUSY && c->fetch != NULL) {
        fetch_pump(c->fetch);
    }
}

ssize_t conn_fill(struct conn *c)
{
    if (c->tls == NULL) {
        return -ECONNRESET;
    }
    if (c->lent) {
        return -EAGAIN;
    }
    char *to = buf_reserve(&c->in, CONN_READ);
    if (to == NULL) {
        return -ENOBUFS;
    }
    ssize_t n = tls_conn_read(c->tls, to, CONN_READ);
    if (n > 0) {
        buf_commit(&c->in, (size_t)n);
    }
    return n;
}

/* `Keep-Alive: timeout=N`: a second less than the peer says, so that it is we who let go. */
static void keep_time(struct conn *c, const struct http1_head *head)
{
    uint32_t limit = c->origin->up->idle_ms;
    c->idle_ms = limit;
    for (size_t i = 0; i < head->count; i++) {
        struct span v = head->headers[i].value;
        if ((head->flags[i] & HTTP1_FIELD_HOP) == 0 ||
            !span_ieq(head->headers[i].name, SPAN_LIT("keep-alive"))) {
            continue;
        }
        const char *at = v.len > 0 ? memmem(v.ptr, v.len, "timeout=", 8) : NULL;
        uint64_t seconds = 0;
        for (at = at != NULL ? at + 8 : NULL;
             at != NULL && at < v.ptr + v.len && *at >= '0' && *at <= '9' && seconds < 86400;
             at++) {
            seconds = seconds * 10 + (uint64_t)(*at - '0');
        }
        if (at != NULL) {
            uint64_t ms = seconds > 1 ? (seconds - 1) * 1000 : 0;
            c->idle_ms = ms < limit ? (uint32_t)ms : limit;
        }
    }
}

static void response_over(struct conn *c, struct upstream_fetch *f,
                          const struct upstream_response *out)
{
    bool whole = f->keep_alive && f->all_sent && buf_len(&c->in) == 0;
    f->state = FETCH_OVER;
    c->fetch = NULL;
    f->conn = NULL;
    fetch_body_drop(f);
    f->events->response(f->arg, out);
    fetch_free(f);
    conn_release(c, whole);
}

/* Gives the response to the owner. f and c may be anything afterwards. */
static void response_tell(struct conn *c, struct upstream_fetch *f, struct http1_response *res)
{
    struct http1_head *head = &res->head;
    bool body =
        head->body != HTTP1_BODY_NONE && !(head->body == HTTP1_BODY_LENGTH && head->length == 0);
    keep_time(c, head);
    struct upstream_response out = {
        .status = res->status,
        .reason = res->reason,
        .headers = head->headers,
        .header_count = http1_fields(head, HTTP1_FIELD_FRAMING | HTTP1_FIELD_HOP, head->headers),
        .length = head->length,
        .peer = c->peer,
        .reused = c->served > 0,
    };
    f->keep_alive = head->keep_alive;
    f->deadline_ms = 0;
    list_remove(&f->node);
    c->served++;
    /* The bytes stay where they are until `in` is filled again, which `lent` forbids. */
    c->lent = true;
    buf_consume(&c->in, head->size);
    if (!body) {
        response_over(c, f, &out);
    } else {
        out.body = &f->source;
        f->source = (struct source){&upstream_body_ops,
                                    head->body == HTTP1_BODY_LENGTH ? head->length : -1};
        f->state = FETCH_BODY;
        f->stalled = false;
        http1_body_init(&f->decoder, head);
        f->events->response(f->arg, &out);
    }
    c->lent = false;
}

/* Parses what is in `in` while c's exchange waits for its head. */
static void heads_parse(struct conn *c)
{
    struct http1_response *res = &c->origin->up->response;
    struct http1_refusal refusal;
    uint32_t serial = c->serial;
    while (c->state == CONN_BUSY && c->serial == serial && c->fetch != NULL &&
           c->fetch->state == FETCH_SENT && buf_len(&c->in) > 0) {
        struct upstream_fetch *f = c->fetch;
        enum http1_asked asked = f->head_method ? HTTP1_ASKED_HEAD : HTTP1_ASKED_OTHER;
        enum http1_result r =
            http1_response_parse(&f->scan, buf_span(&c->in), asked, res, &refusal);
        if (r == HTTP1_MORE) {
            return;
        }
        if (r == HTTP1_BAD) {
            conn_lost(c, UPSTREAM_PROTOCOL, "malformed response: %s", refusal.why);
            return;
        }
        f->scan = (struct http1_scan){0};
        if (res->status >= 200) {
            response_tell(c, f, res);
            return;
        }
        if (res->status == 101 || ++f->informs > INFORMS_MAX) {
            conn_lost(c, UPSTREAM_PROTOCOL, "response %u was not asked for", (unsigned)res->status);
            return;
        }
        buf_consume(&c->in, res->head.size);
        if (f->events->inform != NULL) {
            f->events->inform(f->arg, res->status);
        }
    }
}

/* Nothing is due on an idle connection: an end, or bytes that nobody asked for, end it. */
static void idle_input(struct conn *c)
{
    char byte;
    if (tls_conn_read(c->tls, &byte, 1) != -EAGAIN) {
        conn_close(c, false);
    }
}

static void busy_input(struct conn *c)
{
    struct upstream_fetch *f = c->fetch;
    if (f != NULL && f->state == FETCH_BODY) {
        if (f->ready != NULL) {
            body_wake(f);
        } else {
            tls_conn_pause(c->tls, true);
        }
        return;
    }
    ssize_t n = conn_fill(c);
    if (n > 0) {
        heads_parse(c);
    } else if (n != -EAGAIN) {
        conn_lost(c, UPSTREAM_PROTOCOL, "the connection was closed before a response");
    }
}

static void on_readable(void *arg)
{
    struct conn *c = arg;
    c->depth++;
    if (c->state == CONN_IDLE) {
        idle_input(c);
    } else if (c->state == CONN_BUSY) {
        busy_input(c);
    }
    c->depth--;
    conn_free_if_dead(c);
}

static const struct tls_conn_events conn_events = {
    .readable = on_readable,
    .writable = on_writable,
    .handshaken = on_handshaken,
    .closed = on_closed,
};

/* ---- start and end ---- */

static void dialled(void *arg, const struct dial_result *result)
{
    struct conn *c = arg;
    struct origin *o = c->origin;
    struct error err;
    c->dial = NULL;
    if (result->fd < 0) {
        /* The sentence has the host's name already. */
        struct upstream_fetch *f = c->fetch;
        char why[WHY_BYTES];
        snprintf(why, sizeof why, "%s", result->why);
        f->conn = NULL;
        conn_close(c, false);
        fetch_fail(f, result->failure, why);
        return;
    }
    snprintf(c->peer, sizeof c->peer, "%s", result->peer);
    c->tls = tls_conn_create(o->up->loop, result->fd, &conn_events, c, &err);
    if (c->tls == NULL) {
        conn_lost(c, UPSTREAM_INTERNAL, "%s", err.text);
        return;
    }
    if (!o->secure) {
        conn_go(c);
        return;
    }
    struct span host = span_of(o->host, o->host_len);
    if (host.ptr[0] == '[') {
        host = span_of(host.ptr + 1, host.len - 2);
    }
    c->state = CONN_TLS;
    c->deadline_ms = clock_monotonic_ms() + o->up->tls_ms;
    if (tls_conn_start_client(c->tls, o->up->tls, host, o->port, ALPN, &err) < 0) {
        conn_lost(c, UPSTREAM_INTERNAL, "%s", err.text);
    }
}

/* The connection is f's from here on. */
static void conn_enter(struct conn *c, struct origin *o, struct upstream_fetch *f)
{
    buf_init(&c->in, CONN_IN_MAX);
    list_init(&c->node);
    c->origin = o;
    c->state = CONN_DIALING;
    c->fetch = f;
    f->conn = c;
    o->refs++;
    o->open++;
    o->up->open++;
    list_append(&o->up->conns, &c->all);
    pool_sweep_start(o->up);
}

int conn_open(struct origin *o, struct upstream_fetch *f, struct error *err)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return error_set(err, 0, "upstream connection: out of memory");
    }
    c->dial = dial_start(o->up->loop, &o->up->rules, span_of(o->host, o->host_len), o->port,
                         dialled, c, err);
    if (c->dial == NULL) {
        free(c);
        return -1;
    }
    conn_enter(c, o, f);
    return 0;
}

int conn_adopt(struct origin *o, struct upstream_fetch *f, int fd, struct error *err)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return error_set(err, 0, "upstream connection: out of memory");
    }
    c->tls = tls_conn_create(o->up->loop, fd, &conn_events, c, err);
    if (c->tls == NULL) {
        free(c);
        return -1;
    }
    c->once = true;
    conn_enter(c, o, f);
    conn_go(c);
    return 0;
}

void conn_release(struct conn *c, bool reusable)
{
    struct origin *o = c->origin;
    c->fetch = NULL;
    if (!reusable || c->once || c->tls == NULL || c->idle_ms == 0) {
        conn_close(c, false);
        return;
    }
    c->state = CONN_IDLE;
    c->deadline_ms = clock_monotonic_ms() + c->idle_ms;
    list_append(&o->idle, &c->node);
    tls_conn_pause(c->tls, false);
    if (!list_empty(&o->waiting)) {
        pool_next(o);
    }
}
