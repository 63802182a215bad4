/*
 * Requests that a handler of the user's answers: how they enter JavaScript and what comes back.
 */
#include "base/clock.h"
#include "proto/url/url.h"
#include "runtime/exchange.h"
#include "runtime/fetch.h"
#include "runtime/half.h"
#include "runtime/watchdog.h"

#include <stdlib.h>

struct span exchange_url(struct exchange *ex)
{
    if (ex->url.ptr != NULL) {
        return ex->url;
    }
    struct buf text;
    struct url url;
    buf_init(&text, URL_INPUT_MAX);
    struct span target = span_eq(ex->target, SPAN_LIT("*")) ? SPAN_LIT("/") : ex->target;
    if (destination_origin(&ex->flow.dest, &text) && buf_append_span(&text, target) &&
        url_parse(&url, buf_span(&text), NULL)) {
        struct span href = url_get_href(&url);
        char *copy = malloc(href.len + 1);
        if (copy != NULL) {
            memcpy(copy, href.ptr, href.len);
            ex->url = span_of(copy, href.len);
        }
        url_free(&url);
    }
    buf_free(&text);
    return ex->url.ptr != NULL ? ex->url : span_of("", 0);
}

void handler_progress(struct exchange *ex)
{
    ex->deadline_ms = clock_monotonic_ms() + ex->flow.door->rt->app.limits.request_ms;
}

void handler_clock(struct exchange *ex, uint64_t now_ms)
{
    if (!ex->handled || ex->fetches > 0 || now_ms < ex->deadline_ms) {
        return;
    }
    struct runtime *rt = ex->flow.door->rt;
    ex->handled = false;
    js_task_abort(ex->version->js, ex->task, "time limit");
    runtime_log(rt, exchange_instance(ex), JS_LOG_ERROR,
                SPAN_LIT("handler: no answer within its time limit"));
    ex->flow.error = "timeout";
    exchange_answer(ex, &(struct answer){.status = 504, .text = "The handler took too long"});
}

/* false: it was answered. */
static bool enter(struct exchange *ex, struct version *v)
{
    ex->task = task_open(v, TASK_EXCHANGE, ex);
    if (ex->task == 0) {
        ex->flow.error = "overload";
        exchange_answer(ex, &(struct answer){.status = 503, .text = "Too many requests at once"});
        return false;
    }
    ex->version = v;
    ex->handled = true;
    handler_progress(ex);
    return true;
}

static void run(struct exchange *ex, uint32_t handler, struct span params)
{
    const struct instance *inst = ex->flow.door->inst;
    struct version *v = inst->half->version;
    if (!enter(ex, v)) {
        return;
    }
    struct js_dispatch d = {
        .task = ex->task, .handler = handler, .instance = inst->half->js, .params = params};
    watchdog_name(inst->id);
    /* It may be answered, and gone, when this returns. */
    js_dispatch(v->js, &d);
}

void handler_serve(struct exchange *ex)
{
    struct version *v = ex->flow.door->rt->version;
    if (v == NULL || !js_worker(v->js).fetch) {
        exchange_answer(ex, &(struct answer){.status = 501,
                                             .text = "The module's default export has no fetch()"});
        return;
    }
    if (enter(ex, v)) {
        watchdog_name("fetch");
        js_serve(v->js, ex->task);
    }
}

void handler_leave(struct exchange *ex, bool cut)
{
    struct runtime *rt = ex->flow.door->rt;
    uint32_t task = ex->task;
    ex->task = 0;
    if (task == 0) {
        return;
    }
    if (ex->more) {
        task_rest(rt, task, ex->flow.door->inst);
        return;
    }
    if (ex->handled || cut) {
        ex->handled = false;
        js_task_abort(ex->version->js, task, "the client went away");
    }
    task_close(rt, task);
}

void handler_stop(struct exchange *ex)
{
    uint32_t task = ex->task;
    bool waits = ex->handled;
    ex->task = 0;
    ex->handled = ex->more = false;
    js_task_abort(ex->version->js, task, "its code was replaced meanwhile");
    task_close(ex->flow.door->rt, task);
    if (waits) {
        ex->flow.error = "cancelled";
        exchange_answer(ex, &(struct answer){.status = 503, .text = "The code was replaced"});
    }
}

void handler_over(struct exchange *ex)
{
    ex->more = false;
}

void handler_start(struct exchange *ex, const struct policy_verdict *v)
{
    const struct half *half = ex->flow.door->inst->half;
    const struct js_class *cls = half != NULL ? half->cls : NULL;
    uint32_t handler = JS_HANDLER_NONE;
    if (cls != NULL) {
        switch (v->rule) {
        case POLICY_RULE_SET_OUTBOUND_BY_HOST:
        case POLICY_RULE_SET_OUTBOUND_HANDLER:
            handler = v->index < cls->handler_count ? cls->handlers[v->index].handler : handler;
            break;
        case POLICY_RULE_OUTBOUND_BY_HOST:
            handler = v->index < cls->host_count ? cls->hosts[v->index].handler : handler;
            break;
        case POLICY_RULE_OUTBOUND:
            handler = cls->outbound;
            break;
        case POLICY_RULE_INTERCEPT:
            handler = JS_HANDLER_INTERCEPT;
            break;
        case POLICY_RULE_DENIED_HOSTS:
        case POLICY_RULE_ALLOWED_HOSTS:
        case POLICY_RULE_ENABLE_INTERNET:
        case POLICY_RULE_ALLOWED_TCP:
        case POLICY_RULE_URL:
        case POLICY_RULE_COUNT:
            break;
        }
    }
    if (handler == JS_HANDLER_NONE) {
        exchange_handler_failed(ex, SPAN_LIT("the policy names a handler that is not there"));
        return;
    }
    run(ex, handler, v->params);
}

