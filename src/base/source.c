#include "base/source.h"

#include <stdlib.h>

struct bytes_source {
    struct source source;
    size_t at;
    size_t len;
    char bytes[];
};

static ssize_t bytes_read(struct source *s, void *dst, size_t len)
{
    struct bytes_source *b = (struct bytes_source *)(void *)s;
    size_t n = b->len - b->at < len ? b->len - b->at : len;
    memcpy(dst, b->bytes + b->at, n);
    b->at += n;
    return (ssize_t)n;
}

static void bytes_watch(struct source *s, source_ready_fn ready, void *arg)
{
    /* read never says -EAGAIN, so there is never anything to wait for. */
    (void)s;
    (void)ready;
    (void)arg;
}

static void bytes_close(struct source *s)
{
    free(s);
}

static const struct source_ops bytes_ops = {bytes_read, bytes_watch, bytes_close};

struct source *source_from_bytes(struct span bytes)
{
    struct bytes_source *b = malloc(sizeof *b + bytes.len);
    if (b == NULL) {
        return NULL;
    }
    *b = (struct bytes_source){.source = {&bytes_ops, (int64_t)bytes.len}, .len = bytes.len};
    if (bytes.len > 0) {
        memcpy(b->bytes, bytes.ptr, bytes.len);
    }
    return &b->source;
}
