/*
 * Keys, out: DER, raw, and the numbers of a JWK.
 */
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>

static int der_append(unsigned char *der, int len, struct buf *out)
{
    int rc = len > 0 && buf_append(out, der, (size_t)len) ? 0 : -1;
    OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
    return rc;
}

static int pkcs8_write(const struct crypto_key *key, struct buf *out)
{
    unsigned char *der = NULL;
    PKCS8_PRIV_KEY_INFO *info = key->is_private ? EVP_PKEY2PKCS8(key->pkey) : NULL;
    int len = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
    PKCS8_PRIV_KEY_INFO_free(info);
    return der_append(der, len, out);
}

static int spki_write(const struct crypto_key *key, struct buf *out)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key->pkey, &der);
    return der_append(der, len, out);
}

/* A number of the key, padded to n bytes (0: as long as it is). Its length, or negative. */
static int number_append(const struct crypto_key *key, const char *name, size_t n, struct buf *out,
                         size_t *len)
{
    BIGNUM *value = NULL;
    if (EVP_PKEY_get_bn_param(key->pkey, name, &value) != 1) {
        return -1;
    }
    *len = n != 0 ? n : (size_t)BN_num_bytes(value);
    unsigned char *to = (unsigned char *)buf_reserve(out, *len);
    int rc = to != NULL && BN_bn2binpad(value, to, (int)*len) >= 0 ? 0 : -1;
    BN_clear_free(value);
    if (rc == 0) {
        buf_commit(out, *len);
    }
    return rc;
}

static int numbers_append(const struct crypto_key *key, const char *const *names, size_t count,
                          struct buf *out, size_t lens[CRYPTO_PARTS])
{
    size_t n = crypto_curve_bytes(key->type);
    for (size_t i = 0; i < count; i++) {
        if (number_append(key, names[i], n, out, &lens[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int okp_append(const struct crypto_key *key, bool with_private, struct buf *out,
                      size_t lens[CRYPTO_PARTS])
{
    unsigned char bytes[32];
    size_t len = sizeof bytes;
    int rc = EVP_PKEY_get_raw_public_key(key->pkey, bytes, &len) == 1 && buf_append(out, bytes, len)
                 ? 0
                 : -1;
    lens[0] = len;
    if (rc == 0 && with_private) {
        len = sizeof bytes;
        rc =
            EVP_PKEY_get_raw_private_key(key->pkey, bytes, &len) == 1 && buf_append(out, bytes, len)
                ? 0
                : -1;
        lens[1] = len;
        OPENSSL_cleanse(bytes, sizeof bytes);
    }
    return rc;
}

int crypto_key_parts(const struct crypto_key *key, bool with_private, struct buf *out,
                     size_t lens[CRYPTO_PARTS])
{
    static const char *const rsa[CRYPTO_PARTS] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    static const char *const ec[] = {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y,
                                     OSSL_PKEY_PARAM_PRIV_KEY};
    memset(lens, 0, CRYPTO_PARTS * sizeof lens[0]);
    if (with_private && !key->is_private) {
        return -1;
    }
    switch (key->type) {
    case CRYPTO_RSA:
        return numbers_append(key, rsa, with_private ? CRYPTO_PARTS : 2, out, lens);
    case CRYPTO_P256:
    case CRYPTO_P384:
    case CRYPTO_P521:
        return numbers_append(key, ec, with_private ? 3 : 2, out, lens);
    case CRYPTO_ED25519:
    case CRYPTO_X25519:
        return okp_append(key, with_private, out, lens);
    case CRYPTO_SECRET:
        break;
    }
    return -1;
}

static int raw_write(const struct crypto_key *key, struct buf *out)
{
    size_t lens[CRYPTO_PARTS];
    if (key->type == CRYPTO_SECRET) {
        return buf_append_span(out, crypto_key_secret(key)) ? 0 : -1;
    }
    if (key->type == CRYPTO_RSA ||
        (crypto_curve_bytes(key->type) != 0 && !buf_append(out, "\x04", 1))) {
        return -1;
    }
    return crypto_key_parts(key, false, out, lens);
}

int crypto_key_export(const struct crypto_key *key, enum crypto_format format, struct buf *out)
{
    if (key->type == CRYPTO_SECRET && format != CRYPTO_RAW) {
        return -1;
    }
    switch (format) {
    case CRYPTO_RAW:
        return raw_write(key, out);
    case CRYPTO_PKCS8:
        return pkcs8_write(key, out);
    case CRYPTO_SPKI:
        return spki_write(key, out);
    }
    return -1;
}
