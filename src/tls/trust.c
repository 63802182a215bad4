/*
 * The trust files, by hand: certificates are opaque DER here. Decoding 140 of them by OpenSSL for a
 * Java store would take longer than all the rest of a sandbox's start.
 */
#include "tls/trust.h"

#include "tls/der.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BEGIN SPAN_LIT("-----BEGIN CERTIFICATE-----")
#define END   SPAN_LIT("-----END CERTIFICATE-----")

#define PEM_LINE_BYTES  48  /* 64 characters */
#define ENTRY_OVERHEAD  192 /* what a certificate takes in the store besides itself */
#define STORE_OVERHEAD  128
#define CERTIFICATE_MAX (64u * 1024u)

const char *const tls_trust_bundle_paths[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Arch, Alpine */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",                            /* openSUSE */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* RHEL */
    "/etc/ssl/certs/ca-bundle.crt",                      /* NixOS */
    "/etc/ssl/cert.pem",                                 /* Alpine */
    NULL,
};

/* PKCS #12 (RFC 7292), the fixed elements. */
static const char oid_data[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
static const char oid_cert_bag[] = "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03";
static const char oid_x509[] = "\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01";
static const char oid_friendly_name[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14";
/* trustedKeyUsage 2.16.840.1.113894.746875.1.1 with anyExtendedKeyUsage. */
static const char trusted_any[] = "\x30\x16\x06\x0c\x60\x86\x48\x01\x86\xf9\x66\xad\xca\x7b\x01\x01"
                                  "\x31\x06\x06\x04\x55\x1d\x25\x00";
static const char version_3[] = "\x02\x01\x03";

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool base64_line(struct span bytes, struct buf *out)
{
    char line[PEM_LINE_BYTES / 3 * 4 + 1];
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++) {
            v = v << 8 | (k < have ? (uint8_t)bytes.ptr[i + k] : 0u);
        }
        for (size_t k = 0; k < 4; k++) {
            line[n++] = k <= have ? digits[v >> (18 - 6 * k) & 63] : '=';
        }
    }
    line[n++] = '\n';
    return buf_append(out, line, n);
}

int tls_trust_pem(struct span der, struct buf *out, struct error *err)
{
    if (der.len == 0 || der.ptr[0] != DER_SEQUENCE || der_element(der) != der.len) {
        return error_set(err, 0, "certificate: not one DER sequence");
    }
    bool ok = buf_append_span(out, BEGIN) && buf_append_str(out, "\n");
    for (size_t at = 0; ok && at < der.len; at += PEM_LINE_BYTES) {
        size_t left = der.len - at;
        size_t n = left < PEM_LINE_BYTES ? left : PEM_LINE_BYTES;
        ok = base64_line(span_of(der.ptr + at, n), out);
    }
    ok = ok && buf_append_span(out, END) && buf_append_str(out, "\n");
    return ok ? 0 : error_set(err, ENOMEM, "certificate as PEM");
}

enum { B64_BAD = 64, B64_SPACE, B64_PAD };

/* 0..63, or one of the above: a host's bundle is decoded at each start, by table. */
static void base64_values(uint8_t values[256])
{
    memset(values, B64_BAD, 256);
    for (size_t i = 0; i < 64; i++) {
        values[(uint8_t)digits[i]] = (uint8_t)i;
    }
    values['\n'] = values['\r'] = values[' '] = values['\t'] = B64_SPACE;
    values['='] = B64_PAD;
}

/* Appends what text stands for; false when it is not base64 or out is full. */
static bool base64_decode(struct span text, struct buf *out)
{
    static uint8_t values[256];
    uint8_t *to = (uint8_t *)buf_reserve(out, text.len / 4 * 3 + 3);
    if (to == NULL) {
        return false;
    }
    if (values['='] == 0) {
        base64_values(values);
    }
    uint32_t v = 0;
    unsigned bits = 0;
    size_t n = 0;
    bool padded = false;
    for (size_t i = 0; i < text.len; i++) {
        uint32_t digit = values[(uint8_t)text.ptr[i]];
        if (digit == B64_SPACE) {
            continue;
        }
        if (digit == B64_PAD) {
            padded = true;
            continue;
        }
        if (digit == B64_BAD || padded) {
            return false;
        }
        v = v << 6 | digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[n++] = (uint8_t)(v >> bits);
        }
    }
    buf_commit(out, n);
    return true;
}

static size_t find(struct span in, struct span what)
{
    const char *at = memmem(in.ptr, in.len, what.ptr, what.len);
    return at != NULL ? (size_t)(at - in.ptr) : in.len;
}

/* The next block of *pem, appended to der when it is a certificate. 1: was one; 0: was none (it is
 * skipped); -1: no block is left. */
static int block_next(struct span *pem, struct buf *der)
{
    size_t begin = find(*pem, BEGIN);
    if (begin == pem->len) {
        return -1;
    }
    struct span body = span_from(*pem, begin + BEGIN.len);
    size_t end = find(body, END);
    if (end == body.len) {
        return -1;
    }
    *pem = span_from(body, end + END.len);
    if (end > CERTIFICATE_MAX) {
        return 0;
    }
    size_t before = buf_len(der);
    if (!base64_decode(span_of(body.ptr, end), der)) {
        return 0;
    }
    struct span cert = span_from(buf_span(der), before);
    if (cert.len == 0 || cert.ptr[0] != DER_SEQUENCE || der_element(cert) != cert.len) {
        der->end -= cert.len;
        return 0;
    }
    return 1;
}

