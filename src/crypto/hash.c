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
