/*
 * names: the synthetic addresses of one instance. Name to address and back, for as long as the
 * instance lives: an address is never given to a second name.
 *
 * IPv4 from 198.18.1.0 on inside 198.18.0.0/15, IPv6 inside fd00:5a11::/32, one of each a name,
 * both made from the name's number; so what a taken-over client asks for cannot choose them.
 */
#ifndef SALLYPORT_PROTO_DNS_NAMES_H
#define SALLYPORT_PROTO_DNS_NAMES_H

#include "base/span.h"

#define DNS_NAMES_MAX   65536u               /* names in one table */
#define DNS_NAMES_BYTES (2u * 1024u * 1024u) /* of all names together */

struct dns_names;

struct dns_names *dns_names_create(size_t max); /* at most DNS_NAMES_MAX; NULL: no memory */
void dns_names_destroy(struct dns_names *n);    /* NULL is allowed */

/* The addresses of a name (lower case, no final dot, 1..253 bytes); the same every time. false: the
 * table is full or memory is out (answer SERVFAIL). */
bool dns_names_lookup(struct dns_names *n, struct span name, uint8_t addr4[4], uint8_t addr6[16]);

/* The name that an address was given to (IPv4 as v4-mapped). The span is lent for as long as the
 * table lives. false: no name has it. */
bool dns_names_find(const struct dns_names *n, const uint8_t addr[16], struct span *name);

size_t dns_names_count(const struct dns_names *n);

#endif
