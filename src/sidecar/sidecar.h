/*
 * sidecar: the inner door of one instance. It faces the sandbox, knows no secret, and owns no
 * descriptor but those it was given: listeners, the gate, the supervisor's channel.
 *
 *     listener ─► client: sniff ─► TLS ─► HTTP/1.1 ─► a stream of the gate ─► the outer door
 *                             └──► TLS that is not opened ─► a tunnel of the gate
 *     DNS ─► synthetic addresses; nothing leaves
 *
 * The same program is the *front door* of a daemon when it gets FRONT in place of START: plain
 * HTTP/1.1 of clients in the world, each request a stream of the gate. front.c has what differs.
 */
#ifndef SALLYPORT_SIDECAR_SIDECAR_H
#define SALLYPORT_SIDECAR_SIDECAR_H

#include "base/buf.h"
#include "gate/gate.h"
#include "ipc/channel.h"
#include "loop/loop.h"
#include "proto/dns/dns.h"
#include "proto/dns/names.h"
#include "proto/http1/http1.h"
#include "tls/tls.h"

#define SIDECAR_ID_MAX       64u
#define SIDECAR_CLIENTS_MAX  4096u /* connections of the sandbox at once */
#define SIDECAR_DNS_TCP_MAX  64u   /* of those, DNS over TCP */
#define SIDECAR_ACCEPT_BURST 64    /* accepted in one turn, so that the others get theirs */

/* How long a client may take, in ms. */
#define SIDECAR_SNIFF_MS     10000u  /* to say what it speaks */
#define SIDECAR_HANDSHAKE_MS 10000u  /* to finish TLS */
#define SIDECAR_HEAD_MS      30000u  /* from the first byte of a head to its last */
#define SIDECAR_IDLE_MS      120000u /* between two requests */
#define SIDECAR_STALL_MS     120000u /* to send or take a single byte of a body */
#define SIDECAR_DRAIN_MS     1000u   /* front door: to send a first request after DRAIN */

/* Descriptors of SIDECAR_START, in the order of the message. FRONT leaves some at -1. */
struct sidecar_fds {
    int tcp;
    int dns_udp;
    int dns_tcp;
    int gate;
    int key;
    int user_ns;
    int net_ns;
};

struct sidecar {
    struct loop *loop;
    struct ipc_channel *control;
    char id[SIDECAR_ID_MAX + 1];
    bool intercept; /* HTTPS is opened */
    bool front;     /* the front door: neither CA nor DNS, names is NULL */
    bool draining;  /* front door: it accepts no more and ends with its last client */
    struct tls_mint *mint;
    struct tls_server *tls;
    struct gate *gate; /* NULL: the outer door is not there */
    struct dns_names *names;

    int tcp_fd;
    int dns_udp_fd;
    int dns_tcp_fd;
    struct loop_watch *tcp_watch;
    struct loop_watch *dns_udp_watch;
    struct loop_watch *dns_tcp_watch;

    struct list clients;
    size_t client_count;
    uint32_t last_conn;
    struct list dns_clients;
    size_t dns_client_count;
    struct loop_timer *tick; /* runs while there is a client */

    /* Room for one parsed head, used within one call. */
    struct http1_request request;
    struct http1_header fields[HTTP1_HEADER_COUNT];

    /* Front door. */
    char authority[64]; /* of the listener, for HTTP/1.0 without Host */
    char date[32];      /* of date_s; for responses */
    uint64_t date_s;
};

/* start.c: what the process does before it serves, in this order. */
int sidecar_prepare(struct sidecar *s, int argc, char **argv, struct error *err);
int sidecar_receive_start(struct sidecar *s, struct sidecar_fds *fds, struct buf *cert,
                          struct error *err);
int sidecar_make_ca(struct sidecar *s, struct sidecar_fds *fds, struct span cert,
                    struct error *err);
/* Takes the fds that it needs (given). */
int sidecar_open(struct sidecar *s, struct sidecar_fds *fds, struct error *err);
int sidecar_ready(struct sidecar *s, struct error *err);
void sidecar_close(struct sidecar *s);

/* confine.c */
int sidecar_enter_namespaces(struct sidecar_fds *fds, struct error *err);
int sidecar_confine(struct error *err);

/* outer.c: the gate's inner end. */
int sidecar_gate_open(struct sidecar *s, int fd, struct error *err);
void sidecar_gate_drop(struct sidecar *s);

/* listen.c */
int sidecar_listen(struct sidecar *s, struct error *err);
/* Accepts until nobody waits any more. */
void sidecar_listen_empty(struct sidecar *s);
/* A client or its descriptor is gone: accepting goes on if it had stopped. */
void sidecar_listen_resume(struct sidecar *s);
void sidecar_tick_start(struct sidecar *s);

/* dns_answer.c, dns_udp.c, dns_tcp.c */
size_t sidecar_dns_answer(struct sidecar *s, struct span query, uint8_t out[DNS_ANSWER_MAX]);
void sidecar_dns_udp(void *arg, unsigned events);
void sidecar_dns_tcp(void *arg, unsigned events);
void sidecar_dns_tcp_tick(struct sidecar *s, uint64_t now_ms);
void sidecar_dns_tcp_close(struct sidecar *s);

/* address.c: an address of accept or getsockname as 16 bytes, IPv4 as v4-mapped. */
struct sockaddr_storage;
bool sidecar_address(const struct sockaddr_storage *from, uint8_t addr[16], uint16_t *port);
/* Its text, IPv4 dotted, IPv6 without brackets; the length. */
size_t sidecar_address_text(const uint8_t addr[16], char out[46]);

#endif
