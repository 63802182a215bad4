/*
 * hash: digests, HMAC and random bytes. Bytes in, bytes out; no state.
 */
#ifndef SALLYPORT_CRYPTO_HASH_H
#define SALLYPORT_CRYPTO_HASH_H

#include "base/span.h"

#define CRYPTO_DIGEST_MAX 64 /* bytes of the longest digest */

enum crypto_hash { CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA384, CRYPTO_SHA512, CRYPTO_MD5 };

/* out has room for CRYPTO_DIGEST_MAX bytes, *len gets what was written. Negative: the hash is not
 * to be had, or memory is out. */
int crypto_digest(enum crypto_hash hash, struct span data, unsigned char *out, size_t *len);
int crypto_hmac(enum crypto_hash hash, struct span key, struct span data, unsigned char *out,
                size_t *len);

/* Bytes from the kernel's generator by way of OpenSSL's. Negative: none could be had. */
int crypto_random(void *dst, size_t len);

#endif
