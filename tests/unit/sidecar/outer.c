/*
 * The outer door of the tests. By path:
 *   /hello          200 with a length        /chunked   200 in two pieces, without length, trailer
 *   /echo           what came                /big/N     N bytes of a pattern, with length
 *   /sum            counts the body, answers when it is whole
 *   /status/N       N, no body               /silent    nothing, ever
 *   /cut            head, a part of the body, RESET     /reset   RESET at once
 *   /later          "hello" when outer_answer is called
 *   /early          answers without taking the body     /liar    more than its length
 * A tunnel echoes; one to denied.* is reset, one to closing.test says "bye" and ends its half.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

struct exchange {
    struct exchange *next;
    struct fixture *f;
    uint32_t stream;
    char path[64];
    bool head_sent;
    bool tunnel;
    bool ended;    /* the request is whole */
    bool finished; /* ours is */
    uint64_t got;
    uint32_t sum;
    uint64_t left; /* of /big */
    uint64_t sent;
    struct buf echo;
};

static struct exchange *find(struct fixture *f, uint32_t stream)
{
    return gate_stream_ctx(f->gate, stream);
}

static void head(struct exchange *x, uint16_t status, int64_t length, bool end)
{
    struct gate_header headers[] = {{SPAN_LIT("x-path"), span_str(x->path)},
                                    {SPAN_LIT("connection"), SPAN_LIT("x-path")}};
    struct gate_response res = {
        .status = status, .length = length, .end = end, .headers = headers, .header_count = 2};
    x->head_sent = true;
    x->finished = end;
    assert_true(gate_send_response(x->f->gate, x->stream, &res));
}

static void text(struct exchange *x, const char *body)
{
    head(x, 200, (int64_t)strlen(body), false);
    gate_send_data(x->f->gate, x->stream, span_str(body));
    gate_send_end(x->f->gate, x->stream, NULL, 0);
    x->finished = true;
}

static void pump(struct exchange *x)
{
    char block[8192];
    while (x->left > 0) {
        size_t n = x->left < sizeof block ? (size_t)x->left : sizeof block;
        for (size_t i = 0; i < n; i++) {
            block[i] = (char)((x->sent + i) % 251);
        }
        size_t taken = gate_send_data(x->f->gate, x->stream, span_of(block, n));
        x->left -= taken;
        x->sent += taken;
        if (taken < n) {
            return;
        }
    }
    gate_send_end(x->f->gate, x->stream, NULL, 0);
    x->finished = true;
}

static void echo(struct exchange *x)
{
    struct fixture *f = x->f;
    size_t taken = gate_send_data(f->gate, x->stream, buf_span(&x->echo));
    buf_consume(&x->echo, taken);
    gate_credit(f->gate, x->stream, taken);
    if (x->ended && buf_len(&x->echo) == 0 && !x->finished) {
        x->finished = true;
        gate_send_end(f->gate, x->stream, NULL, 0);
    }
}

static bool is(const struct exchange *x, const char *path)
{
    return strcmp(x->path, path) == 0;
}

static void chunked(struct exchange *x)
{
    struct gate_header trailer = {SPAN_LIT("x-sum"), SPAN_LIT("42")};
    head(x, 200, -1, false);
    gate_send_data(x->f->gate, x->stream, SPAN_LIT("first "));
    gate_send_data(x->f->gate, x->stream, SPAN_LIT("second\n"));
    gate_send_end(x->f->gate, x->stream, &trailer, 1);
    x->finished = true;
}

static void begin(struct exchange *x, const struct gate_request *req)
{
    struct fixture *f = x->f;
    if (is(x, "/hello") || is(x, "/early")) {
        text(x, "hello\n");
    } else if (is(x, "/authority")) {
        char body[256];
        snprintf(body, sizeof body, SPAN_FMT " " SPAN_FMT " %zu\n", SPAN_ARG(req->method),
                 SPAN_ARG(req->authority), req->header_count);
        text(x, body);
    } else if (is(x, "/chunked")) {
        chunked(x);
    } else if (is(x, "/echo")) {
        head(x, 200, req->length, false);
        echo(x);
    } else if (strncmp(x->path, "/big/", 5) == 0) {
        x->left = strtoull(x->path + 5, NULL, 10);
        head(x, 200, (int64_t)x->left, false);
        pump(x);
    } else if (strncmp(x->path, "/status/", 8) == 0) {
        head(x, (uint16_t)atoi(x->path + 8), -1, true);
    } else if (is(x, "/cut")) {
        head(x, 200, 1000, false);
        gate_send_data(f->gate, x->stream, SPAN_LIT("a part"));
        gate_send_reset(f->gate, x->stream, GATE_RESET_TRUNCATED);
    } else if (is(x, "/cut-chunked")) {
        head(x, 200, -1, false);
        gate_send_data(f->gate, x->stream, SPAN_LIT("a part"));
        gate_send_reset(f->gate, x->stream, GATE_RESET_TRUNCATED);
    } else if (is(x, "/reset")) {
        gate_send_reset(f->gate, x->stream, GATE_RESET_UPSTREAM);
    } else if (is(x, "/liar")) {
        head(x, 200, 3, false);
        gate_send_data(f->gate, x->stream, SPAN_LIT("four"));
        gate_send_end(f->gate, x->stream, NULL, 0);
    } else if (is(x, "/sum") && req->expect_continue) {
        gate_send_inform(f->gate, x->stream, 100);
    }
}

