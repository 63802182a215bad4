/*
 * host: the one canonical destination, and what kind of address an address is.
 *
 * The canonical host is what policy, DNS, dial, SNI, the upstream's Host and the audit line use;
 * it is computed once, by url_host_canonical, from bytes that are hostile.
 */
#ifndef SALLYPORT_PROTO_URL_HOST_H
#define SALLYPORT_PROTO_URL_HOST_H

#include "base/span.h"

struct url;

/* Is it well-formed UTF-8? */
bool url_utf8_valid(struct span in);

#define URL_HOST_MAX 253u /* bytes of a domain name, RFC 1035 2.3.4 without the final dot */

enum url_host_kind { URL_HOST_DOMAIN, URL_HOST_IPV4, URL_HOST_IPV6 };

struct url_host {
    enum url_host_kind kind;
    uint8_t addr[16];            /* network order, IPv4 as v4-mapped; zeros for a domain */
    uint8_t len;                 /* of text */
    char text[URL_HOST_MAX + 3]; /* NUL-terminated, holds no NUL; IPv6 in brackets (RFC 5952) */
};

/* Lower case, A-labels, one trailing dot stripped, every spelling of an IPv4 address (`0x7f.1`, a
 * v4-mapped literal) as dotted decimal. A domain holds only a-z 0-9 - _ and single dots, labels of
 * 1 to 63 bytes. IPv6 is taken with brackets or, as SNI and DNS have it, without.
 * false: not such a host (NUL and other control bytes, space, '%', '*', '!', too long, …), and
 * then out is not to be read. */
bool url_host_canonical(struct span host, struct url_host *out);
/* The canonical host of a parsed URL; false when it has none. */
bool url_host_of(const struct url *u, struct url_host *out);
/* The canonical host of an address in network order, IPv4 as v4-mapped. */
void url_host_from_addr(const uint8_t addr[16], struct url_host *out);

static inline struct span url_host_span(const struct url_host *h)
{
    return span_of(h->text, h->len);
}

static inline bool url_host_eq(const struct url_host *a, const struct url_host *b)
{
    return a->kind == b->kind && span_eq(url_host_span(a), url_host_span(b));
}

/* Splits a Host field or :authority (RFC 9110 7.2: uri-host [":" port]) without userinfo.
 * *host is lent from in, not validated, with the brackets of an IPv6 literal. *port is 1..65535,
 * or -1 when there is none. false: userinfo, an empty host or port, anything after the port. */
bool url_authority_split(struct span in, struct span *host, int32_t *port);

/* An IP literal, not any other spelling: dotted decimal, or IPv6 with or without brackets and
 * without a zone. IPv4 is given as v4-mapped. */
bool url_ip_parse(struct span text, uint8_t addr[16]);

/* Are the first bits of both equal? For CIDR. */
bool url_bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits);

enum url_ip_class {
    URL_IP_PUBLIC,
    URL_IP_LOOPBACK,
    URL_IP_PRIVATE, /* RFC 1918, RFC 6598, fc00::/7, fec0::/10 */
    URL_IP_LINK_LOCAL,
    URL_IP_METADATA,  /* the addresses at which clouds hand out credentials */
    URL_IP_SYNTHETIC, /* those the gate's own DNS answers with */
    URL_IP_OTHER      /* unspecified, multicast, reserved, documentation, … */
};

/* The class of an address in network order, IPv4 as v4-mapped. An IPv4 address inside an IPv6 one
 * (v4-mapped, v4-compatible, NAT64, 6to4, Teredo) is judged as well: such an address is public
 * only when both are. */
enum url_ip_class url_ip_class(const uint8_t addr[16]);
const char *url_ip_class_name(enum url_ip_class c); /* "public", "loopback", … */

/* The IPv4 addresses (host order) that an IPv6 address stands for; at most two (Teredo: server and
 * client; local NAT64: both ways to write it). Returns how many. */
size_t url_ip_embedded(const uint8_t addr[16], uint32_t out[2]);

/* Names at which clouds serve metadata, refused whatever they resolve to. */
bool url_host_is_metadata(const struct url_host *h);

#endif
