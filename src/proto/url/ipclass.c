/*
 * What kind of address an address is: the IANA special-purpose registries (RFC 6890 and what was
 * added since), and the addresses that clouds answer on. Anything listed is not public; the first
 * row that matches names it, so narrow rows stand before wide ones.
 */
#include "proto/url/internal.h"

struct range4 {
    uint32_t addr;
    uint8_t bits;
    uint8_t class;
};

#define V4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const struct range4 ranges4[] = {
    {V4(169, 254, 169, 254), 32, URL_IP_METADATA}, /* nearly every cloud */
    {V4(169, 254, 170, 2), 32, URL_IP_METADATA},   /* ECS task credentials */
    {V4(169, 254, 170, 23), 32, URL_IP_METADATA},  /* EKS pod identity */
    {V4(169, 254, 169, 253), 32, URL_IP_METADATA}, /* VPC resolver */
    {V4(169, 254, 0, 23), 32, URL_IP_METADATA},    /* Tencent */
    {V4(100, 100, 100, 200), 32, URL_IP_METADATA}, /* Alibaba */
    {V4(192, 0, 0, 192), 32, URL_IP_METADATA},     /* Oracle classic */
    {V4(168, 63, 129, 16), 32, URL_IP_METADATA},   /* Azure wire server */
    {V4(0, 0, 0, 0), 8, URL_IP_OTHER},             /* "this network"; 0.0.0.0 reaches the host */
    {V4(10, 0, 0, 0), 8, URL_IP_PRIVATE},
    {V4(100, 64, 0, 0), 10, URL_IP_PRIVATE}, /* shared address space, RFC 6598 */
    {V4(127, 0, 0, 0), 8, URL_IP_LOOPBACK},
    {V4(169, 254, 0, 0), 16, URL_IP_LINK_LOCAL},
    {V4(172, 16, 0, 0), 12, URL_IP_PRIVATE},
    {V4(192, 0, 0, 0), 24, URL_IP_OTHER},    /* IETF protocol assignments */
    {V4(192, 0, 2, 0), 24, URL_IP_OTHER},    /* TEST-NET-1 */
    {V4(192, 31, 196, 0), 24, URL_IP_OTHER}, /* AS112 */
    {V4(192, 52, 193, 0), 24, URL_IP_OTHER}, /* AMT */
    {V4(192, 88, 99, 0), 24, URL_IP_OTHER},  /* 6to4 relays */
    {V4(192, 168, 0, 0), 16, URL_IP_PRIVATE},
    {V4(192, 175, 48, 0), 24, URL_IP_OTHER},   /* AS112 */
    {V4(198, 18, 0, 0), 15, URL_IP_SYNTHETIC}, /* benchmarking, which our DNS borrows */
    {V4(198, 51, 100, 0), 24, URL_IP_OTHER},   /* TEST-NET-2 */
    {V4(203, 0, 113, 0), 24, URL_IP_OTHER},    /* TEST-NET-3 */
    {V4(224, 0, 0, 0), 4, URL_IP_OTHER},       /* multicast */
    {V4(240, 0, 0, 0), 4, URL_IP_OTHER},       /* reserved, broadcast */
};

struct range6 {
    uint8_t addr[16];
    uint8_t bits;
    uint8_t class;
};

static const struct range6 ranges6[] = {
    {{[15] = 1}, 128, URL_IP_LOOPBACK},
    {{0}, 128, URL_IP_OTHER},                                                   /* unspecified */
    {{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}, 128, URL_IP_METADATA}, /* EC2 */
    {{0xfd, 0x00, 0x0e, 0xc2, [15] = 0x23}, 128, URL_IP_METADATA},              /* EKS */
    {{0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}, 128, URL_IP_METADATA}, /* Google */
    {{0xfe, 0x80, [12] = 0xa9, 0xfe, 0xa9, 0xfe}, 128, URL_IP_METADATA},        /* OpenStack */
    {{0xfd, 0x00, 0x5a, 0x11}, 32, URL_IP_SYNTHETIC},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, URL_IP_PRIVATE}, /* local NAT64, RFC 8215 */
    {{0x01, 0x00}, 64, URL_IP_OTHER},                           /* discard, RFC 6666 */
    {{0x01, 0x00, [7] = 0x01}, 64, URL_IP_OTHER},               /* dummy prefix, RFC 9780 */
    {{0x20, 0x01, 0x00, 0x00}, 23, URL_IP_OTHER},               /* protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, URL_IP_OTHER},               /* documentation */
    {{0x26, 0x20, 0x00, 0x4f, 0x80}, 48, URL_IP_OTHER},         /* AS112 */
    {{0x3f, 0xff}, 20, URL_IP_OTHER},                           /* documentation, RFC 9637 */
    {{0x5f, 0x00}, 16, URL_IP_OTHER},                           /* segment routing */
    {{0xfc}, 7, URL_IP_PRIVATE},
    {{0xfe, 0x80}, 10, URL_IP_LINK_LOCAL},
    {{0xfe, 0xc0}, 10, URL_IP_PRIVATE}, /* site-local, deprecated and still routed by some */
    {{0xff}, 8, URL_IP_OTHER},          /* multicast */
};

