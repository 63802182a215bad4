/*
 * The numbers of a JWK (RFC 7517, RFC 7518 6, RFC 8037), into a key.
 */
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>

#define NUMBERS 8

struct build {
    OSSL_PARAM_BLD *bld;
    BIGNUM *numbers[NUMBERS];
    size_t count;
    bool ok;
};

static void push_number(struct build *b, const char *name, struct span bytes)
{
    BIGNUM *n = BN_bin2bn((const unsigned char *)bytes.ptr, (int)bytes.len, NULL);
    if (n != NULL) {
        b->numbers[b->count++] = n;
    }
    b->ok = b->ok && n != NULL && OSSL_PARAM_BLD_push_BN(b->bld, name, n) == 1;
}

static void params_free(OSSL_PARAM *params)
{
    for (OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        OPENSSL_cleanse(p->data, p->data_size);
    }
    OSSL_PARAM_free(params);
}

/* What was pushed, as a key; given or NULL. Frees what b holds. */
static EVP_PKEY *build_finish(struct build *b, const char *type, bool is_private)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = b->ok ? OSSL_PARAM_BLD_to_param(b->bld) : NULL;
    EVP_PKEY_CTX *ctx = params != NULL ? EVP_PKEY_CTX_new_from_name(NULL, type, NULL) : NULL;
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1) {
        (void)EVP_PKEY_fromdata(ctx, &pkey, is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                                params);
    }
    EVP_PKEY_CTX_free(ctx);
    params_free(params);
    OSSL_PARAM_BLD_free(b->bld);
    for (size_t i = 0; i < b->count; i++) {
        BN_clear_free(b->numbers[i]);
    }
    return pkey;
}

static EVP_PKEY *rsa_build(const struct span parts[CRYPTO_PARTS])
{
    static const char *const names[CRYPTO_PARTS] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    bool is_private = parts[2].ptr != NULL;
    size_t count = is_private ? CRYPTO_PARTS : 2;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len == 0 || parts[i].len > CRYPTO_RSA_MAX / 8) {
            return NULL;
        }
    }
    struct build b = {.bld = OSSL_PARAM_BLD_new()};
    b.ok = b.bld != NULL;
    for (size_t i = 0; b.ok && i < count; i++) {
        push_number(&b, names[i], parts[i]);
    }
    return build_finish(&b, "RSA", is_private);
}

static EVP_PKEY *ec_build(enum crypto_type type, const struct span parts[CRYPTO_PARTS])
{
    unsigned char point[1 + 2 * 66] = {4};
    size_t n = crypto_curve_bytes(type);
    bool is_private = parts[2].ptr != NULL;
    if (parts[0].len != n || parts[1].len != n || (is_private && parts[2].len != n)) {
        return NULL;
    }
    memcpy(point + 1, parts[0].ptr, n);
    memcpy(point + 1 + n, parts[1].ptr, n);
    struct build b = {.bld = OSSL_PARAM_BLD_new()};
    b.ok = b.bld != NULL &&
           OSSL_PARAM_BLD_push_utf8_string(b.bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                           crypto_curve_name(type), 0) == 1 &&
           OSSL_PARAM_BLD_push_octet_string(b.bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * n) == 1;
    if (b.ok && is_private) {
        push_number(&b, OSSL_PKEY_PARAM_PRIV_KEY, parts[2]);
    }
    return build_finish(&b, "EC", is_private);
}

/* x of a private key must be its own. */
static bool is_public_half(EVP_PKEY *pkey, struct span x)
{
    unsigned char own[32];
    size_t len = sizeof own;
    return EVP_PKEY_get_raw_public_key(pkey, own, &len) == 1 && x.len == len &&
           memcmp(own, x.ptr, len) == 0;
}

static EVP_PKEY *okp_build(enum crypto_type type, struct span x, struct span d)
{
    int id = type == CRYPTO_ED25519 ? EVP_PKEY_ED25519 : EVP_PKEY_X25519;
    if (x.len != 32 || (d.ptr != NULL && d.len != 32)) {
        return NULL;
    }
    if (d.ptr == NULL) {
        return EVP_PKEY_new_raw_public_key(id, NULL, (const unsigned char *)x.ptr, x.len);
    }
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(id, NULL, (const unsigned char *)d.ptr, d.len);
    if (pkey != NULL && !is_public_half(pkey, x)) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return pkey;
}

struct crypto_key *crypto_key_from_parts(enum crypto_type type,
                                         const struct span parts[CRYPTO_PARTS])
{
    switch (type) {
    case CRYPTO_RSA:
        return crypto_key_wrap(type, rsa_build(parts), parts[2].ptr != NULL);
    case CRYPTO_P256:
    case CRYPTO_P384:
    case CRYPTO_P521:
        return crypto_key_wrap(type, ec_build(type, parts), parts[2].ptr != NULL);
    case CRYPTO_ED25519:
    case CRYPTO_X25519:
        return crypto_key_wrap(type, okp_build(type, parts[0], parts[1]), parts[1].ptr != NULL);
    case CRYPTO_SECRET:
        break;
    }
    return NULL;
}
