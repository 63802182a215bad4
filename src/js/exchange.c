/*
 * Requests, fetches and results: the natives between the shim's Request/Response and the host. The
 * arguments of `fetch` and `done` are packed into few values, since each costs a call of the
 * engine; the layout stands in webapi/fetch.js and webapi/task.js.
 */
#include "js/natives.h"

#define FLAG_REDIRECT   3u /* enum js_redirect */
#define FLAG_REPLACE    4u /* the header log is the whole list */
#define FLAG_BODY_SHIFT 3u /* enum js_body_kind in three bits */
#define FLAG_BODY       7u
#define FLAG_MORE       64u /* the task goes on after its result */

enum { SLOT_LOG, SLOT_METHOD, SLOT_URL, SLOT_BODY };

JS_NATIVE(js_native_request_method)
{
    struct js_version *v = js_running(ctx);
    return js_value_latin1(ctx, v->host->request_method(v->arg, js_uint(ctx, argv[0])));
}

JS_NATIVE(js_native_request_url)
{
    struct js_version *v = js_running(ctx);
    return js_value_latin1(ctx, v->host->request_url(v->arg, js_uint(ctx, argv[0])));
}

JS_NATIVE(js_native_request_has_body)
{
    struct js_version *v = js_running(ctx);
    return JSValueMakeBoolean(ctx, v->host->request_has_body(v->arg, js_uint(ctx, argv[0])));
}

static JSValueRef header_text(JSContextRef ctx, uint32_t id,
                              bool (*headers)(void *, uint32_t, struct buf *))
{
    struct js_version *v = js_running(ctx);
    struct buf *out = &v->scratch[SLOT_LOG];
    buf_clear(out);
    if (!headers(v->arg, id, out)) {
        return JSValueMakeNull(ctx);
    }
    return js_value_latin1(ctx, buf_span(out));
}

JS_NATIVE(js_native_request_headers)
{
    return header_text(ctx, js_uint(ctx, argv[0]), js_running(ctx)->host->request_headers);
}

JS_NATIVE(js_native_response_url)
{
    struct js_version *v = js_running(ctx);
    return js_value_latin1(ctx, v->host->response_url(v->arg, js_uint(ctx, argv[0])));
}

JS_NATIVE(js_native_response_headers)
{
    return header_text(ctx, js_uint(ctx, argv[0]), js_running(ctx)->host->response_headers);
}

bool js_body_of(JSContextRef ctx, uint32_t kind, JSValueRef value, int slot, struct js_body *body)
{
    struct js_version *v = js_running(ctx);
    bool ok = true;
    body->kind = (enum js_body_kind)kind;
    switch (body->kind) {
    case JS_BODY_NONE:
        break;
    case JS_BODY_REQUEST:
        body->id = js_uint(ctx, value);
        break;
    case JS_BODY_RESPONSE:
        body->id = js_uint(ctx, value);
        ok = js_ids_has(&v->fetches, body->id);
        break;
    case JS_BODY_BYTES:
        body->bytes = js_text_bytes(ctx, value, slot, &ok);
        break;
    case JS_BODY_SOURCE:
        body->source = js_stream_source(v, js_uint(ctx, value));
        ok = body->source != NULL;
        break;
    default: /* three bits have room for more kinds than there are */
        body->kind = JS_BODY_NONE;
        ok = false;
    }
    return ok;
}

void js_body_given(struct js_version *v, const struct js_body *body)
{
    if (body->kind == JS_BODY_RESPONSE) {
        js_ids_remove(&v->fetches, body->id);
    }
}

void js_body_drop(struct js_version *v, const struct js_body *body)
{
    source_close(body->source);
    if (body->kind == JS_BODY_RESPONSE && js_ids_remove(&v->fetches, body->id)) {
        v->host->fetch_close(v->arg, body->id);
    }
}

/* (fetch, task, base, flags, log, method|null, url|null, body, instance or null, port) -> started
 */
