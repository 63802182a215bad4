#include "runtime/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct exchange *exchange_new(struct runtime *rt)
{
    if (list_empty(&rt->idle)) {
        return calloc(1, sizeof(struct exchange));
    }
    struct exchange *ex = LIST_ENTRY(rt->idle.next, struct exchange, flow.node);
    list_remove(&ex->flow.node);
    rt->idle_count--;
    memset(ex, 0, sizeof *ex);
    return ex;
}

static void exchange_release(struct runtime *rt, struct exchange *ex)
{
    if (rt->idle_count < RUNTIME_IDLE_MAX) {
        list_append(&rt->idle, &ex->flow.node);
        rt->idle_count++;
    } else {
        free(ex);
    }
}

static void report(struct exchange *ex)
{
    ex->flow.bytes_in = ex->inbound != NULL ? inbound_bytes(ex->inbound) : 0;
    ex->flow.bytes_out = ex->relay.bytes;
    flow_report(&ex->flow, ex->method, ex->target, buf_span(&ex->secrets));
}

static void exchange_free(struct exchange *ex)
{
    struct runtime *rt = ex->flow.door->rt;
    if (ex->held) {
        ex->dead = true;
        return;
    }
    report(ex);
    upstream_fetch_cancel(ex->up);
    bool cut = ex->relay.source != NULL;
    relay_stop(&ex->relay);
    handler_leave(ex, cut);
    inbound_detach(ex->inbound);
    flow_close(&ex->flow);
    buf_free(&ex->secrets);
    free(ex->headers);
    free((void *)(uintptr_t)ex->url.ptr);
    exchange_release(rt, ex);
}

/* Whoever reads the body may answer, and so end the exchange, while it is told of new bytes. */
static void hold(struct exchange *ex)
{
    ex->held = true;
}

/* false: it has ended meanwhile. */
static bool release(struct exchange *ex)
{
    ex->held = false;
    if (ex->dead) {
        exchange_free(ex);
        return false;
    }
    return true;
}

/* The response is out: what is left is the rest of the request's body, if somebody reads it. */
static void settle(struct exchange *ex)
{
    if (!ex->out_ended) {
        return;
    }
    report(ex);
    if (ex->inbound == NULL || inbound_complete(ex->inbound)) {
        exchange_free(ex);
    } else {
        inbound_discard_unread(ex->inbound);
    }
}

static void reset(struct exchange *ex, enum gate_reset reason, const char *error)
{
    if (ex->flow.error == NULL) {
        ex->flow.error = error;
    }
    gate_send_reset(ex->flow.door->gate, ex->flow.stream, reason);
    exchange_free(ex);
}

/* ---- the request ---- */

static struct exchange *exchange_open(struct door *door, uint32_t stream,
                                      const struct gate_request *req)
{
    struct exchange *ex = exchange_new(door->rt);
    struct gate_header line = {req->method, req->target};
    struct gate_header *headers = fields_copy(req->headers, req->header_count, &line);
    if (ex == NULL || headers == NULL) {
        free(ex);
        free(headers);
        return NULL;
    }
    ex->headers = headers;
    ex->header_count = req->header_count;
    ex->method = headers[req->header_count].name;
    ex->target = headers[req->header_count].value;
    ex->is_head = span_eq(ex->method, SPAN_LIT("HEAD"));
    ex->empty_body = req->end && req->length == 0;
    ex->relay = (struct relay){.gate = door->gate, .stream = stream};
    buf_init(&ex->secrets, INJECT_TEXT_MAX);
    flow_open(&ex->flow, FLOW_EXCHANGE, door, stream);
    ex->flow.proto = req->version == 20 ? "h2" : req->version == 10 ? "http/1.0" : "http/1.1";
    gate_stream_bind(door->gate, stream, ex);
    return ex;
}

static bool inbound_open(struct exchange *ex, const struct gate_request *req)
{
    struct inbound_spec spec = {.loop = ex->flow.door->rt->loop,
                                .gate = ex->flow.door->gate,
                                .stream = ex->flow.stream,
                                .length = req->length,
                                .expect = req->expect_continue};
    ex->inbound = req->end ? NULL : inbound_create(&spec);
    return req->end || ex->inbound != NULL;
}

