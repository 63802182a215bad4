/*
 * listen: the sockets through which a sandbox's traffic reaches the inner door.
 */
#ifndef SALLYPORT_ISOLATE_LISTEN_H
#define SALLYPORT_ISOLATE_LISTEN_H

#include "base/error.h"

#include <stdbool.h>

#define ISOLATE_LISTEN_PORT 1 /* the capture port: no program wants it */
#define ISOLATE_LISTEN_DNS  53

struct isolate_sockets {
    int tcp;     /* transparent listener; getsockname() of an accepted socket is the original
                    destination (IPv4 as v4-mapped IPv6, AF_INET where there is no IPv6) */
    int dns_udp; /* [::]:53 with IP(V6)_RECVPKTINFO: answer from the address that was asked */
    int dns_tcp; /* listener on port 53; connections to the resolver's other ports are captured */
};

/* In the namespace of the caller. All three non-blocking and CLOEXEC; on failure none is open. */
int isolate_listen_open(bool ipv6, struct isolate_sockets *out, struct error *err);
void isolate_listen_close(struct isolate_sockets *s);

#endif
