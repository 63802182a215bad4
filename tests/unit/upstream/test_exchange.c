/* Exchanges over real sockets: framing, uploads, reuse, retries. */
#include "call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void plain_and_secure(void **state)
{
    struct fixture *f = *state;
    for (int secure = 0; secure < 2; secure++) {
        const char *host = secure ? "secure.test" : "plain.test";
        for (int i = 0; i < 3; i++) {
            struct call c = {0};
            call_get(f, &c, secure, host, "/hello");
            assert_int_equal(c.status, 200);
            assert_int_equal(c.length, 5);
            assert_string_equal(c.headers, "X-A=1\n");
            assert_true(call_got(&c, "hello"));
            assert_int_equal(c.end, 0);
            assert_int_equal(c.reused, i > 0);
            call_free(&c);
        }
    }
    assert_int_equal(f->plain.accepted, 1);
    assert_int_equal(f->secure.accepted, 1);
}

static void every_framing(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    call_get(f, &c, true, "secure.test", "/chunked");
    assert_true(call_got(&c, "hello world"));
    assert_int_equal(c.trailers, 1);
    assert_string_equal(c.trailer, "X-Trailer: yes");
    call_free(&c);
    call_get(f, &c, true, "secure.test", "/empty");
    assert_int_equal(c.status, 204);
    assert_false(c.has_body);
    call_free(&c);
    struct upstream_request head = call_request(true, "secure.test", "HEAD", "/head");
    call_start(f, &c, &head);
    call_wait(&c);
    assert_int_equal(c.length, 1000);
    assert_false(c.has_body);
    assert_true(c.reused);
    call_free(&c);
    call_get(f, &c, true, "secure.test", "/until-close");
    assert_int_equal(c.length, -1);
    assert_true(call_got(&c, "until the end"));
    assert_int_equal(c.end, 0);
    call_free(&c);
    call_get(f, &c, false, "plain.test", "/until-close");
    assert_true(call_got(&c, "until the end"));
    call_free(&c);
    assert_int_equal(f->secure.accepted, 1);
}

static void big_bodies(void **state)
{
    struct fixture *f = *state;
    const char *paths[] = {"/big", "/big-chunked"};
    for (int i = 0; i < 4; i++) {
        struct call c = {0};
        call_get(f, &c, i % 2, i % 2 ? "secure.test" : "plain.test", paths[i / 2]);
        assert_int_equal(c.end, 0);
        assert_int_equal(buf_len(&c.got), ORIGIN_BIG);
        for (size_t at = 0; at < ORIGIN_BIG; at += 997) {
            assert_int_equal(buf_span(&c.got).ptr[at], origin_byte(at));
        }
        assert_int_equal(c.trailers, i / 2);
        call_free(&c);
    }
    assert_int_equal(f->plain.accepted, 1);
}

static void slow_reader_holds_the_sender(void **state)
{
    struct fixture *f = *state;
    struct call c = {.hold = true};
    struct upstream_request req = call_request(true, "secure.test", "GET", "/big");
    call_start(f, &c, &req);
    fixture_run(f);
    assert_int_equal(c.status, 200);
    fixture_settle(f);
    struct conn *conn = LIST_ENTRY(f->up->conns.next, struct conn, all);
    assert_true(buf_len(&conn->in) <= CONN_READ);
    call_read(&c);
    call_wait(&c);
    assert_int_equal(buf_len(&c.got), ORIGIN_BIG);
    call_free(&c);
}