static void deny(struct exchange *ex, const struct policy_verdict *v)
{
    if (handler_denied(ex, v)) {
        return;
    }
    struct buf value;
    buf_init(&value, 1024);
    buf_appendf(&value, "denied; rule=\"%s\"; host=\"" SPAN_FMT "\"", policy_rule_name(v->rule),
                SPAN_ARG(url_host_span(&ex->flow.dest.host)));
    exchange_answer(ex, &(struct answer){.status = 520,
                                         .text = "Origin is disallowed",
                                         .decision = buf_span(&value)});
    buf_free(&value);
}

static void judge(struct exchange *ex)
{
    struct policy_verdict v;
    flow_decide(&ex->flow, POLICY_REQUEST, &v);
    switch (v.decision) {
    case POLICY_ALLOW:
        forward_start(ex);
        return;
    case POLICY_HANDLER:
        handler_start(ex, &v);
        return;
    case POLICY_DENY:
        deny(ex, &v);
        return;
    }
}

void exchange_request(struct door *door, uint32_t stream, const struct gate_request *req)
{
    struct exchange *ex = exchange_open(door, stream, req);
    struct refusal why;
    if (ex == NULL || !inbound_open(ex, req)) {
        gate_send_reset(door->gate, stream, GATE_RESET_INTERNAL);
        if (ex != NULL) {
            exchange_free(ex);
        }
        return;
    }
    if (!(door->inst != NULL ? destination_of_request(req, &ex->flow.dest, &why)
                             : destination_of_front(req, &ex->flow.dest, &why))) {
        ex->flow.error = why.error;
        exchange_answer(
            ex, &(struct answer){.status = why.status, .close = why.close, .text = why.text});
        return;
    }
    ex->flow.has_dest = true;
    /* At the front the gate's own ceiling holds. */
    if (door->inst != NULL && door->flow_count > door->rt->app.limits.exchanges) {
        ex->flow.error = "overload";
        exchange_answer(ex, &(struct answer){.status = 503, .text = "Too many requests at once"});
        return;
    }
    if (door->inst != NULL) {
        judge(ex);
    } else {
        handler_serve(ex);
    }
}

void exchange_data(struct exchange *ex, struct span bytes)
{
    hold(ex);
    bool fits = ex->inbound != NULL && inbound_feed(ex->inbound, bytes);
    if (!release(ex)) {
        return;
    }
    if (!fits) {
        reset(ex, GATE_RESET_INTERNAL, "malformed");
        return;
    }
    if (ex->out_ended && inbound_over_drain(ex->inbound)) {
        reset(ex, GATE_RESET_CANCEL, NULL);
    }
}

void exchange_end(struct exchange *ex)
{
    hold(ex);
    if (ex->inbound != NULL) {
        inbound_end(ex->inbound);
    }
    if (release(ex)) {
        settle(ex);
    }
}

void exchange_writable(struct exchange *ex)
{
    relay_pump(&ex->relay);
}

void exchange_cut(struct exchange *ex, const char *error)
{
    if (!ex->out_ended && ex->flow.error == NULL) {
        ex->flow.error = error;
    }
    exchange_free(ex);
}

/* ---- the response ---- */

static void relayed(void *arg, int result)
{
    struct exchange *ex = arg;
    if (result != 0) {
        reset(ex, GATE_RESET_TRUNCATED, result == -ECANCELED ? "cancelled" : "protocol");
        return;
    }
    ex->out_ended = true;
    settle(ex);
}

static size_t upstream_trailers(struct source *source, const struct gate_header **out)
{
    const struct http1_header *list = NULL;
    size_t count = upstream_body_trailers(source, &list);
    *out = (const struct gate_header *)(const void *)list;
    return count;
}

