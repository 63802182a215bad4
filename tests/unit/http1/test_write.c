/* What is written, byte by byte, and what is not written at all. */
#include "base/buf.h"
#include "proto/http1/body.h"
#include "proto/http1/chars.h"
#include "proto/http1/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static bool is(struct span s, const char *text)
{
    return span_eq(s, span_str(text));
}

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

static void a_date_unless_there_is_one(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    struct http1_header own = {SPAN_LIT("date"), SPAN_LIT("then")};
    struct http1_response_out r = {
        .status = 204, .version = 11, .headers = &own, .date = SPAN_LIT("now")};
    assert_true(http1_write_response(&out, &r));
    assert_true(is(buf_span(&out), "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n"));
    buf_clear(&out);
    r.header_count = 1;
    assert_true(http1_write_response(&out, &r));
    assert_true(is(buf_span(&out), "HTTP/1.1 204 No Content\r\ndate: then\r\n\r\n"));
    buf_clear(&out);
    r.header_count = 0;
    r.status = 100;
    assert_true(http1_write_response(&out, &r));
    assert_true(is(buf_span(&out), "HTTP/1.1 100 Continue\r\n\r\n"));
    r.status = 200;
    r.date = SPAN_LIT("no\r\nX: 1");
    assert_false(http1_write_response(&out, &r));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_written),
        cmocka_unit_test(responses_written),
        cmocka_unit_test(a_date_unless_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
