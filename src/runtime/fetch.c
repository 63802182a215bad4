#include "runtime/fetch.h"

#include "base/cleanup.h"
#include "proto/http1/http1.h"
#include "runtime/redirect.h"

#include <stdlib.h>

struct fetch {
    uint32_t id;
    uint32_t task;
    struct version *version;
    struct instance *inst;     /* whose rules it takes along; NULL: none */
    struct upstream_fetch *up; /* NULL once the head is there */
    struct url url;            /* holds nothing while it is that of the sandbox's own request */
    struct url_host host;
    uint16_t port;
    bool secure;
    enum js_redirect redirect;
    unsigned redirects;

    /* The request, to be sent again: kept only when redirects are followed. */
    struct gate_header *again; /* [again_count] holds the method */
    size_t again_count;
    struct buf log; /* the changes: what the handler added */
    struct buf bytes;
    bool has_bytes;
    bool has_stream;

    /* The response. */
    uint16_t status;
    int64_t length;
    struct gate_header *headers;
    size_t header_count;
    struct source *body;
    char peer[UPSTREAM_PEER_MAX];
};

struct request { /* what one hop sends */
    struct span method;
    struct span target;
    struct fields fields;
    struct source *body;
    bool expect;
};

static void request_init(struct request *r)
{
    r->method = r->target = (struct span){NULL, 0};
    r->fields.count = 0;
    r->body = NULL;
    r->expect = false;
}

static struct exchange *exchange_of(const struct fetch *f)
{
    return task_object(f->version->rt, f->task, TASK_EXCHANGE);
}

static void fetch_free(struct fetch *f)
{
    struct exchange *ex = exchange_of(f);
    if (f->up != NULL && ex != NULL) {
        ex->fetches--;
    }
    if (f->inst != NULL) {
        f->inst->fetch_count--;
    }
    f->version->fetches[f->id] = NULL;
    upstream_fetch_cancel(f->up);
    source_close(f->body);
    url_free(&f->url);
    free(f->again);
    free(f->headers);
    buf_free(&f->log);
    buf_free(&f->bytes);
    free(f);
}

static void fail(struct fetch *f, const char *message)
{
    struct js_version *version = f->version->js;
    uint32_t id = f->id;
    fetch_free(f);
    js_fetch_failed(version, id, span_str(message));
}

static const struct upstream_events events;

/* Puts the rules' credentials on this hop. They are never part of what is sent again. */
static int inject(struct fetch *f, struct request *r, struct buf *values, struct error *err)
{
    if (!f->secure || f->inst == NULL || f->inst->inject == NULL) {
        return 0;
    }
    struct exchange *ex = exchange_of(f);
    struct buf unused;
    buf_init(&unused, INJECT_TEXT_MAX);
    int rc = inject_apply(f->inst->inject, f->version->rt->secrets, &f->host, &r->fields, values,
                          ex != NULL ? &ex->secrets : &unused, err);
    buf_free(&unused);
    return rc;
}

/* Sends one hop; r->body is given. */
static int hop(struct fetch *f, struct request *r, struct error *err)
{
    struct buf values;
    struct buf authority;
    buf_init(&values, INJECT_TEXT_MAX);
    buf_init(&authority, URL_HOST_MAX + 16);
    struct span host = url_host_span(&f->host);
    bool named =
        buf_append_span(&authority, host) && (f->port == destination_default_port(f->secure) ||
                                              buf_appendf(&authority, ":%u", (unsigned)f->port));
    int rc = named ? inject(f, r, &values, err) : error_set(err, 0, "out of memory");
    if (rc == 0) {
        struct upstream_request req = {
            .secure = f->secure,
            .expect_continue = r->expect,
            .host = host,
            .port = f->port,
            .authority = buf_span(&authority),
            .method = r->method,
            .target = r->target,
            .headers = (const struct http1_header *)(const void *)r->fields.items,
            .header_count = r->fields.count,
            .body = r->body,
        };
        f->up = upstream_fetch_start(f->version->rt->upstream, &req, &events, f, err);
        rc = f->up != NULL ? 0 : -1;
        struct exchange *ex = rc == 0 ? exchange_of(f) : NULL;
        if (ex != NULL) {
            ex->fetches++;
        }
    } else {
        source_close(r->body);
    }
    buf_wipe(&values);
    buf_free(&authority);
    return rc;
}

/* ---- the call ---- */

static bool method_ok(struct span m)
{
    return m.len > 0 && m.len <= DESTINATION_METHOD_MAX && http1_is_token(m) &&
           !span_ieq(m, SPAN_LIT("TRACE")) && !span_ieq(m, SPAN_LIT("TRACK")) &&
           !span_ieq(m, SPAN_LIT("CONNECT"));
}

