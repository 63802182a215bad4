/*
 * js/codec: the formats of the Compression Streams standard (gzip, RFC 1952; deflate in zlib's
 * format, RFC 1950; bare deflate, RFC 1951), a step at a time. Bytes in, bytes out.
 */
#ifndef SALLYPORT_JS_CODEC_H
#define SALLYPORT_JS_CODEC_H

#include "base/span.h"

#include <sys/types.h>

#define CODECS_MAX  4096u          /* that are at work at once in the process */
#define CODEC_BYTES (288u * 1024u) /* about what a compressor holds; the other way is less */

enum codec_format { CODEC_GZIP, CODEC_DEFLATE, CODEC_DEFLATE_RAW, CODEC_FORMATS };

struct codec;

/* NULL: memory is out, or CODECS_MAX are at work. */
struct codec *codec_open(enum codec_format format, bool compress);
/* Takes bytes off the front of *input and writes at most len bytes to dst. last: nothing follows
 * what is left of *input. Gives how many were written; 0: with input left or `last` the end, else
 * it wants more input. Negative, for good: -EBADMSG ill-formed, -EPIPE cut off, -EFBIG bytes stand
 * behind the end, -ENOMEM. */
ssize_t codec_step(struct codec *c, struct span *input, bool last, void *dst, size_t len);
void codec_free(struct codec *c); /* NULL is allowed; from any thread */

#endif
