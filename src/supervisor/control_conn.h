/*
 * control_conn: one connection of the control API, and the call that is answered on it.
 *
 *     HEAD -> BODY -> WAIT -> HEAD …      a call is dispatched between BODY and WAIT
 *                     WAIT -> STREAM      call_stream: the answer goes on until either end closes
 *                     WAIT -> RAW         call_upgrade: bytes of another protocol, both ways
 *
 * A call outlives its connection: an answer to one that has gone is dropped. Each call is answered
 * exactly once, from inside the dispatch or later.
 */
#ifndef SALLYPORT_SUPERVISOR_CONTROL_CONN_H
#define SALLYPORT_SUPERVISOR_CONTROL_CONN_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "loop/loop.h"
#include "supervisor/objects.h"

#define CONTROL_SEGMENTS_MAX 8u
#define CONTROL_QUERY_MAX    8u
#define CONTROL_TARGET_MAX   4096u                  /* bytes of path and query */
#define CONTROL_BODY_MAX     (26u * 1024u * 1024u)  /* a KV value of 25 MiB */
#define CONTROL_APP_MAX      (160u * 1024u * 1024u) /* PUT /v1/app: a bundle and its map */
#define CONTROL_RAW_MAX      (128u * 1024u)         /* bytes that wait for a slow reader */
#define CONTROL_UPGRADE      "sallyport-exec"
/* Bytes that wait for a slow reader of events: all that is remembered, with its frames, and more.
 */
#define CONTROL_STREAM_MAX (2u * 1024u * 1024u)

struct conn;

struct call {
    struct conn *conn; /* NULL: the asker has gone */
    struct supervisor *s;
    char method[16];
    char target[CONTROL_TARGET_MAX + 1]; /* decoded in place: the spans below point into it */
    struct span segments[CONTROL_SEGMENTS_MAX];
    size_t segment_count;
    struct call_query {
        struct span name;
        struct span value;
    } query[CONTROL_QUERY_MAX];
    size_t query_count;
    struct buf body;
    bool upgrade; /* it asks for CONTROL_UPGRADE */

    /* What the handler keeps between its steps. */
    size_t step;
    struct buf gathered;
    struct object object;
    struct member_wait wait;
    void (*then)(struct call *c);
    char *arguments; /* freed with the call */
    struct span method_name;
};

typedef void (*call_dispatch_fn)(struct call *c);

/* fd is given. The connection links itself into all, and removes itself when it ends. */
struct conn *conn_create(struct loop *loop, int fd, struct supervisor *s, struct list *all,
                         call_dispatch_fn dispatch, struct error *err);
/* Writes what can be written at once; streams are told that they are closed. */
void conn_destroy_all(struct list *all);

/* Answers; the call is gone afterwards. */
void call_reply(struct call *c, unsigned status, const char *type, struct span body);
void call_reply_json(struct call *c, struct span json);
void call_reply_error(struct call *c, unsigned status, const char *code, const char *message,
                      const char *hint);

/* Begins an answer without end. closed is called when the asker goes away, and then the stream is
 * gone; call_stream_end ends it from this side. NULL: the asker has gone already. */
struct conn *call_stream(struct call *c, const char *type, void (*closed)(void *arg), void *arg);
/* false: the reader does not keep up, nothing was taken. */
bool conn_stream_write(struct conn *c, struct span bytes);
void conn_stream_end(struct conn *c);

struct conn_raw {
    void (*received)(void *arg, struct span bytes); /* lent */
    void (*drained)(void *arg);                     /* all that waited was written */
    void (*closed)(void *arg); /* the other end went away or closed its half; the last callback */
};
/* Answers 101. NULL: the asker has gone already. Callbacks come later, none from inside. */
struct conn *call_upgrade(struct call *c, const struct conn_raw *events, void *arg);
size_t conn_raw_waiting(const struct conn *c);          /* bytes that are not written yet */
bool conn_raw_write(struct conn *c, struct span bytes); /* false: over twice CONTROL_RAW_MAX */
void conn_raw_end(struct conn *c); /* closes once all is written; no callback any more */

#endif
