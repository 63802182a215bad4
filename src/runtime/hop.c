#include "runtime/hop.h"

#include "base/cleanup.h"
#include "runtime/redirect.h"

#include <stdio.h>
#include <stdlib.h>

static void fail(struct fetch *f, const char *message)
{
    struct js_version *version = f->version->js;
    uint32_t id = f->id;
    hop_end(f);
    js_fetch_failed(version, id, span_str(message));
}

static const struct upstream_events events;

/* Its exchange's time does not run while it waits. */
static void hop_waits(struct fetch *f)
{
    struct exchange *ex = fetch_exchange(f);
    if (ex != NULL && !f->counted) {
        f->counted = true;
        ex->fetches++;
    }
}

void hop_over(struct fetch *f)
{
    struct exchange *ex = f->counted ? fetch_exchange(f) : NULL;
    f->counted = false;
    if (ex != NULL) {
        ex->fetches--;
        handler_progress(ex);
    }
}

bool hop_destination(struct fetch *f)
{
    f->secure = f->url.kind == URL_SCHEME_HTTPS;
    f->port = url_port_or_default(&f->url);
    return (f->secure || f->url.kind == URL_SCHEME_HTTP) && f->port != 0 &&
           url_host_of(&f->url, &f->host);
}

/* Puts the rules' credentials on this hop. They are never part of what is sent again. */
static int inject(struct fetch *f, struct hop_request *r, struct buf *values, struct error *err)
{
    if (!f->secure || f->inside || f->inst == NULL || f->inst->inject == NULL) {
        return 0;
    }
    struct exchange *ex = fetch_exchange(f);
    struct buf unused;
    buf_init(&unused, INJECT_TEXT_MAX);
    int rc = inject_apply(f->inst->inject, f->version->rt->secrets, &f->host, &r->fields, values,
                          ex != NULL ? &ex->secrets : &unused, err);
    buf_free(&unused);
    return rc;
}

/* connected: as in upstream.h. r->body is given. */
static int send(struct fetch *f, struct hop_request *r, int *connected, struct error *err)
{
    struct buf values;
    struct buf authority;
    struct buf joined;
    buf_init(&values, INJECT_TEXT_MAX);
    buf_init(&authority, URL_HOST_MAX + 16);
    buf_init(&joined, FIELDS_JOINED_MAX);
    struct span host = url_host_span(&f->host);
    bool named =
        buf_append_span(&authority, host) && (f->port == destination_default_port(f->secure) ||
                                              buf_appendf(&authority, ":%u", (unsigned)f->port));
    int rc = named && fields_join(&r->fields, &joined) ? inject(f, r, &values, err)
                                                       : error_set(err, 0, "out of memory");
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
            .connected = connected,
        };
        f->up = upstream_fetch_start(f->version->rt->upstream, &req, &events, f, err);
        rc = f->up != NULL ? 0 : -1;
        if (rc == 0) {
            hop_waits(f);
        }
    } else {
        source_close(r->body);
    }
    buf_wipe(&values);
    buf_free(&authority);
    buf_wipe(&joined);
    return rc;
}

/* ---- to a server inside a sandbox ---- */

static void joined(void *arg, int fd, struct span why)
{
    struct fetch *f = arg;
    struct error err;
    f->join = NULL;
    if (fd < 0) {
        char text[512];
        snprintf(text, sizeof text, "the container is not listening on port %u: " SPAN_FMT,
                 (unsigned)f->sandbox_port, SPAN_ARG(why));
        fail(f, text);
        return;
    }
    FIELDS_SCRATCH struct hop_request r;
    hop_request_init(&r);
    r.method = f->held[f->held_count].name;
    r.target = f->held[f->held_count].value;
    r.body = steal_ptr(&f->held_body);
    memcpy(r.fields.items, f->held, f->held_count * sizeof *f->held);
    r.fields.count = f->held_count;
    if (send(f, &r, &fd, &err) != 0) {
        close_fd(&fd);
        fail(f, err.text);
    }
}

static int send_inside(struct fetch *f, struct hop_request *r, struct error *err)
{
    struct gate_header line = {r->method, r->target};
    free(f->held);
    f->held = fields_copy(r->fields.items, r->fields.count, &line);
    f->held_count = r->fields.count;
    f->join = f->held != NULL && f->sandbox != NULL
                  ? container_join(f->sandbox, f->sandbox_port, joined, f)
                  : NULL;
    if (f->join == NULL) {
        source_close(r->body);
        return error_set(err, 0, "the sandbox is gone");
    }
    f->held_body = r->body;
    hop_waits(f);
    return 0;
}

int hop_send(struct fetch *f, struct hop_request *r, struct error *err)
{
    f->is_head = span_eq(r->method, SPAN_LIT("HEAD"));
    return f->inside ? send_inside(f, r, err) : send(f, r, NULL, err);
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
    f->empty = res->body == NULL && res->length == 0 && !f->is_head && res->status != 204 &&
               res->status != 205 && res->status != 304;
    memcpy(f->peer, res->peer, strnlen(res->peer, sizeof f->peer - 1));
}

static const char *redirect_headers(struct fetch *f, struct hop_request *r, uint16_t status,
                                    bool same_origin)
{
    r->method = f->again[f->again_count].name;
    if (!fields_add_all(&r->fields, f->again, f->again_count)) {
        return "fetch failed: too many header fields";
    }
    if (f->has_stream && status != 303) {
        return "fetch failed: a redirect would send a stream body twice";
    }
    if (redirect_method(status, r->method) == REDIRECT_BODY_DROP) {
        /* Content-Type stays, as in workerd. */
        r->method = SPAN_LIT("GET");
        f->has_bytes = f->has_stream = false;
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
    FIELDS_SCRATCH struct hop_request r;
    struct error err;
    hop_request_init(&r);
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
    if (again == NULL || !hop_destination(f)) {
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
    return hop_send(f, &r, &err) == 0 ? NULL : "fetch failed: the redirect could not be followed";
}

static void on_response(void *arg, const struct upstream_response *res)
{
    struct fetch *f = arg;
    f->up = NULL;
    hop_over(f);
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
                                        .body = f->body != NULL || f->empty,
                                        .redirected = f->redirects > 0});
}

static void on_failed(void *arg, enum upstream_failure failure, const char *why, bool sent)
{
    (void)sent;
    struct fetch *f = arg;
    f->up = NULL;
    hop_over(f);
    struct buf text;
    buf_init(&text, 1024);
    if (f->inside) {
        buf_appendf(&text,
                    "the container is not listening on port %u, or closed the connection: %s",
                    (unsigned)f->sandbox_port, why);
    } else {
        buf_appendf(&text, "fetch failed: %s: %s", upstream_failure_name(failure), why);
    }
    struct js_version *version = f->version->js;
    uint32_t id = f->id;
    hop_end(f);
    js_fetch_failed(version, id, buf_span(&text));
    buf_free(&text);
}

static const struct upstream_events events = {.response = on_response, .failed = on_failed};
