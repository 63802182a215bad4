/*
 * Keys: made, imported, freed; and the table of operations.
 */
#include "crypto/internal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define SECRET_MAX (1024u * 1024u)

static const struct {
    const char *curve;
    size_t bytes;
} curves[] = {
    [CRYPTO_P256] = {"prime256v1", 32},
    [CRYPTO_P384] = {"secp384r1", 48},
    [CRYPTO_P521] = {"secp521r1", 66},
};

const char *crypto_curve_name(enum crypto_type type)
{
    return type < sizeof curves / sizeof curves[0] ? curves[type].curve : NULL;
}

size_t crypto_curve_bytes(enum crypto_type type)
{
    return crypto_curve_name(type) != NULL ? curves[type].bytes : 0;
}

enum crypto_type crypto_key_type(const struct crypto_key *key)
{
    return key->type;
}

bool crypto_key_is_private(const struct crypto_key *key)
{
    return key->is_private;
}

struct span crypto_key_secret(const struct crypto_key *key)
{
    return span_of(key->mem != NULL ? (const char *)key->mem : "", key->len);
}

void crypto_key_free(struct crypto_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey);
        OPENSSL_clear_free(key->mem, key->len);
        free(key);
    }
}

static struct crypto_key *secret_create(struct span bytes)
{
    struct crypto_key *key = bytes.len <= SECRET_MAX ? calloc(1, sizeof *key) : NULL;
    if (key == NULL) {
        return NULL;
    }
    key->type = CRYPTO_SECRET;
    key->len = bytes.len;
    key->mem = bytes.len > 0 ? OPENSSL_memdup(bytes.ptr, bytes.len) : NULL;
    if (bytes.len > 0 && key->mem == NULL) {
        crypto_key_free(key);
        return NULL;
    }
    return key;
}

/* The curve by its name: parameters that were written out could be anything. */
static bool is_curve(EVP_PKEY *pkey, enum crypto_type type)
{
    char name[32];
    size_t len = 0;
    int written_out = 0;
    const char *want = crypto_curve_name(type);
    if (want == NULL || EVP_PKEY_get_group_name(pkey, name, sizeof name, &len) != 1) {
        return false;
    }
    (void)EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                                 &written_out);
    return written_out == 0 && strcmp(name, want) == 0;
}

/* A private key that does not fit its public half would answer for another. */
static bool is_sound(EVP_PKEY *pkey, bool is_private)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool ok = ctx != NULL && (is_private ? EVP_PKEY_pairwise_check(ctx) == 1
                                         : EVP_PKEY_public_check_quick(ctx) == 1);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool is_type(EVP_PKEY *pkey, enum crypto_type type, bool is_private)
{
    int id = EVP_PKEY_get_base_id(pkey);
    switch (type) {
    case CRYPTO_RSA:
        return id == EVP_PKEY_RSA && EVP_PKEY_get_bits(pkey) >= (int)CRYPTO_RSA_MIN &&
               EVP_PKEY_get_bits(pkey) <= (int)CRYPTO_RSA_MAX;
    case CRYPTO_P256:
    case CRYPTO_P384:
    case CRYPTO_P521:
        return id == EVP_PKEY_EC && is_curve(pkey, type) && is_sound(pkey, is_private);
    case CRYPTO_ED25519:
        return id == EVP_PKEY_ED25519;
    case CRYPTO_X25519:
        return id == EVP_PKEY_X25519;
    case CRYPTO_SECRET:
        break;
    }
    return false;
}

struct crypto_key *crypto_key_wrap(enum crypto_type type, EVP_PKEY *pkey, bool is_private)
{
    bool ok = pkey != NULL && is_type(pkey, type, is_private);
    struct crypto_key *key = ok ? calloc(1, sizeof *key) : NULL;
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    key->type = type;
    key->is_private = is_private;
    key->pkey = pkey;
    return key;
}

static EVP_PKEY *pkcs8_read(struct span der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    const unsigned char *end = at + der.len;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
    EVP_PKEY *pkey = info != NULL && at == end ? EVP_PKCS82PKEY(info) : NULL;
    PKCS8_PRIV_KEY_INFO_free(info);
    return pkey;
}

