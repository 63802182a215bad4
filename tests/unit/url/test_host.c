/* The canonical host, authority, and what kind of address an address is. */
#include "proto/url/host.h"
#include "proto/url/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/* after the headers it needs */
#include <cmocka.h>

static void canonical_forms(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
        enum url_host_kind kind;
    } rows[] = {
        {"example.com", "example.com", URL_HOST_DOMAIN},
        {"EXAMPLE.Com.", "example.com", URL_HOST_DOMAIN},
        {"_dmarc.a-b.x", "_dmarc.a-b.x", URL_HOST_DOMAIN},
        {"b\xc3\xbc"
         "cher.de",
         "xn--bcher-kva.de", URL_HOST_DOMAIN},
        {"allowed\xe3\x80\x82"
         "com",
         "allowed.com", URL_HOST_DOMAIN},
        {"\xef\xbd\x81.com", "a.com", URL_HOST_DOMAIN},
        {"127.0.0.1", "127.0.0.1", URL_HOST_IPV4},
        {"127.0.0.1.", "127.0.0.1", URL_HOST_IPV4},
        {"127.1", "127.0.0.1", URL_HOST_IPV4},
        {"0x7f.1", "127.0.0.1", URL_HOST_IPV4},
        {"2130706433", "127.0.0.1", URL_HOST_IPV4},
        {"017700000001", "127.0.0.1", URL_HOST_IPV4},
        {"169.254.43518", "169.254.169.254", URL_HOST_IPV4},
        {"::1", "[::1]", URL_HOST_IPV6},
        {"[0:0:0:0::1]", "[::1]", URL_HOST_IPV6},
        {"[2001:DB8::0:1]", "[2001:db8::1]", URL_HOST_IPV6},
        {"[::ffff:127.0.0.1]", "127.0.0.1", URL_HOST_IPV4},
        {"::ffff:a9fe:a9fe", "169.254.169.254", URL_HOST_IPV4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct url_host h;
        if (!url_host_canonical(span_str(rows[i].in), &h)) {
            fail_msg("%s is refused", rows[i].in);
        }
        assert_string_equal(h.text, rows[i].out);
        assert_int_equal(h.len, strlen(h.text));
        assert_int_equal(h.kind, rows[i].kind);
    }
}

