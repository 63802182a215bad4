/*
 * URLs, forms and text encodings: pure natives.
 */
#include "js/natives.h"

#include "js/utf8.h"
#include "proto/url/form.h"
#include "proto/url/url.h"

#include <stdlib.h>

/* The order of the setters in webapi/url.js. */
static bool (*const setters[])(struct url *, struct span) = {
    url_set_href,     url_set_protocol, url_set_username, url_set_password, url_set_host,
    url_set_hostname, url_set_port,     url_set_pathname, url_set_search,   url_set_hash,
};

static void put_line(struct buf *out, struct span s)
{
    buf_append_span(out, s);
    buf_append(out, "\n", 1);
}

/* All parts in one string, a line each: no part of a URL holds a newline. */
static JSValueRef url_parts(JSContextRef ctx, const struct url *u)
{
    struct buf *out = &js_running(ctx)->scratch[2];
    buf_clear(out);
    put_line(out, url_get_href(u));
    put_line(out, url_get_protocol(u));
    put_line(out, url_get_username(u));
    put_line(out, url_get_password(u));
    put_line(out, url_get_host(u));
    put_line(out, url_get_hostname(u));
    put_line(out, url_get_port(u));
    put_line(out, url_get_pathname(u));
    put_line(out, url_get_search(u));
    put_line(out, url_get_hash(u));
    url_get_origin(u, out);
    return js_value_latin1(ctx, buf_span(out));
}

/* (input, base|undefined) -> parts, or null when it is no valid URL */
JS_NATIVE(js_native_url_parse)
{
    bool ok = true;
    struct span input = js_text_utf8(ctx, argv[0], 0, &ok);
    struct span base_text = js_text_utf8(ctx, argv[1], 1, &ok);
    struct url base = {0};
    struct url u = {0};
    if (!ok || (base_text.ptr != NULL && !url_parse(&base, base_text, NULL))) {
        return JSValueMakeNull(ctx);
    }
    JSValueRef parts = JSValueMakeNull(ctx);
    if (url_parse(&u, input, base_text.ptr != NULL ? &base : NULL)) {
        parts = url_parts(ctx, &u);
        url_free(&u);
    }
    url_free(&base);
    return parts;
}

/* (href, setter, value) -> parts, or null when the value is not valid there */
JS_NATIVE(js_native_url_set)
{
    bool ok = true;
    struct span href = js_text_utf8(ctx, argv[0], 0, &ok);
    struct span value = js_text_utf8(ctx, argv[2], 1, &ok);
    uint32_t which = js_uint(ctx, argv[1]);
    struct url u = {0};
    JSValueRef parts = JSValueMakeNull(ctx);
    if (!ok || which >= sizeof setters / sizeof setters[0] || !url_parse(&u, href, NULL)) {
        return parts;
    }
    if (setters[which](&u, value)) {
        parts = url_parts(ctx, &u);
    }
    url_free(&u);
    return parts;
}

static JSValueRef too_long(JSContextRef ctx, JSValueRef *exc)
{
    return js_throw(ctx, exc, JS_RANGE_ERROR, "The text is longer than 134217728 bytes.");
}

static bool form_pair(void *arg, struct span name, struct span value)
{
    struct js_list *list = arg;
    js_list_add(list, js_value_utf8(list->ctx, name));
    js_list_add(list, js_value_utf8(list->ctx, value));
    return list->ok;
}

/* (text) -> [name, value, name, value …] */
JS_NATIVE(js_native_form_parse)
{
    struct span text = js_text_utf8(ctx, argv[0], 0, NULL);
    if (text.ptr == NULL) {
        return too_long(ctx, exc);
    }
    struct js_list list = js_list_begin(ctx);
    url_form_parse(text, form_pair, &list);
    JSValueRef array = js_list_end(&list);
    return array != NULL ? array : too_long(ctx, exc);
}

/* (name, value) -> name=value */
JS_NATIVE(js_native_form_write)
{
    struct buf *out = &js_running(ctx)->scratch[2];
    bool ok = true;
    struct span name = js_text_utf8(ctx, argv[0], 0, &ok);
    struct span value = js_text_utf8(ctx, argv[1], 1, &ok);
    buf_clear(out);
    if (!ok || !url_form_append(out, name, value) || buf_len(out) > JS_TEXT_MAX) {
        return too_long(ctx, exc);
    }
    return js_value_latin1(ctx, buf_span(out));
}

/* (text) -> Uint8Array */
JS_NATIVE(js_native_utf8_encode)
{
    struct span text = js_text_utf8(ctx, argv[0], 0, NULL);
    JSValueRef bytes = text.ptr != NULL ? js_bytes(ctx, text) : JSValueMakeNull(ctx);
    return JSValueIsNull(ctx, bytes) ? too_long(ctx, exc) : bytes;
}

/* (Uint8Array, fatal, stream) -> string, or null when fatal and ill-formed. With stream, bytes of
 * a character that is not complete are left out: the shim keeps them. */
JS_NATIVE(js_native_utf8_decode)
{
    struct span bytes = js_text_bytes(ctx, argv[0], 0, NULL);
    if (bytes.ptr == NULL || bytes.len > JS_TEXT_MAX) {
        return too_long(ctx, exc);
    }
    if (JSValueToBoolean(ctx, argv[2])) {
        bytes.len -= js_utf8_incomplete(bytes);
    }
    if (JSValueToBoolean(ctx, argv[1]) && !js_utf8_valid(bytes)) {
        return JSValueMakeNull(ctx);
    }
    return js_value_utf8(ctx, bytes);
}

/* (Uint8Array) -> string */
JS_NATIVE(js_native_latin1_decode)
{
    struct span bytes = js_text_bytes(ctx, argv[0], 0, NULL);
    if (bytes.ptr == NULL || bytes.len > JS_TEXT_MAX) {
        return too_long(ctx, exc);
    }
    return js_value_latin1(ctx, bytes);
}
