/*
 * nft: the packet rules of a sandbox's network namespace, by libnftables in this process.
 *
 * TCP to loopback addresses passes untouched, except to the capture port, which is reset; all other
 * TCP goes to the transparent listener on that port whatever its address and port. UDP needs none.
 */
#ifndef SALLYPORT_ISOLATE_NFT_H
#define SALLYPORT_ISOLATE_NFT_H

#include "base/error.h"

#include <stdbool.h>

/* In the network namespace of the caller, as its root. */
int isolate_nft_install(bool ipv6, struct error *err);

#endif
