/* gate: two real ends over a socket pair, and an inner end that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gate/core.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_BYTES (3u * 1024u * 1024u)

struct rig {
    struct loop *loop;
    struct gate *inner, *outer;
    struct loop_timer *deadline;
    uint32_t stream;
    size_t to_send, received, most_held, held;
    unsigned long sum_sent, sum_received;
    bool hold; /* the outer door does not credit: a slow reader */
    bool got_response;
    bool got_end;
    size_t trailers;
    int resets;
    enum gate_reset reason;
    const char *closed;
    int requests;
};

static void timed_out(void *arg)
{
    (void)arg;
    fail_msg("the gate did not get there in time");
}

static void send_more(struct rig *r)
{
    while (r->to_send > 0) {
        size_t room;
        unsigned char *at = gate_send_reserve(r->inner, r->stream, &room);
        if (at == NULL) {
            return;
        }
        size_t n = room < r->to_send ? room : r->to_send;
        for (size_t i = 0; i < n; i++) {
            at[i] = (unsigned char)(r->to_send + i * 7);
            r->sum_sent = r->sum_sent * 31 + at[i];
        }
        gate_send_commit(r->inner, r->stream, n);
        r->to_send -= n;
    }
    gate_send_end(r->inner, r->stream, NULL, 0);
}

static void inner_writable(void *arg, uint32_t stream)
{
    (void)stream;
    send_more(arg);
}

static void inner_response(void *arg, uint32_t stream, const struct gate_response *res)
{
    struct rig *r = arg;
    assert_int_equal(stream, r->stream);
    assert_int_equal(res->status, 203);
    assert_int_equal(res->length, 5);
    assert_int_equal(res->header_count, 1);
    assert_true(span_eq(res->headers[0].value, SPAN_LIT("text/plain")));
    r->got_response = true;
}

static void inner_data(void *arg, uint32_t stream, struct span bytes)
{
    (void)arg;
    (void)stream;
    assert_true(span_eq(bytes, SPAN_LIT("hello")));
}

static void inner_end(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count)
{
    struct rig *r = arg;
    (void)stream;
    r->got_end = true;
    r->trailers = count;
    assert_true(span_eq(trailers[0].name, SPAN_LIT("grpc-status")));
    loop_stop(r->loop);
}

static void on_reset(void *arg, uint32_t stream, enum gate_reset reason)
{
    struct rig *r = arg;
    (void)stream;
    r->resets++;
    r->reason = reason;
    loop_stop(r->loop);
}

static void on_closed(void *arg, const char *why)
{
    struct rig *r = arg;
    r->closed = why;
    loop_stop(r->loop);
}

static void inner_inform(void *arg, uint32_t stream, uint16_t status)
{
    struct rig *r = arg;
    (void)stream;
    assert_int_equal(status, 100);
    send_more(r);
}

static void inner_opened(void *arg, uint32_t stream)
{
    (void)arg;
    (void)stream;
}

static void outer_request(void *arg, uint32_t stream, const struct gate_request *req)
{
    struct rig *r = arg;
    r->requests++;
    assert_int_equal(stream, r->stream);
    assert_true(span_eq(req->method, SPAN_LIT("POST")));
    assert_true(span_eq(req->target, SPAN_LIT("/up?x=1")));
    assert_true(span_eq(req->authority, SPAN_LIT("api.example.test")));
    assert_true(span_eq(req->peer.sni, SPAN_LIT("api.example.test")));
    assert_true(req->peer.tls);
    assert_int_equal(req->peer.dest_port, 8443);
    assert_int_equal(req->length, -1);
    gate_stream_bind(r->outer, stream, r);
    gate_send_inform(r->outer, stream, 100);
}

static void outer_data(void *arg, uint32_t stream, struct span bytes)
{
    struct rig *r = arg;
    assert_ptr_equal(gate_stream_ctx(r->outer, stream), r);
    for (size_t i = 0; i < bytes.len; i++) {
        r->sum_received = r->sum_received * 31 + (unsigned char)bytes.ptr[i];
    }
    r->received += bytes.len;
    r->held += bytes.len;
    r->most_held = r->held > r->most_held ? r->held : r->most_held;
    if (!r->hold) {
        r->held -= bytes.len;
        gate_credit(r->outer, stream, bytes.len);
    }
}

static void outer_end(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count)
{
    struct rig *r = arg;
    (void)trailers;
    assert_int_equal(count, 0);
    struct gate_header type = {SPAN_LIT("content-type"), SPAN_LIT("text/plain")};
    struct gate_response res = {.status = 203, .length = 5, .headers = &type, .header_count = 1};
    assert_true(gate_send_response(r->outer, stream, &res));
    assert_false(gate_send_response(r->outer, stream, &res));
    assert_int_equal(gate_send_data(r->outer, stream, SPAN_LIT("hello")), 5);
    struct gate_header trailer = {SPAN_LIT("grpc-status"), SPAN_LIT("0")};
    gate_send_end(r->outer, stream, &trailer, 1);
    assert_null(gate_stream_ctx(r->outer, stream));
}

