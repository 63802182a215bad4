/*
 * source: a stream of bytes that one reader pulls; the form of every body.
 *
 * Who makes a source fills `ops` and embeds `struct source` first in its own object. Who reads it
 * calls source_read until it says -EAGAIN, then waits for the ready callback. Back-pressure is the
 * absence of reads: a source holds a bounded number of bytes and stops its own origin.
 *
 *     source_read  > 0   that many bytes were written to dst
 *                  0     the end; trailers (if any) may be asked now
 *                  -EAGAIN  nothing now; ready is called once when that changes
 *                  other <0 broken for good; the body is incomplete
 *
 * ready is called from the loop, never from inside source_read or source_watch.
 * source_close gives the source back at any state; after it no callback is made.
 */
#ifndef SALLYPORT_BASE_SOURCE_H
#define SALLYPORT_BASE_SOURCE_H

#include "base/span.h"

#include <sys/types.h>

struct source;

typedef void (*source_ready_fn)(void *arg);

struct source_ops {
    ssize_t (*read)(struct source *s, void *dst, size_t len);
    void (*watch)(struct source *s, source_ready_fn ready, void *arg); /* NULL ready: no more */
    void (*close)(struct source *s);
};

struct source {
    const struct source_ops *ops;
    int64_t length; /* bytes in all when known before the first read, else -1 */
};

static inline ssize_t source_read(struct source *s, void *dst, size_t len)
{
    return s->ops->read(s, dst, len);
}

static inline void source_watch(struct source *s, source_ready_fn ready, void *arg)
{
    s->ops->watch(s, ready, arg);
}

/* NULL is allowed. */
static inline void source_close(struct source *s)
{
    if (s != NULL) {
        s->ops->close(s);
    }
}

/* A source over a copy of the bytes. NULL when memory is out. Always ready. */
struct source *source_from_bytes(struct span bytes);

#endif
