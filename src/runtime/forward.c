/*
 * Native pass-through: the request goes upstream as it came, and the response comes back as it is.
 */
#include "runtime/exchange.h"

/* res->body is upstream's; the list is lent to the head. */
static void on_response(void *arg, const struct upstream_response *res)
{
    struct exchange *ex = arg;
    ex->up = NULL;
    flow_peer_set(&ex->flow, res->peer);
    exchange_respond(ex,
                     &(struct exchange_response){
                         .head = {.status = res->status,
                                  .length = res->length,
                                  .headers = (const struct gate_header *)(const void *)res->headers,
                                  .header_count = res->header_count},
                         .body = res->body,
                         .direct = true,
                         .trailers = true});
}

static void on_failed(void *arg, enum upstream_failure failure, const char *why, bool sent)
{
    (void)sent;
    struct exchange *ex = arg;
    ex->up = NULL;
    exchange_upstream_failed(ex, failure, why);
}

static const struct upstream_events events = {.response = on_response, .failed = on_failed};

static bool authority(const struct exchange *ex, struct buf *out)
{
    const struct destination *d = &ex->flow.dest;
    return buf_append_span(out, url_host_span(&d->host)) &&
           (d->port == destination_default_port(d->secure) ||
            buf_appendf(out, ":%u", (unsigned)d->port));
}

static void send(struct exchange *ex, const struct gate_header *headers, size_t count)
{
    const struct destination *d = &ex->flow.dest;
    FIELDS_SCRATCH struct error err;
    struct buf host;
    buf_init(&host, URL_HOST_MAX + 16);
    struct upstream_request req = {
        .secure = d->secure,
        .expect_continue = ex->inbound != NULL && inbound_waits(ex->inbound),
        .host = url_host_span(&d->host),
        .port = d->port,
        .method = ex->method,
        .target = ex->target,
        .headers = (const struct http1_header *)(const void *)headers,
        .header_count = count,
        .body = ex->inbound != NULL ? inbound_take(ex->inbound) : NULL,
    };
    if (authority(ex, &host)) {
        req.authority = buf_span(&host);
        ex->up = upstream_fetch_start(ex->flow.door->rt->upstream, &req, &events, ex, &err);
    } else {
        source_close(req.body);
        error_set(&err, 0, "out of memory");
    }
    buf_free(&host);
    if (ex->up == NULL) {
        exchange_upstream_failed(ex, UPSTREAM_INTERNAL, err.text);
    }
}

void forward_start(struct exchange *ex)
{
    struct instance *inst = ex->flow.door->inst;
    if (inst->inject == NULL || !ex->flow.dest.secure) {
        send(ex, ex->headers, ex->header_count);
        return;
    }
    FIELDS_SCRATCH struct fields f;
    f.count = 0;
    struct buf values;
    struct error err;
    buf_init(&values, INJECT_TEXT_MAX);
    bool ok = fields_add_all(&f, ex->headers, ex->header_count) &&
              inject_apply(inst->inject, inst->rt->secrets, &ex->flow.dest.host, &f, &values,
                           &ex->secrets, &err) == 0;
    if (ok) {
        send(ex, f.items, f.count);
    } else {
        exchange_handler_failed(ex, span_str(err.text));
    }
    buf_wipe(&values);
    buf_free(&values);
}