int tls_trust_bundle(struct span system_pem, struct span ca_pem, struct buf *out, struct error *err)
{
    bool newline = system_pem.len == 0 || system_pem.ptr[system_pem.len - 1] == '\n';
    if (!buf_append_span(out, system_pem) || (!newline && !buf_append_str(out, "\n")) ||
        !buf_append_span(out, ca_pem)) {
        return error_set(err, ENOMEM, "merged bundle of certificates");
    }
    return 0;
}

static void put_friendly_name(struct der *d, const char *name)
{
    char wide[64];
    size_t n = 0;
    for (; *name != '\0' && n + 2 <= sizeof wide; name++) {
        wide[n++] = 0;
        wide[n++] = *name;
    }
    size_t end = der_mark(d);
    der_put(d, DER_BMP, span_of(wide, n));
    der_wrap(d, DER_SET, end);
    der_raw(d, SPAN_LIT(oid_friendly_name));
    der_wrap(d, DER_SEQUENCE, end);
}

static void put_entry(struct der *d, struct span cert, const char *name)
{
    size_t bag = der_mark(d);
    put_friendly_name(d, name);
    der_raw(d, SPAN_LIT(trusted_any));
    der_wrap(d, DER_SET, bag);
    size_t value = der_mark(d);
    der_put(d, DER_OCTETS, cert);
    der_wrap(d, DER_EXPLICIT(0), value);
    der_raw(d, SPAN_LIT(oid_x509));
    der_wrap(d, DER_SEQUENCE, value);
    der_wrap(d, DER_EXPLICIT(0), value);
    der_raw(d, SPAN_LIT(oid_cert_bag));
    der_wrap(d, DER_SEQUENCE, bag);
}

/* Everything since end becomes a ContentInfo of type data. */
static void wrap_data(struct der *d, size_t end)
{
    der_wrap(d, DER_OCTETS, end);
    der_wrap(d, DER_EXPLICIT(0), end);
    der_raw(d, SPAN_LIT(oid_data));
    der_wrap(d, DER_SEQUENCE, end);
}

/* certs: DER certificates end to end, the first of them ours. */
static void put_store(struct der *d, struct span certs)
{
    size_t end = der_mark(d);
    char name[32] = "sallyport";
    for (unsigned i = 1; certs.len > 0; i++) {
        size_t len = der_element(certs);
        put_entry(d, span_of(certs.ptr, len), name);
        snprintf(name, sizeof name, "system-%u", i);
        certs = span_from(certs, len);
    }
    der_wrap(d, DER_SEQUENCE, end);
    wrap_data(d, end);
    der_wrap(d, DER_SEQUENCE, end);
    wrap_data(d, end);
    der_raw(d, SPAN_LIT(version_3));
    der_wrap(d, DER_SEQUENCE, end);
}

int tls_trust_certificates(struct span pem, struct buf *out, size_t *count, struct error *err)
{
    *count = 0;
    for (int got = 0; (got = block_next(&pem, out)) >= 0;) {
        *count += (size_t)got;
        if (*count > TLS_TRUST_MAX / ENTRY_OVERHEAD) {
            return error_set(err, EFBIG, "certificates of the system's bundle");
        }
    }
    return 0;
}

int tls_trust_java_of(struct span system_der, size_t system_count, struct span ca_pem,
                      struct buf *out, struct error *err)
{
    struct buf certs;
    int rc = 0;
    buf_init(&certs, 2 * TLS_TRUST_MAX);
    if (block_next(&ca_pem, &certs) != 1) {
        rc = error_set(err, 0, "Java trust store: the CA is not a certificate");
    } else if (!buf_append_span(&certs, system_der)) {
        rc = error_set(err, ENOMEM, "Java trust store");
    }
    size_t cap = buf_len(&certs) + (system_count + 1) * ENTRY_OVERHEAD + STORE_OVERHEAD;
    char *mem = rc == 0 ? malloc(cap) : NULL;
    if (mem != NULL) {
        struct der d;
        der_init(&d, mem, cap);
        put_store(&d, buf_span(&certs));
        if (!der_ok(&d) || !buf_append_span(out, der_span(&d))) {
            rc = error_set(err, ENOMEM, "Java trust store");
        }
    } else if (rc == 0) {
        rc = error_set(err, ENOMEM, "Java trust store");
    }
    free(mem);
    buf_free(&certs);
    return rc;
}

int tls_trust_java(struct span system_pem, struct span ca_pem, struct buf *out, struct error *err)
{
    struct buf certs;
    size_t count;
    buf_init(&certs, TLS_TRUST_MAX);
    int rc = tls_trust_certificates(system_pem, &certs, &count, err);
    if (rc == 0) {
        rc = tls_trust_java_of(buf_span(&certs), count, ca_pem, out, err);
    }
    buf_free(&certs);
    return rc;
}
