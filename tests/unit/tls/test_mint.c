#include "tls/leaf.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

static struct tls_mint *mint_make(uint8_t scalar[TLS_SCALAR_BYTES])
{
    struct error err;
    memset(scalar, 0, TLS_SCALAR_BYTES);
    struct tls_mint *m = tls_mint_create(SPAN_LIT("box-1"), scalar, span_of("", 0), &err);
    assert_non_null(m);
    return m;
}

static X509 *cert_of(struct span der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    X509 *cert = d2i_X509(NULL, &at, (long)der.len);
    assert_non_null(cert);
    return cert;
}

/* What a strict client finds: X509_V_OK or the reason. */
static int verify(struct tls_mint *m, X509 *leaf, const char *host, const char *ip, time_t at)
{
    X509 *ca = cert_of(tls_mint_cert(m));
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_time(param, at);
    if (host != NULL) {
        X509_VERIFY_PARAM_set1_host(param, host, 0);
    }
    if (ip != NULL) {
        X509_VERIFY_PARAM_set1_ip_asc(param, ip);
    }
    X509_verify_cert(ctx);
    int why = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(ca);
    return why;
}

static X509 *leaf_for(struct tls_mint *m, const char *name)
{
    X509 *leaf = NULL;
    EVP_PKEY *key = NULL;
    struct error err;
    assert_int_equal(tls_mint_leaf(m, span_str(name), &leaf, &key, &err), 0);
    assert_int_equal(X509_check_private_key(leaf, key), 1);
    return leaf;
}

static void leaves_pass_strict_verification(void **state)
{
    uint8_t scalar[TLS_SCALAR_BYTES];
    struct tls_mint *m = mint_make(scalar);
    time_t now = time(NULL);
    (void)state;
    X509 *leaf = leaf_for(m, "API.Example.test");
    assert_int_equal(verify(m, leaf, "api.example.test", NULL, now), X509_V_OK);
    assert_int_equal(verify(m, leaf, "example.test", NULL, now), X509_V_ERR_HOSTNAME_MISMATCH);
    assert_int_equal(verify(m, leaf_for(m, "192.0.2.7"), NULL, "192.0.2.7", now), X509_V_OK);
    assert_int_equal(verify(m, leaf_for(m, "2001:db8::1"), NULL, "2001:db8::1", now), X509_V_OK);
    /* One name, one certificate. */
    assert_ptr_equal(leaf_for(m, "api.example.TEST"), leaf_for(m, "api.example.test"));
    tls_mint_destroy(m);
}

static void certificates_say_what_they_must(void **state)
{
    uint8_t scalar[TLS_SCALAR_BYTES];
    struct tls_mint *m = mint_make(scalar);
    time_t now = time(NULL);
    (void)state;
    X509 *ca = cert_of(tls_mint_cert(m));
    X509 *leaf = leaf_for(m, "a.test");
    char cn[80];
    X509_NAME_get_text_by_NID(X509_get_subject_name(ca), NID_commonName, cn, sizeof cn);
    assert_string_equal(cn, "Sallyport CA box-1");
    assert_int_equal(X509_get_pathlen(ca), 0);
    assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_int_equal(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
    assert_int_equal(X509_check_ca(leaf), 0);
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(leaf)), 0);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
    assert_int_equal(ASN1_STRING_type(serial), V_ASN1_INTEGER); /* not V_ASN1_NEG_INTEGER */
    assert_int_equal(ASN1_STRING_length(serial), 16);
    /* Backdated 5 minutes, a day long, inside the life of the CA. */
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(leaf), now - 200), -1);
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(leaf), now - 400), 1);
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(leaf), now + 86410), -1);
    assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(ca)), -1);
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(ca), now - 3500), -1);
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(ca), now + 30 * 86400), -1);
    X509_free(ca);
    tls_mint_destroy(m);
}

