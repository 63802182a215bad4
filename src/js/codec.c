#include "js/codec.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <zlib.h>

#define MEMORY_LEVEL 8 /* zlib's default */
#define WINDOW       15

/* zlib tells the formats apart by this number. */
static const int windows[CODEC_FORMATS] = {WINDOW + 16, WINDOW, -WINDOW};

struct codec {
    z_stream z;
    bool compress;
    bool ended;
    int broken; /* a negative errno that stays */
};

static atomic_uint at_work;

struct codec *codec_open(enum codec_format format, bool compress)
{
    if (format >= CODEC_FORMATS || atomic_fetch_add(&at_work, 1) >= CODECS_MAX) {
        if (format < CODEC_FORMATS) {
            atomic_fetch_sub(&at_work, 1);
        }
        return NULL;
    }
    struct codec *c = calloc(1, sizeof *c);
    int rc = Z_MEM_ERROR;
    if (c != NULL) {
        c->compress = compress;
        rc = compress ? deflateInit2(&c->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, windows[format],
                                     MEMORY_LEVEL, Z_DEFAULT_STRATEGY)
                      : inflateInit2(&c->z, windows[format]);
    }
    if (rc != Z_OK) {
        atomic_fetch_sub(&at_work, 1);
        free(c);
        return NULL;
    }
    return c;
}

static int run(struct codec *c, bool last)
{
    int rc =
        c->compress ? deflate(&c->z, last ? Z_FINISH : Z_NO_FLUSH) : inflate(&c->z, Z_NO_FLUSH);
    switch (rc) {
    case Z_STREAM_END:
        c->ended = true;
        return 0;
    case Z_OK:
    case Z_BUF_ERROR: /* no step was possible: it wants input or room */
        return 0;
    case Z_MEM_ERROR:
        return -ENOMEM;
    default:
        return -EBADMSG;
    }
}

ssize_t codec_step(struct codec *c, struct span *input, bool last, void *dst, size_t len)
{
    if (c->broken != 0) {
        return c->broken;
    }
    if (c->ended) {
        c->broken = input->len != 0 ? -EFBIG : 0;
        return c->broken;
    }
    size_t take = input->len < INT32_MAX ? input->len : INT32_MAX;
    uInt room = (uInt)(len < INT32_MAX ? len : INT32_MAX);
    c->z.next_in = (Bytef *)(uintptr_t)input->ptr;
    c->z.avail_in = (uInt)take;
    c->z.next_out = dst;
    c->z.avail_out = room;
    c->broken = run(c, last && take == input->len);
    size_t written = room - c->z.avail_out;
    *input = span_from(*input, take - c->z.avail_in);
    if (c->broken == 0 && c->ended && input->len != 0) {
        c->broken = -EFBIG;
    }
    if (c->broken == 0 && last && !c->ended && written == 0 && len != 0) {
        c->broken = -EPIPE;
    }
    return written != 0 ? (ssize_t)written : c->broken;
}

void codec_free(struct codec *c)
{
    if (c == NULL) {
        return;
    }
    if (c->compress) {
        deflateEnd(&c->z);
    } else {
        inflateEnd(&c->z);
    }
    free(c);
    atomic_fetch_sub(&at_work, 1);
}
