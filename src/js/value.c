/*
 * Strings and bytes across the border. The engine's own UTF-8 conversions are not used: one
 * invalid byte gives an empty string, a lone surrogate cuts the rest, and they are slow.
 */
#include "js/engine.h"

#include "js/utf8.h"

#include <math.h>
#include <stdlib.h>

#define STACK_UNITS  512
#define SAFE_INTEGER 9007199254740992.0

static JSStringRef string_of(struct span bytes, size_t (*widen)(struct span, uint16_t *))
{
    JSChar stack[STACK_UNITS];
    JSChar *units = stack;
    if (bytes.len > STACK_UNITS) {
        units = bytes.len <= JS_TEXT_MAX ? malloc(bytes.len * sizeof *units) : NULL;
        if (units == NULL) {
            return JSStringCreateWithUTF8CString("");
        }
    }
    size_t n = widen(bytes, units);
    JSStringRef s = JSStringCreateWithCharacters(units, n);
    if (units != stack) {
        free(units);
    }
    return s;
}

static size_t widen_latin1(struct span bytes, uint16_t *out)
{
    for (size_t i = 0; i < bytes.len; i++) {
        out[i] = (unsigned char)bytes.ptr[i];
    }
    return bytes.len;
}

JSStringRef js_string_latin1(struct span bytes)
{
    return string_of(bytes, widen_latin1);
}

JSStringRef js_string_utf8(struct span bytes)
{
    return string_of(bytes, js_utf8_to_utf16);
}

JSValueRef js_value_latin1(JSContextRef ctx, struct span bytes)
{
    JSStringRef s = js_string_latin1(bytes);
    JSValueRef v = JSValueMakeString(ctx, s);
    JSStringRelease(s);
    return v;
}

JSValueRef js_value_utf8(JSContextRef ctx, struct span bytes)
{
    JSStringRef s = js_string_utf8(bytes);
    JSValueRef v = JSValueMakeString(ctx, s);
    JSStringRelease(s);
    return v;
}

bool js_append_latin1(JSContextRef ctx, JSValueRef value, struct buf *out)
{
    if (!JSValueIsString(ctx, value)) {
        return false;
    }
    JSStringRef s = JSValueToStringCopy(ctx, value, NULL);
    size_t len = s != NULL ? JSStringGetLength(s) : 0;
    char *dst = s != NULL ? buf_reserve(out, len != 0 ? len : 1) : NULL;
    bool ok = dst != NULL;
    if (ok) {
        const JSChar *units = JSStringGetCharactersPtr(s);
        unsigned seen = 0;
        for (size_t i = 0; i < len; i++) {
            seen |= units[i];
            dst[i] = (char)units[i];
        }
        ok = seen <= 0xff;
        buf_commit(out, ok ? len : 0);
    }
    if (s != NULL) {
        JSStringRelease(s);
    }
    return ok;
}

bool js_append_utf8(JSContextRef ctx, JSValueRef value, struct buf *out)
{
    if (!JSValueIsString(ctx, value)) {
        return false;
    }
    JSStringRef s = JSValueToStringCopy(ctx, value, NULL);
    size_t len = s != NULL ? JSStringGetLength(s) : 0;
    char *dst = s != NULL ? buf_reserve(out, len * 3 + 1) : NULL;
    if (dst != NULL) {
        buf_commit(out, js_utf16_to_utf8(JSStringGetCharactersPtr(s), len, dst));
    }
    if (s != NULL) {
        JSStringRelease(s);
    }
    return dst != NULL;
}

static bool absent(JSContextRef ctx, JSValueRef value)
{
    return value == NULL || JSValueIsUndefined(ctx, value) || JSValueIsNull(ctx, value);
}

static struct span text_of(JSContextRef ctx, JSValueRef value, int slot, bool *ok,
                           bool (*append)(JSContextRef, JSValueRef, struct buf *))
{
    struct buf *b = &js_running(ctx)->scratch[slot];
    if (absent(ctx, value)) {
        return (struct span){NULL, 0};
    }
    buf_clear(b);
    if (!append(ctx, value, b)) {
        if (ok != NULL) {
            *ok = false;
        }
        return (struct span){NULL, 0};
    }
    return buf_span(b);
}

