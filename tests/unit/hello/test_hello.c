/* ClientHellos whole, cut, spread over records, and broken. */
#include "base/buf.h"
#include "proto/hello/hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void put(struct buf *b, size_t bytes, size_t n)
{
    while (bytes-- > 0) {
        char c = (char)(n >> (8 * bytes));
        assert_true(buf_append(b, &c, 1));
    }
}

static void put_ext(struct buf *b, unsigned type, struct span body)
{
    put(b, 2, type);
    put(b, 2, body.len);
    buf_append_span(b, body);
}

static void put_name(struct buf *b, struct span name)
{
    struct buf e;
    buf_init(&e, 4096);
    put(&e, 2, name.len + 3);
    put(&e, 1, 0);
    put(&e, 2, name.len);
    buf_append_span(&e, name);
    put_ext(b, 0, buf_span(&e));
    buf_free(&e);
}

/* The handshake message around these extensions. */
static void message(struct buf *out, struct span extensions)
{
    struct buf b;
    buf_init(&b, 70000);
    put(&b, 2, 0x0303);
    for (int i = 0; i < 32; i++) {
        put(&b, 1, (size_t)i);
    }
    put(&b, 1, 0);
    put(&b, 2, 2);
    put(&b, 2, 0x1301);
    put(&b, 1, 1);
    put(&b, 1, 0);
    put(&b, 2, extensions.len);
    buf_append_span(&b, extensions);
    put(out, 1, 1);
    put(out, 3, buf_len(&b));
    buf_append_span(out, buf_span(&b));
    buf_free(&b);
}

static void records(struct buf *out, struct span msg, size_t size)
{
    while (msg.len > 0) {
        size_t n = msg.len < size ? msg.len : size;
        put(out, 1, 22);
        put(out, 2, 0x0301);
        put(out, 2, n);
        buf_append(out, msg.ptr, n);
        msg = span_from(msg, n);
    }
}

static void full_extensions(struct buf *ext)
{
    put_ext(ext, 0x0a0a, SPAN_LIT(""));
    put_name(ext, SPAN_LIT("Api.Example.test"));
    put_ext(ext, 16, SPAN_LIT("\x00\x0c\x02h2\x08http/1.1"));
    put_ext(ext, 43, SPAN_LIT("\x06\x7a\x7a\x03\x04\x03\x03"));
    put_ext(ext, 0xfe0d, SPAN_LIT("\x00xyz"));
}

static enum hello_result parse_ext(struct span ext, struct hello *h)
{
    struct buf msg, in;
    buf_init(&msg, 70000);
    buf_init(&in, 200000);
    message(&msg, ext);
    records(&in, buf_span(&msg), 16384);
    enum hello_result r = hello_parse(buf_span(&in), h);
    hello_free(h);
    buf_free(&msg);
    buf_free(&in);
    return r;
}

static void any_cut_and_any_records(void **state)
{
    (void)state;
    struct buf ext, msg;
    buf_init(&ext, 4096);
    buf_init(&msg, 70000);
    full_extensions(&ext);
    message(&msg, buf_span(&ext));
    const size_t sizes[] = {16384, 100, 7};
    for (size_t s = 0; s < 3; s++) {
        struct buf in;
        struct hello h;
        buf_init(&in, 70000);
        records(&in, buf_span(&msg), sizes[s]);
        size_t whole = buf_len(&in);
        buf_append_str(&in, "more");
        for (size_t n = 0; n < whole; n++) {
            assert_int_equal(hello_parse(span_of(buf_span(&in).ptr, n), &h), HELLO_MORE);
        }
        assert_int_equal(hello_parse(buf_span(&in), &h), HELLO_DONE);
        assert_true(h.has_sni);
        assert_true(span_eq(h.sni, SPAN_LIT("Api.Example.test")));
        assert_int_equal(h.alpn_count, 2);
        assert_true(span_eq(h.alpn[1], SPAN_LIT("http/1.1")));
        assert_true(h.has_ech);
        assert_true(h.offers_tls13);
        assert_int_equal(h.version, 0x0304);
        hello_free(&h);
        buf_free(&in);
    }
    buf_free(&ext);
    buf_free(&msg);
}

static void without_extensions(void **state)
{
    (void)state;
    struct hello h;
    assert_int_equal(parse_ext(span_of("", 0), &h), HELLO_DONE);
    assert_false(h.has_sni);
    assert_false(h.has_ech);
    assert_int_equal(h.version, 0x0303);
}

