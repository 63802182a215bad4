/*
 * inbound: the body of a request as it arrives through the gate, as a source for whoever reads it.
 *
 * It belongs to two: the exchange, until inbound_detach, and its reader, from inbound_take until
 * the source is closed; the later one frees it. Holds at most GATE_CREDIT_INITIAL bytes; credit
 * goes back as they are read. A body that nobody reads (any more) is dropped as it comes.
 */
#ifndef SALLYPORT_RUNTIME_INBOUND_H
#define SALLYPORT_RUNTIME_INBOUND_H

#include "base/source.h"
#include "gate/gate.h"
#include "loop/loop.h"

#define INBOUND_DRAIN_MAX                                                                          \
    (1024u * 1024u) /* unread bytes that are taken before the stream is cut                        \
                     */

struct inbound;

struct inbound_spec {
    struct loop *loop;
    struct gate *gate;
    uint32_t stream;
    int64_t length; /* -1: not known */
    bool expect;    /* the client waits for 100: sent when the body is first asked for */
};

struct inbound *inbound_create(const struct inbound_spec *spec); /* NULL: memory */

/* The gate's events. feed: false when the body is longer than it said, or than its credit: the
 * stream is to be reset. */
bool inbound_feed(struct inbound *in, struct span bytes);
void inbound_end(struct inbound *in);
/* The source (given to the reader); NULL when it was taken before. */
struct source *inbound_take(struct inbound *in);
/* Nobody will read: what is there and what comes is dropped, up to INBOUND_DRAIN_MAX. */
void inbound_discard(struct inbound *in);
/* The same, unless a reader has the source. */
void inbound_discard_unread(struct inbound *in);
bool inbound_over_drain(const struct inbound *in); /* more was dropped than that */
bool inbound_complete(const struct inbound *in);   /* the client has sent it all */
bool inbound_waits(const struct inbound *in);      /* the client still waits for 100 */
int64_t inbound_length(const struct inbound *in);  /* -1: not known */
uint64_t inbound_left(const struct inbound *in);   /* of its length; 0 when that is not known */
uint64_t inbound_bytes(const struct inbound *in);  /* that arrived */

/* The exchange lets go: the stream is gone or over, and the gate is not used again. A reader that
 * has not read all gets -ECONNRESET. */
void inbound_detach(struct inbound *in); /* NULL is allowed */

#endif
