/* Ceilings, response heads, the first bytes of a connection, and the table of bytes. */
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

#define H "Host: a.test\r\n"

static enum http1_result parse(struct span in, struct http1_request *req,
                               struct http1_refusal *refusal)
{
    struct http1_scan scan = {0};
    return http1_request_parse(&scan, in, req, refusal);
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
        cmocka_unit_test(ceilings),
        cmocka_unit_test(responses),
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