static void bad_extensions(void **state)
{
    (void)state;
    struct hello h;
    struct buf ext;
    buf_init(&ext, 4096);
    const struct span names[] = {SPAN_LIT(""), SPAN_LIT("a\0b"), SPAN_LIT("a b"), SPAN_LIT("a\r\n"),
                                 SPAN_LIT("\xc3\xa4.test")};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        buf_clear(&ext);
        put_name(&ext, names[i]);
        assert_int_equal(parse_ext(buf_span(&ext), &h), HELLO_BAD);
    }
    char longest[HELLO_NAME_MAX + 1];
    memset(longest, 'a', sizeof longest);
    buf_clear(&ext);
    put_name(&ext, span_of(longest, HELLO_NAME_MAX));
    assert_int_equal(parse_ext(buf_span(&ext), &h), HELLO_DONE);
    buf_clear(&ext);
    put_name(&ext, span_of(longest, HELLO_NAME_MAX + 1));
    assert_int_equal(parse_ext(buf_span(&ext), &h), HELLO_BAD);
    buf_clear(&ext);
    put_name(&ext, SPAN_LIT("a"));
    put_name(&ext, SPAN_LIT("b"));
    assert_int_equal(parse_ext(buf_span(&ext), &h), HELLO_BAD);
    const struct span bodies[] = {
        SPAN_LIT("\x00\x08\x00\x00\x01"
                 "a\x00\x00\x01"
                 "b"), /* two names in one extension */
        SPAN_LIT("\x00\x04\x01\x00\x01"
                 "a"), /* not of type host_name */
        SPAN_LIT("\x00\x04\x00\x00\x02"
                 "a"), /* the name is short */
        SPAN_LIT("\x00\x05\x00\x00\x01"
                 "a"), /* the list is short */
        SPAN_LIT("\x00\x04\x00\x00\x01"
                 "ab"), /* bytes behind the list */
        SPAN_LIT(""),
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        buf_clear(&ext);
        put_ext(&ext, 0, bodies[i]);
        assert_int_equal(parse_ext(buf_span(&ext), &h), HELLO_BAD);
    }
    buf_clear(&ext);
    put_ext(&ext, 16, SPAN_LIT("\x00\x01\x00"));
    assert_int_equal(parse_ext(buf_span(&ext), &h), HELLO_BAD);
    buf_clear(&ext);
    put(&ext, 2, 0);
    assert_int_equal(parse_ext(buf_span(&ext), &h), HELLO_BAD);
    buf_free(&ext);
}

static void not_tls(void **state)
{
    (void)state;
    struct hello h;
    const struct span cases[] = {SPAN_LIT("GET / HTTP"),
                                 SPAN_LIT("SSH-2.0-x\r\n"),
                                 SPAN_LIT("\x16\x02"),
                                 SPAN_LIT("\x16\x03\x05"),
                                 SPAN_LIT("\x15\x03\x01\x00\x02"),
                                 SPAN_LIT("\x16\x03\x01\x00\x00"),
                                 SPAN_LIT("\x16\x03\x01\x40\x01"),
                                 SPAN_LIT("\x16\x03\x01\x00\x10\x02")};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(hello_parse(cases[i], &h), HELLO_NOT_TLS);
    }
    assert_int_equal(hello_parse(span_of("", 0), &h), HELLO_MORE);
    assert_int_equal(hello_parse(SPAN_LIT("\x16"), &h), HELLO_MORE);
}

static void ceilings(void **state)
{
    (void)state;
    struct hello h;
    /* Says that it is larger than 64 KiB. */
    assert_int_equal(hello_parse(SPAN_LIT("\x16\x03\x01\x01\x00\x01\x01\x00\x01"), &h), HELLO_BAD);
    /* One byte a record, for ever. */
    struct buf ext, msg, in;
    buf_init(&ext, 4096);
    buf_init(&msg, 70000);
    buf_init(&in, 70000);
    full_extensions(&ext);
    message(&msg, buf_span(&ext));
    records(&in, buf_span(&msg), 1);
    assert_int_equal(hello_parse(buf_span(&in), &h), HELLO_BAD);
    /* A second record that is no handshake. */
    buf_clear(&in);
    records(&in, span_of(buf_span(&msg).ptr, 20), 20);
    buf_append_str(&in, "\x17\x03\x03");
    assert_int_equal(hello_parse(buf_span(&in), &h), HELLO_BAD);
    buf_free(&ext);
    buf_free(&msg);
    buf_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut_and_any_records),
        cmocka_unit_test(without_extensions),
        cmocka_unit_test(bad_extensions),
        cmocka_unit_test(not_tls),
        cmocka_unit_test(ceilings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
