/*
 * Native bodies that a handler reads: a source of the host's, pulled chunk by chunk.
 *
 *     open --read--> chunk | end (reader gone) | "later" --ready--> ENTRY_BODY_READY
 *     close is allowed at any time
 */
#include "js/natives.h"

#include "js/decode.h"

#include <errno.h>
#include <stdlib.h>

struct js_reader {
    struct js_version *version;
    struct source *source;
    uint32_t number;
};

static void reader_close(struct js_reader *r)
{
    js_table_remove(&r->version->readers, r->number);
    source_close(r->source);
    free(r);
}

void js_readers_close(struct js_version *v)
{
    for (uint32_t i = 1; i <= v->readers.cap; i++) {
        struct js_reader *r = js_table_get(&v->readers, i);
        if (r != NULL) {
            reader_close(r);
        }
    }
}

static void on_ready(void *arg)
{
    struct js_reader *r = arg;
    struct js_version *v = r->version;
    JSValueRef number = JSValueMakeNumber(v->ctx, r->number);
    js_enter(v, ENTRY_BODY_READY, 1, &number);
}

uint32_t js_reader_adopt(struct js_version *v, struct source *s)
{
    struct js_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        source_close(s);
        return 0;
    }
    r->version = v;
    r->source = s;
    r->number = js_table_add(&v->readers, r);
    if (r->number == 0) {
        source_close(s);
        free(r);
        return 0;
    }
    return r->number;
}

/* (kind, id, coding) -> reader, or 0 when the body is gone */
JS_NATIVE(js_native_body_open)
{
    struct js_version *v = js_running(ctx);
    uint32_t id = js_uint(ctx, argv[1]);
    struct source *s = js_uint(ctx, argv[0]) == JS_BODY_REQUEST
                           ? v->host->request_body(v->arg, id)
                           : v->host->response_body(v->arg, id);
    uint32_t coding = js_uint(ctx, argv[2]);
    if (s != NULL && coding <= JS_CODING_BROTLI) {
        s = js_decode(s, (enum js_coding)coding);
    }
    return JSValueMakeNumber(ctx, s != NULL ? js_reader_adopt(v, s) : 0);
}

/* (reader) -> Uint8Array, null at the end, undefined for later, false when it broke */
JS_NATIVE(js_native_body_read)
{
    struct js_version *v = js_running(ctx);
    struct js_reader *r = js_table_get(&v->readers, js_uint(ctx, argv[0]));
    static char chunk[JS_CHUNK];
    if (r == NULL) {
        return JSValueMakeBoolean(ctx, false);
    }
    ssize_t n = source_read(r->source, chunk, sizeof chunk);
    if (n > 0) {
        JSValueRef bytes = js_bytes(ctx, span_of(chunk, (size_t)n));
        if (!JSValueIsNull(ctx, bytes)) {
            return bytes;
        }
        n = -ENOMEM; /* null would be the end */
    }
    if (n == -EAGAIN) {
        source_watch(r->source, on_ready, r);
        return JSValueMakeUndefined(ctx);
    }
    reader_close(r);
    return n == 0 ? JSValueMakeNull(ctx) : JSValueMakeBoolean(ctx, false);
}

JS_NATIVE(js_native_body_close)
{
    struct js_reader *r = js_table_get(&js_running(ctx)->readers, js_uint(ctx, argv[0]));
    if (r != NULL) {
        reader_close(r);
    }
    return JSValueMakeUndefined(ctx);
}
