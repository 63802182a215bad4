/*
 * tls: one connection on one non-blocking TCP socket, in the clear or inside TLS, server or client.
 * Code above it does not know which. Contexts (tls_server, tls_client) are made once a process.
 *
 * A connection starts in the clear; tls_conn_start_* puts TLS on it, also after bytes were read
 * (give them back first with tls_conn_unread). Nothing blocks. Writes are gathered and leave in one
 * send at the end of the loop's turn.
 *
 *     CLEAR ──start_*──► HANDSHAKE ──handshaken──► OPEN
 *       └──────── read, write ────────┐              │
 *     any ──finish──► FINISHING (only `closed` comes)┘
 *     any ──failure──► `closed` once, from the loop; then only tls_conn_destroy
 */
#ifndef SALLYPORT_TLS_TLS_H
#define SALLYPORT_TLS_TLS_H

#include "base/error.h"
#include "base/span.h"
#include "loop/loop.h"
#include "tls/mint.h"

#include <sys/types.h>

#define TLS_OUTPUT_MAX   (256u * 1024u) /* bytes that wait for the socket; above it write says no */
#define TLS_FINISH_MS    2000u          /* how long finish waits for the peer to close */
#define TLS_SESSIONS_MAX 256u           /* resumable sessions a tls_client keeps */
#define TLS_ALPN_MAX     64u

enum tls_failure {
    TLS_CLOSED,      /* the peer closed or reset the connection, or finish is through */
    TLS_PROTOCOL,    /* no common version, malformed, an alert */
    TLS_CERTIFICATE, /* client: the peer's certificate is not valid for the host */
    TLS_CA_REJECTED, /* server: the peer does not trust our certificate */
    TLS_INTERNAL,    /* out of memory */
};

struct tls_conn;
struct tls_server;
struct tls_client;

/* Called from the loop, never from inside a call on the connection; each may destroy it.
 * NULL members are skipped. */
struct tls_conn_events {
    /* There may be bytes to read. Called again without end until tls_conn_read has said -EAGAIN,
     * or reading is paused. */
    void (*readable)(void *arg);
    /* The pending output fell under half of TLS_OUTPUT_MAX after a write was refused or short. */
    void (*writable)(void *arg);
    void (*handshaken)(void *arg);
    /* Last callback. why is a sentence, lent: "certificate has expired". */
    void (*closed)(void *arg, enum tls_failure failure, const char *why);
};

/* Takes fd (given: closed on failure too); a connect may still be in progress. TCP_NODELAY is set.
 * Reading is on. NULL with err when memory is out. */
struct tls_conn *tls_conn_create(struct loop *loop, int fd, const struct tls_conn_events *events,
                                 void *arg, struct error *err);
/* Closes at once; with bytes unread the kernel sends a RST. NULL is allowed. */
void tls_conn_destroy(struct tls_conn *c);
/* Destroys with a RST, so that a cut is visible to the peer. */
void tls_conn_reset(struct tls_conn *c);
/* Sends what is pending, close_notify, FIN; reads away what still comes until the peer closes or
 * TLS_FINISH_MS passed; then `closed` with TLS_CLOSED. */
void tls_conn_finish(struct tls_conn *c);
/* Nothing more is written: close_notify (in TLS) and FIN leave behind what is pending; reading goes
 * on. Write says -EPIPE from now on. */
void tls_conn_end(struct tls_conn *c);
/* Other callbacks from now on. */
void tls_conn_set_events(struct tls_conn *c, const struct tls_conn_events *events, void *arg);

/* Puts bytes (copied, at most 64 KiB) in front of what is read next. */
int tls_conn_unread(struct tls_conn *c, struct span bytes, struct error *err);

/* Server: the leaf for name (a DNS name or an IP literal) is minted or found. sni says that the
 * name came from the ClientHello: a handshake in which OpenSSL reads another one fails.
 * -EINVAL: a name that no leaf is made for; -EBUSY: over the mint's rate. */
int tls_conn_start_server(struct tls_conn *c, struct tls_server *server, struct span name, bool sni,
                          struct error *err);
/* Client: host is a canonical name or IP literal and is both SNI and what the certificate must
 * match. alpn is the wire list ("\x08http/1.1"), may be empty. port only tells sessions apart. */
int tls_conn_start_client(struct tls_conn *c, struct tls_client *client, struct span host,
                          uint16_t port, struct span alpn, struct error *err);

/* > 0 bytes; 0 end (FIN in the clear, close_notify in TLS); -EAGAIN nothing now;
 * -ECONNABORTED FIN without close_notify (the stream may be cut short); other < 0 failed. */
ssize_t tls_conn_read(struct tls_conn *c, void *dst, size_t len);
/* Paused: `readable` is silent and the socket is not read, so the peer feels back-pressure; that
 * it went away is then noticed by the next write. */
void tls_conn_pause(struct tls_conn *c, bool pause);

/* Takes at most tls_conn_room bytes; returns how many, -EAGAIN when there is no room (or the
 * handshake is not done), other < 0 failed. In TLS each call makes its own records. */
ssize_t tls_conn_write(struct tls_conn *c, const void *src, size_t len);
size_t tls_conn_room(const struct tls_conn *c);    /* bytes that write takes now */
size_t tls_conn_pending(const struct tls_conn *c); /* bytes that wait for the socket */
void tls_conn_flush(struct tls_conn *c);           /* now, not at the end of the turn */

bool tls_conn_secure(const struct tls_conn *c);      /* TLS was started */
struct span tls_conn_alpn(const struct tls_conn *c); /* what was agreed; empty: nothing */
int tls_conn_fd(const struct tls_conn *c);           /* lent: getsockname and the like */

/* Handshakes in memory with a CA of its own, so that OpenSSL has looked up and made what a first
 * connection needs (3 ms). For a process that waits for its orders anyway. */
int tls_warm_up(struct error *err);

/* One a sidecar: TLS 1.2 and 1.3, AES-128-GCM and X25519 first, no tickets, ALPN http/1.1.
 * mint is kept and lives longer. */
struct tls_server *tls_server_create(struct tls_mint *mint, struct error *err);
void tls_server_destroy(struct tls_server *s); /* NULL is allowed; connections first */

/* One a runtime: verifies against the system's bundle (read here, so before confinement) and
 * extra_pem (may be empty). The certificates are decoded by the first tls_conn_start_client or by
 * tls_client_warm (about 10 ms). */
struct tls_client *tls_client_create(struct span extra_pem, struct error *err);
int tls_client_warm(struct tls_client *c, struct error *err);
void tls_client_destroy(struct tls_client *c); /* NULL is allowed; connections first */

#endif
