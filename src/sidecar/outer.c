/*
 * The gate's inner end: its events go to the client that a stream belongs to. When the gate is
 * gone, every exchange on it ends at once, and until a new one comes requests get 503.
 */
#include "sidecar/client.h"

#include "base/log.h"

static struct client *client_of(struct sidecar *s, uint32_t stream)
{
    return gate_stream_ctx(s->gate, stream);
}

static void on_response(void *arg, uint32_t stream, const struct gate_response *res)
{
    struct client *c = client_of(arg, stream);
    if (c != NULL && c->phase == CLIENT_HTTP) {
        http_response(c, res);
    }
}

static void on_inform(void *arg, uint32_t stream, uint16_t status)
{
    struct client *c = client_of(arg, stream);
    if (c != NULL && c->phase == CLIENT_HTTP) {
        http_inform(c, status);
    }
}

static void on_opened(void *arg, uint32_t stream)
{
    /* The client's bytes are on their way already; nothing is to be said to it. */
    (void)arg;
    (void)stream;
}

static void on_data(void *arg, uint32_t stream, struct span bytes)
{
    struct client *c = client_of(arg, stream);
    if (c != NULL && c->phase == CLIENT_HTTP) {
        http_data(c, bytes);
    } else if (c != NULL && c->phase == CLIENT_TUNNEL) {
        tunnel_data(c, bytes);
    }
}

static void on_end(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count)
{
    struct client *c = client_of(arg, stream);
    if (c != NULL && c->phase == CLIENT_HTTP) {
        http_end(c, trailers, count);
    } else if (c != NULL && c->phase == CLIENT_TUNNEL) {
        tunnel_end(c);
    }
}

static void stream_lost(struct client *c, enum gate_reset reason)
{
    c->stream = 0;
    if (c->phase == CLIENT_HTTP) {
        http_failed(c, reason);
    } else {
        client_cut(c);
    }
}

static void on_reset(void *arg, uint32_t stream, enum gate_reset reason)
{
    struct client *c = client_of(arg, stream);
    if (c != NULL) {
        stream_lost(c, reason);
    }
}

static void on_writable(void *arg, uint32_t stream)
{
    struct client *c = client_of(arg, stream);
    if (c != NULL && c->phase != CLIENT_DEAD) {
        tls_conn_pause(c->conn, false);
        c->wake = true;
        client_turn_queue(c);
    }
}

void sidecar_gate_drop(struct sidecar *s)
{
    struct gate *old = s->gate;
    s->gate = NULL;
    LIST_FOREACH_SAFE(pos, next, &s->clients)
    {
        struct client *c = LIST_ENTRY(pos, struct client, node);
        if (c->stream != 0) {
            stream_lost(c, GATE_RESET_INTERNAL);
        }
    }
    gate_destroy(old);
}

static void on_closed(void *arg, const char *why)
{
    log_warn("outer door: %s", why);
    sidecar_gate_drop(arg);
}

static const struct gate_events events = {
    .data = on_data,
    .end = on_end,
    .reset = on_reset,
    .writable = on_writable,
    .closed = on_closed,
    .response = on_response,
    .inform = on_inform,
    .opened = on_opened,
};

int sidecar_gate_open(struct sidecar *s, int fd, struct error *err)
{
    if (s->gate != NULL) {
        sidecar_gate_drop(s);
    }
    s->gate = gate_create(s->loop, GATE_INNER, fd, &events, s, err);
    return s->gate != NULL ? 0 : -1;
}
