/*
 * dns: queries in, answers out (RFC 1035, RFC 2308, RFC 3596, RFC 6891), no I/O.
 *
 * A query holds one question. Names are read without following compression (a question has no place
 * to point to), so no loop is possible.
 */
#ifndef SALLYPORT_PROTO_DNS_DNS_H
#define SALLYPORT_PROTO_DNS_DNS_H

#include "base/span.h"

#define DNS_NAME_MAX   253u  /* bytes of a name as text, without the final dot */
#define DNS_QUERY_MAX  4096u /* a longer query is FORMERR */
#define DNS_ANSWER_MAX 1232u /* more than any answer that is built here takes */

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_SVCB = 64,
    DNS_HTTPS = 65,
    DNS_ANY = 255
};

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5
};

struct dns_query {
    uint16_t id;
    uint16_t flags;
    uint16_t type;  /* any value, not only those of enum dns_type */
    uint16_t class; /* 1 is IN */
    bool edns;
    uint16_t edns_size; /* what the client takes; at least 512 */
    size_t name_len;
    char name[DNS_NAME_MAX + 1]; /* lower case, no final dot, NUL-terminated; holds bytes 0x21..0x7e
                                    other than '.' inside labels; the root is "" */
    size_t question_len;
    uint8_t question[DNS_NAME_MAX + 2 + 4]; /* as it came, for the answer */
};

enum dns_result {
    DNS_IGNORE = -2, /* no query: too short for a header, or a response. Answer nothing */
    DNS_BAD = -1,    /* answer it with dns_answer_error and *rcode */
    DNS_OK = 0
};

/* After DNS_BAD id and flags of out are set and question_len is 0 unless it could be read. */
enum dns_result dns_query_parse(struct span in, struct dns_query *out, enum dns_rcode *rcode);

/* Each writes one message and returns its length, always at most DNS_ANSWER_MAX (and 512, or the
 * client's EDNS size). ttl in seconds. */
size_t dns_answer_a(const struct dns_query *q, const uint8_t addr[4], uint32_t ttl,
                    uint8_t out[DNS_ANSWER_MAX]);
size_t dns_answer_aaaa(const struct dns_query *q, const uint8_t addr[16], uint32_t ttl,
                       uint8_t out[DNS_ANSWER_MAX]);
size_t dns_answer_ptr(const struct dns_query *q, struct span name, uint32_t ttl,
                      uint8_t out[DNS_ANSWER_MAX]);
/* NOERROR without a record (the name exists, not with this type). */
size_t dns_answer_empty(const struct dns_query *q, uint8_t out[DNS_ANSWER_MAX]);
size_t dns_answer_error(const struct dns_query *q, enum dns_rcode rcode,
                        uint8_t out[DNS_ANSWER_MAX]);

/* The address that a name below in-addr.arpa or ip6.arpa asks for (IPv4 as v4-mapped). */
bool dns_reverse_addr(struct span name, uint8_t addr[16]);

/* TCP (RFC 1035 4.2.2): the message at the front of `in` when it is there whole. Returns the bytes
 * that frame and message take, 0 when more is needed, -1 when it is longer than DNS_QUERY_MAX. */
int dns_tcp_frame(struct span in, struct span *message);

#endif
