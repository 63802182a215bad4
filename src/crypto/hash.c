#include "crypto/internal.h"

#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <limits.h>

const EVP_MD *crypto_md(enum crypto_hash hash)
{
    switch (hash) {
    case CRYPTO_SHA1:
        return EVP_sha1();
    case CRYPTO_SHA256:
        return EVP_sha256();
    case CRYPTO_SHA384:
        return EVP_sha384();
    case CRYPTO_SHA512:
        return EVP_sha512();
    case CRYPTO_MD5:
        return EVP_md5();
    }
    return NULL;
}

int crypto_digest(enum crypto_hash hash, struct span data, unsigned char *out, size_t *len)
{
    const EVP_MD *md = crypto_md(hash);
    unsigned int written = 0;
    if (md == NULL || EVP_Digest(data.ptr, data.len, out, &written, md, NULL) != 1) {
        return -1;
    }
    *len = written;
    return 0;
}

int crypto_hmac(enum crypto_hash hash, struct span key, struct span data, unsigned char *out,
                size_t *len)
{
    const EVP_MD *md = crypto_md(hash);
    unsigned int written = 0;
    /* OpenSSL takes a NULL key for "as before": an empty key needs an address. */
    const void *key_bytes = key.len != 0 ? key.ptr : "";
    if (md == NULL || key.len > INT_MAX ||
        HMAC(md, key_bytes, (int)key.len, (const unsigned char *)data.ptr, data.len, out,
             &written) == NULL) {
        return -1;
    }
    *len = written;
    return 0;
}

/* The opaque type is OpenSSL's own context: nothing stands beside it. */
static EVP_MD_CTX *context_of(const struct crypto_hasher *h)
{
    return (EVP_MD_CTX *)(uintptr_t)h;
}

struct crypto_hasher *crypto_hasher_create(enum crypto_hash hash)
{
    const EVP_MD *md = crypto_md(hash);
    EVP_MD_CTX *ctx = md != NULL ? EVP_MD_CTX_new() : NULL;
    if (ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return (struct crypto_hasher *)ctx;
}

int crypto_hasher_update(struct crypto_hasher *h, struct span data)
{
    return EVP_DigestUpdate(context_of(h), data.ptr, data.len) == 1 ? 0 : -1;
}

struct crypto_hasher *crypto_hasher_copy(const struct crypto_hasher *h)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx != NULL && EVP_MD_CTX_copy_ex(ctx, context_of(h)) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return (struct crypto_hasher *)ctx;
}

int crypto_hasher_digest(const struct crypto_hasher *h, unsigned char *out, size_t *len)
{
    struct crypto_hasher *copy = crypto_hasher_copy(h);
    unsigned int written = 0;
    int rc = copy != NULL && EVP_DigestFinal_ex(context_of(copy), out, &written) == 1 ? 0 : -1;
    crypto_hasher_free(copy);
    *len = written;
    return rc;
}

void crypto_hasher_free(struct crypto_hasher *h)
{
    EVP_MD_CTX_free(context_of(h));
}

int crypto_random(void *dst, size_t len)
{
    unsigned char *at = dst;
    while (len > 0) {
        int n = len > INT_MAX ? INT_MAX : (int)len;
        if (RAND_bytes(at, n) != 1) {
            return -1;
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}