static bool destination_of_url(struct fetch *f)
{
    f->secure = f->url.kind == URL_SCHEME_HTTPS;
    f->port = url_port_or_default(&f->url);
    return (f->secure || f->url.kind == URL_SCHEME_HTTP) && f->port != 0 &&
           url_host_of(&f->url, &f->host);
}

/* Where to: the URL of the call, that of the request as the handler saw it, or as it came. */
static bool target_of_call(struct fetch *f, const struct exchange *ex, const struct js_fetch *call,
                           struct span *target)
{
    struct span url = call->url.ptr != NULL ? call->url : ex != NULL ? ex->url : call->url;
    if (url.ptr != NULL) {
        if (!url_parse(&f->url, url, NULL) || !destination_of_url(f)) {
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

static bool body_of_call(struct fetch *f, const struct js_body *body, struct request *r)
{
    struct exchange *ex = task_object(f->version->rt, body->id, TASK_EXCHANGE);
    switch (body->kind) {
    case JS_BODY_NONE:
        return true;
    case JS_BODY_REQUEST:
        if (ex == NULL || ex->inbound == NULL) {
            return true;
        }
        r->expect = inbound_waits(ex->inbound);
        r->body = inbound_take(ex->inbound);
        break;
    case JS_BODY_RESPONSE:
        r->body = fetch_take_body(f->version, body->id);
        fetch_close(f->version, body->id);
        break;
    case JS_BODY_BYTES:
        f->has_bytes = true;
        r->body = source_from_bytes(body->bytes);
        return r->body != NULL &&
               (f->redirect != JS_REDIRECT_FOLLOW || buf_append_span(&f->bytes, body->bytes));
    case JS_BODY_SOURCE:
        r->body = body->source;
        break;
    }
    f->has_stream = r->body != NULL;
    return r->body != NULL;
}

static bool keep_for_redirects(struct fetch *f, const struct request *r,
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
    FIELDS_SCRATCH struct request r;
    struct exchange *base = task_object(v->rt, call->base, TASK_EXCHANGE);
    FIELDS_SCRATCH struct error err;
    struct instance *inst = NULL;
    struct fetch *f = task_instance(v->rt, call->task, &inst) ? calloc(1, sizeof *f) : NULL;
    if (f == NULL) {
        if (call->body.kind == JS_BODY_SOURCE) {
            source_close(call->body.source);
        }
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
    v->fetches[f->id] = f;
    if (inst != NULL) {
        inst->fetch_count++;
    }
    request_init(&r);
    r.method = call->method;
    if (r.method.ptr == NULL) {
        r.method = base != NULL ? base->method : SPAN_LIT("GET");
    }
    bool ok = body_of_call(f, &call->body, &r) && method_ok(r.method) &&
              target_of_call(f, base, call, &r.target) &&
              (base == NULL || fields_add_all(&r.fields, base->headers, base->header_count)) &&
              fields_apply(&r.fields, &call->headers) &&
              keep_for_redirects(f, &r, &call->headers) && url_for_redirects(f, base);
    if (ok && hop(f, &r, &err) == 0) {
        return true;
    }
    if (!ok) {
        source_close(r.body);
    }
    fetch_free(f);
    return false;
}

/* ---- the response ---- */

static void keep_response(struct fetch *f, const struct upstream_response *res)
{
    f->status = res->status;
    f->length = res->length;
    f->headers = fields_copy((const struct gate_header *)(const void *)res->headers,
                             res->header_count, NULL);
    f->header_count = f->headers != NULL ? res->header_count : 0;
    f->body = res->body;
    memcpy(f->peer, res->peer, strnlen(res->peer, sizeof f->peer - 1));
}

static const char *redirect_headers(struct fetch *f, struct request *r, uint16_t status,
                                    bool same_origin)
{
    r->method = f->again[f->again_count].name;
    if (!fields_add_all(&r->fields, f->again, f->again_count)) {
        return "fetch failed: too many header fields";
    }
    if (redirect_method(status, r->method) == REDIRECT_BODY_DROP) {
        r->method = SPAN_LIT("GET");
        f->has_bytes = f->has_stream = false;
        fields_remove(&r->fields, SPAN_LIT("content-type"));
        fields_remove(&r->fields, SPAN_LIT("content-encoding"));
        fields_remove(&r->fields, SPAN_LIT("content-language"));
        fields_remove(&r->fields, SPAN_LIT("content-location"));
    } else if (f->has_stream) {
        return "fetch failed: a redirect would send a stream body twice";
    }
    if (!same_origin) {
        struct js_changes changes = {false, buf_span(&f->log)};
        fields_leave_origin(&r->fields, &changes);
    }
    return NULL;
}

/* Sends the request to where Location says; NULL, or why not. */
static const char *follow(struct fetch *f, uint16_t status, struct span location)
{
    struct url next;
    FIELDS_SCRATCH struct request r;
    struct error err;
    request_init(&r);
    if (++f->redirects > FETCH_REDIRECTS_MAX) {
        return "fetch failed: more than 20 redirects";
    }
    if (!redirect_target(&f->url, location, &next)) {
        return "fetch failed: the redirect does not lead to a http or https URL";
    }
    bool same = redirect_same_origin(&f->url, &next);
    url_free(&f->url);
    f->url = next;
    const char *why = redirect_headers(f, &r, status, same);
    if (why != NULL) {
        return why;
    }
    /* What was dropped stays dropped on the hops after. */
    struct gate_header method = {r.method, {"", 0}};
    struct gate_header *again = fields_copy(r.fields.items, r.fields.count, &method);
    if (again == NULL || !destination_of_url(f)) {
        free(again);
        return "fetch failed: the redirect does not lead to a valid host";
    }
    if (f->has_bytes && (r.body = source_from_bytes(buf_span(&f->bytes))) == NULL) {
        free(again);
        return "fetch failed: out of memory";
    }
    free(f->again);
    f->again = again;
    f->again_count = r.fields.count;
    memcpy(r.fields.items, again, r.fields.count * sizeof *again);
    r.method = again[r.fields.count].name;
    r.target = url_get_target(&f->url);
    return hop(f, &r, &err) == 0 ? NULL : "fetch failed: the redirect could not be followed";
}

static void on_response(void *arg, const struct upstream_response *res)
{
    struct fetch *f = arg;
    struct exchange *ex = exchange_of(f);
    f->up = NULL;
    if (ex != NULL) {
        ex->fetches--;
        handler_progress(ex);
    }
    struct span location = fields_get((const struct gate_header *)(const void *)res->headers,
                                      res->header_count, SPAN_LIT("location"));
    if (f->redirect != JS_REDIRECT_MANUAL && redirect_is_status(res->status) &&
        location.ptr != NULL) {
        const char *why = f->redirect == JS_REDIRECT_ERROR
                              ? "fetch failed: the response is a redirect"
                              : follow(f, res->status, location);
        source_close(res->body);
        if (why != NULL) {
            fail(f, why);
        }
        return;
    }
    keep_response(f, res);
    if (f->headers == NULL) {
        fail(f, "fetch failed: out of memory");
        return;
    }
    js_fetch_done(f->version->js, f->id,
                  &(struct js_response){.status = f->status,
                                        .body = f->body != NULL,
                                        .redirected = f->redirects > 0});
}

static void on_failed(void *arg, enum upstream_failure failure, const char *why, bool sent)
{
    (void)sent;
    struct fetch *f = arg;
    struct exchange *ex = exchange_of(f);
    f->up = NULL;
    if (ex != NULL) {
        ex->fetches--;
        handler_progress(ex);
    }
    struct buf text;
    buf_init(&text, 1024);
    buf_appendf(&text, "fetch failed: %s: %s", upstream_failure_name(failure), why);
    struct js_version *version = f->version->js;
    uint32_t id = f->id;
    fetch_free(f);
    js_fetch_failed(version, id, buf_span(&text));
    buf_free(&text);
}

static const struct upstream_events events = {.response = on_response, .failed = on_failed};

/* ---- what JavaScript and the answer ask ---- */

static struct fetch *find(const struct version *v, uint32_t id)
{
    return id >= 1 && id <= JS_FETCHES_MAX ? v->fetches[id] : NULL;
}

void fetch_close(struct version *v, uint32_t id)
{
    struct fetch *f = find(v, id);
    if (f != NULL) {
        fetch_free(f);
    }
}

void fetch_close_all(struct version *v)
{
    for (uint32_t id = 1; id <= JS_FETCHES_MAX; id++) {
        fetch_close(v, id);
    }
}

void fetch_orphan(struct version *v, const struct instance *inst)
{
    for (uint32_t id = 1; id <= JS_FETCHES_MAX; id++) {
        if (v->fetches[id] != NULL && v->fetches[id]->inst == inst) {
            v->fetches[id]->inst = NULL;
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
        return url_get_href(&f->url);
    }
    struct exchange *ex = exchange_of(f);
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
