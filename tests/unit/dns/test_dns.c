/* Queries taken and refused, answers byte by byte, and the table of names. */
#include "base/buf.h"
#include "proto/dns/dns.h"
#include "proto/dns/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#define HEAD "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define NAME                                                                                       \
    "\x03"                                                                                         \
    "aPi\x04"                                                                                      \
    "test\x00"
#define A_IN "\x00\x01\x00\x01"
#define OPT  "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"

static enum dns_result parse(struct span in, struct dns_query *q, enum dns_rcode *rcode)
{
    *rcode = DNS_NOERROR;
    return dns_query_parse(in, q, rcode);
}

static void good_queries(void **state)
{
    (void)state;
    struct dns_query q;
    enum dns_rcode rcode;
    assert_int_equal(parse(SPAN_LIT(HEAD NAME A_IN), &q, &rcode), DNS_OK);
    assert_int_equal(q.id, 0x1234);
    assert_int_equal(q.type, DNS_A);
    assert_int_equal(q.class, 1);
    assert_string_equal(q.name, "api.test");
    assert_int_equal(q.name_len, 8);
    assert_false(q.edns);
    struct span in = SPAN_LIT("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" NAME A_IN OPT);
    assert_int_equal(parse(in, &q, &rcode), DNS_OK);
    assert_true(q.edns);
    assert_int_equal(q.edns_size, 1232);
    assert_int_equal(parse(SPAN_LIT(HEAD "\x00" A_IN), &q, &rcode), DNS_OK);
    assert_int_equal(q.name_len, 0);
}

