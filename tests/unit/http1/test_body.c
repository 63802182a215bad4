/* Bodies: decoded at every cut, refused, taken directly. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked_any_cut),
        cmocka_unit_test(chunked_refused),
        cmocka_unit_test(chunked_ceilings),
        cmocka_unit_test(bodies_taken_directly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
