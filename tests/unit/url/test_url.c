/* What the web-platform-tests data does not ask: ceilings, bytes that are not UTF-8, ownership,
 * form encoding, and memory that runs out at every allocation. */
#include "proto/url/form.h"
#include "proto/url/url.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* after the headers it needs */
#include <cmocka.h>

/* The n-th allocation from now fails; < 0: none does. */
static int fail_in = -1;
extern void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    if (fail_in == 0) {
        errno = ENOMEM;
        return NULL;
    }
    fail_in -= fail_in > 0;
    return __real_malloc(size);
}

#define assert_href(u, want)                                                                       \
    do {                                                                                           \
        struct span got_ = url_get_href(u);                                                        \
        if (!span_eq(got_, span_str(want))) {                                                      \
            fail_msg("\"" SPAN_FMT "\" is not \"%s\"", SPAN_ARG(got_), (want));                    \
        }                                                                                          \
    } while (0)

static void not_utf8(void **state)
{
    (void)state;
    struct url u;
    assert_true(url_parse(&u, SPAN_LIT("http://h/\xff\xe2\x82?\xed\xa0\x80#\xc0\x80"), NULL));
    assert_href(&u, "http://h/%EF%BF%BD%EF%BF%BD?%EF%BF%BD%EF%BF%BD%EF%BF%BD#%EF%BF%BD%EF%BF%BD");
    assert_true(url_set_username(&u, SPAN_LIT("\x80")));
    assert_true(span_eq(url_get_username(&u), SPAN_LIT("%EF%BF%BD")));
    url_free(&u);
    assert_false(url_parse(&u, SPAN_LIT("http://\xff/"), NULL));
    assert_false(url_parse(&u, SPAN_LIT("http://%ff/"), NULL));
}

static void ceilings(void **state)
{
    (void)state;
    struct url u;
    char *big = malloc(URL_INPUT_MAX + 1);
    assert_non_null(big);
    memset(big, '{', URL_INPUT_MAX + 1);
    memcpy(big, "http://h/", 9);
    assert_true(url_parse(&u, span_of(big, URL_INPUT_MAX), NULL));
    assert_int_equal(u.path.len, 1 + 3 * (URL_INPUT_MAX - 9));
    assert_false(url_set_pathname(&u, span_of(big, URL_INPUT_MAX + 1)));
    /* Setters fill it up, and the one that would pass the ceiling changes nothing. */
    assert_true(url_set_search(&u, span_of(big + 9, 1)));
    memset(big, '"', URL_INPUT_MAX);
    assert_true(url_set_search(&u, span_of(big, URL_INPUT_MAX)));
    uint32_t before = u.href_len;
    assert_false(url_set_hash(&u, span_of(big, URL_INPUT_MAX)));
    assert_int_equal(u.href_len, before);
    url_free(&u);
    /* A name that IDNA would chew on for long. */
    memset(big, 'a', URL_INPUT_MAX);
    memcpy(big, "http://\xc3\xbc", 9);
    assert_false(url_parse(&u, span_of(big, URL_INPUT_MAX), NULL));
    free(big);
}

static void setters_alias(void **state)
{
    (void)state;
    struct url u;
    assert_true(url_parse(&u, SPAN_LIT("https://user:pass@h.com:8443/p?q#f"), NULL));
    assert_true(url_set_hash(&u, url_get_pathname(&u)));
    assert_true(url_set_pathname(&u, url_get_href(&u)));
    assert_href(&u, "https://user:pass@h.com:8443/https://user:pass@h.com:8443/p%3Fq%23/p?q#/p");
    assert_true(url_set_href(&u, SPAN_LIT("sc:x")));
    assert_false(url_set_href(&u, SPAN_LIT("//x")));
    assert_href(&u, "sc:x");
    struct url copy;
    assert_true(url_copy(&copy, &u));
    url_free(&u);
    assert_href(&copy, "sc:x");
    url_free(&copy);
    url_free(&copy);
    assert_false(url_set_hash(&copy, SPAN_LIT("x")));
}

static void targets_and_ports(void **state)
{
    (void)state;
    struct url u;
    assert_true(url_parse(&u, SPAN_LIT("https://h/a?b#c"), NULL));
    assert_true(span_eq(url_get_target(&u), SPAN_LIT("/a?b")));
    assert_int_equal(url_port_or_default(&u), 443);
    assert_true(url_set_port(&u, SPAN_LIT("8443")));
    assert_int_equal(url_port_or_default(&u), 8443);
    assert_true(span_eq(url_get_host(&u), SPAN_LIT("h:8443")));
    url_free(&u);
    assert_true(url_parse(&u, SPAN_LIT("http://h?"), NULL));
    assert_true(span_eq(url_get_target(&u), SPAN_LIT("/?")));
    url_free(&u);
}

static bool collect(void *arg, struct span name, struct span value)
{
    struct buf *out = arg;
    return buf_append_str(out, "[") && buf_append_span(out, name) && buf_append_str(out, "|") &&
           buf_append_span(out, value) && buf_append_str(out, "]");
}

static void forms(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    assert_true(
        url_form_parse(SPAN_LIT("a=b+c&&%3d==&x&%zz=%ff&=&\xc3\xbc=%C3%BC"), collect, &out));
    assert_true(span_eq(buf_span(&out), SPAN_LIT("[a|b c][=|=][x|][%zz|\xef\xbf\xbd][|]"
                                                 "[\xc3\xbc|\xc3\xbc]")));
    buf_clear(&out);
    assert_true(url_form_append(&out, SPAN_LIT("a b"), SPAN_LIT("\xc3\xbc*-._~'()!")));
    assert_true(url_form_append(&out, SPAN_LIT(""), SPAN_LIT("\xff&=+")));
    assert_true(
        span_eq(buf_span(&out), SPAN_LIT("a+b=%C3%BC*-._%7E%27%28%29%21&=%EF%BF%BD%26%3D%2B")));
    buf_free(&out);
    assert_true(url_form_parse(SPAN_LIT(""), collect, &out));
}

/* With every allocation failing in turn, a parse or a setter either works or changes nothing. */
static void out_of_memory(void **state)
{
    (void)state;
    static const char text[] = "a-long-scheme-that-is-none:x";
    static const char web[] = "http://\xc3\xbc.de%2e:81/\t\xff?q";
    bool done = false;
    for (int n = 0; !done; n++) {
        struct url u;
        struct url v = {0};
        assert_true(n < 100);
        fail_in = n;
        bool ok = url_parse(&u, span_str(web), NULL) && url_parse(&v, span_str(text), &u);
        ok = ok && url_set_host(&u, SPAN_LIT("\xc3\xa4.com:1")) &&
             url_set_pathname(&u, SPAN_LIT("x"));
        done = ok && fail_in > 0;
        fail_in = -1;
        if (u.href != NULL && !ok) {
            struct url again;
            assert_true(url_parse(&again, url_get_href(&u), NULL));
            assert_true(span_eq(url_get_href(&again), url_get_href(&u)));
            url_free(&again);
        }
        url_free(&u);
        url_free(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_utf8),      cmocka_unit_test(ceilings),
        cmocka_unit_test(setters_alias), cmocka_unit_test(targets_and_ports),
        cmocka_unit_test(forms),         cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
