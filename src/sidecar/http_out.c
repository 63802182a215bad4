/*
 * Responses: from a stream of the gate onto the connection. The framing is ours: the outer door
 * says how long a body is, never how it is written.
 */
#include "sidecar/client.h"
#include "sidecar/front.h"

#include "base/log.h"

#include <stdio.h>

#define ANSWER_MAX 512

static bool bodyless(const struct client *c, uint16_t status)
{
    return c->head_only || status == 204 || status == 304;
}

static enum http1_body_kind framing_of(const struct client *c, const struct gate_response *res)
{
    if (bodyless(c, res->status)) {
        return HTTP1_BODY_NONE;
    }
    if (res->end || res->length >= 0) {
        return HTTP1_BODY_LENGTH;
    }
    return c->version >= 11 ? HTTP1_BODY_CHUNKED : HTTP1_BODY_UNTIL_CLOSE;
}

/* A client that waits for 100 and gets an answer may still send its body, or not: the connection
 * cannot be used again (RFC 9110 10.1.1). The same when the whole answer came before the body. */
static bool must_close(const struct client *c, const struct gate_response *res)
{
    return res->close || !c->keep || c->framing == HTTP1_BODY_UNTIL_CLOSE ||
           (c->request != REQUEST_DONE && (c->awaits_continue || res->end));
}

static void response_done(struct client *c)
{
    c->response = RESPONSE_DONE;
    if (c->request == REQUEST_DONE) {
        /* Both ways have ended: the stream is gone by itself. What is owed to it is void. */
        c->stream = 0;
        c->owed = 0;
    }
    client_turn_queue(c);
}

void http_response(struct client *c, const struct gate_response *res)
{
    if (c->response != RESPONSE_NONE) {
        return;
    }
    c->framing = framing_of(c, res);
    c->left = res->length > 0 ? (uint64_t)res->length : 0;
    c->keep = !must_close(c, res);
    struct http1_response_out out = {
        .status = res->status,
        .version = c->version,
        .body = c->framing,
        .length = c->framing == HTTP1_BODY_LENGTH && res->length < 0 ? 0 : res->length,
        .headers = (const struct http1_header *)(const void *)res->headers,
        .header_count = res->header_count,
        .close = !c->keep,
        .date = c->s->front ? sidecar_front_date(c->s) : span_of("", 0),
    };
    bool lies = res->end && c->framing == HTTP1_BODY_LENGTH && c->left > 0;
    if (lies || !http1_write_response(&c->out, &out)) {
        client_stream_drop(c, GATE_RESET_INTERNAL);
        http_answer(c, 502, "protocol", "The response cannot be written as HTTP.");
        return;
    }
    c->response = RESPONSE_BODY;
    client_turn_queue(c);
    if (res->end) {
        response_done(c);
    }
}

void http_inform(struct client *c, uint16_t status)
{
    struct http1_response_out out = {
        .status = 100, .version = 11, .body = HTTP1_BODY_NONE, .length = -1};
    if (status != 100 || !c->awaits_continue || c->response != RESPONSE_NONE) {
        return;
    }
    c->awaits_continue = false;
    if (c->request == REQUEST_BODY && http1_write_response(&c->out, &out)) {
        client_turn_queue(c);
    }
}

void http_data(struct client *c, struct span bytes)
{
    char head[HTTP1_CHUNK_HEAD_MAX];
    bool sent = true;
    if (c->response != RESPONSE_BODY) {
        return;
    }
    c->owed += bytes.len;
    switch (c->framing) {
    case HTTP1_BODY_NONE:
        client_turn_queue(c); /* dropped, and credited there */
        break;
    case HTTP1_BODY_LENGTH:
        if (bytes.len > c->left) {
            log_warn("outer door: a body longer than its length");
            client_cut(c);
            return;
        }
        c->left -= bytes.len;
        sent = client_send(c, bytes);
        break;
    case HTTP1_BODY_CHUNKED:
        /* One piece in c->out, so that a chunk is not three records. */
        if (!buf_append(&c->out, head, http1_chunk_head(head, bytes.len)) ||
            !buf_append_span(&c->out, bytes)) {
            client_cut(c);
            return;
        }
        sent = client_send(c, SPAN_LIT("\r\n"));
        break;
    case HTTP1_BODY_UNTIL_CLOSE:
        sent = client_send(c, bytes);
        break;
    }
    if (sent) {
        client_turn_queue(c);
    }
}

void http_end(struct client *c, const struct gate_header *trailers, size_t count)
{
    if (c->response != RESPONSE_BODY) {
        return;
    }
    bool whole = c->framing != HTTP1_BODY_LENGTH || c->left == 0;
    if (whole && c->framing == HTTP1_BODY_CHUNKED) {
        const struct http1_header *fields = (const struct http1_header *)(const void *)trailers;
        whole = http1_write_last_chunk(&c->out, fields, count) ||
                http1_write_last_chunk(&c->out, NULL, 0);
    }
    if (!whole) {
        client_cut(c);
        return;
    }
    response_done(c);
}

void http_failed(struct client *c, enum gate_reset reason)
{
    c->stream = 0;
    if (c->response == RESPONSE_DONE) {
        /* The answer is on its way out. What still comes of the request goes nowhere, and nothing
         * behind it may be taken for a request. */
        c->keep = c->keep && c->request == REQUEST_DONE;
        c->request = REQUEST_DONE;
        return;
    }
    if (c->response == RESPONSE_BODY) {
        /* What came of it leaves, but no last chunk and no close_notify: the client must not take
         * it for whole. */
        if (client_out_flush(c)) {
            tls_conn_flush(c->conn);
        }
        client_cut(c);
    } else if (reason == GATE_RESET_UPSTREAM) {
        http_answer(c, 502, "protocol", "The upstream broke off.");
    } else {
        http_unserved(c);
    }
}

void http_unserved(struct client *c)
{
    http_answer(c, 503, "gate",
                c->s->front ? "The Worker is not running; ask again."
                            : "The outer door is not there.");
}

void http_answer(struct client *c, uint16_t status, const char *code, const char *text)
{
    struct http1_header headers[2] = {{SPAN_LIT("content-type"), SPAN_LIT("text/plain")}};
    char body[ANSWER_MAX];
    int len = snprintf(body, sizeof body, "%s\n", text);
    struct http1_response_out out = {
        .status = status,
        .version = 11,
        .body = c->head_only ? HTTP1_BODY_NONE : HTTP1_BODY_LENGTH,
        .length = len,
        .headers = headers,
        .header_count = 1,
        .close = true,
        .date = c->s->front ? sidecar_front_date(c->s) : span_of("", 0),
    };
    if (code != NULL) {
        headers[out.header_count++] =
            (struct http1_header){SPAN_LIT("sallyport-error"), span_str(code)};
    }
    client_stream_drop(c, GATE_RESET_CANCEL);
    client_deadline(c, 0);
    c->keep = false;
    c->request = REQUEST_DONE;
    c->response = RESPONSE_DONE;
    if (!http1_write_response(&c->out, &out) ||
        (!c->head_only && !buf_append(&c->out, body, (size_t)len))) {
        client_cut(c);
        return;
    }
    client_turn_queue(c);
}
