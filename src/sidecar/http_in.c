/*
 * Requests: HTTP/1.1 off the connection, onto a stream of the gate. One exchange at a time; what a
 * client sends ahead waits, bounded, in its connection.
 */
#include "sidecar/client.h"

#include <errno.h>
#include <stdio.h>

/* The gate's fields are http1's. */
_Static_assert(sizeof(struct gate_header) == sizeof(struct http1_header) &&
                   offsetof(struct gate_header, value) == offsetof(struct http1_header, value),
               "fields of the gate and of http1 are laid out alike");

#define DROPPED (HTTP1_FIELD_HOST | HTTP1_FIELD_FRAMING | HTTP1_FIELD_HOP | HTTP1_FIELD_EXPECT)

void http_start(struct client *c)
{
    c->phase = CLIENT_HTTP;
    client_deadline(c, SIDECAR_HEAD_MS);
    if (buf_len(&c->in) > 0) {
        http_input(c);
    }
}

static void refuse(struct client *c, const struct http1_refusal *refusal)
{
    client_note(c, GATE_NOTE_BAD_REQUEST, span_str(refusal->why));
    http_answer(c, refusal->status, NULL, refusal->why);
}

/* Whom an HTTP/1.0 request without Host means: where the connection went. */
static struct span authority_of_dest(const struct client *c, char *text, size_t size)
{
    struct gate_peer peer;
    char addr[46];
    if (c->s->front) {
        return span_str(c->s->authority);
    }
    client_peer(c, &peer);
    struct span host = peer.name;
    if (host.len == 0) {
        host = span_of(addr, sidecar_address_text(c->dest, addr));
    }
    bool v6 = memchr(host.ptr, ':', host.len) != NULL;
    int len = snprintf(text, size, "%s" SPAN_FMT "%s:%u", v6 ? "[" : "", SPAN_ARG(host),
                       v6 ? "]" : "", (unsigned)c->dest_port);
    return span_of(text, (size_t)len < size ? (size_t)len : size - 1);
}

/* false: it was answered here. */
static bool request_send(struct client *c, const struct http1_request *r)
{
    char dest[320];
    const struct http1_head *head = &r->head;
    struct gate_request req = {
        .version = head->version,
        .end =
            head->body == HTTP1_BODY_NONE || (head->body == HTTP1_BODY_LENGTH && head->length == 0),
        .length = head->body == HTTP1_BODY_LENGTH ? head->length : -1,
        .method = r->method,
        .target = r->path,
        .authority = r->authority,
    };
    c->version = head->version;
    c->keep = head->keep_alive && !c->s->draining;
    c->served = true;
    c->head_only = span_eq(r->method, SPAN_LIT("HEAD"));
    c->awaits_continue = r->expect_continue && head->version == 11 && !req.end;
    req.expect_continue = c->awaits_continue;
    c->proxy = c->proxy || (r->form == HTTP1_ABSOLUTE && !c->s->front);
    client_peer(c, &req.peer);
    if (req.authority.len == 0) {
        req.authority = authority_of_dest(c, dest, sizeof dest);
    }
    req.header_count = http1_fields(head, DROPPED, c->s->fields);
    req.headers = (const struct gate_header *)(const void *)c->s->fields;
    c->stream = c->s->gate != NULL ? gate_send_request(c->s->gate, &req) : 0;
    if (c->stream == 0) {
        http_unserved(c);
        return false;
    }
    gate_stream_bind(c->s->gate, c->stream, c);
    http1_body_init(&c->body, head);
    c->request = req.end ? REQUEST_DONE : REQUEST_BODY;
    c->response = RESPONSE_NONE;
    client_deadline(c, req.end ? 0 : SIDECAR_STALL_MS);
    return true;
}

/* "https" in the clear would be sent on in the clear; "http" in TLS the other way round. */
static bool scheme_fits(const struct client *c, const struct http1_request *r)
{
    bool secure = tls_conn_secure(c->conn);
    return r->form != HTTP1_ABSOLUTE ||
           span_ieq(r->scheme, secure ? SPAN_LIT("https") : SPAN_LIT("http"));
}

/* A whole head is in c->in. false: nothing more can be read now. */
static bool head_done(struct client *c, const struct http1_request *r)
{
    size_t size = r->head.size;
    if (r->form == HTTP1_AUTHORITY && c->s->front) {
        http_answer(c, 501, NULL, "This is no proxy: CONNECT is not served.");
        return false;
    }
    if (r->form == HTTP1_AUTHORITY) {
        bool inside = connect_open(c, r->authority);
        if (inside) {
            buf_consume(&c->in, size);
            memset(&c->scan, 0, sizeof c->scan);
            sniff_input(c);
        }
        return false;
    }
    if (!scheme_fits(c, r)) {
        struct http1_refusal refusal = {400, "The scheme of the target is not the connection's."};
        refuse(c, &refusal);
        return false;
    }
    if (!request_send(c, r)) {
        return false;
    }
    buf_consume(&c->in, size);
    return true;
}

static bool head_input(struct client *c)
{
    struct http1_refusal refusal;
    struct http1_request *r = &c->s->request;
    for (;;) {
        enum http1_result result = HTTP1_MORE;
        if (buf_len(&c->in) > 0) {
            result = http1_request_parse(&c->scan, buf_span(&c->in), r, &refusal);
        }
        if (result == HTTP1_BAD) {
            refuse(c, &refusal);
            return false;
        }
        if (result == HTTP1_DONE) {
            return head_done(c, r);
        }
        bool first = buf_len(&c->in) == 0;
        ssize_t n = client_fill(c, CLIENT_IN_STEP);
        if (n <= 0) {
            if (n == 0 && c->eof) {
                client_finish(c);
            }
            return false;
        }
        if (first) {
            client_deadline(c, SIDECAR_HEAD_MS);
        }
    }
}

