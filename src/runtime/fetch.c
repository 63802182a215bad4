#include "runtime/fetch.h"

#include "base/cleanup.h"
#include "proto/http1/http1.h"
#include "runtime/hop.h"

#include <stdlib.h>

static void count(struct instance *inst, int by)
{
    if (inst != NULL) {
        inst->fetch_count += (uint32_t)by;
    }
}

void hop_end(struct fetch *f)
{
    hop_over(f);
    count(f->inst, -1);
    count(f->sandbox, -1);
    f->version->fetches[f->id] = NULL;
    upstream_fetch_cancel(f->up);
    container_join_cancel(f->join);
    source_close(f->held_body);
    source_close(f->body);
    url_free(&f->url);
    free(f->held);
    free(f->again);
    free(f->headers);
    buf_free(&f->log);
    buf_free(&f->bytes);
    free(f);
}

/* ---- the call ---- */

static bool method_ok(struct span m)
{
    return m.len > 0 && m.len <= DESTINATION_METHOD_MAX && http1_is_token(m) &&
           !span_ieq(m, SPAN_LIT("TRACE")) && !span_ieq(m, SPAN_LIT("TRACK")) &&
           !span_ieq(m, SPAN_LIT("CONNECT"));
}

/* Where to: the URL of the call, that of the request as the handler saw it, or as it came. */
static bool target_of_call(struct fetch *f, const struct exchange *ex, const struct js_fetch *call,
                           struct span *target)
{
    struct span url = call->url.ptr != NULL ? call->url : ex != NULL ? ex->url : call->url;
    if (url.ptr != NULL) {
        if (!url_parse(&f->url, url, NULL) || !hop_destination(f)) {
            return false;
        }
        *target = url_get_target(&f->url);
        return true;
    }
    if (ex == NULL) {
        return false;
    }
    f->host = ex->flow.dest.host;
    f->port = ex->flow.dest.port;
    f->secure = ex->flow.dest.secure;
    *target = ex->target;
    return true;
}

struct source *fetch_body(struct version *v, const struct js_body *body)
{
    struct source *source = NULL;
    const struct exchange *ex;
    switch (body->kind) {
    case JS_BODY_NONE:
        return NULL;
    case JS_BODY_REQUEST:
        ex = task_object(v->rt, body->id, TASK_EXCHANGE);
        return ex != NULL && ex->inbound != NULL ? inbound_take(ex->inbound) : NULL;
    case JS_BODY_RESPONSE:
        source = fetch_read_body(v, body->id);
        fetch_close(v, body->id);
        return source;
    case JS_BODY_BYTES:
        return source_from_bytes(body->bytes);
    case JS_BODY_SOURCE:
        return body->source;
    }
    return NULL;
}

static bool body_of_call(struct fetch *f, const struct js_body *body, struct hop_request *r)
{
    const struct exchange *ex =
        body->kind == JS_BODY_REQUEST ? task_object(f->version->rt, body->id, TASK_EXCHANGE) : NULL;
    if (body->kind == JS_BODY_NONE ||
        (body->kind == JS_BODY_REQUEST && (ex == NULL || ex->inbound == NULL))) {
        return true;
    }
    r->expect = ex != NULL && inbound_waits(ex->inbound);
    r->body = fetch_body(f->version, body);
    f->has_bytes = body->kind == JS_BODY_BYTES;
    f->has_stream = !f->has_bytes && r->body != NULL;
    return r->body != NULL && (!f->has_bytes || f->redirect != JS_REDIRECT_FOLLOW ||
                               buf_append_span(&f->bytes, body->bytes));
}

static bool keep_for_redirects(struct fetch *f, const struct hop_request *r,
                               const struct js_changes *changes)
{
    if (f->redirect != JS_REDIRECT_FOLLOW) {
        return true;
    }
    struct gate_header method = {r->method, {"", 0}};
    f->again = fields_copy(r->fields.items, r->fields.count, &method);
    f->again_count = r->fields.count;
    return f->again != NULL && buf_append_span(&f->log, changes->log);
}

/* A followed redirect needs the URL it came from, also when the call named none. */
static bool url_for_redirects(struct fetch *f, struct exchange *ex)
{
    if (f->redirect != JS_REDIRECT_FOLLOW || f->url.href != NULL) {
        return true;
    }
    if (ex == NULL) {
        return false;
    }
    struct buf text;
    buf_init(&text, URL_INPUT_MAX);
    bool ok = destination_origin(&ex->flow.dest, &text) && buf_append_span(&text, ex->target) &&
              url_parse(&f->url, buf_span(&text), NULL);
    buf_free(&text);
    return ok;
}

