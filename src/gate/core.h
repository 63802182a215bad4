/*
 * core: what the files of this room share; nobody outside includes it.
 */
#ifndef SALLYPORT_GATE_CORE_H
#define SALLYPORT_GATE_CORE_H

#include "gate/wire.h"

#define GATE_OUT_SOFT (512u * 1024u)        /* bodies wait while more output than this is queued */
#define GATE_OUT_HARD (16u * 1024u * 1024u) /* control frames over this end the gate */
/* One read, and the budget of one wake-up: two whole frames, so that bodies keep their pieces. */
#define GATE_IN_BYTES (2u * (GATE_FRAME_MAX + WIRE_FRAME_BYTES))
#define GATE_BUCKETS  256u

struct stream {
    uint32_t id;
    struct stream *next; /* in its bucket */
    struct list waiting; /* in gate.waiting while its sender was told "no room" */
    void *ctx;
    uint32_t may_send;    /* credit that the other end gave */
    uint32_t may_receive; /* credit that we gave */
    uint32_t owed;        /* bytes done with, not yet credited */
    bool head_sent;       /* the outer end: RESPONSE or OPENED; the inner end: always */
    bool head_received;
    bool send_ended;
    bool receive_ended;
};

struct gate {
    struct loop *loop;
    enum gate_side side;
    int fd;
    struct loop_watch *watch;
    struct loop_task flush;
    const struct gate_events *events;
    void *arg;

    struct stream *buckets[GATE_BUCKETS];
    size_t stream_count;
    uint32_t last_stream; /* the newest id that was ever opened */
    struct list waiting;

    struct buf out;

    char *in;         /* GATE_IN_BYTES */
    size_t in_len;    /* bytes in it that were not consumed */
    size_t data_left; /* payload bytes of the DATA frame that is being passed on */
    uint32_t data_stream;

    struct gate_header headers[GATE_HEADER_COUNT];
    const char *why; /* not NULL: the gate is dead, `closed` is due or was made */
    bool told;
    unsigned depth; /* callbacks on the stack; destroy waits for the outermost */
    bool destroyed;
};

/* The gate is dead from here on; `closed` is called at the end of the turn. why is kept. */
void gate_fail(struct gate *g, const char *why);

struct stream *gate_stream_find(const struct gate *g, uint32_t id);
struct stream *gate_stream_open(struct gate *g, uint32_t id);
void gate_stream_drop(struct gate *g, struct stream *s);
/* Drops s when both of its directions have ended. */
void gate_stream_settle(struct gate *g, struct stream *s);

/* One control frame is begun, its payload appended to g->out, and ended. */
size_t gate_frame_begin(struct gate *g);
bool gate_frame_end(struct gate *g, size_t begun, uint32_t stream, enum wire_type type, bool fits);

/* Handles every whole frame in g->in and what has come of a DATA frame. */
void gate_receive(struct gate *g);

#endif
