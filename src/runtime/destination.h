/*
 * destination: what a request of the inner door asks for, re-checked as hostile, and the one
 * canonical destination that policy, dial, SNI, Host and the audit line use. Pure.
 */
#ifndef SALLYPORT_RUNTIME_DESTINATION_H
#define SALLYPORT_RUNTIME_DESTINATION_H

#include "base/buf.h"
#include "gate/gate.h"
#include "proto/url/host.h"

#define DESTINATION_METHOD_MAX    32u           /* bytes of a method */
#define DESTINATION_TARGET_MAX    (16u * 1024u) /* bytes of a request target; above: 400 */
#define DESTINATION_AUTHORITY_MAX 300u

struct destination {
    bool secure; /* https, or a tunnel that carries TLS */
    uint16_t port;
    struct url_host host;
};

struct refusal {
    uint16_t status;   /* 400, 405 or 421 */
    bool close;        /* the connection is of no further use */
    const char *error; /* `error` of the event: "malformed" or "misdirected" */
    const char *text;  /* one line for the body, without a byte of the input */
};

/* true: *out is filled. false: *why is. A SNI that is not the host is 421 (RFC 9110 15.5.20), and
 * so is a port in the authority that is not the one the sandbox connected to. */
bool destination_of_request(const struct gate_request *req, struct destination *out,
                            struct refusal *why);

/* A client at the front: plain HTTP, the host is what it says, whatever name that is. */
bool destination_of_front(const struct gate_request *req, struct destination *out,
                          struct refusal *why);

/* A tunnel has no Host: SNI for TLS, else the name that DNS gave, else the address itself. */
bool destination_of_tunnel(const struct gate_peer *peer, struct destination *out,
                           struct refusal *why);

/* Appends scheme://host[:port], without a default port. */
bool destination_origin(const struct destination *d, struct buf *out);

static inline uint16_t destination_default_port(bool secure)
{
    return secure ? 443 : 80;
}

#endif
