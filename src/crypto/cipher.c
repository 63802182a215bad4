/*
 * Encryption: AES in the modes of WebCrypto, RSA-OAEP.
 */
#include "crypto/internal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rsa.h>

#define BLOCK    16u
#define IV_MAX   128u /* bytes of a GCM nonce that OpenSSL takes */
#define DATA_MAX (INT_MAX - 64)

typedef const EVP_CIPHER *(*cipher_fn)(void);

/* By algorithm, for keys of 16, 24 and 32 bytes. */
static const EVP_CIPHER *cipher_of(const struct crypto_op *op)
{
    static const cipher_fn gcm[] = {EVP_aes_128_gcm, EVP_aes_192_gcm, EVP_aes_256_gcm};
    static const cipher_fn cbc[] = {EVP_aes_128_cbc, EVP_aes_192_cbc, EVP_aes_256_cbc};
    static const cipher_fn ctr[] = {EVP_aes_128_ctr, EVP_aes_192_ctr, EVP_aes_256_ctr};
    static const cipher_fn kw[] = {EVP_aes_128_wrap, EVP_aes_192_wrap, EVP_aes_256_wrap};
    size_t len = op->key->len;
    if (op->key->type != CRYPTO_SECRET || (len != 16 && len != 24 && len != 32)) {
        return NULL;
    }
    size_t i = (len - 16) / 8;
    const cipher_fn *fns = op->algorithm == CRYPTO_AES_GCM   ? gcm
                           : op->algorithm == CRYPTO_AES_CBC ? cbc
                           : op->algorithm == CRYPTO_AES_CTR ? ctr
                           : op->algorithm == CRYPTO_AES_KW  ? kw
                                                             : NULL;
    return fns != NULL ? fns[i]() : NULL;
}

static EVP_CIPHER_CTX *begin(const struct crypto_op *op, const unsigned char *iv, size_t iv_len)
{
    const EVP_CIPHER *cipher = cipher_of(op);
    EVP_CIPHER_CTX *ctx = cipher != NULL ? EVP_CIPHER_CTX_new() : NULL;
    int encrypt = op->what == CRYPTO_ENCRYPT;
    bool gcm = op->algorithm == CRYPTO_AES_GCM;
    if (ctx == NULL) {
        return NULL;
    }
    if (op->algorithm == CRYPTO_AES_KW) {
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    }
    bool ok = EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, encrypt) == 1 &&
              (!gcm || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)iv_len, NULL) == 1) &&
              EVP_CipherInit_ex(ctx, NULL, NULL, op->key->mem, iv, encrypt) == 1;
    if (!ok) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* Everything of data through ctx, to its end. */
static int run(EVP_CIPHER_CTX *ctx, struct span data, struct buf *out)
{
    int n = 0;
    int last = 0;
    unsigned char *to = (unsigned char *)buf_reserve(out, data.len + 2 * BLOCK);
    if (to == NULL ||
        EVP_CipherUpdate(ctx, to, &n, (const unsigned char *)data.ptr, (int)data.len) != 1 ||
        EVP_CipherFinal_ex(ctx, to + n, &last) != 1) {
        if (to != NULL) {
            OPENSSL_cleanse(to, data.len + 2 * BLOCK); /* plaintext that nobody vouches for */
        }
        return -1;
    }
    buf_commit(out, (size_t)n + (size_t)last);
    return 0;
}

static int gcm(const struct crypto_op *op, struct buf *out)
{
    unsigned char tag[BLOCK];
    struct span data = op->data;
    size_t tag_len = op->number;
    bool encrypt = op->what == CRYPTO_ENCRYPT;
    int n = 0;
    if (op->iv.len == 0 || op->iv.len > IV_MAX || tag_len < 4 || tag_len > BLOCK ||
        (!encrypt && data.len < tag_len) || op->extra.len > DATA_MAX) {
        return -1;
    }
    EVP_CIPHER_CTX *ctx = begin(op, (const unsigned char *)op->iv.ptr, op->iv.len);
    int rc = ctx != NULL ? 0 : -1;
    if (rc == 0 && !encrypt) {
        data.len -= tag_len;
        memcpy(tag, data.ptr + data.len, tag_len);
        rc = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, tag) == 1 ? 0 : -1;
    }
    if (rc == 0 && op->extra.len > 0) {
        rc = EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *)op->extra.ptr,
                              (int)op->extra.len) == 1
                 ? 0
                 : -1;
    }
    rc = rc == 0 ? run(ctx, data, out) : rc;
    if (rc == 0 && encrypt) {
        bool ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, tag) == 1 &&
                  buf_append(out, tag, tag_len);
        rc = ok ? 0 : -1;
    }
    EVP_CIPHER_CTX_free(ctx);
    return rc;
}

