/*
 * Certificates by a DER writer and one signature: a tenth of the time that OpenSSL's X509 API
 * takes. RFC 5280; the leaf's subject is empty, so its SAN is critical (4.2.1.6).
 */
#include "tls/der.h"
#include "tls/leaf.h"

#include <openssl/rand.h>
#include <stdio.h>

#define SIGNATURE_MAX 80
#define SERIAL_BYTES  16

/* Fixed elements, as DER. */
static const char ecdsa_sha256[] = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
static const char spki_p256[] = "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a"
                                "\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
static const char version_3[] = "\xa0\x03\x02\x01\x02";
static const char common_name[] = "\x06\x03\x55\x04\x03";
/* basicConstraints critical: CA with path length 0 / not a CA. */
static const char constraints_ca[] = "\x30\x12\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x08\x30\x06\x01"
                                     "\x01\xff\x02\x01\x00";
static const char constraints_leaf[] = "\x30\x0c\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00";
/* keyUsage critical: keyCertSign, cRLSign / digitalSignature. */
static const char usage_ca[] = "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x01\x06";
static const char usage_leaf[] = "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80";
/* extKeyUsage: serverAuth. */
static const char server_auth[] = "\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08\x2b\x06\x01"
                                  "\x05\x05\x07\x03\x01";
static const char oid_ski[] = "\x06\x03\x55\x1d\x0e";
static const char oid_aki[] = "\x06\x03\x55\x1d\x23";
static const char oid_san_critical[] = "\x06\x03\x55\x1d\x11\x01\x01\xff";

#define RAW(d, bytes) der_raw((d), SPAN_LIT(bytes))

static void put_time(struct der *d, time_t t)
{
    struct tm tm;
    char text[32];
    gmtime_r(&t, &tm);
    bool utc = tm.tm_year < 150; /* RFC 5280 4.1.2.5: UTCTime through 2049 */
    size_t len = strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &tm);
    der_put(d, utc ? DER_UTCTIME : DER_TIME, span_from(span_of(text, len), utc ? 2 : 0));
}

static void put_key_ids(struct der *d, const struct tls_cert_spec *spec)
{
    uint8_t id[TLS_KEYID_BYTES];
    size_t ext;
    size_t value;
    if (!spec->ca) {
        ext = value = der_mark(d);
        der_put(d, DER_CONTEXT(0), span_of(spec->signer_id, TLS_KEYID_BYTES));
        der_wrap(d, DER_SEQUENCE, value);
        der_wrap(d, DER_OCTETS, value);
        RAW(d, oid_aki);
        der_wrap(d, DER_SEQUENCE, ext);
    }
    tls_key_id(spec->point, id);
    ext = value = der_mark(d);
    der_put(d, DER_OCTETS, span_of(id, sizeof id));
    der_wrap(d, DER_OCTETS, value);
    RAW(d, oid_ski);
    der_wrap(d, DER_SEQUENCE, ext);
}

static void put_alt_name(struct der *d, struct span name)
{
    uint8_t ip[16];
    size_t ip_len;
    size_t end = der_mark(d);
    if (tls_name_ip(name, ip, &ip_len)) {
        der_put(d, DER_CONTEXT(7), span_of(ip, ip_len));
    } else {
        der_put(d, DER_CONTEXT(2), name);
    }
    der_wrap(d, DER_SEQUENCE, end);
    der_wrap(d, DER_OCTETS, end);
    RAW(d, oid_san_critical);
    der_wrap(d, DER_SEQUENCE, end);
}

static void put_extensions(struct der *d, const struct tls_cert_spec *spec)
{
    size_t end = der_mark(d);
    put_key_ids(d, spec);
    if (spec->ca) {
        RAW(d, usage_ca);
        RAW(d, constraints_ca);
    } else {
        put_alt_name(d, spec->name);
        RAW(d, server_auth);
        RAW(d, usage_leaf);
        RAW(d, constraints_leaf);
    }
    der_wrap(d, DER_SEQUENCE, end);
    der_wrap(d, DER_EXPLICIT(3), end);
}

static void put_name(struct der *d, struct span cn)
{
    size_t end = der_mark(d);
    if (cn.len > 0) {
        der_put(d, DER_UTF8, cn);
        RAW(d, common_name);
        der_wrap(d, DER_SEQUENCE, end);
        der_wrap(d, DER_SET, end);
    }
    der_wrap(d, DER_SEQUENCE, end);
}

static int put_tbs(struct der *d, const struct tls_cert_spec *spec)
{
    uint8_t serial[SERIAL_BYTES];
    if (RAND_bytes(serial, sizeof serial) != 1) {
        return -1;
    }
    /* Positive, and always of the same length. */
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);

    size_t end = der_mark(d);
    put_extensions(d, spec);
    der_raw(d, span_of(spec->point, TLS_POINT_BYTES));
    RAW(d, spki_p256);
    put_name(d, spec->ca ? spec->name : span_of("", 0));
    size_t validity = der_mark(d);
    put_time(d, spec->not_after);
    put_time(d, spec->not_before);
    der_wrap(d, DER_SEQUENCE, validity);
    if (spec->ca) {
        put_name(d, spec->name);
    } else {
        der_raw(d, spec->issuer);
    }
    RAW(d, ecdsa_sha256);
    der_put(d, DER_INTEGER, span_of(serial, sizeof serial));
    RAW(d, version_3);
    der_wrap(d, DER_SEQUENCE, end);
    return 0;
}

ssize_t tls_cert_write(const struct tls_cert_spec *spec, uint8_t *out, size_t cap)
{
    uint8_t tbs_mem[TLS_CA_DER_MAX];
    uint8_t signature[SIGNATURE_MAX];
    size_t signature_len = sizeof signature;
    struct der d;
    der_init(&d, tbs_mem, sizeof tbs_mem);
    if (put_tbs(&d, spec) < 0 || !der_ok(&d)) {
        return -1;
    }
    struct span tbs = der_span(&d);

    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool signed_ok =
        md != NULL && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, spec->signer) == 1 &&
        EVP_DigestSign(md, signature, &signature_len, (const uint8_t *)tbs.ptr, tbs.len) == 1;
    EVP_MD_CTX_free(md);
    if (!signed_ok) {
        return -1;
    }

    struct der whole;
    der_init(&whole, out, cap);
    size_t end = der_mark(&whole);
    der_raw(&whole, span_of(signature, signature_len));
    der_raw(&whole, span_of("", 1)); /* no unused bits */
    der_wrap(&whole, DER_BITS, end);
    RAW(&whole, ecdsa_sha256);
    der_raw(&whole, tbs);
    der_wrap(&whole, DER_SEQUENCE, end);
    if (!der_ok(&whole)) {
        return -1;
    }
    struct span cert = der_span(&whole);
    memmove(out, cert.ptr, cert.len);
    return (ssize_t)cert.len;
}