bool handler_denied(struct exchange *ex, const struct policy_verdict *v)
{
    const struct half *half = ex->flow.door->inst->half;
    const struct js_class *cls = half != NULL ? half->cls : NULL;
    if (cls == NULL || cls->denied == JS_HANDLER_NONE) {
        return false;
    }
    json_t *json = json_pack("{s:s, s:s%, s:s%, s:s}", "rule", policy_rule_name(v->rule), "host",
                             ex->flow.dest.host.text, (size_t)ex->flow.dest.host.len, "pattern",
                             v->pattern.ptr != NULL ? v->pattern.ptr : "", v->pattern.len, "reason",
                             v->reason != NULL ? v->reason : "");
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text != NULL) {
        run(ex, cls->denied, span_str(text));
        free(text);
    }
    return text != NULL;
}

/* ---- the answer ---- */

/* -1: it is none, or one of more than 18 digits. */
static int64_t number_of(struct span digits)
{
    int64_t n = digits.len > 0 && digits.len <= 18 ? 0 : -1;
    for (size_t i = 0; n >= 0 && i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') {
            return -1;
        }
        n = n * 10 + (digits.ptr[i] - '0');
    }
    return n;
}

/* What the changes say of Content-Length. Where no body follows it is told as it was set. */
static int64_t length_named(const struct js_changes *changes, int64_t length)
{
    struct span log = changes->log;
    struct js_change c;
    while (log.len > 0 && js_change_next(&log, &c)) {
        if (span_ieq(c.name, SPAN_LIT("content-length"))) {
            length = c.op == '-' ? -1 : number_of(c.value);
        }
    }
    return length;
}

/* Fills body and length; false: there is no memory for it. */
static bool result_body(struct exchange *ex, const struct js_result *res,
                        struct exchange_response *out)
{
    struct version *v = ex->version;
    int64_t upstream_length = res->base != 0 ? fetch_length(v, res->base) : -1;
    out->head.length = -1;
    switch (res->body.kind) {
    case JS_BODY_NONE:
        out->head.length =
            ex->is_head || res->status == 304 ? length_named(&res->headers, upstream_length) : 0;
        return true;
    case JS_BODY_REQUEST:
        out->body = ex->inbound != NULL ? inbound_take(ex->inbound) : NULL;
        out->head.length = out->body != NULL ? out->body->length : 0;
        return true;
    case JS_BODY_RESPONSE:
        out->head.length = fetch_length(v, res->body.id);
        out->body = fetch_take_body(v, res->body.id);
        out->direct = out->trailers = out->body != NULL;
        return true;
    case JS_BODY_BYTES:
        out->head.length = (int64_t)res->body.bytes.len;
        out->body = res->body.bytes.len > 0 ? source_from_bytes(res->body.bytes) : NULL;
        return out->body != NULL || res->body.bytes.len == 0;
    case JS_BODY_SOURCE:
        out->body = res->body.source;
        out->head.length = out->body->length;
        return true;
    }
    return false;
}

static void body_without_place(struct exchange *ex, uint16_t status, struct exchange_response *out)
{
    if (out->body != NULL && (ex->is_head || status == 204 || status == 304)) {
        source_close(out->body);
        out->body = NULL;
        out->direct = out->trailers = false;
    }
    if (status == 204) {
        out->head.length = -1;
    }
}

static void answer_with(struct exchange *ex, const struct js_result *res)
{
    struct version *v = ex->version;
    FIELDS_SCRATCH struct fields f;
    f.count = 0;
    struct buf joined;
    buf_init(&joined, FIELDS_JOINED_MAX);
    struct exchange_response out = {.head = {.status = res->status}};
    size_t count = 0;
    const struct gate_header *base = res->base != 0 ? fetch_headers(v, res->base, &count) : NULL;
    bool ok = result_body(ex, res, &out) && fields_add_all(&f, base, count) &&
              fields_apply(&f, &res->headers) && fields_join(&f, &joined);
    uint32_t given = res->body.kind == JS_BODY_RESPONSE ? res->body.id : 0;
    if (res->base != 0 || given != 0) {
        flow_peer_set(&ex->flow, fetch_peer(v, given != 0 ? given : res->base));
    }
    if (!ok || res->status < 200 || res->status > 599) {
        source_close(out.body);
        fetch_close(v, given);
        buf_free(&joined);
        exchange_handler_failed(ex, SPAN_LIT("the response holds what no response may carry"));
        return;
    }
    body_without_place(ex, res->status, &out);
    out.head.headers = f.items;
    out.head.header_count = f.count;
    /* The list may point into a fetch, which therefore goes last; the exchange may be gone then. */
    exchange_respond(ex, &out);
    buf_free(&joined);
    fetch_close(v, given);
}

void handler_done(struct exchange *ex, const struct js_result *res)
{
    ex->handled = false;
    ex->more = res->more;
    if (res->kind == JS_RESULT_ERROR) {
        exchange_handler_failed(ex, res->error);
    } else {
        answer_with(ex, res);
    }
}
