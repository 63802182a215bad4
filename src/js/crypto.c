/*
 * The primitives behind WebCrypto. A key is an object of C's that only the shim holds; its bytes
 * are not in the engine's heap unless code exports them.
 */
#include "crypto/crypto.h"
#include "js/natives.h"

#define RESULT_MAX (JS_TEXT_MAX + 1024u)

/* May run on any thread: it touches nothing but the key. */
static void key_finalize(JSObjectRef object)
{
    crypto_key_free(JSObjectGetPrivate(object));
}

static JSClassRef key_class(void)
{
    static JSClassRef class_ref;
    if (class_ref == NULL) {
        JSClassDefinition definition = kJSClassDefinitionEmpty;
        definition.className = "Key";
        definition.finalize = key_finalize;
        class_ref = JSClassCreate(&definition);
    }
    return class_ref;
}

/* Takes key (given). */
static JSValueRef key_object(JSContextRef ctx, struct crypto_key *key)
{
    return key != NULL ? JSObjectMake(ctx, key_class(), key) : JSValueMakeNull(ctx);
}

static const struct crypto_key *key_of(JSContextRef ctx, JSValueRef value)
{
    return JSValueIsObjectOfClass(ctx, value, key_class())
               ? JSObjectGetPrivate(JSValueToObject(ctx, value, NULL))
               : NULL;
}

/* Bytes of an argument, "" where there are none. */
static struct span bytes_of(JSContextRef ctx, JSValueRef value, int slot, bool *ok)
{
    struct span bytes = js_text_bytes(ctx, value, slot, ok);
    return bytes.ptr != NULL ? bytes : span_of("", 0);
}

/* (Uint8Array): filled; false when no random bytes could be had */
JS_NATIVE(js_native_random)
{
    struct span bytes = js_text_bytes(ctx, argv[0], 0, NULL);
    char *dst = (char *)(uintptr_t)bytes.ptr;
    bool ok = JSValueIsObject(ctx, argv[0]) && dst != NULL && crypto_random(dst, bytes.len) >= 0;
    return JSValueMakeBoolean(ctx, ok);
}

/* (hash, data) -> Uint8Array, or null when it failed */
JS_NATIVE(js_native_digest)
{
    unsigned char out[CRYPTO_DIGEST_MAX];
    size_t len = 0;
    bool ok = true;
    struct span data = bytes_of(ctx, argv[1], 0, &ok);
    if (!ok || crypto_digest((enum crypto_hash)js_uint(ctx, argv[0]), data, out, &len) < 0) {
        return JSValueMakeNull(ctx);
    }
    return js_bytes(ctx, span_of((const char *)out, len));
}

/* (type, format, bytes) -> key, or null when it is none */
JS_NATIVE(js_native_key_import)
{
    bool ok = true;
    struct span bytes = bytes_of(ctx, argv[2], 0, &ok);
    return key_object(ctx, ok ? crypto_key_import((enum crypto_type)js_uint(ctx, argv[0]),
                                                  (enum crypto_format)js_uint(ctx, argv[1]), bytes)
                              : NULL);
}

/* (type, eight Uint8Arrays or undefined) -> key, or null when it is none */
JS_NATIVE(js_native_key_from_parts)
{
    struct span parts[CRYPTO_PARTS];
    bool ok = true;
    for (size_t i = 0; i < CRYPTO_PARTS; i++) {
        JSValueRef part = argv[1 + i];
        ok = ok && (JSValueIsUndefined(ctx, part) || JSValueIsObject(ctx, part));
        parts[i] = ok ? js_text_bytes(ctx, part, 0, &ok) : span_of(NULL, 0);
    }
    return key_object(
        ctx, ok ? crypto_key_from_parts((enum crypto_type)js_uint(ctx, argv[0]), parts) : NULL);
}

/* (type, bits, public exponent) -> key, or null */
JS_NATIVE(js_native_key_generate)
{
    return key_object(ctx, crypto_key_generate((enum crypto_type)js_uint(ctx, argv[0]),
                                               js_uint(ctx, argv[1]), js_uint(ctx, argv[2])));
}

static JSValueRef take_bytes(JSContextRef ctx, struct buf *out, int rc)
{
    JSValueRef value = rc >= 0 ? js_bytes(ctx, buf_span(out)) : JSValueMakeNull(ctx);
    buf_wipe(out);
    buf_free(out);
    return value;
}

/* (key, format) -> Uint8Array, or null */
JS_NATIVE(js_native_key_export)
{
    const struct crypto_key *key = key_of(ctx, argv[0]);
    struct buf out;
    buf_init(&out, RESULT_MAX);
    int rc =
        key != NULL ? crypto_key_export(key, (enum crypto_format)js_uint(ctx, argv[1]), &out) : -1;
    return take_bytes(ctx, &out, rc);
}

/* (key, with the private ones) -> the parts of a JWK as an array of Uint8Arrays, or null */
JS_NATIVE(js_native_key_parts)
{
    const struct crypto_key *key = key_of(ctx, argv[0]);
    size_t lens[CRYPTO_PARTS];
    struct buf out;
    buf_init(&out, CRYPTO_DER_MAX);
    JSValueRef result = JSValueMakeNull(ctx);
    if (key != NULL && crypto_key_parts(key, JSValueToBoolean(ctx, argv[1]), &out, lens) >= 0) {
        JSValueRef parts[CRYPTO_PARTS];
        struct span all = buf_span(&out);
        size_t count = 0;
        for (; count < CRYPTO_PARTS && lens[count] > 0; count++) {
            parts[count] = js_bytes(ctx, span_of(all.ptr, lens[count]));
            all = span_from(all, lens[count]);
        }
        result = JSObjectMakeArray(ctx, count, parts, NULL);
    }
    buf_wipe(&out);
    buf_free(&out);
    return result;
}

/* (what, algorithm, hash, key, peer|null, data, iv, extra, number, length)
 * -> Uint8Array (verify: boolean), or null when it failed */
JS_NATIVE(js_native_crypto_run)
{
    bool ok = true;
    struct crypto_op op = {
        .what = (enum crypto_what)js_uint(ctx, argv[0]),
        .algorithm = (enum crypto_algorithm)js_uint(ctx, argv[1]),
        .hash = (enum crypto_hash)js_uint(ctx, argv[2]),
        .key = key_of(ctx, argv[3]),
        .peer = key_of(ctx, argv[4]),
        .data = bytes_of(ctx, argv[5], 0, &ok),
        .iv = bytes_of(ctx, argv[6], 1, &ok),
        .extra = bytes_of(ctx, argv[7], 2, &ok),
        .number = js_uint(ctx, argv[8]),
        .length = js_uint(ctx, argv[9]),
    };
    struct buf out;
    if (!ok || op.key == NULL) {
        return JSValueMakeNull(ctx);
    }
    buf_init(&out, RESULT_MAX);
    int rc = crypto_run(&op, &out);
    if (op.what != CRYPTO_VERIFY) {
        return take_bytes(ctx, &out, rc);
    }
    buf_free(&out);
    return rc < 0 ? JSValueMakeNull(ctx) : JSValueMakeBoolean(ctx, rc == 1);
}
