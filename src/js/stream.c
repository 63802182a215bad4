/*
 * Bodies that JavaScript produces, as a source for the host. The host's read empties the buffer; an
 * empty buffer asks the shim for one more chunk from the loop (ENTRY_STREAM_PULL), so at most one
 * chunk waits here. ready is called from the loop too, never from inside JavaScript.
 *
 *     idle --read finds nothing--> pulling --streamPush--> idle
 *                                          --streamEnd/streamFail--> ended/broken
 *     close at any state tells the shim (ENTRY_STREAM_CLOSED), once
 */
#include "js/natives.h"

#include <errno.h>
#include <stdlib.h>

enum stream_state { STREAM_IDLE, STREAM_PULLING, STREAM_ENDED, STREAM_BROKEN };

struct js_stream {
    struct source source;       /* first: the host holds a pointer to it */
    struct js_version *version; /* NULL: the version was unloaded */
    uint32_t number;
    enum stream_state state;
    bool given;  /* the host has the source */
    bool closed; /* the host has closed it; freed by the task */
    struct buf out;
    source_ready_fn ready;
    void *ready_arg;
    struct loop_task task;
};

static void stream_free(struct js_stream *s)
{
    loop_task_cancel(&s->task);
    if (s->version != NULL) {
        js_table_remove(&s->version->streams, s->number);
    }
    buf_free(&s->out);
    free(s);
}

static void enter_with_number(struct js_stream *s, enum js_entry entry)
{
    JSValueRef number = JSValueMakeNumber(s->version->ctx, s->number);
    js_enter(s->version, entry, 1, &number);
}

static bool stream_readable(const struct js_stream *s)
{
    return buf_len(&s->out) != 0 || s->state >= STREAM_ENDED;
}

static void on_task(void *arg)
{
    struct js_stream *s = arg;
    if (s->closed) {
        if (s->version != NULL) {
            enter_with_number(s, ENTRY_STREAM_CLOSED);
        }
        stream_free(s);
        return;
    }
    if (stream_readable(s)) {
        source_ready_fn ready = s->ready;
        s->ready = NULL;
        if (ready != NULL) {
            ready(s->ready_arg);
        }
    } else if (s->state == STREAM_IDLE && s->version != NULL) {
        s->state = STREAM_PULLING;
        enter_with_number(s, ENTRY_STREAM_PULL);
    }
}

static ssize_t stream_read(struct source *source, void *dst, size_t len)
{
    struct js_stream *s = (struct js_stream *)(void *)source;
    size_t n = buf_len(&s->out);
    if (n != 0) {
        n = n < len ? n : len;
        memcpy(dst, buf_span(&s->out).ptr, n);
        buf_consume(&s->out, n);
        return (ssize_t)n;
    }
    if (s->state == STREAM_ENDED) {
        return 0;
    }
    if (s->state == STREAM_BROKEN) {
        return -EPIPE;
    }
    loop_task_queue(&s->task);
    return -EAGAIN;
}

static void stream_watch(struct source *source, source_ready_fn ready, void *arg)
{
    struct js_stream *s = (struct js_stream *)(void *)source;
    s->ready = ready;
    s->ready_arg = arg;
    if (ready != NULL) {
        loop_task_queue(&s->task);
    }
}

static void stream_close(struct source *source)
{
    struct js_stream *s = (struct js_stream *)(void *)source;
    s->closed = true;
    s->ready = NULL;
    if (s->version == NULL) {
        stream_free(s);
    } else {
        loop_task_queue(&s->task);
    }
}

static const struct source_ops stream_ops = {stream_read, stream_watch, stream_close};

struct source *js_stream_source(struct js_version *v, uint32_t number)
{
    struct js_stream *s = js_table_get(&v->streams, number);
    if (s == NULL || s->given) {
        return NULL;
    }
    s->given = true;
    return &s->source;
}

void js_streams_orphan(struct js_version *v)
{
    for (uint32_t i = 1; i <= v->streams.cap; i++) {
        struct js_stream *s = js_table_get(&v->streams, i);
        if (s == NULL) {
            continue;
        }
        if (s->closed || !s->given) {
            stream_free(s);
            continue;
        }
        js_table_remove(&v->streams, i);
        s->version = NULL;
        s->state = STREAM_BROKEN;
        loop_task_queue(&s->task);
    }
}

/* (length or -1) -> number, 0 when memory is out */
JS_NATIVE(js_native_stream_open)
{
    struct js_version *v = js_running(ctx);
    struct js_stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return JSValueMakeNumber(ctx, 0);
    }
    double length = js_double(ctx, argv[0]);
    s->source.ops = &stream_ops;
    s->source.length = length >= 0 ? (int64_t)length : -1;
    s->version = v;
    buf_init(&s->out, JS_TEXT_MAX);
    loop_task_init(&s->task, v->js->loop, on_task, s);
    s->number = js_table_add(&v->streams, s);
    if (s->number == 0) {
        free(s);
        return JSValueMakeNumber(ctx, 0);
    }
    return JSValueMakeNumber(ctx, s->number);
}

/* (stream, Uint8Array or string) -> taken */
JS_NATIVE(js_native_stream_push)
{
    struct js_stream *s = js_table_get(&js_running(ctx)->streams, js_uint(ctx, argv[0]));
    bool ok = s != NULL && s->state == STREAM_PULLING && !s->closed;
    struct span bytes = js_text_bytes(ctx, argv[1], 3, &ok);
    if (!ok || s == NULL || !buf_append_span(&s->out, bytes)) {
        return JSValueMakeBoolean(ctx, false);
    }
    s->state = STREAM_IDLE;
    loop_task_queue(&s->task);
    return JSValueMakeBoolean(ctx, true);
}

static void stream_finish(JSContextRef ctx, uint32_t number, enum stream_state state)
{
    struct js_stream *s = js_table_get(&js_running(ctx)->streams, number);
    if (s == NULL || s->state >= STREAM_ENDED) {
        return;
    }
    s->state = state;
    if (s->given) {
        loop_task_queue(&s->task);
    } else {
        stream_free(s);
    }
}

JS_NATIVE(js_native_stream_end)
{
    stream_finish(ctx, js_uint(ctx, argv[0]), STREAM_ENDED);
    return JSValueMakeUndefined(ctx);
}

JS_NATIVE(js_native_stream_fail)
{
    stream_finish(ctx, js_uint(ctx, argv[0]), STREAM_BROKEN);
    return JSValueMakeUndefined(ctx);
}