static void successor_goes_on_with_the_same_ca(void **state)
{
    uint8_t scalar[TLS_SCALAR_BYTES];
    uint8_t other_scalar[TLS_SCALAR_BYTES];
    struct error err;
    struct tls_mint *m = mint_make(scalar);
    struct tls_mint *other = mint_make(other_scalar);
    (void)state;
    struct tls_mint *next = tls_mint_create(SPAN_LIT("box-1"), scalar, tls_mint_cert(m), &err);
    assert_non_null(next);
    assert_true(span_eq(tls_mint_cert(next), tls_mint_cert(m)));
    assert_int_equal(verify(m, leaf_for(next, "a.test"), "a.test", NULL, time(NULL)), X509_V_OK);
    assert_int_not_equal(verify(other, leaf_for(m, "a.test"), "a.test", NULL, time(NULL)),
                         X509_V_OK);
    /* Another's key, bytes that are no certificate, a scalar out of range. */
    assert_null(tls_mint_create(SPAN_LIT("x"), other_scalar, tls_mint_cert(m), &err));
    assert_null(tls_mint_create(SPAN_LIT("x"), scalar, SPAN_LIT("\x30\x03\x02\x01"), &err));
    memset(other_scalar, 0xff, sizeof other_scalar);
    assert_null(tls_mint_create(SPAN_LIT("x"), other_scalar, tls_mint_cert(m), &err));
    assert_int_equal(ERR_peek_error(), 0);
    tls_mint_destroy(next);
    tls_mint_destroy(m);
    tls_mint_destroy(other);
}

static void hostile_names_are_refused(void **state)
{
    static const struct span bad[] = {
        SPAN_INIT(""),         SPAN_INIT("*.a.test"),    SPAN_INIT("a.test."),
        SPAN_INIT(".a.test"),  SPAN_INIT("a..test"),     SPAN_INIT("-a.test"),
        SPAN_INIT("a-.test"),  SPAN_INIT("a b.test"),    SPAN_INIT("a\0.test"),
        SPAN_INIT("a\n.test"), SPAN_INIT("a/b"),         SPAN_INIT("1.2.3"),
        SPAN_INIT("a.123"),    SPAN_INIT("fe80::1%lo"),  SPAN_INIT("[::1]"),
        SPAN_INIT("a:443"),    SPAN_INIT("\xc3\xa4.de"), SPAN_INIT("1.2.3.4\0"),
        SPAN_INIT("0x7f.1"),
    };
    char label[64];
    char longest[300];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(tls_mint_name_ok(bad[i]));
    }
    memset(label, 'a', sizeof label);
    assert_true(tls_mint_name_ok(span_of(label, 63)));
    assert_false(tls_mint_name_ok(span_of(label, 64)));
    for (size_t i = 0; i < sizeof longest; i++) {
        longest[i] = i % 2 == 0 ? 'a' : '.';
    }
    assert_true(tls_mint_name_ok(span_of(longest, 253)));
    assert_false(tls_mint_name_ok(span_of(longest, 255)));
    assert_true(tls_mint_name_ok(SPAN_LIT("my_bucket.s3.test")));
    assert_true(tls_mint_name_ok(SPAN_LIT("xn--bcher-kva.example")));
}

static void cache_and_rate_are_bounded(void **state)
{
    uint8_t scalar[TLS_SCALAR_BYTES];
    struct tls_mint *m = mint_make(scalar);
    struct error err;
    char name[32];
    int rc = 0;
    unsigned made = 0;
    (void)state;
    X509 *first = leaf_for(m, "first.test");
    X509_up_ref(first);
    for (; made < 100000 && rc == 0; made++) {
        snprintf(name, sizeof name, "n%u.test", made);
        rc = tls_mint_prepare(m, span_str(name), &err);
    }
    assert_int_equal(rc, -EBUSY);
    assert_in_range(made, TLS_LEAF_BURST / 2, 4 * TLS_LEAF_BURST);
    /* The latest ones are still there and cost no token; the first went. */
    snprintf(name, sizeof name, "n%u.test", made - 2);
    assert_int_equal(tls_mint_prepare(m, span_str(name), &err), 0);
    X509_free(first);
    tls_mint_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_pass_strict_verification),
        cmocka_unit_test(certificates_say_what_they_must),
        cmocka_unit_test(successor_goes_on_with_the_same_ca),
        cmocka_unit_test(hostile_names_are_refused),
        cmocka_unit_test(cache_and_rate_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
