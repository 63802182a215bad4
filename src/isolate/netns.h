/*
 * netns: the addresses and routes of a sandbox's network namespace, by rtnetlink.
 *
 * Only lo exists. Every address of the world is routed to it as a local one, so that a connection
 * to any address ends on this host, in this namespace.
 */
#ifndef SALLYPORT_ISOLATE_NETNS_H
#define SALLYPORT_ISOLATE_NETNS_H

#include "base/error.h"

#include <stdbool.h>

#define ISOLATE_NETNS_ADDRESS4 "198.18.0.1"
#define ISOLATE_NETNS_ADDRESS6 "fd00:5a11::1"
#define ISOLATE_NETNS_RESOLVER "198.18.0.2"

/* In the namespace of the caller, as its root: sysctls, lo up, both addresses, a default route of
 * type local on lo for each family with the address as preferred source. *ipv6 says whether the
 * kernel has IPv6; without it the IPv4 half holds alone. */
int isolate_netns_setup(bool *ipv6, struct error *err);

#endif