static void request_head_is_ours(void **state)
{
    struct fixture *f = *state;
    const struct http1_header headers[] = {
        {SPAN_LIT("Accept"), SPAN_LIT("a/b")},
        {SPAN_LIT("host"), SPAN_LIT("evil.test")},
        {SPAN_LIT("Content-Length"), SPAN_LIT("7")},
        {SPAN_LIT("transfer-encoding"), SPAN_LIT("chunked")},
        {SPAN_LIT("Connection"), SPAN_LIT("close")},
        {SPAN_LIT("X-Two"), SPAN_LIT("1")},
        {SPAN_LIT("X-Two"), SPAN_LIT("2")},
    };
    struct upstream_request req = call_request(false, "plain.test", "POST", "/echo?q=%2e%2e");
    struct call c = {0};
    req.target = SPAN_LIT("/echo");
    req.headers = headers;
    req.header_count = sizeof headers / sizeof headers[0];
    call_start(f, &c, &req);
    call_wait(&c);
    assert_true(call_got(&c,
                         "POST /echo HTTP/1.1\r\nHost: plain.test\r\nAccept: a/b\r\nX-Two: 1\r\n"
                         "X-Two: 2\r\nContent-Length: 0\r\n\r\n"));
    call_free(&c);
}

static void uploads(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        bool chunked = i % 2;
        bool secure = i / 2;
        bool closed = false;
        size_t len = 700001;
        struct call c = {0};
        struct upstream_request req =
            call_request(secure, secure ? "secure.test" : "plain.test", "PUT", "/up");
        req.body = drip_make(f, len, chunked ? -1 : (int64_t)len, 0, &closed);
        call_start(f, &c, &req);
        call_wait(&c);
        assert_true(closed);
        assert_true(call_got(&c, "hello"));
        struct span last = buf_span(secure ? &f->secure.last : &f->plain.last);
        struct span body = span_from(last, last.len - len);
        assert_int_equal(memcmp(body.ptr - 4, "\r\n\r\n", 4), 0);
        for (size_t at = 0; at < len; at += 13) {
            assert_int_equal(body.ptr[at], origin_byte(at));
        }
        call_free(&c);
    }
    assert_int_equal(f->secure.accepted, 1);
}

static void continue_passes(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    struct upstream_request req = call_request(true, "secure.test", "POST", "/continue");
    req.expect_continue = true;
    req.body = drip_make(f, 9000, 9000, 0, NULL);
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.informs, 1);
    assert_int_equal(c.status, 200);
    assert_non_null(memmem(buf_span(&f->secure.last).ptr, buf_len(&f->secure.last),
                           "Expect: 100-continue\r\n", 22));
    call_free(&c);
}

static void early_answer_wins(void **state)
{
    struct fixture *f = *state;
    bool closed = false;
    struct call c = {0};
    struct upstream_request req = call_request(true, "secure.test", "POST", "/early");
    req.body = drip_make(f, 100u << 20, 100 << 20, 0, &closed);
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.status, 413);
    assert_true(call_got(&c, "no\n"));
    assert_true(closed);
    call_free(&c);
    assert_true(list_empty(&f->up->conns));
}

static void broken_upload(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        struct call c = {0};
        struct upstream_request req = call_request(true, "secure.test", "POST", "/up");
        /* broken; shorter than it said; broken and chunked */
        req.body = drip_make(f, 20000, i < 2 ? 30000 : -1, i == 1 ? 0 : -EIO, NULL);
        call_start(f, &c, &req);
        call_wait(&c);
        assert_true(c.failed);
        assert_int_equal(c.failure, UPSTREAM_CANCELLED);
        assert_true(c.sent);
        call_free(&c);
    }
    assert_int_equal(buf_len(&f->secure.last) < 30000, 1);
}

static void hop_by_hop_goes(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    call_get(f, &c, false, "plain.test", "/hop");
    assert_string_equal(c.headers, "X-Kept=2\n");
    call_free(&c);
    struct conn *conn = LIST_ENTRY(f->up->conns.next, struct conn, all);
    assert_int_equal(conn->idle_ms, 8000);
}

static void unasked_bytes_end_a_connection(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    call_get(f, &c, false, "plain.test", "/extra");
    assert_true(call_got(&c, "ok"));
    call_free(&c);
    assert_true(list_empty(&f->up->conns));
}

