/* Inside tls: what the parts of the mint share. */
#ifndef SALLYPORT_TLS_LEAF_H
#define SALLYPORT_TLS_LEAF_H

#include "tls/mint.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <time.h>

#define TLS_NAME_MAX    253u
#define TLS_POINT_BYTES 65u /* an uncompressed P-256 point */
#define TLS_KEYID_BYTES 20u

/* Once a process; no configuration file of the machine is read. 0 or negative. */
int tls_init(struct error *err);

/* Fills err with what and OpenSSL's first queued reason, and empties its queue. Returns -1. */
int tls_error(struct error *err, const char *what);

bool tls_name_ip(struct span name, uint8_t ip[16], size_t *len);

/* A P-256 key pair of a raw scalar; NULL when it is out of range or memory is out. */
EVP_PKEY *tls_key_from_scalar(const uint8_t scalar[TLS_SCALAR_BYTES],
                              uint8_t point[TLS_POINT_BYTES]);
/* A new key; its scalar is in scalar, which the caller wipes. */
EVP_PKEY *tls_key_generate(uint8_t scalar[TLS_SCALAR_BYTES], uint8_t point[TLS_POINT_BYTES]);
/* RFC 7093 2 (1): the first 160 bits of SHA-256 over the point. */
void tls_key_id(const uint8_t point[TLS_POINT_BYTES], uint8_t id[TLS_KEYID_BYTES]);

struct tls_cert_spec {
    EVP_PKEY *signer;
    struct span issuer; /* DER Name */
    const uint8_t *signer_id;
    const uint8_t *point; /* subject's public key */
    struct span name;     /* leaf: DNS name or IP literal; CA: its common name */
    bool ca;
    time_t not_before;
    time_t not_after;
};

/* Writes a signed certificate into out; its length, or negative. */
ssize_t tls_cert_write(const struct tls_cert_spec *spec, uint8_t *out, size_t cap);

/* The leaf for name, from the cache or new, and its key; both lent until the next call. */
int tls_mint_leaf(struct tls_mint *m, struct span name, X509 **leaf, EVP_PKEY **key,
                  struct error *err);

#endif
