/* The name of a CA in a folder of certificates is the one that OpenSSL looks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "launcher/ca_link.h"
#include "play.h"
#include "tls/trust.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

static void expect_name(struct span der)
{
    char name[CA_LINK_BYTES];
    char want[32];
    const unsigned char *at = (const unsigned char *)der.ptr;
    X509 *cert = d2i_X509(NULL, &at, (long)der.len);
    assert_non_null(cert);
    snprintf(want, sizeof(want), "%08lx.0", X509_subject_name_hash(cert));
    X509_free(cert);
    assert_true(ca_link_name(der, name));
    assert_string_equal(name, want);
}

static struct span ca_der(struct buf *out)
{
    struct error err;
    size_t count;
    buf_init(out, TLS_TRUST_MAX);
    assert_int_equal(tls_trust_certificates(span_str(PLAY_CA), out, &count, &err), 0);
    assert_int_equal(count, 1);
    return buf_span(out);
}

static void name_is_openssls(void **state)
{
    (void)state;
    struct buf der;
    expect_name(ca_der(&der));
    buf_free(&der);
}

/* Whatever is cut or changed: a name or none, never a byte past the end. */
static void damage_is_survived(void **state)
{
    (void)state;
    struct buf der;
    char name[CA_LINK_BYTES];
    struct span whole = ca_der(&der);
    for (size_t len = 0; len < whole.len; len++) {
        char *copy = malloc(len + 1);
        memcpy(copy, whole.ptr, len);
        (void)ca_link_name(span_of(copy, len), name);
        free(copy);
    }
    for (size_t i = 0; i < whole.len; i++) {
        char *copy = malloc(whole.len);
        memcpy(copy, whole.ptr, whole.len);
        copy[i] = (char)~copy[i];
        (void)ca_link_name(span_of(copy, whole.len), name);
        free(copy);
    }
    assert_false(ca_link_name(span_of("", 0), name));
    buf_free(&der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(name_is_openssls),
                                       cmocka_unit_test(damage_is_survived)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