void exchange_respond(struct exchange *ex, const struct exchange_response *res)
{
    struct gate *gate = ex->flow.door->gate;
    struct gate_response head = res->head;
    head.end = res->body == NULL;
    if (!gate_send_response(gate, ex->flow.stream, &head)) {
        source_close(res->body);
        if (ex->flow.error == NULL) {
            ex->flow.error = "protocol";
            exchange_answer(ex, &(struct answer){.status = 502,
                                                 .text = "The response head is too large",
                                                 .error = "protocol"});
        } else {
            reset(ex, GATE_RESET_INTERNAL, NULL);
        }
        return;
    }
    ex->head_sent = true;
    ex->flow.status = head.status;
    if (res->body == NULL) {
        ex->out_ended = true;
        settle(ex);
        return;
    }
    ex->relay.source = res->body;
    ex->relay.direct = res->direct;
    ex->relay.trailers = res->trailers ? upstream_trailers : NULL;
    ex->relay.done = relayed;
    ex->relay.arg = ex;
    relay_start(&ex->relay);
}

/* A client that waits for 100, or has more to send than is drained, loses the connection: where
 * the next request begins would not be known in time. */
static bool must_close(const struct exchange *ex)
{
    return ex->inbound != NULL && !inbound_complete(ex->inbound) &&
           (inbound_waits(ex->inbound) || inbound_left(ex->inbound) > INBOUND_DRAIN_MAX);
}

void exchange_answer(struct exchange *ex, const struct answer *a)
{
    struct gate_header headers[3];
    size_t count = 0;
    headers[count++] =
        (struct gate_header){SPAN_LIT("content-type"), SPAN_LIT("text/plain;charset=UTF-8")};
    if (a->decision.len > 0) {
        headers[count++] = (struct gate_header){SPAN_LIT("sallyport-decision"), a->decision};
    }
    if (a->error != NULL) {
        headers[count++] = (struct gate_header){SPAN_LIT("sallyport-error"), span_str(a->error)};
    }
    struct span text = span_str(a->text);
    struct exchange_response res = {.head = {.status = a->status,
                                             .close = a->close || must_close(ex),
                                             .length = (int64_t)text.len,
                                             .headers = headers,
                                             .header_count = count}};
    if (!ex->is_head && text.len > 0) {
        res.body = source_from_bytes(text);
        if (res.body == NULL) {
            reset(ex, GATE_RESET_INTERNAL, "overload");
            return;
        }
    }
    exchange_respond(ex, &res);
}

void exchange_upstream_failed(struct exchange *ex, enum upstream_failure f, const char *why)
{
    static const uint16_t status[UPSTREAM_FAILURE_COUNT] = {
        [UPSTREAM_DNS] = 502,      [UPSTREAM_ADDRESS] = 502,     [UPSTREAM_CONNECT] = 502,
        [UPSTREAM_PROTOCOL] = 502, [UPSTREAM_CERTIFICATE] = 526, [UPSTREAM_TIMEOUT] = 504,
        [UPSTREAM_INTERNAL] = 503, [UPSTREAM_CANCELLED] = 400,
    };
    ex->flow.error = upstream_failure_name(f);
    ex->flow.decision = "error";
    exchange_answer(ex, &(struct answer){.status = status[f],
                                         .text = why,
                                         .error = status[f] == 502 ? ex->flow.error : NULL});
}

void exchange_handler_failed(struct exchange *ex, struct span text)
{
    struct runtime *rt = ex->flow.door->rt;
    struct buf line;
    buf_init(&line, 20u * 1024u);
    snprintf(ex->flow.failure, sizeof ex->flow.failure, "%08x-%llu", (unsigned)ex->flow.wall_ms,
             (unsigned long long)++rt->failures);
    buf_appendf(&line, "handler failed, id %s: ", ex->flow.failure);
    buf_append(&line, text.ptr, text.len < 16384 ? text.len : 16384);
    runtime_log(rt, exchange_instance(ex), JS_LOG_ERROR, buf_span(&line));
    buf_free(&line);
    char body[64];
    snprintf(body, sizeof body, "Handler failed (%s)", ex->flow.failure);
    ex->flow.error = "handler";
    ex->flow.decision = "error";
    exchange_answer(ex, &(struct answer){.status = 500, .text = body});
}