static void stale_connection_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    call_get(f, &c, true, "secure.test", "/hello");
    call_free(&c);
    call_get(f, &c, true, "secure.test", "/die-second");
    assert_false(c.failed);
    assert_int_equal(c.status, 200);
    assert_false(c.reused);
    call_free(&c);
    /* The same for a method that may not be sent twice. */
    struct upstream_request post = call_request(true, "secure.test", "POST", "/die-second");
    call_start(f, &c, &post);
    call_wait(&c);
    assert_true(c.failed);
    assert_int_equal(c.failure, UPSTREAM_PROTOCOL);
    assert_true(c.sent);
    call_free(&c);
    /* ... but a connection that is seen to be closed is not even tried. */
    call_get(f, &c, true, "secure.test", "/hello");
    call_free(&c);
    origin_hang_up(&f->secure);
    post = call_request(true, "secure.test", "POST", "/hello");
    call_start(f, &c, &post);
    call_wait(&c);
    assert_int_equal(c.status, 200);
    call_free(&c);
}

static void idle_hang_up_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    call_get(f, &c, true, "secure.test", "/hello");
    call_free(&c);
    origin_hang_up(&f->secure);
    fixture_settle(f);
    assert_true(list_empty(&f->up->conns));
}

static void many_at_once(void **state)
{
    struct fixture *f = *state;
    enum { N = 300 }; /* more than UPSTREAM_PER_ORIGIN_MAX */
    struct call *calls = calloc(N, sizeof *calls);
    for (int i = 0; i < N; i++) {
        struct upstream_request req = call_request(false, "plain.test", "GET", "/hello");
        call_start(f, &calls[i], &req);
    }
    for (int i = 0; i < N; i++) {
        call_wait(&calls[i]);
        assert_int_equal(calls[i].status, 200);
        call_free(&calls[i]);
    }
    assert_true(f->plain.accepted <= UPSTREAM_PER_ORIGIN_MAX);
    free(calls);
}

static void cancel_anywhere(void **state)
{
    struct fixture *f = *state;
    struct upstream_request req = call_request(true, "secure.test", "POST", "/silence");
    for (int turns = 0; turns < 3; turns++) {
        bool closed = false;
        struct call c = {0};
        req.body = drip_make(f, 1000000, 1000000, 0, &closed);
        call_start(f, &c, &req);
        for (int i = 0; i < turns; i++) {
            fixture_settle(f);
        }
        upstream_fetch_cancel(c.fetch);
        assert_true(closed);
        fixture_settle(f);
        assert_false(c.done);
        call_free(&c);
    }
    struct call c = {.cancel_at_head = true};
    call_get(f, &c, true, "secure.test", "/big");
    assert_int_equal(c.status, 200);
    call_free(&c);
    struct call waiting = {0};
    struct upstream_request slow = call_request(false, "slow.test", "GET", "/");
    f->names.silent = true;
    call_start(f, &waiting, &slow);
    upstream_fetch_cancel(waiting.fetch);
    call_free(&waiting);
    assert_true(list_empty(&f->up->conns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UPSTREAM_TEST(plain_and_secure),
        UPSTREAM_TEST(every_framing),
        UPSTREAM_TEST(big_bodies),
        UPSTREAM_TEST(slow_reader_holds_the_sender),
        UPSTREAM_TEST(request_head_is_ours),
        UPSTREAM_TEST(uploads),
        UPSTREAM_TEST(continue_passes),
        UPSTREAM_TEST(early_answer_wins),
        UPSTREAM_TEST(broken_upload),
        UPSTREAM_TEST(hop_by_hop_goes),
        UPSTREAM_TEST(unasked_bytes_end_a_connection),
        UPSTREAM_TEST(stale_connection_is_replaced),
        UPSTREAM_TEST(idle_hang_up_is_noticed),
        UPSTREAM_TEST(many_at_once),
        UPSTREAM_TEST(cancel_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
