#include "js/decode.h"

#include <brotli/decode.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define INPUT_BYTES  (16u * 1024u)
#define WINDOW_GZIP  (15 + 16) /* zlib's way to ask for the gzip format */
#define WINDOW_ZLIB  15
#define WINDOW_RAW   (-15)
#define ZLIB_METHOD  8 /* low four bits of a zlib stream's first byte */
#define ZLIB_MODULUS 31

struct decoder {
    struct source source; /* first: the reader holds a pointer to it */
    struct source *inner;
    enum js_coding coding;
    bool input_ended;
    bool output_ended; /* the coded stream is complete */
    bool begun;
    int broken; /* a negative errno that stays */
    z_stream z;
    BrotliDecoderState *br;
    unsigned char input[INPUT_BYTES];
    size_t at;
    size_t end;
};

/* "deflate" is the zlib format, but some senders leave its two bytes of header out. */
static int zlib_begin(struct decoder *d)
{
    int window = WINDOW_GZIP;
    if (d->coding == JS_CODING_DEFLATE) {
        const unsigned char *p = d->input + d->at;
        bool zlib = d->end - d->at >= 2 && (p[0] & 0x0f) == ZLIB_METHOD &&
                    ((unsigned)p[0] << 8 | p[1]) % ZLIB_MODULUS == 0;
        window = zlib ? WINDOW_ZLIB : WINDOW_RAW;
    }
    d->begun = true;
    return inflateInit2(&d->z, window) == Z_OK ? 0 : -ENOMEM;
}

/* Both: how many bytes were written, or negative. What was taken leaves the input. */
static ssize_t zlib_decode(struct decoder *d, void *dst, size_t len)
{
    if (!d->begun) {
        int rc = zlib_begin(d);
        if (rc < 0) {
            return rc;
        }
    }
    d->z.next_in = d->input + d->at;
    d->z.avail_in = (uInt)(d->end - d->at);
    d->z.next_out = dst;
    d->z.avail_out = (uInt)(len < INT32_MAX ? len : INT32_MAX);
    uInt room = d->z.avail_out;
    int rc = inflate(&d->z, Z_NO_FLUSH);
    d->at = d->end - d->z.avail_in;
    if (rc == Z_STREAM_END) {
        d->output_ended = true;
        /* RFC 1952 2.2: a gzip file is a series of members. */
        if (d->coding == JS_CODING_GZIP && d->at < d->end && inflateReset(&d->z) == Z_OK) {
            d->output_ended = false;
        }
    } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
        return -EBADMSG;
    }
    return (ssize_t)(room - d->z.avail_out);
}

static ssize_t brotli_decode(struct decoder *d, void *dst, size_t len)
{
    if (!d->begun) {
        d->begun = true;
        d->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
        if (d->br == NULL) {
            return -ENOMEM;
        }
    }
    size_t in_left = d->end - d->at;
    const uint8_t *in = d->input + d->at;
    size_t out_left = len;
    uint8_t *out = dst;
    BrotliDecoderResult rc =
        BrotliDecoderDecompressStream(d->br, &in_left, &in, &out_left, &out, NULL);
    d->at = d->end - in_left;
    if (rc == BROTLI_DECODER_RESULT_ERROR) {
        return -EBADMSG;
    }
    d->output_ended = rc == BROTLI_DECODER_RESULT_SUCCESS;
    return (ssize_t)(len - out_left);
}

/* Input enough for a step: two bytes to tell the kinds of "deflate" apart, else one. */
static bool input_suffices(const struct decoder *d)
{
    size_t want = d->coding == JS_CODING_DEFLATE && !d->begun ? 2 : 1;
    return d->end - d->at >= want || d->input_ended;
}

/* 0, -EAGAIN, or another error of the inner source's. */
static ssize_t fill(struct decoder *d)
{
    while (!input_suffices(d)) {
        if (d->at == d->end) {
            d->at = d->end = 0;
        }
        ssize_t n = source_read(d->inner, d->input + d->end, sizeof d->input - d->end);
        if (n < 0) {
            return n;
        }
        d->end += (size_t)n;
        d->input_ended = n == 0;
    }
    return 0;
}

static ssize_t decoder_read(struct source *s, void *dst, size_t len)
{
    struct decoder *d = (struct decoder *)(void *)s;
    ssize_t (*decode)(struct decoder *, void *, size_t) =
        d->coding == JS_CODING_BROTLI ? brotli_decode : zlib_decode;
    while (d->broken == 0 && len != 0) {
        ssize_t n = d->output_ended ? 0 : fill(d);
        if (n < 0) {
            return n;
        }
        if (d->output_ended || (d->input_ended && !d->begun && d->at == d->end)) {
            return 0; /* complete, or an empty body that needs no decoding */
        }
        n = decode(d, dst, len);
        if (n < 0) {
            d->broken = (int)n;
        } else if (n > 0) {
            return n;
        } else if (d->input_ended && !d->output_ended) {
            d->broken = -EBADMSG;
        }
    }
    return d->broken;
}

static void decoder_watch(struct source *s, source_ready_fn ready, void *arg)
{
    source_watch(((struct decoder *)(void *)s)->inner, ready, arg);
}

static void decoder_close(struct source *s)
{
    struct decoder *d = (struct decoder *)(void *)s;
    if (d->begun && d->coding != JS_CODING_BROTLI) {
        inflateEnd(&d->z);
    }
    if (d->br != NULL) {
        BrotliDecoderDestroyInstance(d->br);
    }
    source_close(d->inner);
    free(d);
}

static const struct source_ops decoder_ops = {decoder_read, decoder_watch, decoder_close};

struct source *js_decode(struct source *inner, enum js_coding coding)
{
    if (coding == JS_CODING_NONE) {
        return inner;
    }
    struct decoder *d = calloc(1, sizeof *d);
    if (d == NULL) {
        source_close(inner);
        return NULL;
    }
    d->source.ops = &decoder_ops;
    d->source.length = -1;
    d->inner = inner;
    d->coding = coding;
    return &d->source;
}