JS_NATIVE(js_native_fetch)
{
    struct js_version *v = js_running(ctx);
    JSLock(ctx);
    uint32_t flags = js_uint(ctx, argv[3]);
    bool ok = true;
    struct js_fetch f = {
        .fetch = js_uint(ctx, argv[0]),
        .task = js_uint(ctx, argv[1]),
        .base = js_uint(ctx, argv[2]),
        .headers = {.replace = (flags & FLAG_REPLACE) != 0,
                    .log = js_text_latin1(ctx, argv[4], SLOT_LOG, &ok)},
        .method = js_text_latin1(ctx, argv[5], SLOT_METHOD, &ok),
        .url = js_text_latin1(ctx, argv[6], SLOT_URL, &ok),
        .redirect = (enum js_redirect)(flags & FLAG_REDIRECT),
    };
    if (!JSValueIsNull(ctx, argv[8])) { /* a number that names none is not the world */
        struct js_instance *inst = js_table_get(&v->instances, js_uint(ctx, argv[8]));
        f.sandbox = inst != NULL ? inst->owner : NULL;
        f.port = (uint16_t)js_uint(ctx, argv[9]);
        ok = ok && f.sandbox != NULL;
    }
    ok = js_body_of(ctx, flags >> FLAG_BODY_SHIFT & FLAG_BODY, argv[7], SLOT_BODY, &f.body) && ok;
    ok = ok && js_ids_add(&v->fetches, f.fetch);
    JSUnlock(ctx);
    if (!ok) {
        js_body_drop(v, &f.body);
        return JSValueMakeBoolean(ctx, false);
    }
    bool started = v->host->fetch(v->arg, &f);
    js_body_given(v, &f.body);
    if (!started) {
        js_ids_remove(&v->fetches, f.fetch);
    }
    return JSValueMakeBoolean(ctx, started);
}

JS_NATIVE(js_native_fetch_close)
{
    struct js_version *v = js_running(ctx);
    uint32_t fetch = js_uint(ctx, argv[0]);
    if (js_ids_remove(&v->fetches, fetch)) {
        v->host->fetch_close(v->arg, fetch);
    }
    return JSValueMakeUndefined(ctx);
}

void js_fetches_close(struct js_version *v)
{
    for (uint32_t id = 1; id <= JS_FETCHES_MAX; id++) {
        if (js_ids_remove(&v->fetches, id)) {
            v->host->fetch_close(v->arg, id);
        }
    }
}

static JSValueRef fail(JSContextRef ctx, uint32_t task, struct span text, bool more)
{
    struct js_result res = {.kind = JS_RESULT_ERROR, .error = text, .more = more};
    js_task_done(js_running(ctx), task, &res);
    return JSValueMakeUndefined(ctx);
}

/* (task, status, base, flags, log, body) */
JS_NATIVE(js_native_done)
{
    struct js_version *v = js_running(ctx);
    JSLock(ctx);
    uint32_t task = js_uint(ctx, argv[0]);
    uint32_t flags = js_uint(ctx, argv[3]);
    bool ok = true;
    struct js_result res = {
        .kind = JS_RESULT_RESPONSE,
        .status = (uint16_t)js_uint(ctx, argv[1]),
        .base = js_uint(ctx, argv[2]),
        .headers = {.replace = (flags & FLAG_REPLACE) != 0,
                    .log = js_text_latin1(ctx, argv[4], SLOT_LOG, &ok)},
        .more = (flags & FLAG_MORE) != 0,
    };
    ok = js_body_of(ctx, flags >> FLAG_BODY_SHIFT & FLAG_BODY, argv[5], SLOT_BODY, &res.body) && ok;
    ok = ok && (res.base == 0 || js_ids_has(&v->fetches, res.base));
    JSUnlock(ctx);
    if (!ok) {
        js_body_drop(v, &res.body);
        return fail(ctx, task, SPAN_LIT("the response does not fit into memory"),
                    (flags & FLAG_MORE) != 0);
    }
    js_task_done(v, task, &res);
    return JSValueMakeUndefined(ctx);
}

/* (task, text, more) */
JS_NATIVE(js_native_fail)
{
    struct span text = js_text_utf8(ctx, argv[1], SLOT_LOG, NULL);
    return fail(ctx, js_uint(ctx, argv[0]), text.ptr != NULL ? text : SPAN_LIT("unknown error"),
                JSValueToBoolean(ctx, argv[2]));
}

JS_NATIVE(js_native_call_done)
{
    struct js_version *v = js_running(ctx);
    struct span json = js_text_utf8(ctx, argv[1], SLOT_BODY, NULL);
    if (json.ptr != NULL) {
        js_task_call_done(v, js_uint(ctx, argv[0]), json, (struct span){NULL, 0});
    } else {
        js_task_call_done(v, js_uint(ctx, argv[0]), (struct span){NULL, 0},
                          SPAN_LIT("the result does not fit into memory"));
    }
    return JSValueMakeUndefined(ctx);
}

JS_NATIVE(js_native_call_fail)
{
    struct js_version *v = js_running(ctx);
    struct span text = js_text_utf8(ctx, argv[1], SLOT_LOG, NULL);
    js_task_call_done(v, js_uint(ctx, argv[0]), (struct span){NULL, 0},
                      text.ptr != NULL ? text : SPAN_LIT("unknown error"));
    return JSValueMakeUndefined(ctx);
}
