/*
 * The primitives behind WebCrypto, which the host lends.
 */
#include "js/natives.h"

#define DIGEST_MAX 64

/* (Uint8Array): filled; false when no random bytes could be had */
JS_NATIVE(js_native_random)
{
    struct js_version *v = js_running(ctx);
    struct span bytes = js_text_bytes(ctx, argv[0], 0, NULL);
    char *dst = (char *)(uintptr_t)bytes.ptr;
    bool ok = JSValueIsObject(ctx, argv[0]) && dst != NULL && v->host->random(dst, bytes.len) >= 0;
    return JSValueMakeBoolean(ctx, ok);
}

/* (hash, data) -> Uint8Array, or null when it failed */
JS_NATIVE(js_native_digest)
{
    struct js_version *v = js_running(ctx);
    unsigned char out[DIGEST_MAX];
    size_t len = 0;
    bool ok = true;
    struct span data = js_text_bytes(ctx, argv[1], 0, &ok);
    if (!ok || v->host->digest((enum js_hash)js_uint(ctx, argv[0]), data, out, &len) < 0) {
        return JSValueMakeNull(ctx);
    }
    return js_bytes(ctx, span_of(out, len));
}

/* (hash, key, data) -> Uint8Array, or null when it failed */
JS_NATIVE(js_native_hmac)
{
    struct js_version *v = js_running(ctx);
    unsigned char out[DIGEST_MAX];
    size_t len = 0;
    bool ok = true;
    struct span key = js_text_bytes(ctx, argv[1], 0, &ok);
    struct span data = js_text_bytes(ctx, argv[2], 1, &ok);
    if (!ok || v->host->hmac((enum js_hash)js_uint(ctx, argv[0]), key, data, out, &len) < 0) {
        return JSValueMakeNull(ctx);
    }
    return js_bytes(ctx, span_of(out, len));
}
