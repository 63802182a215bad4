/*
 * A tunnel: TLS that is not opened, judged by its SNI, then bytes both ways. The gate says whether
 * it opens; until then what the client said waits within the stream's first credit.
 */
#include "sidecar/client.h"

#include <errno.h>

void tunnel_start(struct client *c)
{
    struct gate_peer peer;
    c->phase = CLIENT_TUNNEL;
    client_deadline(c, 0);
    client_peer(c, &peer);
    c->stream = c->s->gate != NULL ? gate_send_tunnel(c->s->gate, &peer) : 0;
    if (c->stream == 0) {
        client_cut(c);
        return;
    }
    gate_stream_bind(c->s->gate, c->stream, c);
    c->request = REQUEST_BODY;
    tunnel_input(c);
}

/* What was read while sniffing goes first. false: no room. */
static bool sniffed_send(struct client *c)
{
    size_t taken = gate_send_data(c->s->gate, c->stream, buf_span(&c->in));
    buf_consume(&c->in, taken);
    buf_trim(&c->in);
    return buf_len(&c->in) == 0;
}

void tunnel_input(struct client *c)
{
    size_t budget = CLIENT_BUDGET;
    while (c->request == REQUEST_BODY && budget > 0) {
        size_t room = 0;
        struct gate *g = c->s->gate;
        void *to = sniffed_send(c) ? gate_send_reserve(g, c->stream, &room) : NULL;
        if (to == NULL) {
            /* `writable` comes back for the stream. */
            (void)gate_send_room(g, c->stream);
            tls_conn_pause(c->conn, true);
            return;
        }
        room = room < budget ? room : budget;
        ssize_t n = tls_conn_read(c->conn, to, room);
        gate_send_commit(g, c->stream, n > 0 ? (size_t)n : 0);
        if (n == -EAGAIN) {
            return;
        }
        if (n < 0) {
            client_cut(c);
            return;
        }
        if (n == 0) {
            c->request = REQUEST_DONE;
            gate_send_end(g, c->stream, NULL, 0);
            client_turn_queue(c);
        }
        budget -= (size_t)n;
    }
}

void tunnel_data(struct client *c, struct span bytes)
{
    c->owed += bytes.len;
    if (client_send(c, bytes)) {
        client_turn_queue(c);
    }
}

void tunnel_end(struct client *c)
{
    c->response = RESPONSE_DONE;
    client_turn_queue(c);
}

void tunnel_out_done(struct client *c)
{
    if (c->request == REQUEST_DONE) {
        client_finish(c);
        return;
    }
    /* A half close: the client may still speak, for a while. */
    tls_conn_end(c->conn);
    client_deadline(c, SIDECAR_STALL_MS);
}
