#include "agent/ring.h"

#include <stdlib.h>

#define CAP_MIN 4096u

static void put(char *mem, size_t cap, uint64_t at, struct span bytes)
{
    const size_t begin = (size_t)(at & (cap - 1));
    const size_t first = bytes.len < cap - begin ? bytes.len : cap - begin;
    memcpy(mem + begin, bytes.ptr, first);
    memcpy(mem, bytes.ptr + first, bytes.len - first);
}

/* Without memory the ring stays as it is, and forgets sooner. */
static void grow(struct ring *r, size_t want)
{
    size_t cap = r->cap < CAP_MIN ? CAP_MIN : r->cap;
    while (cap < want && cap < RING_MAX) {
        cap *= 2;
    }
    char *mem = cap > r->cap ? malloc(cap) : NULL;
    if (mem == NULL) {
        return;
    }
    for (uint64_t at = r->start; at < r->end;) {
        const struct span piece = ring_at(r, at);
        put(mem, cap, at, piece);
        at += piece.len;
    }
    free(r->mem);
    r->mem = mem;
    r->cap = cap;
}

void ring_append(struct ring *r, struct span bytes)
{
    grow(r, (size_t)(r->end - r->start) + bytes.len);
    if (bytes.len > r->cap) {
        r->end += bytes.len - r->cap;
        bytes = span_from(bytes, bytes.len - r->cap);
    }
    if (r->cap > 0) {
        put(r->mem, r->cap, r->end, bytes);
    }
    r->end += bytes.len;
    if (r->end - r->start > r->cap) {
        r->start = r->end - r->cap;
    }
}

struct span ring_at(const struct ring *r, uint64_t at)
{
    if (at >= r->end || r->cap == 0) {
        return span_of("", 0);
    }
    const size_t begin = (size_t)(at & (r->cap - 1));
    const size_t left = (size_t)(r->end - at);
    return span_of(r->mem + begin, left < r->cap - begin ? left : r->cap - begin);
}

void ring_free(struct ring *r)
{
    free(r->mem);
    *r = (struct ring){0};
}
