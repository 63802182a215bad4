/* The engine against what the RFCs say and against what attackers send. */
#include "base/buf.h"
#include "proto/http1/body.h"
#include "proto/http1/chars.h"
#include "proto/http1/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>

#define H "Host: a.test\r\n"

static enum http1_result parse(struct span in, struct http1_request *req,
                               struct http1_refusal *refusal)
{
    struct http1_scan scan = {0};
    return http1_request_parse(&scan, in, req, refusal);
}

static bool is(struct span s, const char *text)
{
    return span_eq(s, span_str(text));
}

static void good_request(void **state)
{
    (void)state;
    struct http1_request req;
    struct http1_refusal refusal;
    struct http1_header out[HTTP1_HEADER_COUNT];
    const struct span in =
        SPAN_LIT("POST /a?b=%20c HTTP/1.1\r\nHost: a.test:8443\r\nX-Name: \t va lue\t \r\n"
                 "Empty:\r\ncontent-LENGTH: 12\r\nConnection: keep-alive, x-secret ,\r\n"
                 "X-Secret: 1\r\nExpect: 100-Continue\r\nTE: trailers\r\n\r\nrest");
    assert_int_equal(parse(in, &req, &refusal), HTTP1_DONE);
    assert_true(is(req.method, "POST"));
    assert_true(is(req.target, "/a?b=%20c"));
    assert_true(is(req.path, "/a?b=%20c"));
    assert_int_equal(req.form, HTTP1_ORIGIN);
    assert_true(is(req.authority, "a.test:8443"));
    assert_int_equal(req.head.size, in.len - 4);
    assert_int_equal(req.head.version, 11);
    assert_int_equal(req.head.body, HTTP1_BODY_LENGTH);
    assert_int_equal(req.head.length, 12);
    assert_true(req.head.keep_alive);
    assert_true(req.expect_continue);
    assert_int_equal(req.head.count, 8);
    size_t n = http1_fields(
        &req.head, HTTP1_FIELD_HOST | HTTP1_FIELD_FRAMING | HTTP1_FIELD_HOP | HTTP1_FIELD_EXPECT,
        out);
    assert_int_equal(n, 2);
    assert_true(is(out[0].name, "X-Name"));
    assert_true(is(out[0].value, "va lue"));
    assert_true(is(out[1].name, "Empty"));
    assert_int_equal(out[1].value.len, 0);
}