bool fetch_start(struct version *v, const struct js_fetch *call)
{
    FIELDS_SCRATCH struct hop_request r;
    struct exchange *base = task_object(v->rt, call->base, TASK_EXCHANGE);
    FIELDS_SCRATCH struct error err;
    struct instance *inst = NULL;
    /* Our script chose the id; a Worker that patches Array.prototype has its hand in that. */
    const bool id_free =
        call->fetch >= 1 && call->fetch <= JS_FETCHES_MAX && v->fetches[call->fetch] == NULL;
    struct fetch *f =
        id_free && task_instance(v->rt, call->task, &inst) ? calloc(1, sizeof *f) : NULL;
    if (f == NULL) {
        source_close(fetch_body(v, &call->body));
        return false;
    }
    f->id = call->fetch;
    f->task = call->task;
    f->version = v;
    f->inst = inst;
    f->redirect = call->redirect;
    f->length = -1;
    buf_init(&f->log, URL_INPUT_MAX * 2);
    buf_init(&f->bytes, SIZE_MAX);
    f->inside = call->sandbox != NULL;
    f->sandbox = call->sandbox;
    f->sandbox_port = call->port;
    v->fetches[f->id] = f;
    v->fetch_top = f->id > v->fetch_top ? f->id : v->fetch_top;
    count(inst, 1);
    count(f->sandbox, 1);
    hop_request_init(&r);
    r.method = call->method;
    if (r.method.ptr == NULL) {
        r.method = base != NULL ? base->method : SPAN_LIT("GET");
    }
    bool ok = body_of_call(f, &call->body, &r) && method_ok(r.method) &&
              target_of_call(f, base, call, &r.target) &&
              (base == NULL || fields_add_all(&r.fields, base->headers, base->header_count)) &&
              fields_apply(&r.fields, &call->headers) &&
              keep_for_redirects(f, &r, &call->headers) && url_for_redirects(f, base);
    if (ok && hop_send(f, &r, &err) == 0) {
        return true;
    }
    if (!ok) {
        source_close(r.body);
    }
    hop_end(f);
    return false;
}

/* ---- what JavaScript and the answer ask ---- */

static struct fetch *find(const struct version *v, uint32_t id)
{
    return id >= 1 && id <= JS_FETCHES_MAX ? v->fetches[id] : NULL;
}

void fetch_close(struct version *v, uint32_t id)
{
    struct fetch *f = find(v, id);
    if (f != NULL) {
        hop_end(f);
    }
}

void fetch_close_all(struct version *v)
{
    for (uint32_t id = 1; id <= v->fetch_top; id++) {
        fetch_close(v, id);
    }
}

void fetch_orphan(struct version *v, const struct instance *inst)
{
    for (uint32_t id = 1; id <= v->fetch_top; id++) {
        struct fetch *f = v->fetches[id];
        if (f != NULL) {
            f->inst = f->inst == inst ? NULL : f->inst;
            f->sandbox = f->sandbox == inst ? NULL : f->sandbox;
        }
    }
}

struct span fetch_url(const struct version *v, uint32_t id)
{
    const struct fetch *f = find(v, id);
    if (f == NULL) {
        return span_of("", 0);
    }
    if (f->url.href != NULL) {
        struct span href = url_get_href(&f->url);
        const char *hash = memchr(href.ptr, '#', href.len);
        return hash != NULL ? span_of(href.ptr, (size_t)(hash - href.ptr)) : href;
    }
    struct exchange *ex = fetch_exchange(f);
    return ex != NULL ? exchange_url(ex) : span_of("", 0);
}

bool fetch_headers_text(const struct version *v, uint32_t id, struct buf *out)
{
    const struct fetch *f = find(v, id);
    return f != NULL && fields_text(f->headers, f->header_count, out) &&
           (f->length < 0 || buf_appendf(out, "content-length\n%lld\n", (long long)f->length));
}

const struct gate_header *fetch_headers(const struct version *v, uint32_t id, size_t *count)
{
    const struct fetch *f = find(v, id);
    *count = f != NULL ? f->header_count : 0;
    return f != NULL ? f->headers : NULL;
}

int64_t fetch_length(const struct version *v, uint32_t id)
{
    const struct fetch *f = find(v, id);
    return f != NULL ? f->length : -1;
}

struct source *fetch_read_body(struct version *v, uint32_t id)
{
    struct fetch *f = find(v, id);
    if (f != NULL && f->empty) {
        f->empty = false;
        return source_from_bytes(span_of("", 0));
    }
    return fetch_take_body(v, id);
}

struct source *fetch_take_body(struct version *v, uint32_t id)
{
    struct fetch *f = find(v, id);
    return f != NULL ? steal_ptr(&f->body) : NULL;
}

const char *fetch_peer(const struct version *v, uint32_t id)
{
    const struct fetch *f = find(v, id);
    return f != NULL ? f->peer : "";
}
