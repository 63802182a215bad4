/*
 * The first bytes decide what a connection speaks, whatever its port. What is neither TLS nor
 * HTTP/1 is refused at once with a RST: no client waits for a timeout to learn of a rule.
 */
#include "sidecar/client.h"

#include "proto/hello/hello.h"

#include <stdlib.h>

#define TLS_HANDSHAKE_RECORD 0x16

/* The name the leaf is made for: what the client asked for, else where it meant to go. */
static struct span leaf_name(const struct client *c, char text[46])
{
    struct gate_peer peer;
    client_peer(c, &peer);
    if (peer.sni.len > 0) {
        return peer.sni;
    }
    if (peer.name.len > 0) {
        return peer.name;
    }
    return span_of(text, sidecar_address_text(c->dest, text));
}

static void tls_open(struct client *c)
{
    char text[46];
    struct error err;
    struct span name = leaf_name(c, text);
    c->phase = CLIENT_HANDSHAKE;
    client_deadline(c, SIDECAR_HANDSHAKE_MS);
    if (tls_conn_unread(c->conn, buf_span(&c->in), &err) < 0 ||
        tls_conn_start_server(c->conn, c->s->tls, name, c->sni != NULL, &err) < 0) {
        client_note(c, GATE_NOTE_TLS_FAILED, span_str(err.text));
        client_cut(c);
        return;
    }
    buf_free(&c->in);
}

/* false: more bytes are needed. */
static bool tls_sniff(struct client *c)
{
    struct hello hello;
    enum hello_result result = hello_parse(buf_span(&c->in), &hello);
    if (result == HELLO_MORE) {
        return false;
    }
    if (result != HELLO_DONE) {
        client_note(c, GATE_NOTE_TLS_FAILED, SPAN_LIT("malformed ClientHello"));
        client_cut(c);
        return true;
    }
    if (hello.has_sni) {
        c->sni = strndup(hello.sni.ptr, hello.sni.len);
    }
    bool no_memory = hello.has_sni && c->sni == NULL;
    hello_free(&hello);
    if (no_memory) {
        client_cut(c);
    } else if (c->s->intercept) {
        tls_open(c);
    } else {
        tunnel_start(c);
    }
    return true;
}

/* false: more bytes are needed. */
static bool sniff(struct client *c)
{
    struct span in = buf_span(&c->in);
    if (in.len == 0) {
        return false;
    }
    if (in.ptr[0] == TLS_HANDSHAKE_RECORD) {
        return tls_sniff(c);
    }
    switch (http1_sniff(in)) {
    case HTTP1_GUESS_MAYBE:
        return false;
    case HTTP1_GUESS_YES:
        http_start(c);
        return true;
    case HTTP1_GUESS_NO:
    case HTTP1_GUESS_H2:
        client_cut(c);
        return true;
    }
    return true;
}

void sniff_input(struct client *c)
{
    while (!sniff(c)) {
        ssize_t n = client_fill(c, CLIENT_IN_STEP);
        if (n < 0) {
            return;
        }
        if (n == 0) {
            if (c->eof) {
                client_finish(c);
            }
            return;
        }
    }
}
