/* What JavaScript cannot ask for, and C must refuse all the same. Known answers of every algorithm
 * stand in tests/unit/js/webcrypto.js. */
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 65536);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

static int run(struct crypto_op op)
{
    buf_clear(&out);
    return crypto_run(&op, &out);
}

static void a_key_serves_its_own_type(void **state)
{
    (void)state;
    struct crypto_key *keys[] = {
        crypto_key_generate(CRYPTO_SECRET, 128, 0), crypto_key_generate(CRYPTO_RSA, 1024, 65537),
        crypto_key_generate(CRYPTO_P256, 0, 0),     crypto_key_generate(CRYPTO_P384, 0, 0),
        crypto_key_generate(CRYPTO_P521, 0, 0),     crypto_key_generate(CRYPTO_ED25519, 0, 0),
        crypto_key_generate(CRYPTO_X25519, 0, 0),
    };
    static const char iv[16];
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        assert_non_null(keys[k]);
        assert_int_equal(crypto_key_type(keys[k]), k);
        for (int a = CRYPTO_HMAC; a <= CRYPTO_PBKDF2; a++) {
            for (int what = CRYPTO_SIGN; what <= CRYPTO_DERIVE; what++) {
                struct crypto_op op = {.what = (enum crypto_what)what,
                                       .algorithm = (enum crypto_algorithm)a,
                                       .hash = CRYPTO_SHA256,
                                       .key = keys[k],
                                       .peer = keys[k],
                                       .data = SPAN_LIT("sixteen bytes...sixteen bytes..."),
                                       .iv = span_of(iv, sizeof iv),
                                       .extra = SPAN_LIT(""),
                                       .number = 16,
                                       .length = 16};
                bool signs = a <= CRYPTO_EDDSA;
                bool derives = a >= CRYPTO_ECDH;
                bool fits = signs     ? what <= CRYPTO_VERIFY
                            : derives ? what == CRYPTO_DERIVE
                                      : what == CRYPTO_ENCRYPT || what == CRYPTO_DECRYPT;
                static const int types[] = {0, 1, 1, 2, 5, 1, 0, 0, 0, 0, 2, 0, 0};
                bool curve = types[a] == 2 && k >= 2 && (k <= 4 || (k == 6 && a == CRYPTO_ECDH));
                if (!fits || (types[a] != (int)k && !curve)) {
                    assert_true(run(op) < 0);
                } else if (what != CRYPTO_VERIFY && what != CRYPTO_DECRYPT) {
                    assert_int_equal(run(op), 0);
                }
            }
        }
        crypto_key_free(keys[k]);
    }
}

static void sizes(void **state)
{
    (void)state;
    static char big[CRYPTO_DER_MAX + 1];
    struct span parts[CRYPTO_PARTS] = {{NULL, 0}};
    assert_null(crypto_key_import(CRYPTO_RSA, CRYPTO_SPKI, span_of(big, sizeof big)));
    assert_null(crypto_key_import(CRYPTO_RSA, CRYPTO_PKCS8, span_of("", 0)));
    assert_null(crypto_key_import(CRYPTO_RSA, CRYPTO_RAW, SPAN_LIT("x")));
    assert_null(crypto_key_import(CRYPTO_SECRET, CRYPTO_PKCS8, SPAN_LIT("x")));
    assert_null(crypto_key_import(CRYPTO_P256, CRYPTO_RAW, span_of(big, 65)));
    assert_null(crypto_key_from_parts(CRYPTO_RSA, parts));
    assert_null(crypto_key_from_parts(CRYPTO_P521, parts));
    assert_null(crypto_key_from_parts(CRYPTO_X25519, parts));
    assert_null(crypto_key_from_parts(CRYPTO_SECRET, parts));
    parts[0] = parts[1] = span_of(big, CRYPTO_RSA_MAX / 8 + 1);
    assert_null(crypto_key_from_parts(CRYPTO_RSA, parts));
    assert_null(crypto_key_generate(CRYPTO_RSA, CRYPTO_RSA_MAKE_MAX + 8, 65537));
    assert_null(crypto_key_generate(CRYPTO_RSA, 1024, 4));
    assert_null(crypto_key_generate(CRYPTO_RSA, 256, 3));
    assert_null(crypto_key_generate(CRYPTO_SECRET, 0, 0));
}

static void results_keep_to_their_ceiling(void **state)
{
    (void)state;
    struct crypto_key *key = crypto_key_generate(CRYPTO_SECRET, 256, 0);
    struct buf small;
    buf_init(&small, 8);
    static const char iv[16];
    struct crypto_op op = {.what = CRYPTO_ENCRYPT,
                           .algorithm = CRYPTO_AES_CBC,
                           .key = key,
                           .data = SPAN_LIT("more than eight bytes"),
                           .iv = span_of(iv, sizeof iv)};
    assert_true(crypto_run(&op, &small) < 0);
    op.what = CRYPTO_SIGN;
    op.algorithm = CRYPTO_HMAC;
    assert_true(crypto_run(&op, &small) < 0);
    op.what = CRYPTO_DERIVE;
    op.algorithm = CRYPTO_HKDF;
    op.length = 9;
    assert_true(crypto_run(&op, &small) < 0);
    op.algorithm = CRYPTO_PBKDF2;
    op.number = 1;
    assert_true(crypto_run(&op, &small) < 0);
    assert_int_equal(buf_len(&small), 0);
    buf_free(&small);
    crypto_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_serves_its_own_type, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(results_keep_to_their_ceiling, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
