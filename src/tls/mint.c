/* The CA of an instance, and the cache of the leaves that it signed. */
#include "tls/leaf.h"

#include "base/clock.h"
#include "base/list.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#define BUCKETS 1024u /* a power of two */
#define CN_MAX  64u   /* RFC 5280 A.1: ub-common-name */

struct leaf {
    struct list chain; /* of its bucket */
    struct list used;  /* most recently used first */
    X509 *cert;
    time_t expires;
    size_t name_len;
    char name[]; /* lower case */
};

struct tls_mint {
    EVP_PKEY *ca_key;
    EVP_PKEY *leaf_key;
    uint8_t ca_id[TLS_KEYID_BYTES];
    uint8_t leaf_point[TLS_POINT_BYTES];
    uint8_t der[TLS_CA_DER_MAX];
    size_t der_len;
    unsigned char *issuer; /* DER Name, OpenSSL's memory */
    size_t issuer_len;
    time_t ca_expires;
    uint32_t seed;
    size_t count;
    uint64_t tokens; /* thousandths of a leaf */
    uint64_t tokens_ms;
    struct list used;
    struct list buckets[BUCKETS];
};

static struct list *bucket_of(struct tls_mint *m, struct span name)
{
    uint32_t h = m->seed;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (uint8_t)name.ptr[i]) * 16777619u;
    }
    return &m->buckets[(h ^ h >> 16) & (BUCKETS - 1)];
}

static void leaf_drop(struct tls_mint *m, struct leaf *leaf)
{
    list_remove(&leaf->chain);
    list_remove(&leaf->used);
    X509_free(leaf->cert);
    free(leaf);
    m->count--;
}

static struct leaf *leaf_find(struct tls_mint *m, struct span name)
{
    LIST_FOREACH(pos, bucket_of(m, name))
    {
        struct leaf *leaf = LIST_ENTRY(pos, struct leaf, chain);
        if (span_eq(span_of(leaf->name, leaf->name_len), name)) {
            return leaf;
        }
    }
    return NULL;
}

static bool rate_take(struct tls_mint *m)
{
    uint64_t now = clock_monotonic_ms();
    uint64_t most = (uint64_t)TLS_LEAF_BURST * 1000u;
    m->tokens += (now - m->tokens_ms) * TLS_LEAF_RATE;
    m->tokens_ms = now;
    if (m->tokens > most) {
        m->tokens = most;
    }
    if (m->tokens < 1000u) {
        return false;
    }
    m->tokens -= 1000u;
    return true;
}

static X509 *leaf_sign(struct tls_mint *m, struct span name, time_t now, time_t *expires)
{
    uint8_t der[TLS_CA_DER_MAX];
    *expires = now + (time_t)TLS_LEAF_LIFETIME_S;
    if (*expires > m->ca_expires) {
        *expires = m->ca_expires;
    }
    struct tls_cert_spec spec = {
        .signer = m->ca_key,
        .issuer = span_of(m->issuer, m->issuer_len),
        .signer_id = m->ca_id,
        .point = m->leaf_point,
        .name = name,
        .not_before = now - (time_t)TLS_LEAF_BACKDATE_S,
        .not_after = *expires,
    };
    ssize_t len = tls_cert_write(&spec, der, sizeof der);
    const unsigned char *at = der;
    X509 *cert = len > 0 ? d2i_X509(NULL, &at, len) : NULL;
    /* Fills OpenSSL's cache of extensions now: one that memory failed half-way stays invalid. */
    if (cert != NULL && X509_check_purpose(cert, -1, 0) != 1) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static struct leaf *leaf_make(struct tls_mint *m, struct span name, time_t now, struct error *err)
{
    struct leaf *leaf = malloc(sizeof *leaf + name.len);
    X509 *cert = NULL;
    if (leaf != NULL) {
        cert = leaf_sign(m, name, now, &leaf->expires);
    }
    if (cert == NULL) {
        free(leaf);
        tls_error(err, "mint a certificate");
        return NULL;
    }
    leaf->cert = cert;
    leaf->name_len = name.len;
    memcpy(leaf->name, name.ptr, name.len);
    list_init(&leaf->used);
    list_append(bucket_of(m, name), &leaf->chain);
    m->count++;
    return leaf;
}

int tls_mint_leaf(struct tls_mint *m, struct span name, X509 **cert, EVP_PKEY **key,
                  struct error *err)
{
    if (!tls_mint_name_ok(name)) {
        error_set(err, 0, "mint a certificate: not a host name");
        return -EINVAL;
    }
    char lower[TLS_NAME_MAX];
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = span_lower(name.ptr[i]);
    }
    name = span_of(lower, name.len);

    time_t now = time(NULL);
    struct leaf *leaf = leaf_find(m, name);
    /* At the end of the CA's own life a leaf cannot be renewed to more than what is left. */
    if (leaf != NULL && leaf->expires < now + (time_t)TLS_LEAF_RENEW_S &&
        leaf->expires < m->ca_expires) {
        leaf_drop(m, leaf);
        leaf = NULL;
    }
    if (leaf == NULL) {
        if (now >= m->ca_expires) {
            error_set(err, 0, "mint a certificate: the instance's CA has expired");
            return -EINVAL;
        }
        if (!rate_take(m)) {
            error_set(err, 0, "mint a certificate: too many new names a second");
            return -EBUSY;
        }
        leaf = leaf_make(m, name, now, err);
        if (leaf == NULL) {
            return -ENOMEM;
        }
        if (m->count > TLS_LEAF_CACHE) {
            leaf_drop(m, LIST_ENTRY(m->used.prev, struct leaf, used));
        }
    }
    list_remove(&leaf->used);
    list_append(m->used.next, &leaf->used);
    *cert = leaf->cert;
    *key = m->leaf_key;
    return 0;
}

