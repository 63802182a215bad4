/* P-256 keys from raw scalars, and OpenSSL's start and errors. */
#include "tls/leaf.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

int tls_init(struct error *err)
{
    /* The machine's openssl.cnf could load engines or weaken the minimum version. */
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1) {
        return tls_error(err, "start OpenSSL");
    }
    return 0;
}

int tls_error(struct error *err, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    error_set(err, 0, "%s: %s", what, reason != NULL ? reason : "out of memory");
    return -1;
}

/* The public point of scalar; false when the scalar is 0 or not below the group's order. */
static bool point_compute(const EC_GROUP *group, const BIGNUM *scalar,
                          uint8_t point[TLS_POINT_BYTES])
{
    const BIGNUM *order = EC_GROUP_get0_order(group);
    if (BN_is_zero(scalar) || BN_cmp(scalar, order) >= 0) {
        return false;
    }
    EC_POINT *p = EC_POINT_new(group);
    bool ok = p != NULL && EC_POINT_mul(group, p, scalar, NULL, NULL, NULL) == 1 &&
              EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, point, TLS_POINT_BYTES,
                                 NULL) == TLS_POINT_BYTES;
    EC_POINT_free(p);
    return ok;
}

static EVP_PKEY *pair_import(const BIGNUM *scalar, const uint8_t point[TLS_POINT_BYTES])
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (bld != NULL && ctx != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, TLS_POINT_BYTES) ==
            1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1) {
        params = OSSL_PARAM_BLD_to_param(bld);
    }
    if (params != NULL && EVP_PKEY_fromdata_init(ctx) == 1) {
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

EVP_PKEY *tls_key_from_scalar(const uint8_t scalar[TLS_SCALAR_BYTES],
                              uint8_t point[TLS_POINT_BYTES])
{
    EVP_PKEY *key = NULL;
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *bn = BN_secure_new();
    if (group != NULL && bn != NULL && BN_bin2bn(scalar, TLS_SCALAR_BYTES, bn) != NULL) {
        BN_set_flags(bn, BN_FLG_CONSTTIME);
        if (point_compute(group, bn, point)) {
            key = pair_import(bn, point);
        }
    }
    BN_clear_free(bn);
    EC_GROUP_free(group);
    return key;
}

EVP_PKEY *tls_key_generate(uint8_t scalar[TLS_SCALAR_BYTES], uint8_t point[TLS_POINT_BYTES])
{
    /* A random scalar is out of range once in 2^32: a few tries are plenty. */
    for (int tries = 0; tries < 4; tries++) {
        if (RAND_priv_bytes(scalar, TLS_SCALAR_BYTES) != 1) {
            return NULL;
        }
        EVP_PKEY *key = tls_key_from_scalar(scalar, point);
        if (key != NULL) {
            return key;
        }
    }
    return NULL;
}

void tls_key_id(const uint8_t point[TLS_POINT_BYTES], uint8_t id[TLS_KEYID_BYTES])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_Digest(point, TLS_POINT_BYTES, digest, NULL, EVP_sha256(), NULL);
    memcpy(id, digest, TLS_KEYID_BYTES);
}
