#include "runtime/inbound.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>

struct inbound {
    struct source source; /* first: a reader has only this */
    struct gate *gate;    /* NULL once detached */
    uint32_t stream;
    struct buf bytes;
    uint64_t arrived;
    uint64_t dropped;
    int64_t length;
    bool expect;
    bool ended;
    bool broken;
    bool discard;
    bool taken;    /* a reader has the source */
    bool detached; /* the exchange has let go */
    source_ready_fn ready;
    void *ready_arg;
    struct loop_task wake;
};

static void release_if_alone(struct inbound *in)
{
    if (in->detached && !in->taken) {
        loop_task_cancel(&in->wake);
        buf_free(&in->bytes);
        free(in);
    }
}

static void tell(struct inbound *in)
{
    source_ready_fn ready = in->ready;
    in->ready = NULL;
    if (ready != NULL) {
        ready(in->ready_arg);
    }
}

static void credit(struct inbound *in, size_t len)
{
    if (in->gate != NULL && len > 0) {
        gate_credit(in->gate, in->stream, len);
    }
}

static void inform(struct inbound *in)
{
    if (in->expect && in->gate != NULL) {
        in->expect = false;
        gate_send_inform(in->gate, in->stream, 100);
    }
}

static ssize_t source_read_fn(struct source *s, void *dst, size_t len)
{
    struct inbound *in = (struct inbound *)(void *)s;
    inform(in);
    struct span have = buf_span(&in->bytes);
    if (have.len > 0) {
        size_t n = have.len < len ? have.len : len;
        memcpy(dst, have.ptr, n);
        buf_consume(&in->bytes, n);
        credit(in, n);
        return (ssize_t)n;
    }
    if (in->broken) {
        return -ECONNRESET;
    }
    return in->ended ? 0 : -EAGAIN;
}

static void source_watch_fn(struct source *s, source_ready_fn ready, void *arg)
{
    struct inbound *in = (struct inbound *)(void *)s;
    in->ready = ready;
    in->ready_arg = arg;
    if (ready == NULL) {
        loop_task_cancel(&in->wake);
        return;
    }
    inform(in);
    if (buf_len(&in->bytes) > 0 || in->ended || in->broken) {
        loop_task_queue(&in->wake);
    }
}

static void source_close_fn(struct source *s)
{
    struct inbound *in = (struct inbound *)(void *)s;
    in->taken = false;
    in->ready = NULL;
    loop_task_cancel(&in->wake);
    inbound_discard(in);
    release_if_alone(in);
}

static const struct source_ops ops = {source_read_fn, source_watch_fn, source_close_fn};

static void wake(void *arg)
{
    tell(arg);
}

struct inbound *inbound_create(const struct inbound_spec *spec)
{
    struct inbound *in = calloc(1, sizeof *in);
    if (in == NULL) {
        return NULL;
    }
    *in = (struct inbound){.source = {&ops, spec->length},
                           .gate = spec->gate,
                           .stream = spec->stream,
                           .length = spec->length,
                           .expect = spec->expect};
    buf_init(&in->bytes, GATE_CREDIT_INITIAL);
    loop_task_init(&in->wake, spec->loop, wake, in);
    return in;
}

static bool drop(struct inbound *in, size_t len)
{
    in->dropped += len;
    if (!inbound_over_drain(in)) {
        credit(in, len);
    }
    return true;
}

bool inbound_feed(struct inbound *in, struct span bytes)
{
    in->arrived += bytes.len;
    if (in->ended || (in->length >= 0 && in->arrived > (uint64_t)in->length)) {
        return false;
    }
    if (in->discard) {
        return drop(in, bytes.len);
    }
    if (!buf_append_span(&in->bytes, bytes)) {
        return false;
    }
    tell(in);
    return true;
}

void inbound_end(struct inbound *in)
{
    in->ended = true;
    in->broken = in->broken || (in->length >= 0 && in->arrived != (uint64_t)in->length);
    tell(in);
}

struct source *inbound_take(struct inbound *in)
{
    if (in->taken || in->discard) {
        return NULL;
    }
    in->taken = true;
    return &in->source;
}

void inbound_discard(struct inbound *in)
{
    if (!in->discard) {
        in->discard = true;
        drop(in, buf_len(&in->bytes));
        buf_clear(&in->bytes);
    }
}

void inbound_discard_unread(struct inbound *in)
{
    if (!in->taken) {
        inbound_discard(in);
    }
}

int64_t inbound_length(const struct inbound *in)
{
    return in->length;
}

uint64_t inbound_left(const struct inbound *in)
{
    return in->length < 0 ? 0 : (uint64_t)in->length - in->arrived;
}

bool inbound_over_drain(const struct inbound *in)
{
    return in->dropped > INBOUND_DRAIN_MAX;
}

bool inbound_complete(const struct inbound *in)
{
    return in->ended;
}

bool inbound_waits(const struct inbound *in)
{
    return in->expect;
}

uint64_t inbound_bytes(const struct inbound *in)
{
    return in->arrived;
}

void inbound_detach(struct inbound *in)
{
    if (in == NULL) {
        return;
    }
    in->gate = NULL;
    in->detached = true;
    if (in->taken && !in->ended && !in->broken) {
        in->broken = true;
        if (in->ready != NULL) {
            loop_task_queue(&in->wake);
        }
    }
    release_if_alone(in);
}
