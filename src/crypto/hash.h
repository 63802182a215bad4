/*
 * hash: digests, HMAC and random bytes. Bytes in, bytes out.
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

/* A digest of bytes that come one after the other. */
struct crypto_hasher;

struct crypto_hasher *crypto_hasher_create(enum crypto_hash hash); /* NULL: as crypto_digest */
int crypto_hasher_update(struct crypto_hasher *h, struct span data);
/* As crypto_digest, of all there was so far; more may follow. */
int crypto_hasher_digest(const struct crypto_hasher *h, unsigned char *out, size_t *len);
struct crypto_hasher *crypto_hasher_copy(const struct crypto_hasher *h);
void crypto_hasher_free(struct crypto_hasher *h); /* NULL is allowed; from any thread */

/* Bytes from the kernel's generator by way of OpenSSL's. Negative: none could be had. */
int crypto_random(void *dst, size_t len);

#endif
