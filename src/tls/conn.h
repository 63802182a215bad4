/* Inside tls: the connection, shared by conn.c (states, callbacks) and conn_io.c (bytes). */
#ifndef SALLYPORT_TLS_CONN_H
#define SALLYPORT_TLS_CONN_H

#include "base/buf.h"
#include "tls/tls.h"

#include <openssl/ssl.h>

#define TLS_UNREAD_MAX (64u * 1024u)
/* What records and handshake messages add to TLS_OUTPUT_MAX bytes. */
#define TLS_OUTPUT_SLACK (64u * 1024u)
#define TLS_WHY_BYTES    192

enum tls_conn_state { CONN_CLEAR, CONN_HANDSHAKE, CONN_OPEN, CONN_FINISHING, CONN_FAILED };

struct tls_conn {
    struct loop *loop;
    int fd;
    struct loop_watch *watch;
    struct loop_timer *finish_timer;
    const struct tls_conn_events *events;
    void *arg;
    enum tls_conn_state state;
    SSL *ssl;               /* NULL in the clear */
    struct span expect_sni; /* owned; what OpenSSL must read from the ClientHello; ptr NULL: any */
    struct tls_client *client;
    struct span session_key; /* owned; "host:port" */
    struct buf in;           /* given back by tls_conn_unread */
    struct buf out;
    struct loop_task flush_task;
    struct loop_task event_task;
    enum tls_failure failure;
    char why[TLS_WHY_BYTES];
    unsigned depth;      /* callbacks under way: memory is kept until they return */
    bool doomed;         /* destroyed inside a callback */
    bool paused;         /* the owner wants no bytes */
    bool drained;        /* the last recv was short: the socket is empty until the next event */
    bool more;           /* tls_conn_read has not said -EAGAIN since the last `readable` */
    bool socket_eof;     /* FIN came */
    bool blocked;        /* the last send was short */
    bool want_writable;  /* a write was refused or short */
    bool ready_writable; /* ... and there is room now */
    bool ending;         /* tls_conn_end: FIN when all is out */
    bool fin_sent;
};

/* conn.c */
void tls_conn_fail(struct tls_conn *c, enum tls_failure failure, const char *why);
void tls_conn_fail_errno(struct tls_conn *c, int errnum);
void tls_conn_watch_update(struct tls_conn *c);
/* Sends what waits; false when the connection failed. */
bool tls_conn_send(struct tls_conn *c);

/* conn_io.c */
/* A BIO over c; NULL when memory is out. */
BIO *tls_conn_bio(struct tls_conn *c);
/* Fails c with what OpenSSL or verification has to say about ret of the last call. */
void tls_conn_fail_ssl(struct tls_conn *c, int ret);

/* server.c, client.c */
SSL_CTX *tls_server_context(const struct tls_server *s); /* lent */
/* Checks that belong to the end of the handshake; false when they failed c. */
bool tls_server_accepts(struct tls_conn *c);
void tls_client_session_add(struct tls_conn *c, SSL_SESSION *session);

#endif
