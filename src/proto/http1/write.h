/*
 * write: heads and chunks of HTTP/1.1 into a buf.
 *
 * The writer alone decides framing: fields that are hop-by-hop, framing or Host are left out of the
 * list that it is given. A name that is no token or a value with a control byte makes the whole
 * head fail, with nothing written: nothing can be smuggled in through a header value.
 */
#ifndef SALLYPORT_PROTO_HTTP1_WRITE_H
#define SALLYPORT_PROTO_HTTP1_WRITE_H

#include "base/buf.h"
#include "proto/http1/http1.h"

struct http1_request_out {
    struct span method;
    struct span target;    /* origin form or "*" */
    struct span authority; /* for Host */
    const struct http1_header *headers;
    size_t header_count;
    enum http1_body_kind body; /* NONE, LENGTH or CHUNKED; NONE writes Content-Length: 0 for
                                  methods other than GET, HEAD, TRACE and CONNECT */
    int64_t length;            /* for LENGTH */
    bool close;
    bool expect_continue; /* Expect is otherwise left out */
};

struct http1_response_out {
    uint16_t status;           /* 100..599 */
    uint8_t version;           /* of the request: 10 gets `Connection: keep-alive` unless close */
    enum http1_body_kind body; /* UNTIL_CLOSE wants close; 1xx, 204: no framing is written */
    int64_t length;            /* for LENGTH; with NONE (HEAD, 304) written when it is not -1 */
    const struct http1_header *headers;
    size_t header_count;
    bool close;
    struct span date; /* IMF-fixdate, for a final response without Date of its own; empty: none */
};

/* false: ceiling, memory, or a field that must not be written; then out is as it was. */
bool http1_write_request(struct buf *out, const struct http1_request_out *r);
bool http1_write_response(struct buf *out, const struct http1_response_out *r);

#define HTTP1_CHUNK_HEAD_MAX 18u /* "ffffffffffffffff\r\n" */

/* A chunk is: its head, the bytes, CRLF. len is not 0. */
size_t http1_chunk_head(char out[HTTP1_CHUNK_HEAD_MAX], size_t len);
bool http1_write_chunk(struct buf *out, struct span bytes);
/* The last chunk, trailers and the end. Trailers that touch framing or routing are left out. */
bool http1_write_last_chunk(struct buf *out, const struct http1_header *trailers, size_t count);

/* The phrase of RFC 9110 15, "" when there is none. */
const char *http1_reason(unsigned status);

#endif
