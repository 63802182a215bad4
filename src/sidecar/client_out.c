/*
 * Output: a response's head and its first body bytes become one TLS record; large runs of bytes go
 * to the connection without being copied here first.
 */
#include "sidecar/client.h"

#include <errno.h>

static bool write_failed(struct client *c, ssize_t n)
{
    if (n == -EAGAIN || n >= 0) {
        return false;
    }
    client_cut(c);
    return true;
}

bool client_send(struct client *c, struct span bytes)
{
    if (buf_len(&c->out) == 0 && bytes.len >= CLIENT_OUT_BATCH) {
        ssize_t n = tls_conn_write(c->conn, bytes.ptr, bytes.len);
        if (write_failed(c, n)) {
            return false;
        }
        bytes = span_from(bytes, n > 0 ? (size_t)n : 0);
    }
    if (!buf_append_span(&c->out, bytes)) {
        client_cut(c);
        return false;
    }
    if (buf_len(&c->out) >= CLIENT_OUT_BATCH) {
        return client_out_flush(c);
    }
    client_turn_queue(c);
    return true;
}

bool client_out_flush(struct client *c)
{
    if (c->phase == CLIENT_DEAD || c->phase == CLIENT_FINISHING) {
        return false;
    }
    while (buf_len(&c->out) > 0) {
        struct span all = buf_span(&c->out);
        ssize_t n = tls_conn_write(c->conn, all.ptr, all.len);
        if (write_failed(c, n)) {
            return false;
        }
        if (n <= 0) {
            return true; /* the connection says when there is room */
        }
        buf_consume(&c->out, (size_t)n);
    }
    buf_trim(&c->out);
    if (c->owed > 0) {
        if (c->stream != 0) {
            gate_credit(c->s->gate, c->stream, c->owed);
        }
        c->owed = 0;
    }
    return true;
}