static EVP_PKEY *spki_read(struct span der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    const unsigned char *end = at + der.len;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)der.len);
    if (pkey != NULL && at != end) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return pkey;
}

/* A raw key is the JWK's x, or the point of x and y. */
static struct crypto_key *raw_read(enum crypto_type type, struct span bytes)
{
    struct span parts[CRYPTO_PARTS] = {{NULL, 0}};
    size_t n = crypto_curve_bytes(type);
    if (n == 0) {
        parts[0] = bytes;
        return type == CRYPTO_RSA ? NULL : crypto_key_from_parts(type, parts);
    }
    if (bytes.len != 2 * n + 1 || bytes.ptr[0] != 4) {
        return NULL; /* WebCrypto leaves compressed points to the implementation */
    }
    parts[0] = span_of(bytes.ptr + 1, n);
    parts[1] = span_of(bytes.ptr + 1 + n, n);
    return crypto_key_from_parts(type, parts);
}

struct crypto_key *crypto_key_import(enum crypto_type type, enum crypto_format format,
                                     struct span bytes)
{
    if (type == CRYPTO_SECRET) {
        return format == CRYPTO_RAW ? secret_create(bytes) : NULL;
    }
    if (bytes.len == 0 || bytes.len > CRYPTO_DER_MAX) {
        return NULL;
    }
    switch (format) {
    case CRYPTO_RAW:
        return raw_read(type, bytes);
    case CRYPTO_PKCS8:
        return crypto_key_wrap(type, pkcs8_read(bytes), true);
    case CRYPTO_SPKI:
        return crypto_key_wrap(type, spki_read(bytes), false);
    }
    return NULL;
}

static EVP_PKEY *rsa_generate(uint32_t bits, uint32_t exponent)
{
    EVP_PKEY *pkey = NULL;
    BIGNUM *e = BN_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (e != NULL && ctx != NULL && BN_set_word(e, exponent) == 1 &&
        EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) == 1 &&
        EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1) {
        (void)EVP_PKEY_generate(ctx, &pkey);
    }
    EVP_PKEY_CTX_free(ctx);
    BN_free(e);
    return pkey;
}

static struct crypto_key *secret_generate(uint32_t bits)
{
    unsigned char bytes[4096];
    size_t len = bits / 8;
    if (len == 0 || len > sizeof bytes || crypto_random(bytes, len) < 0) {
        return NULL;
    }
    struct crypto_key *key = secret_create(span_of((const char *)bytes, len));
    OPENSSL_cleanse(bytes, sizeof bytes);
    return key;
}

struct crypto_key *crypto_key_generate(enum crypto_type type, uint32_t bits, uint32_t exponent)
{
    switch (type) {
    case CRYPTO_SECRET:
        return secret_generate(bits);
    case CRYPTO_RSA:
        if (bits < CRYPTO_RSA_MIN || bits > CRYPTO_RSA_MAKE_MAX || bits % 8 != 0 ||
            (exponent != 3 && exponent != 65537)) {
            return NULL;
        }
        return crypto_key_wrap(type, rsa_generate(bits, exponent), true);
    case CRYPTO_P256:
    case CRYPTO_P384:
    case CRYPTO_P521:
        return crypto_key_wrap(type, EVP_EC_gen(crypto_curve_name(type)), true);
    case CRYPTO_ED25519:
        return crypto_key_wrap(type, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), true);
    case CRYPTO_X25519:
        return crypto_key_wrap(type, EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), true);
    }
    return NULL;
}

int crypto_run(const struct crypto_op *op, struct buf *out)
{
    switch (op->what) {
    case CRYPTO_SIGN:
        return crypto_sign(op, out);
    case CRYPTO_VERIFY:
        return crypto_verify(op);
    case CRYPTO_ENCRYPT:
    case CRYPTO_DECRYPT:
        return op->algorithm == CRYPTO_RSA_OAEP ? crypto_oaep(op, out) : crypto_aes(op, out);
    case CRYPTO_DERIVE:
        return crypto_derive(op, out);
    }
    return -1;
}
