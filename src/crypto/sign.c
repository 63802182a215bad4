/*
 * Signatures and MACs.
 */
#include "crypto/internal.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#define ECDSA_DER_MAX 160 /* of P-521 */

static bool fits(const struct crypto_op *op)
{
    const struct crypto_key *k = op->key;
    switch (op->algorithm) {
    case CRYPTO_RSA_PKCS1:
    case CRYPTO_RSA_PSS:
        return k->type == CRYPTO_RSA;
    case CRYPTO_ECDSA:
        return crypto_curve_bytes(k->type) != 0;
    case CRYPTO_EDDSA:
        return k->type == CRYPTO_ED25519;
    case CRYPTO_HMAC:
        return k->type == CRYPTO_SECRET;
    case CRYPTO_RSA_OAEP:
    case CRYPTO_AES_GCM:
    case CRYPTO_AES_CBC:
    case CRYPTO_AES_CTR:
    case CRYPTO_AES_KW:
    case CRYPTO_ECDH:
    case CRYPTO_HKDF:
    case CRYPTO_PBKDF2:
        break;
    }
    return false;
}

static bool padding_set(EVP_PKEY_CTX *ctx, const struct crypto_op *op)
{
    if (op->algorithm == CRYPTO_RSA_PKCS1) {
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    }
    if (op->algorithm == CRYPTO_RSA_PSS) {
        return op->number <= CRYPTO_RSA_MAX / 8 &&
               EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)op->number) == 1;
    }
    return true;
}

/* NULL: the key or the parameters do not fit. */
static EVP_MD_CTX *begin(const struct crypto_op *op)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx = NULL; /* md's */
    const EVP_MD *hash = op->algorithm == CRYPTO_EDDSA ? NULL : crypto_md(op->hash);
    bool sign = op->what == CRYPTO_SIGN;
    int (*init)(EVP_MD_CTX *, EVP_PKEY_CTX **, const EVP_MD *, ENGINE *, EVP_PKEY *) =
        sign ? EVP_DigestSignInit : EVP_DigestVerifyInit;
    if (md == NULL || (sign && !op->key->is_private) ||
        init(md, &ctx, hash, NULL, op->key->pkey) != 1 || !padding_set(ctx, op)) {
        EVP_MD_CTX_free(md);
        return NULL;
    }
    return md;
}

/* r and s of fixed size (IEEE P1363) from DER, and back. */
static int ecdsa_flatten(const unsigned char *der, size_t len, size_t n, unsigned char *out)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)n) >= 0 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + n, (int)n) >= 0;
    ECDSA_SIG_free(sig);
    return ok ? 0 : -1;
}

static int ecdsa_unflatten(struct span flat, unsigned char out[ECDSA_DER_MAX])
{
    const unsigned char *at = (const unsigned char *)flat.ptr;
    int n = (int)(flat.len / 2);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(at, n, NULL);
    BIGNUM *s = BN_bin2bn(at + n, n, NULL);
    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return -1;
    }
    int len = i2d_ECDSA_SIG(sig, NULL);
    if (len > 0 && len <= ECDSA_DER_MAX) {
        unsigned char *to = out;
        len = i2d_ECDSA_SIG(sig, &to);
    }
    ECDSA_SIG_free(sig);
    return len > 0 && len <= ECDSA_DER_MAX ? len : -1;
}

static int asymmetric_sign(const struct crypto_op *op, struct buf *out)
{
    unsigned char sig[CRYPTO_RSA_MAX / 8];
    unsigned char flat[2 * 66];
    size_t len = sizeof sig;
    EVP_MD_CTX *md = begin(op);
    int rc = md != NULL && EVP_DigestSign(md, sig, &len, (const unsigned char *)op->data.ptr,
                                          op->data.len) == 1
                 ? 0
                 : -1;
    EVP_MD_CTX_free(md);
    if (rc == 0 && op->algorithm == CRYPTO_ECDSA) {
        size_t n = crypto_curve_bytes(op->key->type);
        rc = ecdsa_flatten(sig, len, n, flat);
        return rc == 0 && buf_append(out, flat, 2 * n) ? 0 : -1;
    }
    return rc == 0 && buf_append(out, sig, len) ? 0 : -1;
}

int crypto_sign(const struct crypto_op *op, struct buf *out)
{
    if (!fits(op)) {
        return -1;
    }
    if (op->algorithm != CRYPTO_HMAC) {
        return asymmetric_sign(op, out);
    }
    unsigned char mac[CRYPTO_DIGEST_MAX];
    size_t len = 0;
    int rc = crypto_hmac(op->hash, crypto_key_secret(op->key), op->data, mac, &len);
    return rc == 0 && buf_append(out, mac, len) ? 0 : -1;
}

static int hmac_verify(const struct crypto_op *op)
{
    unsigned char mac[CRYPTO_DIGEST_MAX];
    size_t len = 0;
    if (crypto_hmac(op->hash, crypto_key_secret(op->key), op->data, mac, &len) < 0) {
        return -1;
    }
    return op->iv.len == len && CRYPTO_memcmp(mac, op->iv.ptr, len) == 0;
}

int crypto_verify(const struct crypto_op *op)
{
    unsigned char der[ECDSA_DER_MAX];
    struct span sig = op->iv;
    if (!fits(op)) {
        return -1;
    }
    if (op->algorithm == CRYPTO_HMAC) {
        return hmac_verify(op);
    }
    if (op->algorithm == CRYPTO_ECDSA) {
        int len = sig.len == 2 * crypto_curve_bytes(op->key->type) ? ecdsa_unflatten(sig, der) : 0;
        if (len <= 0) {
            return len;
        }
        sig = span_of((const char *)der, (size_t)len);
    }
    EVP_MD_CTX *md = begin(op);
    if (md == NULL) {
        return -1;
    }
    /* A signature that is malformed fits as little as a wrong one. */
    int ok = EVP_DigestVerify(md, (const unsigned char *)sig.ptr, sig.len,
                              (const unsigned char *)op->data.ptr, op->data.len);
    EVP_MD_CTX_free(md);
    return ok == 1;
}
