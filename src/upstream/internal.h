/*
 * internal: the objects of this room and who owns whom. Private to this room.
 *
 *     upstream ── origins, one a (secure, host, port) ── connections ── at most one exchange each
 *
 * A connection belongs to its origin from the start of its dial to its end. An exchange
 * (struct upstream_fetch) has a connection from the moment it is given one until the response is
 * complete; it is also the source of the response's body, and lives on as that when the connection
 * is already back in the pool.
 */
#ifndef SALLYPORT_UPSTREAM_INTERNAL_H
#define SALLYPORT_UPSTREAM_INTERNAL_H

#include "base/buf.h"
#include "proto/http1/body.h"
#include "tls/tls.h"
#include "upstream/dial.h"

#define ORIGIN_BUCKETS 256u
#define FETCHES_KEPT   64u           /* freed exchanges kept for the next */
#define CONN_READ      (16u * 1024u) /* bytes asked for at a time when not read into place */
#define CONN_IN_MAX    (HTTP1_RESPONSE_HEAD_MAX + 2 * CONN_READ)
#define UPLOAD_PIECE   (64u * 1024u) /* body bytes taken from the source at a time */
#define INFORMS_MAX    16u           /* 1xx responses to one request */
#define WHY_BYTES      512u

struct origin {
    struct list bucket;
    struct upstream *up;
    bool secure;
    uint16_t port;
    size_t refs;         /* connections and exchanges that point here */
    size_t open;         /* connections, those being dialled included */
    struct list idle;    /* struct conn, the longest unused first */
    struct list waiting; /* struct upstream_fetch, the first first */
    size_t host_len;
    char host[];
};

/*
 *     DIALING --fd--> TLS --handshaken--> BUSY <--attach / release--> IDLE
 *        └────────────── clear ────────────┘
 *     any --close--> DEAD (freed when no callback of it is under way)
 */
enum conn_state { CONN_DIALING, CONN_TLS, CONN_BUSY, CONN_IDLE, CONN_DEAD };

struct conn {
    struct list all;  /* in up->conns */
    struct list node; /* in origin->idle */
    struct origin *origin;
    enum conn_state state;
    struct dial *dial;
    struct tls_conn *tls;
    struct upstream_fetch *fetch; /* BUSY, and DIALING and TLS: for whom */
    struct buf in;                /* received, not yet parsed or read */
    uint64_t deadline_ms;         /* of TLS or IDLE; 0: none */
    uint32_t idle_ms;             /* how long the peer says it keeps it */
    uint32_t serial;              /* counts attachments */
    unsigned depth;               /* callbacks under way */
    unsigned served;              /* responses so far */
    bool once;                    /* it came connected: for one exchange */
    bool lent;                    /* spans into `in` are lent: it must not be refilled */
    char peer[UPSTREAM_PEER_MAX];
};

/*
 *     QUEUED --connection--> SENT --response--> BODY --end, cut--> OVER --close--> (free)
 *       └──────failed──────────┘ (free)   └──no body──> (free)
 */
enum fetch_state { FETCH_QUEUED, FETCH_SENT, FETCH_BODY, FETCH_OVER };

struct upstream_fetch {
    struct source source; /* first: the response's body */
    struct list node;     /* in up->fetches, or in up->free */
    struct list queue;    /* in origin->waiting */
    struct upstream *up;
    struct origin *origin;
    struct conn *conn;
    const struct upstream_events *events;
    void *arg;
    enum fetch_state state;

    /* the request */
    struct buf out; /* head, then pieces of the body. While body_read is false the head is
                       kept whole for a retry and out_at says how much the connection took */
    size_t out_at;
    struct source *body; /* NULL: none, or all of it was read */
    bool watching;       /* body's ready callback is set */
    bool chunked;
    bool body_read; /* a byte was taken from body */
    bool idempotent;
    bool head_method; /* HEAD */
    bool sent;        /* bytes may have reached the host */
    bool all_sent;    /* the request is complete and in the connection */
    bool retried;
    uint64_t left;        /* body bytes to come, when not chunked */
    uint64_t deadline_ms; /* for the response head; 0: none */

