/*
 * buf: bytes that grow up to a ceiling. It always owns its memory.
 *
 * Bytes are appended at the end and consumed from the front. Every call that grows returns false
 * when the ceiling or the memory is reached, and then nothing was changed.
 */
#ifndef SALLYPORT_BASE_BUF_H
#define SALLYPORT_BASE_BUF_H

#include "base/span.h"

struct buf {
    char *mem;
    size_t start;   /* first byte that was not consumed */
    size_t end;     /* one past the last byte */
    size_t cap;     /* size of mem */
    size_t ceiling; /* the most bytes it may hold at once */
};

void buf_init(struct buf *b, size_t ceiling);
void buf_free(struct buf *b); /* may be used again after it: empty, the same ceiling */

static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

static inline struct span buf_span(const struct buf *b)
{
    return span_of(b->mem != NULL ? b->mem + b->start : "", b->end - b->start);
}

/* Room for at least `want` more bytes at the returned place, NULL when there is none.
 * The place is lent until the next call on b; buf_commit says how many were written. */
char *buf_reserve(struct buf *b, size_t want);
void buf_commit(struct buf *b, size_t len);

bool buf_append(struct buf *b, const void *ptr, size_t len);
bool buf_append_span(struct buf *b, struct span s);
bool buf_append_str(struct buf *b, const char *s);
bool buf_appendf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops len bytes (at most all) from the front; memory is kept for the next use. */
void buf_consume(struct buf *b, size_t len);
void buf_clear(struct buf *b);

/* Gives back the memory of an empty buffer; one that holds bytes is left alone. */
void buf_trim(struct buf *b);

/* Overwrites the whole memory with zeros before it is freed: for bytes that were secret. */
void buf_wipe(struct buf *b);

#endif
