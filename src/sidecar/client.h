/*
 * client: one connection of the sandbox, or of a client of the front door (which starts in HTTP).
 *
 *     SNIFF ──TLS──► HANDSHAKE ──► HTTP ──last response──► FINISHING ──► (gone)
 *       │ ▲                          ▲ │
 *       │ └────────CONNECT───────────┼─┘
 *       ├──HTTP/1────────────────────┘
 *       └──TLS that is not opened──► TUNNEL
 *     any ──client_cut──► DEAD: memory goes at the end of the turn
 *
 * In HTTP, one exchange at a time: request HEAD → BODY → DONE beside response NONE → BODY → DONE.
 * Both DONE: the next request of the connection.
 */
#ifndef SALLYPORT_SIDECAR_CLIENT_H
#define SALLYPORT_SIDECAR_CLIENT_H

#include "proto/http1/body.h"
#include "proto/http1/write.h"
#include "sidecar/sidecar.h"

#define CLIENT_IN_MAX    (64u * 1024u)  /* a hello, or a head with what came behind it */
#define CLIENT_IN_STEP   (8u * 1024u)   /* read at once where no body is expected */
#define CLIENT_AHEAD_MAX (16u * 1024u)  /* read of the next request while one is answered */
#define CLIENT_OUT_MAX   (768u * 1024u) /* a response head, and a stream's credit as chunks */
#define CLIENT_OUT_BATCH (16u * 1024u)  /* written at once; less waits for the end of the turn */
#define CLIENT_BUDGET    (128u * 1024u) /* body bytes of one wake-up */

enum client_phase {
    CLIENT_SNIFF,
    CLIENT_HANDSHAKE,
    CLIENT_HTTP,
    CLIENT_TUNNEL,
    CLIENT_FINISHING,
    CLIENT_DEAD
};

enum client_request { REQUEST_HEAD, REQUEST_BODY, REQUEST_DONE };
enum client_response { RESPONSE_NONE, RESPONSE_BODY, RESPONSE_DONE };

struct client {
    struct list node; /* in sidecar.clients */
    struct sidecar *s;
    struct tls_conn *conn;
    struct loop_task task;
    enum client_phase phase;
    uint64_t deadline_ms; /* monotonic; 0: none */
    uint64_t moved_ms;    /* when output last moved; judged while some waits */
    size_t waited;        /* output that waited at the last tick */

    uint32_t id;
    uint8_t dest[16]; /* front door: the client's own address and port */
    uint16_t dest_port;
    bool proxy;         /* spoke to us as to a proxy */
    bool connected;     /* inside a CONNECT */
    char *connect_name; /* host of the CONNECT, owned, or NULL */
    char *sni;          /* owned, or NULL */

    struct buf in;  /* received, not consumed */
    struct buf out; /* written, not yet taken by conn */

    uint32_t stream; /* of the gate; 0: none */
    size_t owed;     /* bytes in out to be credited once they left it */
    enum client_request request;
    enum client_response response;
    struct http1_scan scan;
    struct http1_body body; /* of the request */
    bool eof;               /* the client will send no more */
    bool served;            /* a request came on it */
    bool wake;              /* input is to be looked at, at the end of the turn */
    uint8_t version;        /* of the request */
    bool keep;              /* the connection serves another request after this */
    bool head_only;         /* HEAD */
    bool awaits_continue;
    enum http1_body_kind framing; /* of the response */
    uint64_t left;                /* of a response with length */
};

/* client.c */
/* Takes fd (given). */
void client_accept(struct sidecar *s, int fd);
void client_turn_queue(struct client *c);
void client_deadline(struct client *c, uint64_t ms); /* 0: none */
/* Reads up to room bytes into c->in: > 0; 0 nothing now, or eof was set; < 0 the client is dead. */
ssize_t client_fill(struct client *c, size_t room);
/* The connection ends so that the client sees a cut, and the stream with it. */
void client_cut(struct client *c);
/* The connection ends in order once the output is out. */
void client_finish(struct client *c);
bool client_idle(const struct client *c); /* between two requests, or before the first */
void client_tick(struct client *c, uint64_t now_ms);
void client_peer(const struct client *c, struct gate_peer *peer);
void client_note(struct client *c, enum gate_note note, struct span detail);
void client_stream_drop(struct client *c, enum gate_reset reason);

/* client_out.c: output gathered into few, large TLS records. */
bool client_send(struct client *c, struct span bytes);
/* false: the client is dead, or ends anyway. */
bool client_out_flush(struct client *c);

/* sniff.c */
void sniff_input(struct client *c);

/* http_in.c */
void http_start(struct client *c);
void http_input(struct client *c);
/* Goes to the next request, or ends the connection: the response is out. */
void http_next(struct client *c);

/* http_out.c: called by the gate's events. */
void http_response(struct client *c, const struct gate_response *res);
void http_inform(struct client *c, uint16_t status);
void http_data(struct client *c, struct span bytes);
void http_end(struct client *c, const struct gate_header *trailers, size_t count);
/* The stream is gone: 502 or 503 while nothing was answered, else a cut. */
void http_failed(struct client *c, enum gate_reset reason);
/* Our own answer; the connection ends after it. code goes into `sallyport-error`, may be NULL. */
void http_answer(struct client *c, uint16_t status, const char *code, const char *text);
void http_unserved(struct client *c); /* 503: there is no gate */

/* connect.c: true when c now sniffs what is inside. */
bool connect_open(struct client *c, struct span authority);

/* tunnel.c */
void tunnel_start(struct client *c);
void tunnel_input(struct client *c);
void tunnel_data(struct client *c, struct span bytes);
void tunnel_end(struct client *c);
/* What the other side said before its end is out. */
void tunnel_out_done(struct client *c);

#endif
