/* What must fail, and how it says so: smuggling, malformed peers, certificates, addresses, names,
 * limits of time. */
#include "call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void smuggling_is_refused_at_the_start(void **state)
{
    struct fixture *f = *state;
    struct error err;
    const struct http1_header crlf = {SPAN_LIT("X"), SPAN_LIT("1\r\nY: 2")};
    const struct http1_header name = {SPAN_LIT("X: 1\r\nY"), SPAN_LIT("2")};
    struct upstream_request req = call_request(false, "plain.test", "GET", "/");
    bool closed = false;
    req.headers = &crlf;
    req.header_count = 1;
    req.body = drip_make(f, 1, 1, 0, &closed);
    assert_null(upstream_fetch_start(f->up, &req, &call_events, NULL, &err));
    assert_true(closed);
    req.body = NULL;
    req.headers = &name;
    assert_null(upstream_fetch_start(f->up, &req, &call_events, NULL, &err));
    req.header_count = 0;
    req.target = SPAN_LIT("/ HTTP/1.1\r\nX: y");
    assert_null(upstream_fetch_start(f->up, &req, &call_events, NULL, &err));
    req = call_request(false, "plain.test", "CONNECT", "/");
    assert_null(upstream_fetch_start(f->up, &req, &call_events, NULL, &err));
    req = call_request(false, "Plain.test.", "GET", "/");
    assert_null(upstream_fetch_start(f->up, &req, &call_events, NULL, &err));
}

static void malformed_responses(void **state)
{
    struct fixture *f = *state;
    const char *paths[] = {"/both", "/fold", "/upgrade", "/die", "/huge-head", "/impatient"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct call c = {0};
        call_get(f, &c, true, "secure.test", paths[i]);
        assert_true(c.failed);
        assert_int_equal(c.failure, UPSTREAM_PROTOCOL);
        call_free(&c);
    }
    assert_true(list_empty(&f->up->conns));
}

static void truncated_bodies(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    call_get(f, &c, true, "secure.test", "/cut");
    assert_int_equal(c.end, -ECONNRESET);
    assert_true(call_got(&c, "only this"));
    call_free(&c);
    call_get(f, &c, false, "plain.test", "/cut");
    assert_int_equal(c.end, -ECONNRESET);
    call_free(&c);
    call_get(f, &c, true, "secure.test", "/cut-hard");
    assert_int_equal(c.end, -ECONNRESET);
    call_free(&c);
    assert_true(list_empty(&f->up->conns));
}

static void certificates(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    call_get(f, &c, true, "wrong.test", "/hello");
    assert_true(c.failed);
    assert_int_equal(c.failure, UPSTREAM_CERTIFICATE);
    assert_non_null(strstr(c.why, "wrong.test: certificate: "));
    assert_int_equal(f->wrong.requests, 0);
    call_free(&c);
}

static void no_tls_there(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    /* The other end waits for the rest of a request line that never comes. */
    f->plain.tls = NULL;
    call_get(f, &c, true, "notls.test", "/hello");
    assert_true(c.failed);
    assert_true(c.failure == UPSTREAM_TIMEOUT || c.failure == UPSTREAM_PROTOCOL);
    call_free(&c);
}

static void nobody_listens(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    call_get(f, &c, false, "dead.test", "/hello");
    assert_int_equal(c.failure, UPSTREAM_CONNECT);
    assert_non_null(strstr(c.why, "Connection refused"));
    assert_false(c.sent);
    call_free(&c);
}

static void silence_ends_in_time(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    call_get(f, &c, true, "secure.test", "/silence");
    assert_int_equal(c.failure, UPSTREAM_TIMEOUT);
    assert_true(c.sent);
    call_free(&c);
}

static void private_addresses(void **state)
{
    struct fixture *f = *state;
    const char *hosts[] = {"127.0.0.1",       "[::1]",           "10.1.2.3",
                           "169.254.169.254", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
                           "198.18.1.1",      "[fd00:5a11::1]",  "metadata.google.internal",
                           "rebind.test",     "private.test"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct upstream_request req = call_request(false, hosts[i], "GET", "/");
        struct error err;
        struct call c = {0};
        c.f = f;
        buf_init(&c.got, 100);
        c.fetch = upstream_fetch_start(f->up, &req, &call_events, &c, &err);
        if (c.fetch == NULL) {
            continue; /* not the canonical spelling of that address: refused at once */
        }
        call_wait(&c);
        assert_true(c.failed);
        assert_int_equal(c.failure, UPSTREAM_ADDRESS);
        assert_false(c.sent);
        call_free(&c);
    }
    assert_int_equal(f->plain.accepted, 0);
}

static void private_when_allowed(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    struct upstream_request req = call_request(false, "private.test", "GET", "/hello");
    f->allow_private = true;
    req.port = f->plain.port;
    req.authority = SPAN_LIT("private.test:8080");
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.status, 200);
    call_free(&c);
    /* The answer is kept for its time. */
    assert_int_equal(f->names.asked, 1);
    origin_hang_up(&f->plain);
    fixture_settle(f);
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.status, 200);
    assert_int_equal(f->names.asked, 1);
    call_free(&c);
    /* The port is part of what is reused: another one is dialled anew and refused. */
    req.port = 1;
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.failure, UPSTREAM_CONNECT);
    call_free(&c);
}

static void second_address_is_tried(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    struct upstream_request req = call_request(false, "private.test", "GET", "/hello");
    f->allow_private = true;
    f->names.v6 = true;
    f->names.ttl = 0;
    req.port = f->plain.port;
    for (unsigned i = 1; i <= 2; i++) {
        call_start(f, &c, &req);
        call_wait(&c);
        assert_int_equal(c.status, 200);
        /* A time to live of 0 is respected. */
        assert_int_equal(f->names.asked, i);
        call_free(&c);
        origin_hang_up(&f->plain);
        fixture_settle(f);
    }
}

static void names_fail(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    f->names.nxdomain = true;
    call_get(f, &c, false, "no.such.test", "/");
    assert_int_equal(c.failure, UPSTREAM_DNS);
    assert_string_equal(c.why, "no.such.test: no such host");
    assert_int_equal(f->names.asked, 1); /* no search domain was tried */
    call_free(&c);
    f->names.silent = true;
    call_get(f, &c, false, "slow.test", "/");
    assert_int_equal(c.failure, UPSTREAM_TIMEOUT);
    call_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UPSTREAM_TEST(smuggling_is_refused_at_the_start),
        UPSTREAM_TEST(malformed_responses),
        UPSTREAM_TEST(truncated_bodies),
        UPSTREAM_TEST(certificates),
        UPSTREAM_TEST(no_tls_there),
        UPSTREAM_TEST(nobody_listens),
        UPSTREAM_TEST(silence_ends_in_time),
        UPSTREAM_TEST(private_addresses),
        UPSTREAM_TEST(private_when_allowed),
        UPSTREAM_TEST(second_address_is_tried),
        UPSTREAM_TEST(names_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
