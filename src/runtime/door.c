#include "runtime/door.h"

#include "base/clock.h"
#include "runtime/exchange.h"
#include "runtime/instance.h"
#include "runtime/tunnel.h"

static void flow_cut(struct flow *f, const char *error)
{
    if (f->kind == FLOW_TUNNEL) {
        tunnel_cut((struct tunnel *)(void *)f, error);
    } else {
        exchange_cut((struct exchange *)(void *)f, error);
    }
}

static void on_request(void *arg, uint32_t stream, const struct gate_request *req)
{
    exchange_request(arg, stream, req);
}

static void on_tunnel(void *arg, uint32_t stream, const struct gate_peer *peer)
{
    tunnel_open(arg, stream, peer);
}

static void on_data(void *arg, uint32_t stream, struct span bytes)
{
    struct door *d = arg;
    struct flow *f = gate_stream_ctx(d->gate, stream);
    if (f != NULL && f->kind == FLOW_TUNNEL) {
        tunnel_data((struct tunnel *)(void *)f, bytes);
    } else if (f != NULL) {
        exchange_data((struct exchange *)(void *)f, bytes);
    }
}

static void on_end(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count)
{
    (void)trailers;
    (void)count;
    struct door *d = arg;
    struct flow *f = gate_stream_ctx(d->gate, stream);
    if (f != NULL && f->kind == FLOW_TUNNEL) {
        tunnel_end((struct tunnel *)(void *)f);
    } else if (f != NULL) {
        exchange_end((struct exchange *)(void *)f);
    }
}

static void on_reset(void *arg, uint32_t stream, enum gate_reset reason)
{
    (void)reason;
    struct door *d = arg;
    struct flow *f = gate_stream_ctx(d->gate, stream);
    if (f != NULL) {
        flow_cut(f, "cancelled");
    }
}

static void on_writable(void *arg, uint32_t stream)
{
    struct door *d = arg;
    struct flow *f = gate_stream_ctx(d->gate, stream);
    if (f != NULL && f->kind == FLOW_TUNNEL) {
        tunnel_writable((struct tunnel *)(void *)f);
    } else if (f != NULL) {
        exchange_writable((struct exchange *)(void *)f);
    }
}

static void on_note(void *arg, const struct gate_peer *peer, enum gate_note note,
                    struct span detail)
{
    static const char *const errors[GATE_NOTE_COUNT] = {
        [GATE_NOTE_CA_REJECTED] = "certificate",
        [GATE_NOTE_TLS_FAILED] = "protocol",
        [GATE_NOTE_BAD_REQUEST] = "malformed",
    };
    struct door *d = arg;
    struct event e = {.time_ms = clock_wall_ms(),
                      .instance = span_str(d->inst->id),
                      .name = span_str(d->inst->name),
                      .class_name = span_str(d->inst->class_name),
                      .proto = "note",
                      .host = peer->sni.len > 0 ? peer->sni : peer->name,
                      .port = peer->dest_port,
                      .decision = "error",
                      .error = errors[note]};
    if (note == GATE_NOTE_CA_REJECTED) {
        e.ca_rejected = detail.len > 0 ? detail : SPAN_LIT("unknown");
    }
    instance_event(d->inst, &e);
}

static void on_closed(void *arg, const char *why)
{
    (void)why;
    struct door *d = arg;
    door_close(d);
    if (d->gone != NULL) {
        d->gone(d);
    }
}

static const struct gate_events sandbox_events = {
    .data = on_data,
    .end = on_end,
    .reset = on_reset,
    .writable = on_writable,
    .closed = on_closed,
    .request = on_request,
    .tunnel = on_tunnel,
    .note = on_note,
};

/* A client of ours has no tunnels, and no audit. */
static const struct gate_events front_events = {
    .data = on_data,
    .end = on_end,
    .reset = on_reset,
    .writable = on_writable,
    .closed = on_closed,
    .request = on_request,
};

void door_init(struct door *d, struct runtime *rt, struct instance *inst)
{
    *d = (struct door){.rt = rt, .inst = inst};
    list_init(&d->node);
    list_init(&d->flows);
}

int door_open(struct door *d, int fd, struct error *err)
{
    door_close(d);
    d->gate = gate_create(d->rt->loop, GATE_OUTER, fd,
                          d->inst != NULL ? &sandbox_events : &front_events, d, err);
    if (d->gate == NULL) {
        return -1;
    }
    list_append(&d->rt->doors, &d->node);
    return 0;
}

void door_close(struct door *d)
{
    if (d->gate == NULL) {
        return;
    }
    while (!list_empty(&d->flows)) {
        flow_cut(LIST_ENTRY(d->flows.next, struct flow, node), "cancelled");
    }
    gate_destroy(d->gate);
    d->gate = NULL;
    list_remove(&d->node);
}
