/*
 * What the sandbox's resolver says: a synthetic address for every name that could be a host's. The
 * question never leaves: whether a name may be reached is decided when a connection names it.
 */
#include "sidecar/sidecar.h"

#include <netinet/in.h>

#define TTL_SECONDS 60

static bool is_localhost(struct span name)
{
    struct span suffix = SPAN_LIT(".localhost");
    return span_eq(name, span_from(suffix, 1)) ||
           (name.len > suffix.len && span_eq(span_from(name, name.len - suffix.len), suffix));
}

/* A name that a leaf could be made for, and no address in disguise. */
static bool is_host(struct span name)
{
    bool digits = true;
    for (size_t i = name.len; i > 0 && name.ptr[i - 1] != '.'; i--) {
        digits = digits && name.ptr[i - 1] >= '0' && name.ptr[i - 1] <= '9';
    }
    return !digits && memchr(name.ptr, ':', name.len) == NULL && tls_mint_name_ok(name);
}

static size_t answer_address(const struct dns_query *q, const uint8_t addr4[4],
                             const uint8_t addr6[16], uint8_t *out)
{
    switch (q->type) {
    case DNS_A:
    case DNS_ANY:
        return dns_answer_a(q, addr4, TTL_SECONDS, out);
    case DNS_AAAA:
        return dns_answer_aaaa(q, addr6, TTL_SECONDS, out);
    default:
        /* HTTPS and SVCB too: no ECH, no other endpoint. */
        return dns_answer_empty(q, out);
    }
}

static size_t answer_host(struct sidecar *s, const struct dns_query *q, struct span name,
                          uint8_t *out)
{
    static const uint8_t loopback4[4] = {127, 0, 0, 1};
    uint8_t addr4[4];
    uint8_t addr6[16];
    if (is_localhost(name)) {
        return answer_address(q, loopback4, in6addr_loopback.s6_addr, out);
    }
    if (!is_host(name)) {
        return dns_answer_error(q, DNS_NXDOMAIN, out);
    }
    if (!dns_names_lookup(s->names, name, addr4, addr6)) {
        return dns_answer_error(q, DNS_SERVFAIL, out);
    }
    return answer_address(q, addr4, addr6, out);
}

static size_t answer_reverse(struct sidecar *s, const struct dns_query *q, struct span name,
                             uint8_t *out)
{
    uint8_t addr[16];
    struct span found;
    if (!dns_reverse_addr(name, addr) || !dns_names_find(s->names, addr, &found)) {
        return dns_answer_error(q, DNS_NXDOMAIN, out);
    }
    return q->type == DNS_PTR || q->type == DNS_ANY ? dns_answer_ptr(q, found, TTL_SECONDS, out)
                                                    : dns_answer_empty(q, out);
}

size_t sidecar_dns_answer(struct sidecar *s, struct span query, uint8_t out[DNS_ANSWER_MAX])
{
    struct dns_query q;
    enum dns_rcode rcode = DNS_FORMERR;
    switch (dns_query_parse(query, &q, &rcode)) {
    case DNS_IGNORE:
        return 0;
    case DNS_BAD:
        return dns_answer_error(&q, rcode, out);
    case DNS_OK:
        break;
    }
    struct span name = span_of(q.name, q.name_len);
    struct span arpa = SPAN_LIT(".arpa");
    if (name.len > arpa.len && span_eq(span_from(name, name.len - arpa.len), arpa)) {
        return answer_reverse(s, &q, name, out);
    }
    return answer_host(s, &q, name, out);
}