static void refused_hosts(void **state)
{
    (void)state;
    const struct span rows[] = {
        SPAN_LIT(""),
        SPAN_LIT("."),
        SPAN_LIT("a..b"),
        SPAN_LIT(".a"),
        SPAN_LIT("a.."),
        SPAN_LIT("evil.com\0.allowed.com"),
        SPAN_LIT("a\rb"),
        SPAN_LIT("a\nb"),
        SPAN_LIT("a\tb"),
        SPAN_LIT("a b"),
        SPAN_LIT("a\x7f"),
        SPAN_LIT("a%00b"),
        SPAN_LIT("a%2eb"),
        SPAN_LIT("127.0.0.%31"),
        SPAN_LIT("*.com"),
        SPAN_LIT("a!b"),
        SPAN_LIT("user@host"),
        SPAN_LIT("host:80"),
        SPAN_LIT("host/path"),
        SPAN_LIT("host\\x"),
        SPAN_LIT("1.2.3.4.5"),
        SPAN_LIT("256.1.1.1"),
        SPAN_LIT("a.1"),
        SPAN_LIT("0x100000000"),
        SPAN_LIT("[::1"),
        SPAN_LIT("[::1]x"),
        SPAN_LIT("[::1]:80"),
        SPAN_LIT("[fe80::1%eth0]"),
        SPAN_LIT("fe80::1%eth0"),
        SPAN_LIT("[1.2.3.4]"),
        SPAN_LIT("1:2:3:4:5:6:7:8:9"),
        SPAN_LIT("\xff.com"),
        SPAN_LIT("\xc2\xad"),
        SPAN_LIT("a\xe2\x80\x8b\xe2\x92\x88"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct url_host h;
        if (url_host_canonical(rows[i], &h)) {
            fail_msg("row %zu is taken as %s", i, h.text);
        }
    }
}

static void lengths(void **state)
{
    (void)state;
    char name[300];
    struct url_host h;

    memset(name, 'a', sizeof name);
    assert_true(url_host_canonical(span_of(name, 63), &h));
    assert_false(url_host_canonical(span_of(name, 64), &h));
    for (size_t i = 60; i < sizeof name; i += 61) {
        name[i] = '.';
    }
    assert_true(url_host_canonical(span_of(name, 253), &h));
    assert_int_equal(h.len, 253);
    assert_false(url_host_canonical(span_of(name, 254), &h));
    name[253] = '.'; /* the final dot does not count */
    assert_true(url_host_canonical(span_of(name, 254), &h));
    char huge[2000];
    memset(huge, '1', sizeof huge);
    assert_false(url_host_canonical(span_of(huge, sizeof huge), &h));
}

static void host_of_url(void **state)
{
    (void)state;
    struct url u;
    struct url_host h;

    assert_true(url_parse(&u, SPAN_LIT("http://169.254.169.254\\@allowed/"), NULL));
    assert_true(url_host_of(&u, &h));
    assert_string_equal(h.text, "169.254.169.254");
    url_free(&u);
    assert_true(url_parse(&u, SPAN_LIT("http://allowed@evil/"), NULL));
    assert_true(url_host_of(&u, &h));
    assert_string_equal(h.text, "evil");
    url_free(&u);
    /* A URL may hold what no client could send. */
    assert_true(url_parse(&u, SPAN_LIT("http://a!b/"), NULL));
    assert_false(url_host_of(&u, &h));
    url_free(&u);
    assert_true(url_parse(&u, SPAN_LIT("mailto:x"), NULL));
    assert_false(url_host_of(&u, &h));
    url_free(&u);
}

static void authorities(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *host; /* NULL: refused */
        int32_t port;
    } rows[] = {
        {"a.com", "a.com", -1}, {"a.com:443", "a.com", 443},
        {"[::1]", "[::1]", -1}, {"[::1]:65535", "[::1]", 65535},
        {"a:00080", "a", 80},   {"", NULL, 0},
        {":80", NULL, 0},       {"a:", NULL, 0},
        {"a:0", NULL, 0},       {"a:65536", NULL, 0},
        {"a:999999", NULL, 0},  {"a:8 0", NULL, 0},
        {"a:+80", NULL, 0},     {"u@a:80", NULL, 0},
        {"a:80:80", NULL, 0},   {"[::1", NULL, 0},
        {"[::1]x", NULL, 0},    {"[::1]80", NULL, 0},
        {"a@b", NULL, 0},       {"::1", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span host;
        int32_t port;
        bool ok = url_authority_split(span_str(rows[i].in), &host, &port);
        if (ok != (rows[i].host != NULL)) {
            fail_msg("%s", rows[i].in);
        }
        if (ok) {
            assert_true(span_eq(host, span_str(rows[i].host)));
            assert_int_equal(port, rows[i].port);
        }
    }
}

static void classes(void **state)
{
    (void)state;
    static const struct {
        const char *addr;
        enum url_ip_class class;
    } rows[] = {
        {"8.8.8.8", URL_IP_PUBLIC},
        {"1.1.1.1", URL_IP_PUBLIC},
        {"2606:4700::1111", URL_IP_PUBLIC},
        {"127.0.0.1", URL_IP_LOOPBACK},
        {"127.255.255.255", URL_IP_LOOPBACK},
        {"::1", URL_IP_LOOPBACK},
        {"0.0.0.0", URL_IP_OTHER},
        {"0.1.2.3", URL_IP_OTHER},
        {"::", URL_IP_OTHER},
        {"10.0.0.1", URL_IP_PRIVATE},
        {"172.15.255.255", URL_IP_PUBLIC},
        {"172.16.0.1", URL_IP_PRIVATE},
        {"172.31.255.255", URL_IP_PRIVATE},
        {"172.32.0.0", URL_IP_PUBLIC},
        {"192.168.1.1", URL_IP_PRIVATE},
        {"100.64.0.1", URL_IP_PRIVATE},
        {"100.127.255.255", URL_IP_PRIVATE},
        {"100.128.0.0", URL_IP_PUBLIC},
        {"fc00::1", URL_IP_PRIVATE},
        {"fdff::1", URL_IP_PRIVATE},
        {"fec0::1", URL_IP_PRIVATE},
        {"169.254.1.1", URL_IP_LINK_LOCAL},
        {"fe80::1", URL_IP_LINK_LOCAL},
        {"febf::1", URL_IP_LINK_LOCAL},
        {"169.254.169.254", URL_IP_METADATA},
        {"169.254.170.2", URL_IP_METADATA},
        {"100.100.100.200", URL_IP_METADATA},
        {"fd00:ec2::254", URL_IP_METADATA},
        {"fd20:ce::254", URL_IP_METADATA},
        {"198.18.0.1", URL_IP_SYNTHETIC},
        {"198.19.255.255", URL_IP_SYNTHETIC},
        {"198.20.0.0", URL_IP_PUBLIC},
        {"fd00:5a11::1", URL_IP_SYNTHETIC},
        {"192.0.0.8", URL_IP_OTHER},
        {"192.0.2.1", URL_IP_OTHER},
        {"198.51.100.1", URL_IP_OTHER},
        {"203.0.113.1", URL_IP_OTHER},
        {"192.88.99.1", URL_IP_OTHER},
        {"224.0.0.1", URL_IP_OTHER},
        {"239.255.255.255", URL_IP_OTHER},
        {"240.0.0.1", URL_IP_OTHER},
        {"255.255.255.255", URL_IP_OTHER},
        {"2001:db8::1", URL_IP_OTHER},
        {"3fff:fff::1", URL_IP_OTHER},
        {"100::1", URL_IP_OTHER},
        {"ff02::1", URL_IP_OTHER},
        {"4000::1", URL_IP_OTHER},
        {"5f00::1", URL_IP_OTHER},
        /* an IPv4 address inside */
        {"::ffff:127.0.0.1", URL_IP_LOOPBACK},
        {"::ffff:8.8.8.8", URL_IP_PUBLIC},
        {"::127.0.0.1", URL_IP_LOOPBACK},
        {"::8.8.8.8", URL_IP_OTHER},
        {"::ffff:0:169.254.169.254", URL_IP_METADATA},
        {"64:ff9b::169.254.169.254", URL_IP_METADATA},
        {"64:ff9b::10.0.0.1", URL_IP_PRIVATE},
        {"64:ff9b::8.8.8.8", URL_IP_PUBLIC},
        {"64:ff9b:1::8.8.8.8", URL_IP_PRIVATE},
        {"64:ff9b:1::127.0.0.1", URL_IP_LOOPBACK},
        {"2002:7f00:1::", URL_IP_LOOPBACK},
        {"2002:a00:1::1", URL_IP_PRIVATE},
        {"2002:808:808::1", URL_IP_PUBLIC},
        {"2001:0:7f00:1::", URL_IP_LOOPBACK},
        {"2001:0:808:808::80ff:fffe", URL_IP_LOOPBACK}, /* the client is 127.0.0.1, inverted */
        {"2001:0:808:808::f7f7:f7f7", URL_IP_OTHER},
        {"2606:4700::200:5efe:a00:1", URL_IP_PRIVATE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t addr[16];
        assert_true(url_ip_parse(span_str(rows[i].addr), addr));
        if (url_ip_class(addr) != rows[i].class) {
            fail_msg("%s is %s", rows[i].addr, url_ip_class_name(url_ip_class(addr)));
        }
    }
}

static void literals(void **state)
{
    (void)state;
    static const char *const bad[] = {"127.1", "01.2.3.4",  "1.2.3.4.", "0x1.2.3.4", "1.2.3", "",
                                      "a",     "[1.2.3.4]", "1.2.3.4 ", "::1%lo",    "[::1"};
    uint8_t addr[16];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (url_ip_parse(span_str(bad[i]), addr)) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_true(url_ip_parse(SPAN_LIT("[::1]"), addr));
    struct url_host h;
    assert_true(url_host_canonical(SPAN_LIT("metadata.google.internal."), &h));
    assert_true(url_host_is_metadata(&h));
    assert_true(url_host_canonical(SPAN_LIT("[fd00:ec2::254]"), &h));
    assert_true(url_host_is_metadata(&h));
    assert_true(url_host_canonical(SPAN_LIT("example.com"), &h));
    assert_false(url_host_is_metadata(&h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_forms), cmocka_unit_test(refused_hosts),
        cmocka_unit_test(lengths),         cmocka_unit_test(host_of_url),
        cmocka_unit_test(authorities),     cmocka_unit_test(classes),
        cmocka_unit_test(literals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
