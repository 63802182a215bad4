/*
 * head: what requests and responses have in common. Private to this room.
 */
#ifndef SALLYPORT_PROTO_HTTP1_HEAD_H
#define SALLYPORT_PROTO_HTTP1_HEAD_H

#include "proto/http1/http1.h"

/* Writes the refusal and returns HTTP1_BAD. */
enum http1_result head_refuse(struct http1_refusal *refusal, uint16_t status, const char *why);

/* Looks for the blank line that ends the head. DONE: *size is set, every line ends in CRLF and no
 * LF stands alone. lead: one CRLF before the first line is allowed (RFC 9112 2.2). */
enum http1_result head_scan(struct http1_scan *scan, struct span in, size_t max, bool lead,
                            size_t *size, struct http1_refusal *refusal);

/* Facts that fields say about framing, gathered while they are parsed. */
struct head_facts {
    unsigned lengths;  /* Content-Length fields */
    unsigned codings;  /* Transfer-Encoding fields */
    unsigned hosts;    /* Host fields */
    bool lengths_vary; /* two Content-Length fields differ */
    bool chunked;      /* the one coding is exactly "chunked" */
    bool says_close, says_keep_alive, says_upgrade;
    struct span host;
    struct span expect;
};

/* Parses the lines of `lines` (each ends in CRLF, the blank one is not in it) into out->headers
 * and out->flags, at most `max` fields. */
enum http1_result head_fields(struct span lines, size_t max, struct http1_header *headers,
                              uint8_t *flags, size_t *count, struct http1_refusal *refusal);

/* Reads Host, framing and Connection out of parsed fields and marks the fields that Connection
 * names. out->length is set. */
enum http1_result head_facts(struct http1_head *out, struct head_facts *facts,
                             struct http1_refusal *refusal);

/* "HTTP/1.1" or "HTTP/1.0" to 11 or 10; 0: another version of HTTP; -1: not HTTP. */
int head_version(struct span s);

#endif
