/*
 * upstream: the outer leg. HTTP/1.1 requests and raw tunnels to named hosts: resolve, vet, dial,
 * TLS, exchange.
 *
 * The host of a request is the canonical destination (proto/url) and nothing else decides where the
 * bytes go: it is what is resolved, dialled, sent as SNI and matched against the certificate. Every
 * address is classified after resolution and dialled as that very address; only public ones are,
 * unless `allow_private` says so for the host or a resolve rule names host and port.
 *
 * Connections are kept and reused by (secure, host, port), one exchange at a time on each. A
 * request is sent a second time only when nothing of it was sent, or when a reused connection died
 * before the first byte of a response, the method is idempotent and nothing was read from the body.
 *
 * All callbacks come from the loop, never from inside a call into this room.
 */
#ifndef SALLYPORT_UPSTREAM_UPSTREAM_H
#define SALLYPORT_UPSTREAM_UPSTREAM_H

#include "base/error.h"
#include "base/source.h"
#include "loop/loop.h"
#include "proto/http1/http1.h"

struct tls_client;

#define UPSTREAM_CONNECTIONS_MAX 1024u /* open or being opened, tunnels included */
#define UPSTREAM_PER_ORIGIN_MAX  256u  /* of them to one (secure, host, port); more requests wait */
#define UPSTREAM_REQUEST_MAX     (64u * 1024u) /* bytes of a request head */
#define UPSTREAM_PEER_MAX        56u           /* "[v6]:port" with its NUL */

/* HOST:PORT:ADDR[:PORT] as curl's --resolve: host and port are dialled at addr and dial_port, and
 * addr may be private. */
struct upstream_resolve {
    struct span host; /* canonical */
    uint16_t port;
    uint8_t addr[16]; /* network order, IPv4 as v4-mapped */
    uint16_t dial_port;
};

struct upstream_config { /* copied; a time of 0 means the default */
    const struct upstream_resolve *resolve;
    size_t resolve_count;
    /* May this host resolve to addresses that are not public? NULL: none may. */
    bool (*allow_private)(void *arg, struct span host);
    void *arg;
    const char *dns_servers; /* "127.0.0.1:5353,…"; NULL: those of /etc/resolv.conf */
    uint32_t dns_ms;         /* 10,000 */
    uint32_t connect_ms;     /* 10,000 for all addresses together */
    uint32_t tls_ms;         /* 10,000 */
    uint32_t head_ms;        /* 300,000 from the request's last sent byte to the response head */
    uint32_t idle_ms;        /* 30,000 that a connection is kept without a request */
};

enum upstream_failure {
    UPSTREAM_DNS,         /* 502 */
    UPSTREAM_ADDRESS,     /* 502: it resolves, but to no address that may be dialled */
    UPSTREAM_CONNECT,     /* 502 */
    UPSTREAM_PROTOCOL,    /* 502: TLS or HTTP of the peer is malformed, or it hung up */
    UPSTREAM_CERTIFICATE, /* 526 */
    UPSTREAM_TIMEOUT,     /* 504 */
    UPSTREAM_INTERNAL,    /* 503: memory, or a ceiling of ours */
    UPSTREAM_CANCELLED,   /* the request's own body broke */
    UPSTREAM_FAILURE_COUNT
};
/* "dns", "address", "connect", "protocol", "certificate", "timeout", "internal", "cancelled" */
const char *upstream_failure_name(enum upstream_failure f);

struct upstream;
struct upstream_fetch; /* one exchange, until response or failed was called */

struct upstream_request { /* lent until the call returns, except body */
    bool secure;
    bool expect_continue;
    struct span host; /* canonical; IPv6 in brackets */
    uint16_t port;
    struct span authority; /* for Host: the canonical host, with the port when not the scheme's */
    struct span method;
    struct span target;                 /* "/path?query" or "*" */
    const struct http1_header *headers; /* Host, framing and hop-by-hop among them are left out */
    size_t header_count;
    struct source *body; /* given, also when the call fails; NULL: none. length -1: chunked */
    /* A connected stream socket to use for this request alone, instead of a dial; taken (and set
     * to -1), also when the call fails. Not with `secure`. NULL: dial host and port. */
    int *connected;
};

struct upstream_response { /* lent until the callback returns, except body */
    uint16_t status;       /* 200..599 */
    struct span reason;
    const struct http1_header *headers; /* end-to-end fields without Content-Length */
    size_t header_count;
    int64_t length;      /* Content-Length, also for HEAD and 304; else -1 */
    struct source *body; /* given; NULL: no body follows */
    const char *peer;    /* the dialled address, "1.2.3.4:443" */
    bool reused;         /* the connection had served a request before */
};

/* After response the handle is gone: closing the body is how to cancel from then on. A body that
 * ends too early reads as -ECONNRESET; one whose request body broke as -ECANCELED. */
struct upstream_events {
    void (*inform)(void *arg, uint16_t status); /* 1xx; may be NULL */
    void (*response)(void *arg, const struct upstream_response *res);
    /* why is one lent line without secrets. sent: bytes of the request may have reached the host.
     */
    void (*failed)(void *arg, enum upstream_failure failure, const char *why, bool sent);
};

/* tls is lent and outlives it. Reads /etc/resolv.conf and /etc/hosts: before confinement. */
struct upstream *upstream_create(struct loop *loop, struct tls_client *tls,
                                 const struct upstream_config *config, struct error *err);
/* Every fetch, body and tunnel was cancelled or closed before. */
void upstream_destroy(struct upstream *up);

/* events are kept. NULL: out of memory, or a request that must not be written (err). */
struct upstream_fetch *upstream_fetch_start(struct upstream *up, const struct upstream_request *req,
                                            const struct upstream_events *events, void *arg,
                                            struct error *err);
void upstream_fetch_cancel(struct upstream_fetch *f); /* NULL is allowed */

/* Trailers of a response body that read 0; spans lent until it is closed. Returns how many. */
size_t upstream_body_trailers(struct source *body, const struct http1_header **out);

/* A raw TCP connection, for bytes that are not opened here. */
struct upstream_tunnel;
struct upstream_tunnel_events {
    void (*opened)(void *arg, const char *peer);
    void (*failed)(void *arg, enum upstream_failure failure, const char *why); /* handle is gone */
    void (*writable)(void *arg); /* after a short write there is room again */
};
struct upstream_tunnel *upstream_tunnel_start(struct upstream *up, struct span host, uint16_t port,
                                              const struct upstream_tunnel_events *events,
                                              void *arg, struct error *err);
/* After opened: what the peer sends, lent (do not close it). 0 is its FIN. */
struct source *upstream_tunnel_source(struct upstream_tunnel *t);
/* How many bytes were taken (may be fewer, also 0); negative: broken for good. */
ssize_t upstream_tunnel_write(struct upstream_tunnel *t, struct span bytes);
void upstream_tunnel_finish(struct upstream_tunnel *t); /* FIN behind what was written */
void upstream_tunnel_close(struct upstream_tunnel *t);  /* at any state; NULL is allowed */

#endif