static enum url_ip_class class4(uint32_t addr)
{
    for (size_t i = 0; i < sizeof ranges4 / sizeof ranges4[0]; i++) {
        uint32_t mask = ~(uint32_t)0 << (32 - ranges4[i].bits);
        if ((addr & mask) == ranges4[i].addr) {
            return (enum url_ip_class)ranges4[i].class;
        }
    }
    return URL_IP_PUBLIC;
}

bool url_bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned left = bits % 8;

    if (memcmp(a, b, whole) != 0) {
        return false;
    }
    return left == 0 || ((a[whole] ^ b[whole]) & (0xff00 >> left) & 0xff) == 0;
}

static uint32_t word(const uint8_t *p)
{
    return V4(p[0], p[1], p[2], p[3]);
}

size_t url_ip_embedded(const uint8_t a[16], uint32_t out[2])
{
    static const uint8_t compatible[12];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t translated[12] = {[8] = 0xff, [9] = 0xff}; /* RFC 2765 */
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const uint8_t local64[6] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};
    static const uint8_t isatap[4] = {0x00, 0x00, 0x5e, 0xfe};

    if ((memcmp(a, compatible, 12) == 0 && word(a + 12) > 1) || memcmp(a, mapped, 12) == 0 ||
        memcmp(a, translated, 12) == 0 || memcmp(a, nat64, 12) == 0) {
        out[0] = word(a + 12);
        return 1;
    }
    if (memcmp(a, local64, 6) == 0) { /* RFC 8215: a /96 in it, or itself as a /48 (RFC 6052 2.2) */
        out[0] = word(a + 12);
        out[1] = V4(a[6], a[7], a[9], a[10]);
        return 2;
    }
    if (a[0] == 0x20 && a[1] == 0x02) { /* 6to4, RFC 3056 */
        out[0] = word(a + 2);
        return 1;
    }
    if (word(a) == 0x20010000) { /* Teredo, RFC 4380: the client's address is inverted */
        out[0] = word(a + 4);
        out[1] = ~word(a + 12);
        return 2;
    }
    if ((a[8] & 0xfd) == 0 && memcmp(a + 9, isatap + 1, 3) == 0) { /* ISATAP, RFC 5214 */
        out[0] = word(a + 12);
        return 1;
    }
    return 0;
}

static enum url_ip_class class6(const uint8_t addr[16])
{
    for (size_t i = 0; i < sizeof ranges6 / sizeof ranges6[0]; i++) {
        if (url_bits_equal(addr, ranges6[i].addr, ranges6[i].bits)) {
            return (enum url_ip_class)ranges6[i].class;
        }
    }
    /* Only 2000::/3 and the well-known NAT64 prefix are assigned to unicast. */
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    bool global = (addr[0] & 0xe0) == 0x20 || memcmp(addr, nat64, 12) == 0;
    return global ? URL_IP_PUBLIC : URL_IP_OTHER;
}

enum url_ip_class url_ip_class(const uint8_t addr[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint32_t inner[2];

    if (memcmp(addr, mapped, 12) == 0) {
        return class4(word(addr + 12));
    }
    enum url_ip_class outer = class6(addr);
    if (outer == URL_IP_LOOPBACK || outer == URL_IP_METADATA || outer == URL_IP_SYNTHETIC) {
        return outer;
    }
    for (size_t i = 0, n = url_ip_embedded(addr, inner); i < n; i++) {
        enum url_ip_class c = class4(inner[i]);
        if (c != URL_IP_PUBLIC && (c != URL_IP_OTHER || outer == URL_IP_PUBLIC)) {
            return c;
        }
    }
    return outer;
}

const char *url_ip_class_name(enum url_ip_class c)
{
    static const char *const names[] = {
        [URL_IP_PUBLIC] = "public",         [URL_IP_LOOPBACK] = "loopback",
        [URL_IP_PRIVATE] = "private",       [URL_IP_LINK_LOCAL] = "link-local",
        [URL_IP_METADATA] = "metadata",     [URL_IP_SYNTHETIC] = "synthetic",
        [URL_IP_OTHER] = "special-purpose",
    };
    return names[c];
}

bool url_host_is_metadata(const struct url_host *h)
{
    static const struct span names[] = {
        {"metadata", 8},
        {"metadata.google.internal", 24},
        {"metadata.goog", 13},
        {"instance-data", 13},
        {"instance-data.ec2.internal", 26},
        {"metadata.tencentyun.com", 23},
        {"metadata.platformequinix.com", 28},
    };

    if (h->kind != URL_HOST_DOMAIN) {
        return url_ip_class(h->addr) == URL_IP_METADATA;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (span_eq(url_host_span(h), names[i])) {
            return true;
        }
    }
    return false;
}
