/*
 * http1: a strict HTTP/1.1 engine without I/O (RFC 9110, RFC 9112): bytes in, spans out.
 *
 * A head is parsed whole, from one contiguous lent buffer; every span of the result points into
 * that buffer and lives as long as the caller keeps those bytes. Whatever two readers could read
 * differently is refused, never repaired: bare LF, obs-fold, space before the colon, control bytes,
 * a second Host or Content-Length, Content-Length beside Transfer-Encoding, any coding but exactly
 * "chunked". Bodies: body.h in this room. Writing: write.h.
 */
#ifndef SALLYPORT_PROTO_HTTP1_HTTP1_H
#define SALLYPORT_PROTO_HTTP1_HTTP1_H

#include "base/span.h"

#define HTTP1_HEADER_COUNT      256u         /* fields in one head */
#define HTTP1_REQUEST_HEAD_MAX  (32u * 1024) /* bytes of a request head; above: 431 */
#define HTTP1_TARGET_MAX        (16u * 1024) /* bytes of a request target; above: 431 */
#define HTTP1_RESPONSE_HEAD_MAX (60u * 1024) /* bytes of a response head */

struct http1_header {  /* laid out as struct gate_header is: one may be used as the other */
    struct span name;  /* an RFC 9110 token, as it came */
    struct span value; /* no space at either end, no control byte but HTAB; may be empty */
};

/* What the engine knows of a field. A field is end-to-end when none of HTTP1_FIELD_HOP is set. */
#define HTTP1_FIELD_HOST    0x01u
#define HTTP1_FIELD_FRAMING 0x02u /* Content-Length, Transfer-Encoding */
#define HTTP1_FIELD_HOP     0x04u /* hop-by-hop by RFC 9110 7.6.1, or named in Connection */
#define HTTP1_FIELD_EXPECT  0x08u

enum http1_body_kind {
    HTTP1_BODY_NONE,
    HTTP1_BODY_LENGTH,  /* `length` bytes follow; may be 0 for a message that said so */
    HTTP1_BODY_CHUNKED, /* RFC 9112 7.1 */
    HTTP1_BODY_UNTIL_CLOSE
};

struct http1_head {
    size_t size;     /* bytes of the head with its blank line (and one CRLF before it, if any) */
    uint8_t version; /* 10 or 11 */
    enum http1_body_kind body;
    int64_t length;      /* Content-Length as it stood, also for HEAD and 304; else -1 */
    bool keep_alive;     /* the connection may be used again after this message */
    bool has_connection; /* a Connection field was there */
    struct span upgrade; /* Upgrade, when Connection names it too; else empty */
    size_t count;
    struct http1_header headers[HTTP1_HEADER_COUNT]; /* all fields, in their order */
    uint8_t flags[HTTP1_HEADER_COUNT];               /* HTTP1_FIELD_* of headers[i] */
};

enum http1_form {
    HTTP1_ORIGIN,    /* "/path?query" */
    HTTP1_ABSOLUTE,  /* "http://host/path": the client takes us for a proxy */
    HTTP1_AUTHORITY, /* CONNECT "host:port" */
    HTTP1_ASTERISK   /* OPTIONS "*" */
};

struct http1_request {
    struct span method; /* a token, as it came; case counts */
    struct span target; /* as it came: 0x21-0x7e and bytes above 0x7f, no '#' */
    enum http1_form form;
    struct span scheme; /* absolute form: "http" or "https" as it came; else empty */
    /* Who is asked for: from the target in absolute and authority form (where a Host that says
     * something else was refused), else the Host field. Empty only for HTTP/1.0 without Host. No
     * space, control byte, '/', '\\', '@', '?', '#', ',', quotes or angle bracket in it. */
    struct span authority;
    struct span path; /* starts with '/', or "*"; empty in authority form */
    bool expect_continue;
    struct http1_head head;
};

struct http1_response {
    uint16_t status; /* 100..599 */
    struct span reason;
    struct http1_head head;
};

enum http1_result {
    HTTP1_BAD = -1, /* `refusal` says why; the connection is of no further use */
    HTTP1_MORE = 0, /* call again with the same bytes and more behind them */
    HTTP1_DONE = 1
};

struct http1_refusal {
    uint16_t status; /* what a client gets: 400, 417, 431, 501 or 505 */
    const char *why; /* one static line without any byte of the input */
};

/* Where a scan stands between two calls, so that a head that drips in costs linear time. Zero it
 * before each message. */
struct http1_scan {
    size_t line;  /* where the current line starts */
    size_t seen;  /* no LF before this place */
    size_t lines; /* complete lines so far */
};

/* `in` starts at the first byte of the message and holds all that came of it. Nothing is consumed:
 * drop out->head.size bytes when done with the spans. out is valid only after HTTP1_DONE. */
enum http1_result http1_request_parse(struct http1_scan *scan, struct span in,
                                      struct http1_request *out, struct http1_refusal *refusal);

/* What the request was decides whether its response has a body (RFC 9112 6.3). */
enum http1_asked { HTTP1_ASKED_OTHER, HTTP1_ASKED_HEAD, HTTP1_ASKED_CONNECT };

/* 1xx comes as a response of its own with HTTP1_BODY_NONE; zero the scan and parse the next. */
enum http1_result http1_response_parse(struct http1_scan *scan, struct span in,
                                       enum http1_asked asked, struct http1_response *out,
                                       struct http1_refusal *refusal);

/* Copies the fields that carry none of the flags in `drop` to out (HTTP1_HEADER_COUNT places);
 * returns how many. The gate wants drop = HOST | FRAMING | HOP | EXPECT. */
size_t http1_fields(const struct http1_head *head, unsigned drop, struct http1_header *out);

/* HTTP1_FIELD_* of a name, without what a Connection field may say of it. */
unsigned http1_field_flags(struct span name);

bool http1_is_token(struct span s); /* 1 or more tchar */
bool http1_is_value(struct span s); /* no control byte but HTAB, no space at either end */

/* The first bytes of a connection: are they HTTP? MAYBE asks for more (never beyond 40 bytes). */
enum http1_guess { HTTP1_GUESS_NO, HTTP1_GUESS_MAYBE, HTTP1_GUESS_YES, HTTP1_GUESS_H2 };
enum http1_guess http1_sniff(struct span first);

#endif
