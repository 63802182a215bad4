/* The body of a response as a source: decrypted straight into the reader's place where it can be.
 */
#include "upstream/internal.h"

#include <errno.h>
#include <stdlib.h>

static struct upstream_fetch *fetch_of(struct source *s)
{
    return (struct upstream_fetch *)(void *)s;
}

/* The response is complete: the connection goes its way, the exchange stays as an empty source. */
static void body_over(struct upstream_fetch *f)
{
    struct conn *c = f->conn;
    bool reusable = f->keep_alive && f->all_sent && buf_len(&c->in) == 0;
    f->state = FETCH_OVER;
    f->conn = NULL;
    c->fetch = NULL;
    fetch_body_drop(f);
    conn_release(c, reusable);
}

void body_break(struct upstream_fetch *f, int err)
{
    struct conn *c = f->conn;
    f->broken = err;
    f->state = FETCH_OVER;
    f->conn = NULL;
    fetch_body_drop(f);
    if (c != NULL) {
        c->fetch = NULL;
        conn_close(c, true);
    }
    loop_task_queue(&f->task);
}

/* The trailers point into the connection's buffer, which goes its own way: one block for both. */
static bool trailers_keep(struct upstream_fetch *f, const struct http1_piece *piece)
{
    size_t size = piece->trailer_count * sizeof *piece->trailers;
    for (size_t i = 0; i < piece->trailer_count; i++) {
        size += piece->trailers[i].name.len + piece->trailers[i].value.len;
    }
    f->trailers = size > 0 ? malloc(size) : NULL;
    if (f->trailers == NULL) {
        return size == 0;
    }
    char *at = (char *)(f->trailers + piece->trailer_count);
    for (size_t i = 0; i < piece->trailer_count; i++) {
        const struct http1_header *t = &piece->trailers[i];
        memcpy(at, t->name.ptr, t->name.len);
        f->trailers[i].name = span_of(at, t->name.len);
        at += t->name.len;
        memcpy(at, t->value.ptr, t->value.len);
        f->trailers[i].value = span_of(at, t->value.len);
        at += t->value.len;
    }
    f->trailer_count = piece->trailer_count;
    return true;
}

/* Takes from `in`: > 0 bytes written to dst, 0 the body is over, -EAGAIN more is needed, else
 * broken. */
static ssize_t take_received(struct upstream_fetch *f, void *dst, size_t len)
{
    struct conn *c = f->conn;
    struct http1_piece piece;
    for (;;) {
        struct span in = buf_span(&c->in);
        struct span front = span_of(in.ptr, in.len < len ? in.len : len);
        enum http1_step step = http1_body_feed(&f->decoder, front, &piece);
        if (step == HTTP1_STEP_MORE && piece.consumed == 0 && front.len < in.len) {
            /* A trailer section: no data can come out of it, so it may be larger than len. */
            step = http1_body_feed(&f->decoder, in, &piece);
        }
        if (step == HTTP1_STEP_BAD || (step == HTTP1_STEP_END && !trailers_keep(f, &piece))) {
            return -EPROTO;
        }
        if (step == HTTP1_STEP_DATA) {
            memcpy(dst, piece.data.ptr, piece.data.len);
        }
        buf_consume(&c->in, piece.consumed);
        if (step == HTTP1_STEP_DATA) {
            return (ssize_t)piece.data.len;
        }
        if (step == HTTP1_STEP_END) {
            return 0;
        }
        if (piece.consumed == 0 || buf_len(&c->in) == 0) {
            return -EAGAIN;
        }
    }
}

static ssize_t body_read(struct source *s, void *dst, size_t len)
{
    struct upstream_fetch *f = fetch_of(s);
    f->stalled = false;
    while (f->state == FETCH_BODY && len > 0) {
        struct conn *c = f->conn;
        size_t direct = http1_body_direct(&f->decoder);
        ssize_t n = -EAGAIN;
        bool end = false;
        if (buf_len(&c->in) > 0) {
            n = take_received(f, dst, len);
            end = n == 0;
        } else if (direct > 0 && c->tls != NULL) {
            n = tls_conn_read(c->tls, dst, direct < len ? direct : len);
            if (n > 0) {
                http1_body_took(&f->decoder, (size_t)n);
            } else if (n == 0 && http1_body_eof(&f->decoder)) {
                f->keep_alive = false;
                end = true;
            } else if (n != -EAGAIN) {
                n = -ECONNRESET;
            }
            if (n == -EAGAIN) {
                f->stalled = true;
                return n;
            }
        }
        if (n > 0) {
            if (http1_body_done(&f->decoder)) {
                body_over(f);
            }
            return n;
        }
        if (end) {
            body_over(f);
            return 0;
        }
        if (n == -EAGAIN) {
            /* Framing is due that only the decoder can read. */
            n = conn_fill(c);
            if (n > 0) {
                continue;
            }
            if (n == -EAGAIN) {
                f->stalled = true;
                return n;
            }
        }
        body_break(f, -ECONNRESET);
    }
    return f->broken != 0 ? f->broken : len > 0 ? 0 : -EAGAIN;
}

static void body_watch(struct source *s, source_ready_fn ready, void *arg)
{
    struct upstream_fetch *f = fetch_of(s);
    f->ready = ready;
    f->ready_arg = arg;
    if (ready == NULL) {
        loop_task_cancel(&f->task);
        return;
    }
    if (f->state != FETCH_BODY || !f->stalled || f->conn->tls == NULL) {
        loop_task_queue(&f->task);
    } else {
        tls_conn_pause(f->conn->tls, false);
    }
}

static void body_close(struct source *s)
{
    struct upstream_fetch *f = fetch_of(s);
    struct conn *c = f->conn;
    f->ready = NULL;
    f->conn = NULL;
    fetch_body_drop(f);
    fetch_free(f);
    if (c != NULL) {
        c->fetch = NULL;
        conn_close(c, false);
    }
}

void body_wake(struct upstream_fetch *f)
{
    source_ready_fn ready = f->ready;
    f->ready = NULL;
    if (ready != NULL) {
        ready(f->ready_arg);
    }
}

size_t upstream_body_trailers(struct source *body, const struct http1_header **out)
{
    struct upstream_fetch *f = fetch_of(body);
    *out = f->trailers;
    return f->trailer_count;
}

const struct source_ops upstream_body_ops = {body_read, body_watch, body_close};
