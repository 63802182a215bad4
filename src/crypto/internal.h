/* Inside crypto: what its files share. */
#ifndef SALLYPORT_CRYPTO_INTERNAL_H
#define SALLYPORT_CRYPTO_INTERNAL_H

#include "crypto/crypto.h"

#include <openssl/evp.h>

struct crypto_key {
    enum crypto_type type;
    bool is_private;
    EVP_PKEY *pkey;     /* NULL: a secret */
    unsigned char *mem; /* of a secret, wiped when it goes */
    size_t len;
};

const EVP_MD *crypto_md(enum crypto_hash hash);

/* key.c */
/* Takes pkey (given, freed on failure). NULL: it is no key of that type, or memory is out. */
struct crypto_key *crypto_key_wrap(enum crypto_type type, EVP_PKEY *pkey, bool is_private);
const char *crypto_curve_name(enum crypto_type type); /* NULL: no curve of ECDSA or ECDH */
size_t crypto_curve_bytes(enum crypto_type type);     /* of a coordinate, and of the order */
struct span crypto_key_secret(const struct crypto_key *key);

/* One for each group of algorithms; results as crypto_run. */
int crypto_sign(const struct crypto_op *op, struct buf *out);
int crypto_verify(const struct crypto_op *op);
int crypto_aes(const struct crypto_op *op, struct buf *out);
int crypto_oaep(const struct crypto_op *op, struct buf *out);
int crypto_derive(const struct crypto_op *op, struct buf *out);

#endif
