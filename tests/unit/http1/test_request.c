/* Request heads: what is taken, what is refused and with which status, cut at every place. */
#include "base/buf.h"
#include "proto/http1/body.h"
#include "proto/http1/chars.h"
#include "proto/http1/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_request),        cmocka_unit_test(bad_requests),
        cmocka_unit_test(forms_of_the_target), cmocka_unit_test(connection_persists),
        cmocka_unit_test(heads_drip_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