static void outer_tunnel(void *arg, uint32_t stream, const struct gate_peer *peer)
{
    struct rig *r = arg;
    assert_true(span_eq(peer->sni, SPAN_LIT("raw.example.test")));
    gate_send_reset(r->outer, stream, GATE_RESET_DENIED);
}

static void outer_note(void *arg, const struct gate_peer *peer, enum gate_note note,
                       struct span detail)
{
    struct rig *r = arg;
    (void)peer;
    assert_int_equal(note, GATE_NOTE_CA_REJECTED);
    assert_true(span_eq(detail, SPAN_LIT("unknown ca")));
    loop_stop(r->loop);
}

static void outer_writable(void *arg, uint32_t stream)
{
    (void)arg;
    (void)stream;
}

static const struct gate_events inner_events = {.data = inner_data,
                                                .end = inner_end,
                                                .reset = on_reset,
                                                .writable = inner_writable,
                                                .closed = on_closed,
                                                .response = inner_response,
                                                .inform = inner_inform,
                                                .opened = inner_opened};
static const struct gate_events outer_events = {.data = outer_data,
                                                .end = outer_end,
                                                .reset = on_reset,
                                                .writable = outer_writable,
                                                .closed = on_closed,
                                                .request = outer_request,
                                                .tunnel = outer_tunnel,
                                                .note = outer_note};

static const struct gate_peer peer_tls = {
    .conn = 7, .dest_port = 8443, .tls = true, .sni = {"api.example.test", 16}};

static const struct gate_request request = {
    .peer = {.conn = 7, .dest_port = 8443, .tls = true, .sni = {"api.example.test", 16}},
    .version = 11,
    .length = -1,
    .expect_continue = true,
    .method = {"POST", 4},
    .target = {"/up?x=1", 7},
    .authority = {"api.example.test", 16}};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    int fd[2];
    r->loop = loop_create(NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    r->inner = gate_create(r->loop, GATE_INNER, fd[0], &inner_events, r, NULL);
    r->outer = gate_create(r->loop, GATE_OUTER, fd[1], &outer_events, r, NULL);
    r->deadline = loop_timer_start(r->loop, 20000, 0, timed_out, r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    loop_timer_cancel(r->deadline);
    gate_destroy(r->inner);
    gate_destroy(r->outer);
    loop_destroy(r->loop);
    free(r);
    return 0;
}

static void carries_an_exchange(void **state)
{
    struct rig *r = *state;
    r->to_send = BODY_BYTES;
    r->stream = gate_send_request(r->inner, &request);
    assert_int_not_equal(r->stream, 0);
    loop_run(r->loop);
    assert_null(r->closed);
    assert_int_equal(r->received, BODY_BYTES);
    assert_int_equal(r->sum_received, r->sum_sent);
    assert_true(r->got_response && r->got_end);
    assert_int_equal(r->trailers, 1);
    assert_int_equal(r->inner->stream_count, 0);
    assert_int_equal(r->outer->stream_count, 0);
}

static void stop_now(void *arg)
{
    struct rig *r = arg;
    loop_stop(r->loop);
}

static void stops_a_sender_without_credit(void **state)
{
    struct rig *r = *state;
    r->to_send = BODY_BYTES;
    r->hold = true;
    r->stream = gate_send_request(r->inner, &request);
    struct loop_timer *t = loop_timer_start(r->loop, 100, 0, stop_now, r);
    loop_run(r->loop);
    loop_timer_cancel(t);
    assert_int_equal(r->received, GATE_CREDIT_INITIAL);
    assert_int_equal(gate_send_room(r->inner, r->stream), 0);
    /* Credit for more than was received is cut to what was received. */
    r->hold = false;
    gate_credit(r->outer, r->stream, SIZE_MAX);
    loop_run(r->loop);
    assert_true(r->got_end);
    assert_int_equal(r->received, BODY_BYTES);
}

static void denies_a_tunnel(void **state)
{
    struct rig *r = *state;
    struct gate_peer peer = peer_tls;
    peer.sni = SPAN_LIT("raw.example.test");
    r->stream = gate_send_tunnel(r->inner, &peer);
    loop_run(r->loop);
    assert_int_equal(r->resets, 1);
    assert_int_equal(r->reason, GATE_RESET_DENIED);
    assert_int_equal(r->inner->stream_count + r->outer->stream_count, 0);
    gate_send_note(r->inner, &peer, GATE_NOTE_CA_REJECTED, SPAN_LIT("unknown ca"));
    loop_run(r->loop);
    assert_null(r->closed);
}

static void says_when_the_other_door_is_gone(void **state)
{
    struct rig *r = *state;
    gate_destroy(r->outer);
    r->outer = NULL;
    loop_run(r->loop);
    assert_non_null(r->closed);
    assert_int_equal(gate_send_request(r->inner, &request), 0);
}

static void refuses_a_head_that_is_too_large(void **state)
{
    struct rig *r = *state;
    static char big[GATE_HEADERS_MAX];
    struct gate_header h = {SPAN_LIT("x"), {big, sizeof big}};
    struct gate_request req = request;
    req.headers = &h;
    req.header_count = 1;
    assert_int_equal(gate_send_request(r->inner, &req), 0);
    r->stream = gate_send_request(r->inner, &request);
    assert_int_equal(r->stream, 1);
}

/* Bytes as a taken-over sidecar would write them, and what must become of the gate. */
struct lie {
    const char *name;
    const char *bytes;
    size_t len;
};
#define LIE(name, bytes)                                                                           \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1                                                             \
    }