static void bad_queries(void **state)
{
    (void)state;
    static const struct {
        struct span in;
        int result;
        enum dns_rcode rcode;
    } cases[] = {
        {SPAN_INIT("\x12\x34\x01\x00\x00\x01"), DNS_IGNORE, 0},
        {SPAN_INIT("\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00" NAME A_IN), DNS_IGNORE, 0},
        {SPAN_INIT("\x12\x34\x08\x00\x00\x01\x00\x00\x00\x00\x00\x00" NAME A_IN), DNS_BAD,
         DNS_NOTIMP},
        {SPAN_INIT("\x12\x34\x03\x00\x00\x01\x00\x00\x00\x00\x00\x00" NAME A_IN), DNS_BAD,
         DNS_FORMERR},
        {SPAN_INIT("\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"), DNS_BAD, DNS_FORMERR},
        {SPAN_INIT("\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00" NAME A_IN NAME A_IN), DNS_BAD,
         DNS_FORMERR},
        {SPAN_INIT("\x12\x34\x01\x00\x00\x01\x00\x01\x00\x00\x00\x00" NAME A_IN), DNS_BAD,
         DNS_FORMERR},
        {SPAN_INIT(HEAD NAME "\x00\x01\x00"), DNS_BAD, DNS_FORMERR},
        {SPAN_INIT(HEAD NAME A_IN "x"), DNS_BAD, DNS_FORMERR},
        {SPAN_INIT(HEAD "\x03"
                        "ap"),
         DNS_BAD, DNS_FORMERR},
        {SPAN_INIT(HEAD "\xc0\x0c" A_IN), DNS_BAD, DNS_FORMERR},
        {SPAN_INIT(HEAD "\x01"
                        "a\xc0\x0c" A_IN),
         DNS_BAD, DNS_FORMERR},
        {SPAN_INIT(HEAD "\x40"
                        "a\x00" A_IN),
         DNS_BAD, DNS_FORMERR},
        {SPAN_INIT(HEAD "\x03"
                        "a\x00"
                        "b\x00" A_IN),
         DNS_BAD, DNS_NXDOMAIN},
        {SPAN_INIT(HEAD "\x03"
                        "a.b\x00" A_IN),
         DNS_BAD, DNS_NXDOMAIN},
        {SPAN_INIT(HEAD "\x03"
                        "a b\x00" A_IN),
         DNS_BAD, DNS_NXDOMAIN},
        {SPAN_INIT(HEAD "\x02\xc3\xa4\x00" A_IN), DNS_BAD, DNS_NXDOMAIN},
        {SPAN_INIT("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x02" NAME A_IN OPT OPT), DNS_BAD,
         DNS_FORMERR},
        {SPAN_INIT("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" NAME A_IN "\x00\x00\x29"),
         DNS_BAD, DNS_FORMERR},
        {SPAN_INIT("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x09" NAME A_IN OPT), DNS_BAD,
         DNS_FORMERR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dns_query q;
        enum dns_rcode rcode;
        uint8_t out[DNS_ANSWER_MAX];
        enum dns_result r = parse(cases[i].in, &q, &rcode);
        if ((int)r != cases[i].result || rcode != cases[i].rcode) {
            fail_msg("case %zu: %d/%d", i, (int)r, (int)rcode);
        }
        if (r == DNS_BAD) {
            size_t len = dns_answer_error(&q, rcode, out);
            assert_true(len >= 12 && len <= 512);
            assert_int_equal(out[3] & 15, rcode);
        }
    }
}

static void longest_names(void **state)
{
    (void)state;
    struct dns_query q;
    enum dns_rcode rcode;
    for (unsigned last = 60; last <= 63; last++) {
        struct buf b;
        buf_init(&b, 1024);
        buf_append_span(&b, SPAN_LIT(HEAD));
        for (unsigned i = 0; i < 4; i++) {
            unsigned label = i < 3 ? 63 : last;
            char c = (char)label;
            buf_append(&b, &c, 1);
            for (unsigned k = 0; k < label; k++) {
                buf_append_str(&b, "a");
            }
        }
        buf_append_span(&b, SPAN_LIT("\x00" A_IN));
        enum dns_result want = last <= 61 ? DNS_OK : DNS_BAD;
        assert_int_equal(parse(buf_span(&b), &q, &rcode), want);
        if (want == DNS_OK) {
            uint8_t out[DNS_ANSWER_MAX];
            uint8_t addr[16] = {0};
            assert_true(dns_answer_aaaa(&q, addr, 1, out) <= 512);
            assert_true(dns_answer_ptr(&q, span_of(q.name, q.name_len), 1, out) <= 512);
        }
        buf_free(&b);
    }
}

static void answers(void **state)
{
    (void)state;
    struct dns_query q;
    enum dns_rcode rcode;
    uint8_t out[DNS_ANSWER_MAX];
    const uint8_t addr[16] = {198, 18, 1, 0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    parse(SPAN_LIT(HEAD NAME A_IN), &q, &rcode);
    const struct span a =
        SPAN_LIT("\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" NAME A_IN
                 "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x12\x01\x00");
    size_t len = dns_answer_a(&q, addr, 60, out);
    assert_true(span_eq(span_of(out, len), a));
    struct span in =
        SPAN_LIT("\x12\x34\x00\x10\x00\x01\x00\x00\x00\x00\x00\x01" NAME "\x00\x1c\x00\x01" OPT);
    parse(in, &q, &rcode);
    const struct span aaaa =
        SPAN_LIT("\x12\x34\x80\x90\x00\x01\x00\x01\x00\x00\x00\x01" NAME "\x00\x1c\x00\x01"
                 "\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x00\x00\x10"
                 "\xc6\x12\x01\x00\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10" OPT);
    len = dns_answer_aaaa(&q, addr, 0, out);
    assert_true(span_eq(span_of(out, len), aaaa));
    len = dns_answer_empty(&q, out);
    const struct span empty =
        SPAN_LIT("\x12\x34\x80\x90\x00\x01\x00\x00\x00\x00\x00\x01" NAME "\x00\x1c\x00\x01" OPT);
    assert_true(span_eq(span_of(out, len), empty));
    in = SPAN_LIT(HEAD "\x01"
                       "1\x01"
                       "0\x00"
                       "\x00\x0c\x00\x01");
    parse(in, &q, &rcode);
    len = dns_answer_ptr(&q, SPAN_LIT("api.test"), 1, out);
    const struct span ptr = SPAN_LIT("\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01"
                                     "1\x01"
                                     "0\x00"
                                     "\x00\x0c\x00\x01\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00"
                                     "\x01\x00\x0a\x03"
                                     "api\x04"
                                     "test\x00");
    assert_true(span_eq(span_of(out, len), ptr));
    len = dns_answer_ptr(&q, SPAN_LIT("a..b"), 1, out);
    assert_int_equal(out[3] & 15, DNS_SERVFAIL);
}

static void reverse_names(void **state)
{
    (void)state;
    uint8_t addr[16];
    const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 18, [14] = 1, [15] = 255};
    assert_true(dns_reverse_addr(SPAN_LIT("255.1.18.198.in-addr.arpa"), addr));
    assert_memory_equal(addr, v4, 16);
    const char *bad[] = {"1.18.198.in-addr.arpa",
                         "256.1.18.198.in-addr.arpa",
                         "01.1.18.198.in-addr.arpa",
                         "1.1.1.18.198.in-addr.arpa",
                         ".1.18.198.in-addr.arpa",
                         "1..18.198.in-addr.arpa",
                         "x.in-addr.arpa",
                         "255.1.18.198.in-addr.arpa.x",
                         "ip6.arpa",
                         "in-addr.arpa",
                         ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(dns_reverse_addr(span_str(bad[i]), addr));
    }
    struct span v6 =
        SPAN_LIT("f.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.1.1.A.5.0.0.d.f.ip6.arpa");
    const uint8_t want[16] = {0xfd, 0, 0x5a, 0x11, 0, 0, 0, 1, [15] = 0x2f};
    assert_true(dns_reverse_addr(v6, addr));
    assert_memory_equal(addr, want, 16);
    assert_false(dns_reverse_addr(span_from(v6, 2), addr));
}

static void tcp_frames(void **state)
{
    (void)state;
    struct span m;
    assert_int_equal(dns_tcp_frame(SPAN_LIT("\x00"), &m), 0);
    assert_int_equal(dns_tcp_frame(SPAN_LIT("\x00\x03"
                                            "ab"),
                                   &m),
                     0);
    assert_int_equal(dns_tcp_frame(SPAN_LIT("\x00\x03"
                                            "abcd"),
                                   &m),
                     5);
    assert_true(span_eq(m, SPAN_LIT("abc")));
    assert_int_equal(dns_tcp_frame(SPAN_LIT("\x10\x01"), &m), -1);
}

static void names_keep_their_address(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct dns_names *n = dns_names_create(N);
    uint8_t a4[4], a6[16], b4[4], b6[16], mapped[16] = {[10] = 0xff, [11] = 0xff};
    struct span found;
    char name[32];
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "host-%d.test", i);
        assert_true(dns_names_lookup(n, span_str(name), a4, a6));
        assert_true(a4[0] == 198 && (a4[1] & 0xfe) == 18 && (a4[1] == 19 || a4[2] >= 1));
        assert_memory_equal(a6, "\xfd\x00\x5a\x11\x00\x00\x00\x01", 8);
        memcpy(mapped + 12, a4, 4);
        assert_true(dns_names_find(n, mapped, &found));
        assert_true(span_eq(found, span_str(name)));
    }
    assert_int_equal(dns_names_count(n), N);
    assert_false(dns_names_lookup(n, SPAN_LIT("one-too-many.test"), a4, a6));
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "host-%d.test", i);
        assert_true(dns_names_lookup(n, span_str(name), a4, a6));
        uint32_t number = (uint32_t)a4[1] << 16 | (uint32_t)a4[2] << 8 | a4[3];
        assert_int_equal(number, (18u << 16) + 256 + (uint32_t)i);
        assert_true(dns_names_lookup(n, span_str(name), b4, b6));
        assert_memory_equal(a4, b4, 4);
        assert_memory_equal(a6, b6, 16);
        assert_true(dns_names_find(n, a6, &found));
        assert_true(span_eq(found, span_str(name)));
    }
    const uint8_t strangers[][16] = {
        {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 18, [14] = 0, [15] = 255},
        {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 19, [14] = 255, [15] = 255},
        {[10] = 0xff, [11] = 0xff, [12] = 1, [13] = 1, [14] = 1, [15] = 1},
        {0xfd, 0x00, 0x5a, 0x11, [15] = 1},
        {0xfd, 0x00, 0x5a, 0x11, 0, 0, 0, 1, [15] = 0},
        {0xfd, 0x00, 0x5a, 0x11, 0, 0, 0, 1, [8] = 1, [15] = 1},
        {0xfd, 0x00, 0x5a, 0x11, 0, 0, 0, 1, [12] = 0xff, [15] = 1},
    };
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        assert_false(dns_names_find(n, strangers[i], &found));
    }
    char longest[DNS_NAME_MAX + 1];
    memset(longest, 'a', sizeof longest);
    assert_false(dns_names_lookup(n, span_of(longest, sizeof longest), a4, a6));
    assert_false(dns_names_lookup(n, span_of("", 0), a4, a6));
    dns_names_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_queries),
        cmocka_unit_test(bad_queries),
        cmocka_unit_test(longest_names),
        cmocka_unit_test(answers),
        cmocka_unit_test(reverse_names),
        cmocka_unit_test(tcp_frames),
        cmocka_unit_test(names_keep_their_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
