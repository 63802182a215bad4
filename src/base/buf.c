#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t ceiling)
{
    *b = (struct buf){.ceiling = ceiling};
}

void buf_free(struct buf *b)
{
    free(b->mem);
    *b = (struct buf){.ceiling = b->ceiling};
}

char *buf_reserve(struct buf *b, size_t want)
{
    size_t len = buf_len(b);
    if (want > b->ceiling || len > b->ceiling - want) {
        return NULL;
    }
    bool has_memory = b->mem != NULL;
    if (has_memory && b->cap - b->end >= want) {
        return b->mem + b->end;
    }
    if (has_memory && b->cap >= len + want && b->start >= len) {
        /* The live bytes fit into the consumed front without overlap: moving them is cheap. */
        memcpy(b->mem, b->mem + b->start, len);
    } else {
        size_t cap = b->cap < 256 ? 256 : b->cap;
        while (cap < len + want) {
            cap *= 2;
        }
        char *mem = malloc(cap);
        if (mem == NULL) {
            return NULL;
        }
        if (has_memory && len > 0) {
            memcpy(mem, b->mem + b->start, len);
        }
        free(b->mem);
        b->mem = mem;
        b->cap = cap;
    }
    b->start = 0;
    b->end = len;
    return b->mem + len;
}

void buf_commit(struct buf *b, size_t len)
{
    assert(b->cap - b->end >= len);
    b->end += len;
}

bool buf_append(struct buf *b, const void *ptr, size_t len)
{
    if (len == 0) {
        return true;
    }
    char *to = buf_reserve(b, len);
    if (to == NULL) {
        return false;
    }
    memcpy(to, ptr, len);
    b->end += len;
    return true;
}

bool buf_append_span(struct buf *b, struct span s)
{
    return buf_append(b, s.ptr, s.len);
}

bool buf_append_str(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

bool buf_appendf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        return false;
    }
    /* vsnprintf writes a terminating NUL, which is not committed. */
    char *to = buf_reserve(b, (size_t)n + 1);
    if (to == NULL) {
        return false;
    }
    va_start(ap, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->end += (size_t)n;
    return true;
}

void buf_consume(struct buf *b, size_t len)
{
    b->start += len < buf_len(b) ? len : buf_len(b);
    if (b->start == b->end) {
        b->start = b->end = 0;
    }
}

void buf_clear(struct buf *b)
{
    b->start = b->end = 0;
}

void buf_trim(struct buf *b)
{
    if (b->start == b->end) {
        buf_free(b);
    }
}

void buf_wipe(struct buf *b)
{
    if (b->mem != NULL) {
        explicit_bzero(b->mem, b->cap);
    }
    buf_free(b);
}
