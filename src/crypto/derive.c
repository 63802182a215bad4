/*
 * Derivation: ECDH and X25519, HKDF (RFC 5869), PBKDF2 (RFC 8018).
 */
#include "crypto/internal.h"

#include <limits.h>
#include <openssl/crypto.h>

static int agree(const struct crypto_op *op, struct buf *out)
{
    unsigned char secret[66];
    size_t len = sizeof secret;
    const struct crypto_key *key = op->key;
    bool curve = crypto_curve_bytes(key->type) != 0 || key->type == CRYPTO_X25519;
    if (!curve || op->peer == NULL || op->peer->type != key->type || !key->is_private) {
        return -1;
    }
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
              EVP_PKEY_derive_set_peer(ctx, op->peer->pkey) == 1 &&
              EVP_PKEY_derive(ctx, secret, &len) == 1 && buf_append(out, secret, len);
    EVP_PKEY_CTX_free(ctx);
    OPENSSL_cleanse(secret, sizeof secret);
    return ok ? 0 : -1;
}

/* T(n) = HMAC(PRK, T(n-1) | info | n), one after the other. */
static int expand(const struct crypto_op *op, struct span prk, struct buf *out)
{
    unsigned char t[CRYPTO_DIGEST_MAX];
    size_t t_len = 0;
    size_t left = op->length;
    struct buf in;
    buf_init(&in, op->extra.len + CRYPTO_DIGEST_MAX + 1);
    int rc = 0;
    for (unsigned char n = 1; rc == 0 && left > 0; n++) {
        buf_clear(&in);
        bool ok = buf_append(&in, t, t_len) && buf_append_span(&in, op->extra) &&
                  buf_append(&in, &n, 1) &&
                  crypto_hmac(op->hash, prk, buf_span(&in), t, &t_len) == 0;
        size_t take = left < t_len ? left : t_len;
        rc = ok && buf_append(out, t, take) ? 0 : -1;
        left -= rc == 0 ? take : 0;
    }
    buf_wipe(&in);
    buf_free(&in);
    OPENSSL_cleanse(t, sizeof t);
    return rc;
}

static int hkdf(const struct crypto_op *op, struct buf *out)
{
    unsigned char prk[CRYPTO_DIGEST_MAX];
    unsigned char zero[CRYPTO_DIGEST_MAX] = {0};
    size_t len = 0;
    const EVP_MD *md = crypto_md(op->hash);
    size_t size = md != NULL ? (size_t)EVP_MD_get_size(md) : 0;
    if (op->key->type != CRYPTO_SECRET || size == 0 || op->length > 255 * size) {
        return -1;
    }
    struct span salt = op->iv.len > 0 ? op->iv : span_of((const char *)zero, size);
    int rc = crypto_hmac(op->hash, salt, crypto_key_secret(op->key), prk, &len);
    rc = rc == 0 ? expand(op, span_of((const char *)prk, len), out) : rc;
    OPENSSL_cleanse(prk, sizeof prk);
    return rc;
}

static int pbkdf2(const struct crypto_op *op, struct buf *out)
{
    const EVP_MD *md = crypto_md(op->hash);
    struct span password = crypto_key_secret(op->key);
    if (op->key->type != CRYPTO_SECRET || md == NULL || op->number == 0 || op->number > INT_MAX ||
        password.len > INT_MAX || op->iv.len > INT_MAX || op->length > INT_MAX) {
        return -1;
    }
    unsigned char *to = (unsigned char *)buf_reserve(out, op->length + 1);
    const unsigned char *salt = (const unsigned char *)(op->iv.len > 0 ? op->iv.ptr : "");
    if (to == NULL ||
        (op->length > 0 && PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, salt, (int)op->iv.len,
                                             (int)op->number, md, (int)op->length, to) != 1)) {
        return -1;
    }
    buf_commit(out, op->length);
    return 0;
}

int crypto_derive(const struct crypto_op *op, struct buf *out)
{
    switch (op->algorithm) {
    case CRYPTO_ECDH:
        return agree(op, out);
    case CRYPTO_HKDF:
        return hkdf(op, out);
    case CRYPTO_PBKDF2:
        return pbkdf2(op, out);
    case CRYPTO_HMAC:
    case CRYPTO_RSA_PKCS1:
    case CRYPTO_RSA_PSS:
    case CRYPTO_ECDSA:
    case CRYPTO_EDDSA:
    case CRYPTO_RSA_OAEP:
    case CRYPTO_AES_GCM:
    case CRYPTO_AES_CBC:
    case CRYPTO_AES_CTR:
    case CRYPTO_AES_KW:
        break;
    }
    return -1;
}