static int plain(const struct crypto_op *op, const unsigned char *iv, struct span data,
                 struct buf *out)
{
    EVP_CIPHER_CTX *ctx = begin(op, iv, BLOCK);
    int rc = ctx != NULL ? run(ctx, data, out) : -1;
    EVP_CIPHER_CTX_free(ctx);
    return rc;
}

/* How many blocks until the counter, the last `bits` of the block, is zero again. SIZE_MAX: more
 * than any data has. */
static size_t blocks_to_wrap(const unsigned char *block, uint32_t bits)
{
    if (bits > 40) {
        /* Only a counter of ones alone can wrap within 2^32 blocks; what lies above the last 40
         * bits then counts as well. */
        for (uint32_t bit = 40; bit < bits; bit++) {
            if ((block[BLOCK - 1 - bit / 8] >> (bit % 8) & 1) == 0) {
                return SIZE_MAX;
            }
        }
        bits = 40;
    }
    uint64_t counter = 0;
    for (size_t i = BLOCK - 5; i < BLOCK; i++) {
        counter = counter << 8 | block[i];
    }
    uint64_t all = (uint64_t)1 << bits;
    return (size_t)(all - (counter & (all - 1)));
}

static void counter_clear(unsigned char *block, uint32_t bits)
{
    for (uint32_t bit = 0; bit < bits; bit++) {
        block[BLOCK - 1 - bit / 8] &= (unsigned char)~(1u << (bit % 8));
    }
}

/* OpenSSL counts over all 128 bits; WebCrypto over the last `number`. */
static int ctr(const struct crypto_op *op, struct buf *out)
{
    unsigned char block[BLOCK];
    size_t blocks = (op->data.len + BLOCK - 1) / BLOCK;
    if (op->iv.len != BLOCK || op->number < 1 || op->number > 128 ||
        (op->number < 40 && blocks > (size_t)1 << op->number)) {
        return -1;
    }
    memcpy(block, op->iv.ptr, BLOCK);
    size_t first = blocks_to_wrap(block, op->number);
    if (first >= blocks) {
        return plain(op, block, op->data, out);
    }
    int rc = plain(op, block, span_of(op->data.ptr, first * BLOCK), out);
    counter_clear(block, op->number);
    return rc == 0 ? plain(op, block, span_from(op->data, first * BLOCK), out) : rc;
}

int crypto_aes(const struct crypto_op *op, struct buf *out)
{
    if (op->data.len > DATA_MAX || op->key->type != CRYPTO_SECRET) {
        return -1;
    }
    switch (op->algorithm) {
    case CRYPTO_AES_GCM:
        return gcm(op, out);
    case CRYPTO_AES_CBC:
        return op->iv.len == BLOCK ? plain(op, (const unsigned char *)op->iv.ptr, op->data, out)
                                   : -1;
    case CRYPTO_AES_CTR:
        return ctr(op, out);
    case CRYPTO_AES_KW:
        return op->data.len % 8 == 0 && op->data.len >= 16 ? plain(op, NULL, op->data, out) : -1;
    case CRYPTO_HMAC:
    case CRYPTO_RSA_PKCS1:
    case CRYPTO_RSA_PSS:
    case CRYPTO_ECDSA:
    case CRYPTO_EDDSA:
    case CRYPTO_RSA_OAEP:
    case CRYPTO_ECDH:
    case CRYPTO_HKDF:
    case CRYPTO_PBKDF2:
        break;
    }
    return -1;
}

static bool label_set(EVP_PKEY_CTX *ctx, struct span label)
{
    if (label.len == 0) {
        return true;
    }
    void *copy = label.len <= INT_MAX ? OPENSSL_memdup(label.ptr, label.len) : NULL;
    if (copy == NULL || EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label.len) != 1) {
        OPENSSL_free(copy);
        return false;
    }
    return true;
}

int crypto_oaep(const struct crypto_op *op, struct buf *out)
{
    bool encrypt = op->what == CRYPTO_ENCRYPT;
    const EVP_MD *md = crypto_md(op->hash);
    size_t len = CRYPTO_RSA_MAX / 8;
    if (op->key->type != CRYPTO_RSA || (!encrypt && !op->key->is_private) || md == NULL) {
        return -1;
    }
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, op->key->pkey, NULL);
    unsigned char *to = (unsigned char *)buf_reserve(out, len);
    const unsigned char *from = (const unsigned char *)op->data.ptr;
    bool ok = ctx != NULL && to != NULL &&
              (encrypt ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 &&
              EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1 && label_set(ctx, op->extra) &&
              (encrypt ? EVP_PKEY_encrypt(ctx, to, &len, from, op->data.len)
                       : EVP_PKEY_decrypt(ctx, to, &len, from, op->data.len)) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (ok) {
        buf_commit(out, len);
    }
    return ok ? 0 : -1;
}