static const struct lie lies[] = {
    LIE("unknown type", "\1\0\0\0\0\0\0\x63"),
    LIE("longer than a frame may be", "\1\0\0\0\1\0\1\x07"),
    LIE("DATA of no stream", "\1\0\0\0\1\0\0\x07x"),
    LIE("END of no stream", "\1\0\0\0\2\0\0\x08\0\0"),
    LIE("stream 0 reset", "\0\0\0\0\1\0\0\x09\0"),
    LIE("a RESPONSE from the inner door", "\1\0\0\0\5\0\0\x04\0\0\0\0\0"),
    LIE("an empty REQUEST", "\1\0\0\0\0\0\0\x01"),
    LIE("a NOTE on a stream", "\1\0\0\0\4\0\0\x03\0\0\0\0"),
};

static void ends_the_gate_on_lies(void **state)
{
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        int fd[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
        r->closed = NULL;
        struct gate *g = gate_create(r->loop, GATE_OUTER, fd[1], &outer_events, r, NULL);
        assert_int_equal(write(fd[0], lies[i].bytes, lies[i].len), (ssize_t)lies[i].len);
        loop_run(r->loop);
        if (r->closed == NULL || strstr(r->closed, "protocol error") == NULL) {
            fail_msg("%s: %s", lies[i].name, r->closed != NULL ? r->closed : "was accepted");
        }
        assert_int_equal(r->requests, 0);
        gate_destroy(g);
        close(fd[0]);
    }
}

/* A frame is for a callback; where there is none it may not come. */
static void ends_the_gate_on_what_nobody_hears(void **state)
{
    struct rig *r = *state;
    struct gate_events deaf = outer_events;
    deaf.tunnel = NULL;
    deaf.note = NULL;
    for (int i = 0; i < 2; i++) {
        gate_destroy(r->inner);
        gate_destroy(r->outer);
        int fd[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
        r->inner = gate_create(r->loop, GATE_INNER, fd[0], &inner_events, r, NULL);
        r->outer = gate_create(r->loop, GATE_OUTER, fd[1], &deaf, r, NULL);
        r->closed = NULL;
        if (i == 0) {
            assert_int_not_equal(gate_send_tunnel(r->inner, &peer_tls), 0);
        } else {
            gate_send_note(r->inner, &peer_tls, GATE_NOTE_TLS_FAILED, SPAN_LIT(""));
        }
        loop_run(r->loop);
        if (r->closed == NULL || strstr(r->closed, "that this end does not take") == NULL) {
            fail_msg("%d: %s", i, r->closed != NULL ? r->closed : "was accepted");
        }
    }
}

/* Every prefix and every change of one byte of a valid REQUEST decodes or is refused, in bounds. */
static void decodes_damaged_requests_in_bounds(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, GATE_FRAME_MAX);
    struct gate_header h = {SPAN_LIT("accept"), SPAN_LIT("*/*")};
    struct gate_request req = request;
    req.headers = &h;
    req.header_count = 1;
    assert_true(wire_request_put(&b, &req));
    size_t len = buf_len(&b);
    static struct gate_header headers[GATE_HEADER_COUNT];
    for (size_t cut = 0; cut < len; cut++) {
        char *copy = malloc(cut + 1);
        memcpy(copy, buf_span(&b).ptr, cut);
        struct gate_request out = {0};
        assert_false(wire_request_get(span_of(copy, cut), &out, headers));
        free(copy);
    }
    for (size_t at = 0; at < len; at++) {
        char *copy = malloc(len);
        memcpy(copy, buf_span(&b).ptr, len);
        copy[at] = (char)(copy[at] ^ 0xff);
        struct gate_request out = {0};
        wire_request_get(span_of(copy, len), &out, headers);
        free(copy);
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(carries_an_exchange, setup, teardown),
        cmocka_unit_test_setup_teardown(stops_a_sender_without_credit, setup, teardown),
        cmocka_unit_test_setup_teardown(denies_a_tunnel, setup, teardown),
        cmocka_unit_test_setup_teardown(says_when_the_other_door_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_head_that_is_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_the_gate_on_lies, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_the_gate_on_what_nobody_hears, setup, teardown),
        cmocka_unit_test(decodes_damaged_requests_in_bounds),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