static void body_bad(struct client *c, const char *why)
{
    client_note(c, GATE_NOTE_BAD_REQUEST, span_str(why));
    client_stream_drop(c, GATE_RESET_TRUNCATED);
    if (c->response == RESPONSE_NONE) {
        http_answer(c, 400, NULL, why);
    } else {
        client_cut(c);
    }
}

static void body_done(struct client *c, const struct http1_piece *piece)
{
    gate_send_end(c->s->gate, c->stream, (const struct gate_header *)(const void *)piece->trailers,
                  piece->trailer_count);
    buf_consume(&c->in, piece->consumed);
    buf_trim(&c->in);
    c->request = REQUEST_DONE;
    client_deadline(c, 0);
}

/* Body bytes that lie in c->in, at most room of them. false: go no further now. */
static bool body_feed(struct client *c, size_t room, size_t *moved)
{
    struct http1_piece piece;
    struct span all = buf_span(&c->in);
    struct span window = span_of(all.ptr, all.len < room ? all.len : room);
    enum http1_step step = http1_body_feed(&c->body, window, &piece);
    if (step == HTTP1_STEP_MORE && piece.consumed == 0 && window.len < all.len) {
        /* Trailers, which take no room. */
        step = http1_body_feed(&c->body, all, &piece);
    }
    *moved = piece.consumed;
    switch (step) {
    case HTTP1_STEP_BAD:
        body_bad(c, c->body.why);
        return false;
    case HTTP1_STEP_END:
        body_done(c, &piece);
        return true;
    case HTTP1_STEP_DATA:
        gate_send_data(c->s->gate, c->stream, piece.data);
        break;
    case HTTP1_STEP_MORE:
        break;
    }
    buf_consume(&c->in, piece.consumed);
    return true;
}

/* Body bytes from the connection straight into the gate's output. As client_fill. */
static ssize_t body_direct(struct client *c, size_t direct)
{
    size_t room;
    void *to = gate_send_reserve(c->s->gate, c->stream, &room);
    if (to == NULL) {
        return 0;
    }
    ssize_t n = tls_conn_read(c->conn, to, room < direct ? room : direct);
    gate_send_commit(c->s->gate, c->stream, n > 0 ? (size_t)n : 0);
    if (n > 0) {
        http1_body_took(&c->body, (size_t)n);
    } else if (n == 0) {
        c->eof = true;
    } else if (n != -EAGAIN) {
        client_cut(c);
        return n;
    }
    return n > 0 ? n : 0;
}

static bool body_input(struct client *c, size_t *budget)
{
    size_t room = gate_send_room(c->s->gate, c->stream);
    if (room == 0) {
        tls_conn_pause(c->conn, true);
        client_deadline(c, 0);
        return false;
    }
    size_t moved = 0;
    /* Fed also when nothing is there: a body that is complete says so. */
    if (!body_feed(c, room, &moved)) {
        return false;
    }
    if (c->request != REQUEST_BODY || moved > 0) {
        return true;
    }
    size_t direct = http1_body_direct(&c->body);
    ssize_t n = direct > 0 && buf_len(&c->in) == 0 ? body_direct(c, direct)
                                                   : client_fill(c, CLIENT_IN_STEP);
    if (n < 0) {
        return false;
    }
    if (n == 0) {
        if (c->eof) {
            body_bad(c, "The body ended before its time.");
        }
        return false;
    }
    client_deadline(c, SIDECAR_STALL_MS);
    *budget -= (size_t)n < *budget ? (size_t)n : *budget;
    return *budget > 0;
}

/* While an exchange is answered: notice that the client is gone, keep a little of what follows. */
static void ahead_input(struct client *c)
{
    ssize_t n = 1;
    while (n > 0 && !c->eof) {
        if (buf_len(&c->in) >= CLIENT_AHEAD_MAX) {
            tls_conn_pause(c->conn, true);
            return;
        }
        n = client_fill(c, CLIENT_IN_STEP);
    }
    /* In the clear a client that left and one that shut its half look alike. The front door takes
     * either for gone, as most servers do: nobody works for a reader who left. */
    if (n == 0 && c->eof && c->s->front && c->response != RESPONSE_DONE) {
        client_cut(c);
    }
}

void http_input(struct client *c)
{
    size_t budget = CLIENT_BUDGET;
    while (c->phase == CLIENT_HTTP) {
        bool on = false;
        switch (c->request) {
        case REQUEST_HEAD:
            on = head_input(c);
            break;
        case REQUEST_BODY:
            on = body_input(c, &budget);
            break;
        case REQUEST_DONE:
            ahead_input(c);
            break;
        }
        if (!on) {
            return;
        }
    }
}

void http_next(struct client *c)
{
    bool complete = c->request == REQUEST_DONE;
    bool over = c->eof && buf_len(&c->in) == 0;
    if (!c->keep || !complete || over) {
        client_finish(c);
        return;
    }
    c->stream = 0;
    c->request = REQUEST_HEAD;
    c->response = RESPONSE_NONE;
    memset(&c->scan, 0, sizeof c->scan);
    client_deadline(c, buf_len(&c->in) > 0 ? SIDECAR_HEAD_MS : SIDECAR_IDLE_MS);
    if (c->s->front) {
        /* The list is in the order of last use: room is made from its front. */
        list_remove(&c->node);
        list_append(&c->s->clients, &c->node);
    }
    tls_conn_pause(c->conn, false);
    c->wake = buf_len(&c->in) > 0;
}
