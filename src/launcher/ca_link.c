#include "launcher/ca_link.h"

#include <stdio.h>

#define SUBJECT_MAX 512u /* bytes of a canonical subject; ours has one short name */

enum {
    TAG_UTF8 = 0x0c,
    TAG_PRINTABLE = 0x13,
    TAG_SEQUENCE = 0x30,
    TAG_SET = 0x31,
    TAG_OID = 6,
    TAG_VERSION = 0xa0
};

/* One element off the front of *in: its tag and content. false at the end or when it is cut. */
static bool element(struct span *in, unsigned *tag, struct span *content)
{
    if (in->len < 2) {
        return false;
    }
    const unsigned char *p = (const unsigned char *)in->ptr;
    size_t head = 2;
    size_t len = p[1];
    if (len >= 0x80) {
        const size_t bytes = len & 0x7f;
        if (bytes == 0 || bytes > 3 || in->len < 2 + bytes) {
            return false;
        }
        len = 0;
        for (size_t i = 0; i < bytes; i++) {
            len = len << 8 | p[2 + i];
        }
        head += bytes;
    }
    if (len > in->len - head) {
        return false;
    }
    *tag = p[0];
    *content = span_of(in->ptr + head, len);
    *in = span_from(*in, head + len);
    return true;
}

static bool expect(struct span *in, unsigned want, struct span *content)
{
    unsigned tag;
    return element(in, &tag, content) && tag == want;
}

/* Certificate -> TBSCertificate -> past version, serial, algorithm, issuer, validity. */
static bool find_subject(struct span der, struct span *subject)
{
    struct span cert;
    struct span tbs;
    struct span skipped;
    unsigned tag;
    if (!expect(&der, TAG_SEQUENCE, &cert) || !expect(&cert, TAG_SEQUENCE, &tbs)) {
        return false;
    }
    if (tbs.len > 0 && (unsigned char)tbs.ptr[0] == TAG_VERSION && !element(&tbs, &tag, &skipped)) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        if (!element(&tbs, &tag, &skipped)) {
            return false;
        }
    }
    return expect(&tbs, TAG_SEQUENCE, subject);
}

struct text {
    unsigned char mem[SUBJECT_MAX];
    size_t len;
};

static void text_put(struct text *t, const void *bytes, size_t len)
{
    memcpy(t->mem + t->len, bytes, len);
    t->len += len;
}

/* One relative name: SET of one SEQUENCE of OID and string. Lengths stay below 128. */
static bool put_canonical(struct text *t, struct span set)
{
    struct span pair;
    struct span oid;
    struct span value;
    unsigned tag;
    char clean[100];
    size_t n = 0;
    if (!expect(&set, TAG_SEQUENCE, &pair) || set.len != 0 || !expect(&pair, TAG_OID, &oid) ||
        !element(&pair, &tag, &value) || (tag != TAG_UTF8 && tag != TAG_PRINTABLE) ||
        value.len > sizeof(clean) || oid.len > 16) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        const char c = value.ptr[i];
        if (c <= 0) {
            return false;
        }
        if (c != ' ' || (n > 0 && clean[n - 1] != ' ')) {
            clean[n++] = span_lower(c);
        }
    }
    n -= n > 0 && clean[n - 1] == ' ';
    const unsigned char inner = (unsigned char)(4 + oid.len + n);
    const unsigned char head[] = {TAG_SET, (unsigned char)(inner + 2), TAG_SEQUENCE, inner,
                                  TAG_OID, (unsigned char)oid.len};
    const unsigned char middle[] = {TAG_UTF8, (unsigned char)n};
    if (inner > 120 || t->len + sizeof(head) + oid.len + 2 + n > sizeof(t->mem) - 72) {
        return false;
    }
    text_put(t, head, sizeof(head));
    text_put(t, oid.ptr, oid.len);
    text_put(t, middle, sizeof(middle));
    text_put(t, clean, n);
    return true;
}

static uint32_t rotate(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static void sha1_block(uint32_t h[5], const unsigned char *p)
{
    uint32_t w[80];
    for (size_t i = 0; i < 16; i++) {
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    }
    for (size_t i = 16; i < 80; i++) {
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (size_t i = 0; i < 80; i++) {
        const uint32_t f = i < 20   ? (b & c) | (~b & d)
                           : i < 40 ? b ^ c ^ d
                           : i < 60 ? (b & c) | (b & d) | (c & d)
                                    : b ^ c ^ d;
        static const uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
        const uint32_t next = rotate(a, 5) + f + e + k[i / 20] + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

/* FIPS 180-4, of a text with room for the padding; the first word is enough. Only names a file:
 * nothing rests on its strength, and loading libcrypto for it would cost a millisecond a start. */
static uint32_t sha1_first(struct text *t)
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint64_t bits = (uint64_t)t->len * 8;
    t->mem[t->len++] = 0x80;
    while (t->len % 64 != 56) {
        t->mem[t->len++] = 0;
    }
    for (int shift = 56; shift >= 0; shift -= 8) {
        t->mem[t->len++] = (unsigned char)(bits >> shift);
    }
    for (size_t at = 0; at < t->len; at += 64) {
        sha1_block(h, t->mem + at);
    }
    return h[0];
}

bool ca_link_name(struct span der, char out[CA_LINK_BYTES])
{
    struct span subject;
    struct span set;
    struct text t = {.len = 0};
    if (!find_subject(der, &subject)) {
        return false;
    }
    while (subject.len > 0) {
        if (!expect(&subject, TAG_SET, &set) || !put_canonical(&t, set)) {
            return false;
        }
    }
    const uint32_t h = sha1_first(&t);
    /* The four bytes are read as a little-endian number; SHA-1 writes big-endian ones. */
    snprintf(out, CA_LINK_BYTES, "%08x.0",
             (h & 0xff) << 24 | (h >> 8 & 0xff) << 16 | (h >> 16 & 0xff) << 8 | h >> 24);
    return true;
}