/* Each head, and the status that it must be refused with. */
static const struct {
    uint16_t status;
    const char *head;
} refused[] = {
    {400, "GET / HTTP/1.1\nHost: a.test\n\n"},
    {400, "GET / HTTP/1.1\r\nHost: a.test\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "A\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H ": b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "A b: c\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "A: b\x01\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "A\xc3: b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H H "\r\n"},
    {400, "GET / HTTP/1.0\r\n" H H "\r\n"},
    {400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"},
    {400, "GET  / HTTP/1.1\r\n" H "\r\n"},
    {400, "GET / HTTP/1.1 \r\n" H "\r\n"},
    {400, "GET /a b HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /\t HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /#f HTTP/1.1\r\n" H "\r\n"},
    {400, "GET /\r\n" H "\r\n"},
    {400, "GET\r\n\r\n"},
    {400, "PRI / HTTP/1.1\r\n" H "\r\n"},
    {400, " GET / HTTP/1.1\r\n" H "\r\n"},
    {400, "G(T / HTTP/1.1\r\n" H "\r\n"},
    {400, "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"},
    {400, "\r\r\nGET / HTTP/1.1\r\n" H "\r\n"},
    {400, "GET / http/1.1\r\n" H "\r\n"},
    {400, "GET / HTTP/1.10\r\n" H "\r\n"},
    {400, "GET a HTTP/1.1\r\n" H "\r\n"},
    {400, "GET * HTTP/1.1\r\n" H "\r\n"},
    {400, "GET ftp://a.test/ HTTP/1.1\r\n" H "\r\n"},
    {505, "GET / HTTP/1.2\r\n" H "\r\n"},
    {505, "GET / HTTP/2.0\r\n" H "\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n"},
    {400,
     "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"},
    {417, "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nExpect: something\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" H "Connection: a b\r\n\r\n"},
    {400, "GET http://b.test/ HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http://a.test:81/ HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http://a.test:443/ HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http://u@a.test/ HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http:///x HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http://a.test\\@b/ HTTP/1.1\r\n" H "\r\n"},
    {400, "GET http://a.test?x HTTP/1.1\r\n" H "\r\n"},
    {400, "CONNECT a.test HTTP/1.1\r\n" H "\r\n"},
    {400, "CONNECT a.test:0 HTTP/1.1\r\n" H "\r\n"},
    {400, "CONNECT a.test:65536 HTTP/1.1\r\n" H "\r\n"},
    {400, "CONNECT :443 HTTP/1.1\r\n" H "\r\n"},
    {400, "CONNECT a.test:4x HTTP/1.1\r\n" H "\r\n"},
    {400, "CONNECT http://a.test:443/ HTTP/1.1\r\n" H "\r\n"},
    {400, "CONNECT b.test:443 HTTP/1.1\r\n" H "\r\n"},
    {400, "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:22\r\n\r\n"},
    {400, "CONNECT a.test:443 HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\n"},
};

static void bad_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct http1_request req;
        struct http1_refusal refusal = {0};
        struct span in = span_str(refused[i].head);
        enum http1_result r = parse(in, &req, &refusal);
        bool control = strchr(refused[i].head, '\x0b') != NULL;
        if (r != HTTP1_BAD || refusal.status != (control ? 400 : refused[i].status)) {
            fail_msg("taken for %d/%u: %s", r, refusal.status, refused[i].head);
        }
        assert_non_null(refusal.why);
    }
    struct http1_request req;
    struct http1_refusal refusal;
    assert_int_equal(parse(SPAN_LIT("GET / HTTP/1.1\r\nHost: a\0.test\r\n\r\n"), &req, &refusal),
                     HTTP1_BAD);
    assert_int_equal(parse(SPAN_LIT("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), &req, &refusal),
                     HTTP1_BAD);
}

static void forms_of_the_target(void **state)
{
    (void)state;
    struct http1_request req;
    struct http1_refusal refusal;
    assert_int_equal(
        parse(SPAN_LIT("GET HTTP://A.test:80/x?y HTTP/1.1\r\n" H "\r\n"), &req, &refusal),
        HTTP1_DONE);
    assert_int_equal(req.form, HTTP1_ABSOLUTE);
    assert_true(is(req.scheme, "HTTP"));
    assert_true(is(req.authority, "A.test:80"));
    assert_true(is(req.path, "/x?y"));
    assert_int_equal(parse(SPAN_LIT("GET http://a.test HTTP/1.1\r\n" H "\r\n"), &req, &refusal),
                     HTTP1_DONE);
    assert_true(is(req.path, "/"));
    assert_int_equal(parse(SPAN_LIT("OPTIONS http://a.test HTTP/1.1\r\n" H "\r\n"), &req, &refusal),
                     HTTP1_DONE);
    assert_true(is(req.path, "*"));
    assert_int_equal(parse(SPAN_LIT("OPTIONS * HTTP/1.1\r\n" H "\r\n"), &req, &refusal),
                     HTTP1_DONE);
    assert_int_equal(req.form, HTTP1_ASTERISK);
    const char *connects[] = {"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
                              "CONNECT a.test:443 HTTP/1.1\r\nHost: A.test\r\n\r\n",
                              "CONNECT a.test:443 HTTP/1.0\r\n\r\n",
                              "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"};
    for (size_t i = 0; i < sizeof connects / sizeof connects[0]; i++) {
        assert_int_equal(parse(span_str(connects[i]), &req, &refusal), HTTP1_DONE);
        assert_int_equal(req.form, HTTP1_AUTHORITY);
        assert_int_equal(req.path.len, 0);
    }
    assert_int_equal(parse(SPAN_LIT("\r\nGET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"), &req, &refusal),
                     HTTP1_DONE);
    assert_true(is(req.path, "/\xc3\xa4"));
}

static void connection_persists(void **state)
{
    (void)state;
    static const struct {
        bool keeps;
        const char *head;
    } cases[] = {
        {true, "GET / HTTP/1.1\r\n" H "\r\n"},
        {false, "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n"},
        {false, "GET / HTTP/1.1\r\n" H "Connection: x, CLOSE\r\n\r\n"},
        {false, "GET / HTTP/1.1\r\n" H "Connection: x\r\nConnection: close\r\n\r\n"},
        {true, "GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n"},
        {false, "GET / HTTP/1.0\r\n\r\n"},
        {true, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"},
        {false, "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http1_request req;
        struct http1_refusal refusal;
        assert_int_equal(parse(span_str(cases[i].head), &req, &refusal), HTTP1_DONE);
        assert_int_equal(req.head.keep_alive, cases[i].keeps);
    }
    struct http1_request req;
    struct http1_refusal refusal;
    assert_int_equal(parse(SPAN_LIT("GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n"
                                    "Connection: Upgrade\r\n\r\n"),
                           &req, &refusal),
                     HTTP1_DONE);
    assert_true(is(req.head.upgrade, "websocket"));
    assert_int_equal(parse(SPAN_LIT("GET / HTTP/1.1\r\n" H "Upgrade: h2c\r\n\r\n"), &req, &refusal),
                     HTTP1_DONE);
    assert_int_equal(req.head.upgrade.len, 0);
}

/* Byte by byte, and cut at every place: always the same end. */
static void heads_drip_in(void **state)
{
    (void)state;
    const struct span in = SPAN_LIT("\r\nGET /x HTTP/1.1\r\n" H "A: b\r\nC: d\r\n\r\nGET ");
    struct http1_request req;
    struct http1_refusal refusal;
    struct http1_scan scan = {0};
    size_t size = in.len - 4;
    for (size_t n = 1; n <= in.len; n++) {
        enum http1_result r = http1_request_parse(&scan, span_of(in.ptr, n), &req, &refusal);
        assert_int_equal(r, n < size ? HTTP1_MORE : HTTP1_DONE);
        if (r == HTTP1_DONE) {
            break;
        }
    }
    assert_int_equal(req.head.size, size);
    for (size_t cut = 1; cut < size; cut++) {
        scan = (struct http1_scan){0};
        assert_int_equal(http1_request_parse(&scan, span_of(in.ptr, cut), &req, &refusal),
                         HTTP1_MORE);
        assert_int_equal(http1_request_parse(&scan, in, &req, &refusal), HTTP1_DONE);
        assert_int_equal(req.head.count, 3);
    }
}

static void ceilings(void **state)
{
    (void)state;
    struct http1_request req;
    struct http1_refusal refusal;
    struct buf b;
    buf_init(&b, 1u << 20);
    buf_append_str(&b, "GET / HTTP/1.1\r\n" H);
    while (buf_len(&b) < HTTP1_REQUEST_HEAD_MAX) {
        buf_append_str(&b, "A-Long-Enough-Name-Here: with a value that is long enough too, so that "
                           "the count of fields is not what ends this; with a value that is long "
                           "enough too, so that the count of fields is not what ends this\r\n");
    }
    assert_int_equal(parse(buf_span(&b), &req, &refusal), HTTP1_BAD);
    assert_int_equal(refusal.status, 431);
    buf_clear(&b);
    buf_append_str(&b, "GET / HTTP/1.1\r\n" H);
    for (unsigned i = 0; i < HTTP1_HEADER_COUNT - 1; i++) {
        buf_append_str(&b, "a:b\r\n");
    }
    buf_append_str(&b, "\r\n");
    assert_int_equal(parse(buf_span(&b), &req, &refusal), HTTP1_DONE);
    assert_int_equal(req.head.count, HTTP1_HEADER_COUNT);
    b.end -= 2;
    buf_append_str(&b, "a:b\r\n\r\n");
    assert_int_equal(parse(buf_span(&b), &req, &refusal), HTTP1_BAD);
    assert_int_equal(refusal.status, 431);
    buf_clear(&b);
    buf_append_str(&b, "GET /");
    for (unsigned i = 0; i < HTTP1_TARGET_MAX; i++) {
        buf_append_str(&b, "x");
    }
    buf_append_str(&b, " HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(parse(buf_span(&b), &req, &refusal), HTTP1_BAD);
    assert_int_equal(refusal.status, 431);
    buf_clear(&b);
    buf_append_str(&b, "GET / HTTP/1.1\r\n" H "Connection: ");
    for (unsigned i = 0; i < 100; i++) {
        buf_append_str(&b, "x,");
    }
    buf_append_str(&b, "\r\n\r\n");
    assert_int_equal(parse(buf_span(&b), &req, &refusal), HTTP1_BAD);
    buf_free(&b);
}

static void responses(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        enum http1_asked asked;
        enum http1_result result;
        enum http1_body_kind body;
        int64_t length;
        bool keeps;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0, 1, HTTP1_BODY_LENGTH, 5, true},
        {"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", 0, 1, HTTP1_BODY_LENGTH, 5, true},
        {"HTTP/1.1 200 \r\n\r\n", 0, 1, HTTP1_BODY_UNTIL_CLOSE, -1, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", 0, 1, HTTP1_BODY_CHUNKED, -1,
         true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP1_ASKED_HEAD, 1, HTTP1_BODY_NONE, 5,
         true},
        {"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n", 0, 1, HTTP1_BODY_NONE, 5, true},
        {"HTTP/1.1 204 No\r\n\r\n", 0, 1, HTTP1_BODY_NONE, -1, true},
        {"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", 0, 1, HTTP1_BODY_NONE, 0, true},
        {"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n", 0, 1, HTTP1_BODY_NONE, 4, false},
        {"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 1, HTTP1_BODY_NONE, -1, false},
        {"HTTP/1.1 100 Continue\r\n\r\n", 0, 1, HTTP1_BODY_NONE, -1, true},
        {"HTTP/1.1 200 OK\r\n\r\n", HTTP1_ASKED_CONNECT, 1, HTTP1_BODY_NONE, -1, true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 0, 1, HTTP1_BODY_LENGTH, 5, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", 0, 1,
         HTTP1_BODY_LENGTH, 5, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 0, 1,
         HTTP1_BODY_LENGTH, 5, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0, -1, 0, 0,
         false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.1 20 OK\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.1 600 OK\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.1 2000 OK\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.1  200 OK\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/2 200 OK\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.1 200 O\x01K\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 0, -1, 0, 0, false},
        {"HTTP/1.1 200 OK\nA: b\n\n", 0, -1, 0, 0, false},
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", 0, -1, 0, 0, false},
        {"<html>\r\n\r\n", 0, -1, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http1_response res;
        struct http1_refusal refusal;
        struct http1_scan scan = {0};
        enum http1_result r =
            http1_response_parse(&scan, span_str(cases[i].head), cases[i].asked, &res, &refusal);
        if (r != cases[i].result) {
            fail_msg("result %d of %s", r, cases[i].head);
        }
        if (r == HTTP1_DONE &&
            (res.head.body != cases[i].body || res.head.length != cases[i].length ||
             res.head.keep_alive != cases[i].keeps)) {
            fail_msg("wrong framing of %s", cases[i].head);
        }
    }
}

/* ---- bodies ---- */

/* Feeds `in` in pieces of `step` bytes; the body is appended to out. */
static enum http1_step decode(struct span in, size_t step, struct buf *out, struct http1_body *b,
                              struct http1_piece *piece)
{
    struct http1_head head = {.body = HTTP1_BODY_CHUNKED};
    http1_body_init(b, &head);
    size_t at = 0;
    for (size_t have = step;; have += step) {
        have = have < in.len ? have : in.len;
        enum http1_step r;
        do {
            r = http1_body_feed(b, span_of(in.ptr + at, have - at), piece);
            assert_true(piece->consumed <= have - at);
            at += piece->consumed;
            if (r == HTTP1_STEP_DATA) {
                assert_true(piece->data.len > 0);
                buf_append_span(out, piece->data);
            }
        } while (r == HTTP1_STEP_DATA);
        if (r != HTTP1_STEP_MORE || have == in.len) {
            return r;
        }
    }
}

static void chunked_any_cut(void **state)
{
    (void)state;
    const struct span in = SPAN_LIT("5\r\nhello\r\n00a;x=\"y\";z\r\n0123456789\r\n0;end\r\nA: b\r\n"
                                    "C:\r\n\r\nnext");
    for (size_t step = 1; step <= in.len; step++) {
        struct buf out;
        struct http1_body b;
        struct http1_piece piece;
        buf_init(&out, 1000);
        assert_int_equal(decode(in, step, &out, &b, &piece), HTTP1_STEP_END);
        assert_true(is(buf_span(&out), "hello0123456789"));
        assert_int_equal(piece.trailer_count, 2);
        assert_true(is(piece.trailers[0].name, "A"));
        assert_true(is(piece.trailers[0].value, "b"));
        assert_true(http1_body_done(&b));
        buf_free(&out);
    }
}

static void chunked_refused(void **state)
{
    (void)state;
    const char *cases[] = {
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\nx",
        "1 \r\nx",
        "1\nx\r\n",
        "1\rx",
        "1\r\nxy",
        "1\r\nx\n",
        "1\r\nx\rz",
        "8000000000000000\r\n",
        "10000000000000000\r\n",
        "00000000000000001\r\n",
        "ffffffffffffffff\r\n",
        "1;a\x01\r\nx\r\n",
        "1;a\nb\r\nx\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nHost: a\r\n\r\n",
        "0\r\nConnection: close\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step < 40; step += 13) {
            struct buf out;
            struct http1_body b;
            struct http1_piece piece;
            buf_init(&out, 1000);
            if (decode(span_str(cases[i]), step, &out, &b, &piece) != HTTP1_STEP_BAD) {
                fail_msg("not refused: %s", cases[i]);
            }
            assert_non_null(b.why);
            buf_free(&out);
        }
    }
}

static void chunked_ceilings(void **state)
{
    (void)state;
    struct buf in, out;
    struct http1_body b;
    struct http1_piece piece;
    buf_init(&in, 1u << 20);
    buf_init(&out, 1u << 20);
    for (int i = 0; i < 100; i++) {
        buf_append_str(&in, "1;");
        for (int k = 0; k < 400; k++) {
            buf_append_str(&in, "e");
        }
        buf_append_str(&in, "\r\nx\r\n");
    }
    assert_int_equal(decode(buf_span(&in), 700, &out, &b, &piece), HTTP1_STEP_BAD);
    buf_clear(&in);
    buf_append_str(&in, "0\r\n");
    for (unsigned i = 0; i <= HTTP1_TRAILER_COUNT; i++) {
        buf_append_str(&in, "a:b\r\n");
    }
    buf_append_str(&in, "\r\n");
    assert_int_equal(decode(buf_span(&in), 700, &out, &b, &piece), HTTP1_STEP_BAD);
    buf_clear(&in);
    buf_append_str(&in, "0\r\na:");
    for (unsigned i = 0; i < HTTP1_TRAILERS_MAX; i++) {
        buf_append_str(&in, "b");
    }
    assert_int_equal(decode(buf_span(&in), 700, &out, &b, &piece), HTTP1_STEP_BAD);
    buf_free(&in);
    buf_free(&out);
}

static void bodies_taken_directly(void **state)
{
    (void)state;
    struct http1_body b;
    struct http1_piece piece;
    struct http1_head head = {.body = HTTP1_BODY_LENGTH, .length = 10};
    http1_body_init(&b, &head);
    assert_int_equal(http1_body_feed(&b, SPAN_LIT("abc"), &piece), HTTP1_STEP_DATA);
    assert_int_equal(http1_body_direct(&b), 7);
    http1_body_took(&b, 6);
    assert_false(http1_body_eof(&b));
    assert_int_equal(http1_body_feed(&b, SPAN_LIT("xyz"), &piece), HTTP1_STEP_DATA);
    assert_int_equal(piece.consumed, 1);
    assert_int_equal(http1_body_feed(&b, SPAN_LIT("yz"), &piece), HTTP1_STEP_END);
    assert_int_equal(piece.consumed, 0);
    head = (struct http1_head){.body = HTTP1_BODY_CHUNKED};
    http1_body_init(&b, &head);
    assert_int_equal(http1_body_direct(&b), 0);
    assert_int_equal(http1_body_feed(&b, SPAN_LIT("4\r\n"), &piece), HTTP1_STEP_MORE);
    assert_int_equal(http1_body_direct(&b), 4);
    http1_body_took(&b, 4);
    assert_int_equal(http1_body_direct(&b), 0);
    assert_int_equal(http1_body_feed(&b, SPAN_LIT("\r\n0\r\n\r\n"), &piece), HTTP1_STEP_END);
    assert_int_equal(piece.consumed, 7);
    head = (struct http1_head){.body = HTTP1_BODY_UNTIL_CLOSE};
    http1_body_init(&b, &head);
    assert_true(http1_body_direct(&b) == SIZE_MAX);
    http1_body_took(&b, 1000);
    assert_true(http1_body_direct(&b) == SIZE_MAX);
    assert_true(http1_body_eof(&b));
    head = (struct http1_head){.body = HTTP1_BODY_NONE};
    http1_body_init(&b, &head);
    assert_int_equal(http1_body_feed(&b, span_of("", 0), &piece), HTTP1_STEP_END);
    head = (struct http1_head){.body = HTTP1_BODY_LENGTH, .length = 0};
    http1_body_init(&b, &head);
    assert_int_equal(http1_body_feed(&b, SPAN_LIT("x"), &piece), HTTP1_STEP_END);
}

/* ---- writing ---- */

static void requests_written(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    const struct http1_header headers[] = {
        {SPAN_LIT("A"), SPAN_LIT("1")},
        {SPAN_LIT("HOST"), SPAN_LIT("x")},
        {SPAN_LIT("Transfer-encoding"), SPAN_LIT("x")},
        {SPAN_LIT("Keep-Alive"), SPAN_LIT("x")},
        {SPAN_LIT("Expect"), SPAN_LIT("100-continue")},
    };
    struct http1_request_out r = {
        SPAN_LIT("GET"), SPAN_LIT("/"), SPAN_LIT("a.test"), headers, 5, HTTP1_BODY_NONE, -1,
        false,           false};
    assert_true(http1_write_request(&out, &r));
    assert_true(is(buf_span(&out), "GET / HTTP/1.1\r\nHost: a.test\r\nA: 1\r\n\r\n"));
    buf_clear(&out);
    r.method = SPAN_LIT("DELETE");
    r.header_count = 0;
    assert_true(http1_write_request(&out, &r));
    assert_true(
        is(buf_span(&out), "DELETE / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"));
    buf_clear(&out);
    r.body = HTTP1_BODY_CHUNKED;
    r.close = true;
    r.expect_continue = true;
    assert_true(http1_write_request(&out, &r));
    assert_true(is(buf_span(&out), "DELETE / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked"
                                   "\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"));
    buf_clear(&out);
    const struct http1_header evil[] = {
        {SPAN_LIT("A"), SPAN_LIT("1\r\nB: 2")}, {SPAN_LIT("A"), SPAN_LIT("1\n")},
        {SPAN_LIT("A"), SPAN_LIT("1\0")},       {SPAN_LIT("A"), SPAN_LIT(" 1")},
        {SPAN_LIT("A "), SPAN_LIT("1")},        {SPAN_LIT("A:"), SPAN_LIT("1")},
        {SPAN_LIT(""), SPAN_LIT("1")}};
    for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
        r.headers = &evil[i];
        r.header_count = 1;
        assert_false(http1_write_request(&out, &r));
        assert_int_equal(buf_len(&out), 0);
    }
    buf_free(&out);
}

static void responses_written(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    struct http1_response_out r = {.status = 200, .version = 11, .length = -1};
    r.body = HTTP1_BODY_LENGTH;
    r.length = 0;
    assert_true(http1_write_response(&out, &r));
    assert_true(is(buf_span(&out), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    buf_clear(&out);
    r.version = 10;
    assert_true(http1_write_response(&out, &r));
    assert_true(is(buf_span(&out), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                                   "Connection: keep-alive\r\n\r\n"));
    buf_clear(&out);
    r.body = HTTP1_BODY_CHUNKED;
    assert_false(http1_write_response(&out, &r));
    r.body = HTTP1_BODY_UNTIL_CLOSE;
    assert_false(http1_write_response(&out, &r));
    r.close = true;
    assert_true(http1_write_response(&out, &r));
    assert_true(is(buf_span(&out), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"));
    buf_clear(&out);
    r = (struct http1_response_out){.status = 204, .version = 11, .body = HTTP1_BODY_CHUNKED};
    assert_true(http1_write_response(&out, &r));
    assert_true(is(buf_span(&out), "HTTP/1.1 204 No Content\r\n\r\n"));
    buf_clear(&out);
    r = (struct http1_response_out){.status = 299, .version = 11, .length = 77};
    assert_true(http1_write_response(&out, &r));
    assert_true(is(buf_span(&out), "HTTP/1.1 299 \r\nContent-Length: 77\r\n\r\n"));
    buf_clear(&out);
    assert_true(http1_write_chunk(&out, SPAN_LIT("0123456789abcdefXY")));
    const struct http1_header trailers[] = {{SPAN_LIT("T"), SPAN_LIT("v")},
                                            {SPAN_LIT("Content-Length"), SPAN_LIT("9")}};
    assert_true(http1_write_last_chunk(&out, trailers, 2));
    assert_true(is(buf_span(&out), "12\r\n0123456789abcdefXY\r\n0\r\nT: v\r\n\r\n"));
    assert_false(http1_write_chunk(&out, span_of("", 0)));
    char head[HTTP1_CHUNK_HEAD_MAX];
    assert_int_equal(http1_chunk_head(head, SIZE_MAX), HTTP1_CHUNK_HEAD_MAX);
    buf_free(&out);
}

static void first_bytes(void **state)
{
    (void)state;
    static const struct {
        enum http1_guess guess;
        const char *first;
    } cases[] = {
        {HTTP1_GUESS_MAYBE, ""},
        {HTTP1_GUESS_MAYBE, "G"},
        {HTTP1_GUESS_MAYBE, "GET"},
        {HTTP1_GUESS_YES, "GET "},
        {HTTP1_GUESS_YES, "GET / HTTP/1.1\r\n"},
        {HTTP1_GUESS_YES, "\r\nGET /"},
        {HTTP1_GUESS_MAYBE, "\r\n"},
        {HTTP1_GUESS_YES, "CONNECT a"},
        {HTTP1_GUESS_MAYBE, "PROPFIND "},
        {HTTP1_GUESS_YES, "PROPFIND /"},
        {HTTP1_GUESS_YES, "patch /x"},
        {HTTP1_GUESS_YES, "M-SEARCH * HTTP/1.1"},
        {HTTP1_GUESS_YES, "REPORT https://"},
        {HTTP1_GUESS_MAYBE, "REPORT htt"},
        {HTTP1_GUESS_NO, "EHLO me"},
        {HTTP1_GUESS_NO, "SSH-2.0-OpenSSH_9.2 x"},
        {HTTP1_GUESS_NO, "\x16\x03\x01"},
        {HTTP1_GUESS_NO, " GET"},
        {HTTP1_GUESS_NO, "GET\r\n"},
        {HTTP1_GUESS_NO, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
        {HTTP1_GUESS_MAYBE, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"},
        {HTTP1_GUESS_H2, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nx"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (http1_sniff(span_str(cases[i].first)) != cases[i].guess) {
            fail_msg("wrong guess: %s", cases[i].first);
        }
    }
}

static void tables(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool ascii = c < 128;
        bool token = ascii && (isalnum(c) || (c > 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL));
        bool value = c == '\t' || (c >= 32 && c != 127);
        bool target = (c > 32 && c != 127 && c != '#');
        bool host = c > 32 && c != 127 && strchr("/\\@?#,\"'<>", c) == NULL;
        unsigned want = (token ? CHAR_TOKEN : 0) | (value ? CHAR_VALUE : 0) |
                        (target ? CHAR_TARGET : 0) | (host ? CHAR_HOST : 0);
        assert_int_equal(http1_chars[c], want);
    }
    assert_int_equal(http1_field_flags(SPAN_LIT("")), 0);
    assert_int_equal(http1_field_flags(SPAN_LIT("HoSt")), HTTP1_FIELD_HOST);
    assert_int_equal(http1_field_flags(SPAN_LIT("x-host")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_request),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(forms_of_the_target),
        cmocka_unit_test(connection_persists),
        cmocka_unit_test(heads_drip_in),
        cmocka_unit_test(ceilings),
        cmocka_unit_test(responses),
        cmocka_unit_test(chunked_any_cut),
        cmocka_unit_test(chunked_refused),
        cmocka_unit_test(chunked_ceilings),
        cmocka_unit_test(bodies_taken_directly),
        cmocka_unit_test(requests_written),
        cmocka_unit_test(responses_written),
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
