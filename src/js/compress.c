/*
 * Natives behind CompressionStream, DecompressionStream and what hashes bytes as they come. The
 * state of each is an object of C's that only the shim holds; what it needs outside the heap is
 * told to the collector.
 */
#include "crypto/hash.h"
#include "js/codec.h"
#include "js/natives.h"

#include <errno.h>
#include <stdlib.h>

/* Exported by the library, absent from its headers. */
extern void JSReportExtraMemoryCost(JSContextRef ctx, size_t size);

/* A chunk goes in by pieces of JS_CHUNK: what waits here is one. */
struct press {
    struct codec *codec; /* NULL: at its end, or broken */
    struct buf input;
};

static void press_stop(struct press *p)
{
    codec_free(p->codec);
    p->codec = NULL;
    buf_free(&p->input);
}

/* Both finalizers may run on any thread: they touch nothing but the object's own. */
static void press_finalize(JSObjectRef object)
{
    struct press *p = JSObjectGetPrivate(object);
    press_stop(p);
    free(p);
}

static void hasher_finalize(JSObjectRef object)
{
    crypto_hasher_free(JSObjectGetPrivate(object));
}

static JSClassRef class_of(JSClassRef *slot, const char *name, JSObjectFinalizeCallback finalize)
{
    if (*slot == NULL) {
        JSClassDefinition definition = kJSClassDefinitionEmpty;
        definition.className = name;
        definition.finalize = finalize;
        *slot = JSClassCreate(&definition);
    }
    return *slot;
}

static JSClassRef press_class(void)
{
    static JSClassRef slot;
    return class_of(&slot, "Codec", press_finalize);
}

static JSClassRef hasher_class(void)
{
    static JSClassRef slot;
    return class_of(&slot, "Hasher", hasher_finalize);
}

static void *private_of(JSContextRef ctx, JSValueRef value, JSClassRef class_ref)
{
    return JSValueIsObjectOfClass(ctx, value, class_ref)
               ? JSObjectGetPrivate(JSValueToObject(ctx, value, NULL))
               : NULL;
}

/* (format, compress) -> codec, or null: memory is out, or too many are at work */
JS_NATIVE(js_native_codec_open)
{
    struct press *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return JSValueMakeNull(ctx);
    }
    p->codec = codec_open((enum codec_format)js_uint(ctx, argv[0]), JSValueToBoolean(ctx, argv[1]));
    if (p->codec == NULL) {
        free(p);
        return JSValueMakeNull(ctx);
    }
    buf_init(&p->input, JS_CHUNK);
    JSReportExtraMemoryCost(ctx, CODEC_BYTES);
    return JSObjectMake(ctx, press_class(), p);
}

/* (codec, Uint8Array of at most JS_CHUNK) -> taken */
JS_NATIVE(js_native_codec_push)
{
    struct press *p = private_of(ctx, argv[0], press_class());
    bool ok = p != NULL && p->codec != NULL && JSValueIsObject(ctx, argv[1]);
    struct span bytes = ok ? js_text_bytes(ctx, argv[1], 0, &ok) : span_of(NULL, 0);
    return JSValueMakeBoolean(ctx, ok && buf_append_span(&p->input, bytes));
}

/* (codec, nothing follows) -> Uint8Array of at most JS_CHUNK, undefined when it wants more, null at
 * the end, or a number: -1 ill-formed, -2 cut off, -3 bytes behind the end, -4 memory */
JS_NATIVE(js_native_codec_pull)
{
    struct press *p = private_of(ctx, argv[0], press_class());
    bool last = JSValueToBoolean(ctx, argv[1]);
    static unsigned char out[JS_CHUNK]; /* one turn at a time, and it is copied */
    if (p == NULL || p->codec == NULL) {
        return JSValueMakeNull(ctx);
    }
    struct span input = buf_span(&p->input);
    ssize_t n = codec_step(p->codec, &input, last, out, sizeof out);
    buf_consume(&p->input, buf_len(&p->input) - input.len);
    if (n > 0) {
        JSValueRef bytes = js_bytes(ctx, span_of((const char *)out, (size_t)n));
        if (!JSValueIsNull(ctx, bytes)) {
            return bytes;
        }
        n = -ENOMEM; /* null would be the end */
    }
    if (n == 0 && !last) {
        return JSValueMakeUndefined(ctx);
    }
    press_stop(p);
    return n == 0 ? JSValueMakeNull(ctx)
                  : JSValueMakeNumber(ctx, n == -EBADMSG ? -1
                                           : n == -EPIPE ? -2
                                           : n == -EFBIG ? -3
                                                         : -4);
}

/* (codec): gives back what it holds before the collector does */
JS_NATIVE(js_native_codec_close)
{
    struct press *p = private_of(ctx, argv[0], press_class());
    if (p != NULL) {
        press_stop(p);
    }
    return JSValueMakeUndefined(ctx);
}

/* (hash) -> hasher, or null */
JS_NATIVE(js_native_hash_open)
{
    struct crypto_hasher *h = crypto_hasher_create((enum crypto_hash)js_uint(ctx, argv[0]));
    return h != NULL ? JSObjectMake(ctx, hasher_class(), h) : JSValueMakeNull(ctx);
}

/* (hasher, bytes or string) -> taken */
JS_NATIVE(js_native_hash_update)
{
    struct crypto_hasher *h = private_of(ctx, argv[0], hasher_class());
    bool ok = h != NULL;
    struct span bytes = js_text_bytes(ctx, argv[1], 0, &ok);
    return JSValueMakeBoolean(ctx, ok && crypto_hasher_update(h, bytes) >= 0);
}

/* (hasher) -> Uint8Array, or null; it may be updated further */
JS_NATIVE(js_native_hash_digest)
{
    struct crypto_hasher *h = private_of(ctx, argv[0], hasher_class());
    unsigned char out[CRYPTO_DIGEST_MAX];
    size_t len = 0;
    if (h == NULL || crypto_hasher_digest(h, out, &len) < 0) {
        return JSValueMakeNull(ctx);
    }
    return js_bytes(ctx, span_of((const char *)out, len));
}

/* (hasher) -> another of the same state, or null */
JS_NATIVE(js_native_hash_copy)
{
    struct crypto_hasher *h = private_of(ctx, argv[0], hasher_class());
    struct crypto_hasher *copy = h != NULL ? crypto_hasher_copy(h) : NULL;
    return copy != NULL ? JSObjectMake(ctx, hasher_class(), copy) : JSValueMakeNull(ctx);
}
