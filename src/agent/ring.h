/*
 * ring: the last bytes of a stream, by their offset since its begin.
 */
#ifndef SALLYPORT_AGENT_RING_H
#define SALLYPORT_AGENT_RING_H

#include "base/span.h"

#define RING_MAX (1024u * 1024u)

struct ring {
    char *mem;
    size_t cap;     /* a power of two, at most RING_MAX */
    uint64_t start; /* offset of the oldest byte that is there */
    uint64_t end;
};

void ring_append(struct ring *r, struct span bytes);
/* What is there from offset `at` on, as far as it lies together; empty at the end. at is between
 * start and end. Lent until the next append. */
struct span ring_at(const struct ring *r, uint64_t at);
void ring_free(struct ring *r);

#endif
