/* A step at a time as CompressionStream's natives take them: first byte the format, the direction
 * and the sizes, the rest the bytes. What was compressed comes back; at most 1 MiB is made of
 * strange bytes. */
#include "js/codec.h"

#include "base/buf.h"

#include <stdlib.h>

#define OUTPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds in by pieces; false: broken. */
static bool run(struct codec *c, struct span in, size_t piece, size_t room, struct buf *out)
{
    char dst[512];
    for (;;) {
        struct span part = span_of(in.ptr, in.len < piece ? in.len : piece);
        size_t given = part.len;
        ssize_t n = codec_step(c, &part, given == in.len, dst, room);
        in = span_from(in, given - part.len);
        if (n < 0 || !buf_append(out, dst, (size_t)n)) {
            return false;
        }
        if (n == 0 && given == part.len && in.len == 0) {
            return true;
        }
        if (n == 0 && given == part.len) {
            abort(); /* neither a byte in nor one out, and it does not say why */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    enum codec_format format = (enum codec_format)(data[0] % CODEC_FORMATS);
    bool compress = (data[0] & 4) != 0;
    size_t piece = 1 + (size_t)(data[0] >> 5) * 37;
    size_t room = 1 + (size_t)(data[0] >> 3 & 3) * 170;
    struct span in = span_of((const char *)data + 1, size - 1);
    struct buf out;
    struct buf back;
    buf_init(&out, OUTPUT_MAX);
    buf_init(&back, OUTPUT_MAX);
    struct codec *c = codec_open(format, compress);
    if (c != NULL && run(c, in, piece, room, &out) && compress) {
        struct codec *d = codec_open(format, false);
        if (d != NULL &&
            (!run(d, buf_span(&out), piece, room, &back) || !span_eq(buf_span(&back), in))) {
            abort();
        }
        codec_free(d);
    }
    codec_free(c);
    buf_free(&out);
    buf_free(&back);
    return 0;
}