struct span js_text_latin1(JSContextRef ctx, JSValueRef value, int slot, bool *ok)
{
    return text_of(ctx, value, slot, ok, js_append_latin1);
}

struct span js_text_utf8(JSContextRef ctx, JSValueRef value, int slot, bool *ok)
{
    return text_of(ctx, value, slot, ok, js_append_utf8);
}

bool js_is_bytes(JSContextRef ctx, JSValueRef value)
{
    return !absent(ctx, value) && JSValueIsObject(ctx, value) &&
           JSValueGetTypedArrayType(ctx, value, NULL) == kJSTypedArrayTypeUint8Array;
}

struct span js_text_bytes(JSContextRef ctx, JSValueRef value, int slot, bool *ok)
{
    if (js_is_bytes(ctx, value)) {
        JSObjectRef array = JSValueToObject(ctx, value, NULL);
        size_t len = JSObjectGetTypedArrayByteLength(ctx, array, NULL);
        size_t offset = JSObjectGetTypedArrayByteOffset(ctx, array, NULL);
        const char *p = JSObjectGetTypedArrayBytesPtr(ctx, array, NULL);
        return p != NULL && len != 0 ? span_of(p + offset, len) : span_of("", 0);
    }
    return text_of(ctx, value, slot, ok, js_append_utf8);
}

JSValueRef js_bytes(JSContextRef ctx, struct span bytes)
{
    JSValueRef exception = NULL;
    JSObjectRef array =
        JSObjectMakeTypedArray(ctx, kJSTypedArrayTypeUint8Array, bytes.len, &exception);
    if (array == NULL || exception != NULL) {
        return JSValueMakeNull(ctx);
    }
    if (bytes.len != 0) {
        char *dst = JSObjectGetTypedArrayBytesPtr(ctx, array, NULL);
        if (dst == NULL) {
            return JSValueMakeNull(ctx);
        }
        memcpy(dst, bytes.ptr, bytes.len);
    }
    return array;
}

uint32_t js_uint(JSContextRef ctx, JSValueRef value)
{
    if (value == NULL || !JSValueIsNumber(ctx, value)) {
        return 0;
    }
    double d = JSValueToNumber(ctx, value, NULL);
    return d >= 0 && d <= UINT32_MAX ? (uint32_t)d : 0;
}

double js_double(JSContextRef ctx, JSValueRef value)
{
    if (value == NULL || !JSValueIsNumber(ctx, value)) {
        return NAN;
    }
    double d = JSValueToNumber(ctx, value, NULL);
    return fabs(d) <= SAFE_INTEGER ? d : NAN;
}

struct js_list js_list_begin(JSContextRef ctx)
{
    struct js_list l = {.ctx = ctx, .array = JSObjectMakeArray(ctx, 0, NULL, NULL)};
    l.ok = l.array != NULL;
    if (l.ok) {
        l.prototype = JSObjectGetPrototype(ctx, l.array);
        JSObjectSetPrototype(ctx, l.array, JSValueMakeNull(ctx));
    }
    return l;
}

void js_list_set(struct js_list *l, unsigned at, JSValueRef value)
{
    JSValueRef exception = NULL;
    if (l->ok) {
        JSObjectSetPropertyAtIndex(l->ctx, l->array, at, value, &exception);
        l->ok = exception == NULL;
    }
}

void js_list_add(struct js_list *l, JSValueRef value)
{
    js_list_set(l, l->count++, value);
}

JSValueRef js_list_end(struct js_list *l)
{
    if (!l->ok) {
        return NULL;
    }
    JSObjectSetPrototype(l->ctx, l->array, l->prototype);
    return l->array;
}

/* No constructor is looked up: user code may have replaced it. */
JSValueRef js_throw(JSContextRef ctx, JSValueRef *exception, enum js_error_kind kind,
                    const char *text)
{
    JSValueRef argument = js_value_utf8(ctx, span_str(text));
    if (kind == JS_RANGE_ERROR) {
        *exception =
            JSObjectCallAsConstructor(ctx, js_running(ctx)->range_error, 1, &argument, NULL);
    }
    if (*exception == NULL) {
        *exception = JSObjectMakeError(ctx, 1, &argument, NULL);
    }
    return JSValueMakeUndefined(ctx);
}
