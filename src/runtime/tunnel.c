#include "runtime/tunnel.h"

#include "runtime/relay.h"

#include <stdlib.h>

struct tunnel {
    struct flow flow; /* first */
    struct upstream_tunnel *up;
    struct relay relay;
    struct buf pending; /* from the sandbox, not yet taken upstream; bounded by the gate's credit */
    bool opened;
    bool in_ended;
    bool finished; /* FIN was sent upstream */
    bool out_ended;
    uint64_t in;
};

static void tunnel_free(struct tunnel *t)
{
    t->flow.bytes_in = t->in;
    t->flow.bytes_out = t->relay.bytes;
    flow_report(&t->flow, span_of("", 0), span_of("", 0), span_of("", 0));
    relay_stop(&t->relay);
    upstream_tunnel_close(t->up);
    flow_close(&t->flow);
    buf_free(&t->pending);
    free(t);
}

static void refuse(struct tunnel *t, enum gate_reset reason, const char *error)
{
    t->flow.error = error;
    gate_send_reset(t->flow.door->gate, t->flow.stream, reason);
    tunnel_free(t);
}

static void settle(struct tunnel *t)
{
    if (t->out_ended && t->finished) {
        tunnel_free(t);
    }
}

/* Passes on what waits. May free t. */
static void push(struct tunnel *t)
{
    struct span have = buf_span(&t->pending);
    if (!t->opened) {
        return;
    }
    if (have.len > 0) {
        ssize_t n = upstream_tunnel_write(t->up, have);
        if (n < 0) {
            refuse(t, GATE_RESET_UPSTREAM, "connect");
            return;
        }
        buf_consume(&t->pending, (size_t)n);
        gate_credit(t->flow.door->gate, t->flow.stream, (size_t)n);
    }
    if (t->in_ended && !t->finished && buf_len(&t->pending) == 0) {
        t->finished = true;
        upstream_tunnel_finish(t->up);
        settle(t);
    }
}

static void relayed(void *arg, int result)
{
    struct tunnel *t = arg;
    if (result != 0) {
        refuse(t, GATE_RESET_TRUNCATED, "connect");
        return;
    }
    t->out_ended = true;
    settle(t);
}

static void on_opened(void *arg, const char *peer)
{
    struct tunnel *t = arg;
    flow_peer_set(&t->flow, peer);
    t->opened = true;
    gate_send_opened(t->flow.door->gate, t->flow.stream);
    t->relay = (struct relay){.gate = t->flow.door->gate,
                              .stream = t->flow.stream,
                              .direct = true,
                              .lent = true,
                              .source = upstream_tunnel_source(t->up),
                              .done = relayed,
                              .arg = t};
    /* What the sandbox sent first goes first: then t may only be gone by its own relay. */
    if (buf_len(&t->pending) > 0) {
        ssize_t n = upstream_tunnel_write(t->up, buf_span(&t->pending));
        if (n > 0) {
            buf_consume(&t->pending, (size_t)n);
            gate_credit(t->flow.door->gate, t->flow.stream, (size_t)n);
        }
    }
    if (t->in_ended && buf_len(&t->pending) == 0) {
        t->finished = true;
        upstream_tunnel_finish(t->up);
    }
    relay_start(&t->relay);
}

static void on_failed(void *arg, enum upstream_failure failure, const char *why)
{
    (void)why;
    struct tunnel *t = arg;
    t->up = NULL;
    t->flow.decision = "error";
    refuse(t, GATE_RESET_UPSTREAM, upstream_failure_name(failure));
}

static void on_writable(void *arg)
{
    push(arg);
}

static const struct upstream_tunnel_events events = {
    .opened = on_opened, .failed = on_failed, .writable = on_writable};

static void dial(struct tunnel *t)
{
    struct error err;
    struct runtime *rt = t->flow.door->rt;
    t->up = upstream_tunnel_start(rt->upstream, url_host_span(&t->flow.dest.host),
                                  t->flow.dest.port, &events, t, &err);
    if (t->up == NULL) {
        t->flow.decision = "error";
        refuse(t, GATE_RESET_INTERNAL, "overload");
    }
}

void tunnel_open(struct door *door, uint32_t stream, const struct gate_peer *peer)
{
    struct refusal why;
    struct policy_verdict v;
    struct tunnel *t = calloc(1, sizeof *t);
    if (t == NULL) {
        gate_send_reset(door->gate, stream, GATE_RESET_INTERNAL);
        return;
    }
    flow_open(&t->flow, FLOW_TUNNEL, door, stream);
    t->flow.proto = peer->tls ? "tls" : "tcp";
    buf_init(&t->pending, GATE_CREDIT_INITIAL);
    gate_stream_bind(door->gate, stream, t);
    if (!destination_of_tunnel(peer, &t->flow.dest, &why)) {
        refuse(t, GATE_RESET_DENIED, why.error);
        return;
    }
    t->flow.has_dest = true;
    if (door->flow_count > door->rt->app.limits.exchanges) {
        refuse(t, GATE_RESET_INTERNAL, "overload");
        return;
    }
    /* Where HTTPS is opened, a tunnel that calls itself TLS would pass by the handlers: only an
     * allowedTcp rule lets it through, as any other bytes. */
    bool by_sni = peer->tls && !door->inst->intercept_https;
    flow_decide(&t->flow, by_sni ? POLICY_TLS_TUNNEL : POLICY_TCP_TUNNEL, &v);
    if (v.decision != POLICY_ALLOW) {
        refuse(t, GATE_RESET_DENIED, NULL);
        return;
    }
    dial(t);
}

void tunnel_data(struct tunnel *t, struct span bytes)
{
    t->in += bytes.len;
    if (!buf_append_span(&t->pending, bytes)) {
        refuse(t, GATE_RESET_INTERNAL, "malformed");
        return;
    }
    push(t);
}

void tunnel_end(struct tunnel *t)
{
    t->in_ended = true;
    push(t);
}

void tunnel_writable(struct tunnel *t)
{
    relay_pump(&t->relay);
}

void tunnel_cut(struct tunnel *t, const char *error)
{
    t->flow.error = t->flow.error != NULL ? t->flow.error : error;
    tunnel_free(t);
}
