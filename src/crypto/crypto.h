/*
 * crypto: what WebCrypto needs of keys and algorithms. Which combination of key, usage and
 * parameters is allowed is decided above; here sizes and types are checked, and nothing of a key or
 * of data is ever logged. Negative results carry no reason: WebCrypto tells none either.
 */
#ifndef SALLYPORT_CRYPTO_CRYPTO_H
#define SALLYPORT_CRYPTO_CRYPTO_H

#include "base/buf.h"
#include "crypto/hash.h"

#define CRYPTO_DER_MAX      (16u * 1024u) /* bytes of an encoded key */
#define CRYPTO_RSA_MAX      8192u         /* bits of a modulus that is imported */
#define CRYPTO_RSA_MAKE_MAX 4096u         /* bits of a modulus that is made: seconds above */
#define CRYPTO_RSA_MIN      512u
#define CRYPTO_PARTS        8 /* of a JWK */

/* What a key is, not what it is used for. */
enum crypto_type {
    CRYPTO_SECRET, /* bytes: HMAC, AES, HKDF, PBKDF2 */
    CRYPTO_RSA,
    CRYPTO_P256,
    CRYPTO_P384,
    CRYPTO_P521,
    CRYPTO_ED25519,
    CRYPTO_X25519,
};

enum crypto_format {
    CRYPTO_RAW,   /* the bytes of a secret; a point or a curve25519 public key */
    CRYPTO_PKCS8, /* DER, unencrypted */
    CRYPTO_SPKI,  /* DER */
};

/* A secret, a public key, or a private key that knows its public half. */
struct crypto_key;

/* NULL: it is not such a key, or memory is out. */
struct crypto_key *crypto_key_import(enum crypto_type type, enum crypto_format format,
                                     struct span bytes);
/* bits: of a modulus or of a secret; exponent: of RSA. */
struct crypto_key *crypto_key_generate(enum crypto_type type, uint32_t bits, uint32_t exponent);
/* The numbers of a JWK, big-endian, ptr NULL where there is none; without d a public key.
 * RSA: n e d p q dp dq qi (a private key has all). EC: x y d. ED25519, X25519: x d. */
struct crypto_key *crypto_key_from_parts(enum crypto_type type,
                                         const struct span parts[CRYPTO_PARTS]);
/* Appends; with_private: a private key's secret parts as well. lens[i] is the size of part i in
 * out, one after the other; 0 where there is none. */
int crypto_key_parts(const struct crypto_key *key, bool with_private, struct buf *out,
                     size_t lens[CRYPTO_PARTS]);
int crypto_key_export(const struct crypto_key *key, enum crypto_format format, struct buf *out);
enum crypto_type crypto_key_type(const struct crypto_key *key);
bool crypto_key_is_private(const struct crypto_key *key);
void crypto_key_free(struct crypto_key *key); /* NULL is allowed; from any thread */

enum crypto_what { CRYPTO_SIGN, CRYPTO_VERIFY, CRYPTO_ENCRYPT, CRYPTO_DECRYPT, CRYPTO_DERIVE };

enum crypto_algorithm {
    CRYPTO_HMAC,
    CRYPTO_RSA_PKCS1,
    CRYPTO_RSA_PSS,
    CRYPTO_ECDSA, /* signatures as r and s, each as long as the curve's order */
    CRYPTO_EDDSA,
    CRYPTO_RSA_OAEP,
    CRYPTO_AES_GCM, /* the tag stands behind the ciphertext */
    CRYPTO_AES_CBC,
    CRYPTO_AES_CTR,
    CRYPTO_AES_KW,
    CRYPTO_ECDH, /* also X25519 */
    CRYPTO_HKDF,
    CRYPTO_PBKDF2,
};

struct crypto_op {
    enum crypto_what what;
    enum crypto_algorithm algorithm;
    enum crypto_hash hash;
    const struct crypto_key *key;
    const struct crypto_key *peer; /* ECDH: the public key of the other side */
    struct span data;              /* message, plaintext or ciphertext */
    struct span iv;                /* AES: IV or counter block. HKDF, PBKDF2: salt. VERIFY: the
                                      signature */
    struct span extra;             /* GCM: additional data. OAEP: label. HKDF: info */
    uint32_t number;               /* GCM: bytes of the tag. CTR: bits of the counter. PSS: bytes of
                                      the salt. PBKDF2: iterations */
    uint32_t length;               /* HKDF, PBKDF2: bytes wanted */
};

/* Appends the result to out (whose ceiling bounds it). VERIFY: 1 it fits, 0 it does not. Negative:
 * it failed (wrong key, wrong sizes, decryption that does not authenticate, memory). */
int crypto_run(const struct crypto_op *op, struct buf *out);

#endif
