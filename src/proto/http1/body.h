/*
 * body: where a message's body ends (RFC 9112 6 and 7), without copying it.
 *
 * Two ways to the bytes, which may be mixed:
 *   feed    hand over what was received; get the next run of body bytes as a span inside it.
 *   direct  ask how many of the next bytes are body and nothing else, read at most that many
 *           straight into their destination, and report them.
 */
#ifndef SALLYPORT_PROTO_HTTP1_BODY_H
#define SALLYPORT_PROTO_HTTP1_BODY_H

#include "proto/http1/http1.h"

#define HTTP1_TRAILER_COUNT   32u          /* fields in one trailer section */
#define HTTP1_TRAILERS_MAX    (8u * 1024)  /* bytes of a trailer section */
#define HTTP1_CHUNK_LINE_MAX  512u         /* bytes of one chunk-size line, extensions included */
#define HTTP1_CHUNK_EXTRA_MAX (16u * 1024) /* bytes of all extensions in one body; dropped */

struct http1_body {
    enum http1_body_kind kind;
    int state;
    unsigned line;  /* bytes of the current chunk-size line */
    unsigned extra; /* bytes of extensions so far */
    uint64_t left;  /* bytes left of the body, or of the current chunk */
    struct http1_scan scan;
    const char *why; /* after BAD: one static line */
};

enum http1_step {
    HTTP1_STEP_BAD = -1, /* malformed, or a ceiling; body.why */
    HTTP1_STEP_MORE = 0, /* nothing for now; consumed may still be more than 0 */
    HTTP1_STEP_DATA = 1, /* piece.data holds body bytes; call again with what is left */
    HTTP1_STEP_END = 2   /* the body is complete; bytes behind it belong to the next message */
};

struct http1_piece {
    size_t consumed;  /* drop that many bytes from the front of what was fed */
    struct span data; /* lent: inside the bytes that were fed */
    size_t trailer_count;
    struct http1_header trailers[HTTP1_TRAILER_COUNT]; /* at END; spans inside the bytes fed */
};

void http1_body_init(struct http1_body *b, const struct http1_head *head);

/* MORE with bytes not consumed happens in a trailer section only: keep them and feed them again
 * with more behind; a buffer of HTTP1_TRAILERS_MAX always suffices. A body of no bytes gives END
 * at the first call, also with nothing fed. Trailers that touch framing or routing are refused. */
enum http1_step http1_body_feed(struct http1_body *b, struct span in, struct http1_piece *out);

/* How many of the bytes that come next are body for certain: SIZE_MAX until close, 0 when only
 * feed can tell. */
size_t http1_body_direct(const struct http1_body *b);
/* len bytes (at most http1_body_direct) were taken past this decoder. */
void http1_body_took(struct http1_body *b, size_t len);

/* Nothing will follow. true: that completes the body (until close); false: it is truncated. */
bool http1_body_eof(const struct http1_body *b);
bool http1_body_done(const struct http1_body *b);

#endif
