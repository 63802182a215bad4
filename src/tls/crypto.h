/*
 * crypto: the primitives that handlers reach through WebCrypto. Bytes in, bytes out; no state.
 */
#ifndef SALLYPORT_TLS_CRYPTO_H
#define SALLYPORT_TLS_CRYPTO_H

#include "base/span.h"

#define TLS_DIGEST_MAX 64 /* bytes of the longest digest */

enum tls_hash { TLS_SHA1, TLS_SHA256, TLS_SHA384, TLS_SHA512, TLS_MD5 };

/* out has room for TLS_DIGEST_MAX bytes, *len gets what was written. Negative: the hash is not to
 * be had, or memory is out. */
int tls_digest(enum tls_hash hash, struct span data, unsigned char *out, size_t *len);
int tls_hmac(enum tls_hash hash, struct span key, struct span data, unsigned char *out,
             size_t *len);

/* Bytes from the kernel's generator by way of OpenSSL's. Negative: none could be had. */
int tls_random(void *dst, size_t len);

#endif