int tls_mint_prepare(struct tls_mint *m, struct span name, struct error *err)
{
    X509 *cert;
    EVP_PKEY *key;
    return tls_mint_leaf(m, name, &cert, &key, err);
}

/* The CA's certificate from its DER: expiry, name, key identifier; and that it is scalar's. */
static int ca_adopt(struct tls_mint *m, struct error *err)
{
    const unsigned char *at = m->der;
    struct tm expires;
    X509 *cert = d2i_X509(NULL, &at, (long)m->der_len);
    const ASN1_OCTET_STRING *id = cert != NULL ? X509_get0_subject_key_id(cert) : NULL;
    int rc = -1;
    if (id == NULL || at != m->der + m->der_len || ASN1_STRING_length(id) != (int)TLS_KEYID_BYTES ||
        memcmp(ASN1_STRING_get0_data(id), m->ca_id, TLS_KEYID_BYTES) != 0 ||
        X509_check_private_key(cert, m->ca_key) != 1 ||
        ASN1_TIME_to_tm(X509_get0_notAfter(cert), &expires) != 1) {
        tls_error(NULL, "");
        error_set(err, 0, "CA of the instance: certificate and key do not belong together");
    } else {
        int len = i2d_X509_NAME(X509_get_subject_name(cert), &m->issuer);
        m->issuer_len = len > 0 ? (size_t)len : 0;
        m->ca_expires = timegm(&expires);
        rc = len > 0 ? 0 : tls_error(err, "CA of the instance");
    }
    X509_free(cert);
    return rc;
}

static int ca_sign(struct tls_mint *m, struct span id, const uint8_t *point, struct error *err)
{
    char cn[CN_MAX + 1];
    int len = snprintf(cn, sizeof cn, "Sallyport CA " SPAN_FMT, SPAN_ARG(id));
    time_t now = time(NULL);
    struct tls_cert_spec spec = {
        .signer = m->ca_key,
        .point = point,
        .name = span_of(cn, len < (int)sizeof cn ? (size_t)len : sizeof cn - 1),
        .ca = true,
        .not_before = now - (time_t)TLS_CA_BACKDATE_S,
        .not_after = now - (time_t)TLS_CA_BACKDATE_S + (time_t)TLS_CA_LIFETIME_S,
    };
    ssize_t der_len = tls_cert_write(&spec, m->der, sizeof m->der);
    if (der_len < 0) {
        return tls_error(err, "sign the CA of the instance");
    }
    m->der_len = (size_t)der_len;
    return 0;
}

static int ca_open(struct tls_mint *m, struct span id, uint8_t *scalar, struct span cert,
                   struct error *err)
{
    uint8_t point[TLS_POINT_BYTES];
    bool fresh = cert.len == 0;
    if (cert.len > sizeof m->der) {
        return error_set(err, 0, "CA of the instance: certificate too long");
    }
    m->ca_key = fresh ? tls_key_generate(scalar, point) : tls_key_from_scalar(scalar, point);
    if (m->ca_key == NULL) {
        return tls_error(err, "key of the instance's CA");
    }
    tls_key_id(point, m->ca_id);
    if (fresh) {
        return ca_sign(m, id, point, err);
    }
    memcpy(m->der, cert.ptr, cert.len);
    m->der_len = cert.len;
    return 0;
}

struct tls_mint *tls_mint_create(struct span id, uint8_t scalar[TLS_SCALAR_BYTES],
                                 struct span cert_der, struct error *err)
{
    uint8_t leaf_scalar[TLS_SCALAR_BYTES];
    if (tls_init(err) < 0) {
        return NULL;
    }
    struct tls_mint *m = calloc(1, sizeof *m);
    if (m == NULL) {
        error_set(err, 0, "CA of the instance: out of memory");
        return NULL;
    }
    list_init(&m->used);
    for (size_t i = 0; i < BUCKETS; i++) {
        list_init(&m->buckets[i]);
    }
    m->tokens = (uint64_t)TLS_LEAF_BURST * 1000u;
    m->tokens_ms = clock_monotonic_ms();
    RAND_bytes((unsigned char *)&m->seed, sizeof m->seed);
    if (ca_open(m, id, scalar, cert_der, err) < 0 || ca_adopt(m, err) < 0) {
        tls_mint_destroy(m);
        return NULL;
    }
    m->leaf_key = tls_key_generate(leaf_scalar, m->leaf_point);
    OPENSSL_cleanse(leaf_scalar, sizeof leaf_scalar);
    if (m->leaf_key == NULL) {
        tls_error(err, "key of the instance's leaves");
        tls_mint_destroy(m);
        return NULL;
    }
    return m;
}

void tls_mint_destroy(struct tls_mint *m)
{
    if (m == NULL) {
        return;
    }
    while (!list_empty(&m->used)) {
        leaf_drop(m, LIST_ENTRY(m->used.next, struct leaf, used));
    }
    OPENSSL_free(m->issuer);
    EVP_PKEY_free(m->ca_key);
    EVP_PKEY_free(m->leaf_key);
    free(m);
}

struct span tls_mint_cert(const struct tls_mint *m)
{
    return span_of(m->der, m->der_len);
}