    /* the response */
    struct http1_scan scan;
    struct http1_body decoder;
    unsigned informs;
    bool keep_alive;
    bool stalled;          /* the last read said -EAGAIN */
    int broken;            /* negative errno that the body ends with; 0: not broken */
    source_ready_fn ready; /* who waits for the body */
    void *ready_arg;
    struct loop_task task;         /* calls ready, or failed, from the loop */
    struct http1_header *trailers; /* one block with the bytes behind them */
    size_t trailer_count;
    enum upstream_failure failure; /* what `task` is to tell before there was a response */
    char *why;                     /* not NULL: failed */
};

struct upstream {
    struct loop *loop;
    struct tls_client *tls;
    struct dial_rules rules;
    struct resolver *resolver;
    struct hosts_file *hosts;
    struct upstream_resolve *resolve; /* copies, hosts included */
    uint32_t tls_ms, head_ms, idle_ms;
    struct loop_timer *sweep; /* runs while there are connections */
    uint32_t sweep_ms;
    bool sweeping;
    size_t open; /* connections of all origins, and tunnels */
    struct list conns;
    struct list fetches; /* those that wait for a response head */
    struct list free;
    size_t free_count;
    struct list origins[ORIGIN_BUCKETS];
    struct http1_response
        response; /* the head under way: 10 KiB that need not be cleared each time */
};

/* pool.c */
struct origin *pool_origin(struct upstream *up, bool secure, struct span host, uint16_t port);
void pool_origin_put(struct origin *o); /* undoes one pool_origin, or one o->refs++ */
/* An idle connection, or NULL. sure: look first whether the peer has closed it meanwhile. */
struct conn *pool_take(struct origin *o, bool sure);
/* May one more connection be opened? Closes an idle one of another origin if that helps. */
bool pool_may_open(struct origin *o);
void pool_next(struct origin *o); /* serves those who wait, as far as there is room now */
void pool_sweep_start(struct upstream *up);
void pool_sweep(void *up);

/* conn.c */
/* Starts a connection for f. Negative with err when it cannot even be started. */
int conn_open(struct origin *o, struct upstream_fetch *f, struct error *err);
/* A connection for f over a socket that is connected already, for f alone. fd is given. */
int conn_adopt(struct origin *o, struct upstream_fetch *f, int fd, struct error *err);
/* The exchange is over. Back to the pool when it may be used again, else closed. */
void conn_release(struct conn *c, bool reusable);
/* Nobody is told. reset: the peer sees a RST. */
void conn_close(struct conn *c, bool reset);
/* Closes, then has the exchange sent again or failed. */
__attribute__((format(printf, 3, 4))) void conn_lost(struct conn *c, enum upstream_failure failure,
                                                     const char *fmt, ...);
/* Receives into c->in: > 0, 0 at the end, -EAGAIN, other < 0. */
ssize_t conn_fill(struct conn *c);

/* fetch.c */
void fetch_attach(struct upstream_fetch *f, struct conn *c);
void fetch_pump(struct upstream_fetch *f); /* sends what can be sent of the request */
void fetch_free(struct upstream_fetch *f);
void fetch_retry(struct upstream_fetch *f);
/* Has failed called at the end of the turn. The connection is given up before. */
void fetch_fail(struct upstream_fetch *f, enum upstream_failure failure, const char *why);
void fetch_body_drop(struct upstream_fetch *f); /* the request's body is no longer wanted */

/* body.c */
extern const struct source_ops upstream_body_ops;
void body_wake(struct upstream_fetch *f); /* calls who waits for bytes, once; f may be gone then */
/* The connection is given up; the body ends with err (< 0). */
void body_break(struct upstream_fetch *f, int err);

#endif