static struct exchange *exchange_new(struct fixture *f, uint32_t stream,
                                     const struct gate_peer *peer)
{
    struct exchange *x = calloc(1, sizeof *x);
    *x = (struct exchange){.next = f->exchanges, .f = f, .stream = stream};
    buf_init(&x->echo, 1u << 20);
    f->exchanges = x;
    snprintf(f->last_sni, sizeof f->last_sni, SPAN_FMT, SPAN_ARG(peer->sni));
    snprintf(f->last_name, sizeof f->last_name, SPAN_FMT, SPAN_ARG(peer->name));
    memcpy(f->last_dest, peer->dest, sizeof f->last_dest);
    f->last_dest_port = peer->dest_port;
    f->last_tls = peer->tls;
    f->last_proxy = peer->proxy;
    gate_stream_bind(f->gate, stream, x);
    return x;
}

static void on_request(void *arg, uint32_t stream, const struct gate_request *req)
{
    struct fixture *f = arg;
    struct exchange *x = exchange_new(f, stream, &req->peer);
    f->requests++;
    snprintf(x->path, sizeof x->path, SPAN_FMT, SPAN_ARG(req->target));
    snprintf(f->last_authority, sizeof f->last_authority, SPAN_FMT, SPAN_ARG(req->authority));
    x->ended = req->end;
    begin(x, req);
    if (x->ended && is(x, "/sum")) {
        text(x, "0 0\n");
    }
}

static void on_tunnel(void *arg, uint32_t stream, const struct gate_peer *peer)
{
    struct fixture *f = arg;
    struct exchange *x = exchange_new(f, stream, peer);
    x->tunnel = true;
    f->tunnels++;
    if (peer->sni.len > 6 && memcmp(peer->sni.ptr, "denied", 6) == 0) {
        gate_send_reset(f->gate, stream, GATE_RESET_DENIED);
    } else {
        gate_send_opened(f->gate, stream);
    }
    if (span_eq(peer->sni, SPAN_LIT("closing.test"))) {
        gate_send_data(f->gate, stream, SPAN_LIT("bye"));
        gate_send_end(f->gate, stream, NULL, 0);
        x->finished = true;
    }
}

static void on_data(void *arg, uint32_t stream, struct span bytes)
{
    struct fixture *f = arg;
    struct exchange *x = find(f, stream);
    if (x == NULL || is(x, "/early")) {
        return;
    }
    x->got += bytes.len;
    for (size_t i = 0; i < bytes.len; i++) {
        x->sum = x->sum * 31 + (uint8_t)bytes.ptr[i];
    }
    if (is(x, "/echo") || (x->tunnel && !x->finished)) {
        assert_true(buf_append_span(&x->echo, bytes));
        echo(x);
    } else {
        gate_credit(f->gate, stream, bytes.len);
    }
}

static void on_end(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count)
{
    struct fixture *f = arg;
    struct exchange *x = find(f, stream);
    (void)trailers;
    (void)count;
    if (x == NULL) {
        return;
    }
    x->ended = true;
    if (is(x, "/sum")) {
        char body[64];
        snprintf(body, sizeof body, "%llu %zu\n", (unsigned long long)x->got, count);
        text(x, body);
    } else if (is(x, "/echo") || x->tunnel) {
        echo(x);
    }
}

static void on_reset(void *arg, uint32_t stream, enum gate_reset reason)
{
    struct fixture *f = arg;
    (void)stream;
    (void)reason;
    f->resets++;
}

static void on_writable(void *arg, uint32_t stream)
{
    struct exchange *x = find(arg, stream);
    if (x != NULL && x->left > 0) {
        pump(x);
    } else if (x != NULL && (is(x, "/echo") || x->tunnel)) {
        echo(x);
    }
}

static void on_closed(void *arg, const char *why)
{
    struct fixture *f = arg;
    (void)why;
    f->gate_closed = true;
}

static void on_note(void *arg, const struct gate_peer *peer, enum gate_note note,
                    struct span detail)
{
    struct fixture *f = arg;
    (void)peer;
    f->notes[note]++;
    snprintf(f->note_detail, sizeof f->note_detail, SPAN_FMT, SPAN_ARG(detail));
}

void outer_answer(struct fixture *f)
{
    for (struct exchange *x = f->exchanges; x != NULL; x = x->next) {
        if (is(x, "/later") && !x->finished) {
            text(x, "hello\n");
        }
    }
}

uint64_t outer_got(const struct fixture *f)
{
    return f->exchanges != NULL ? f->exchanges->got : 0;
}

void outer_forget(struct fixture *f)
{
    while (f->exchanges != NULL) {
        struct exchange *x = f->exchanges;
        f->exchanges = x->next;
        buf_free(&x->echo);
        free(x);
    }
}

const struct gate_events outer_events = {
    .data = on_data,
    .end = on_end,
    .reset = on_reset,
    .writable = on_writable,
    .closed = on_closed,
    .request = on_request,
    .tunnel = on_tunnel,
    .note = on_note,
};
