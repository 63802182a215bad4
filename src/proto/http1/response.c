#include "proto/http1/chars.h"
#include "proto/http1/head.h"

/* "HTTP/1.1 SP 3DIGIT [SP reason] CRLF". The space before an empty reason is often left out.
 * Returns where the fields start, or 0 after a refusal. */
static size_t status_line(struct span in, struct http1_response *out, struct http1_refusal *refusal)
{
    const char *lf = memchr(in.ptr, '\n', in.len);
    struct span line = span_of(in.ptr, (size_t)(lf - in.ptr) - 1);
    int version = line.len >= 12 ? head_version(span_of(line.ptr, 8)) : -1;
    const char *d = line.ptr + 9;
    bool shape = version > 0 && line.ptr[8] == ' ' && d[0] >= '1' && d[0] <= '5' && d[1] >= '0' &&
                 d[1] <= '9' && d[2] >= '0' && d[2] <= '9' &&
                 (line.len == 12 || line.ptr[12] == ' ');
    struct span reason = shape ? span_from(line, 13) : line;
    if (!shape || !span_all(reason, CHAR_VALUE)) {
        head_refuse(refusal, 400, "the status line is malformed");
        return 0;
    }
    out->status = (uint16_t)((d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0'));
    out->reason = reason;
    out->head.version = (uint8_t)version;
    return (size_t)(lf - in.ptr) + 1;
}

static enum http1_result response_framing(struct http1_response *out, enum http1_asked asked,
                                          const struct head_facts *facts,
                                          struct http1_refusal *refusal)
{
    struct http1_head *h = &out->head;
    bool bodiless = out->status < 200 || out->status == 204 || out->status == 304 ||
                    asked == HTTP1_ASKED_HEAD ||
                    (asked == HTTP1_ASKED_CONNECT && out->status < 300);
    if (facts->lengths_vary || (facts->lengths > 0 && facts->codings > 0)) {
        return head_refuse(refusal, 400, "the response gives its length in two ways");
    }
    if (facts->codings > 1 || (facts->codings == 1 && (!facts->chunked || h->version == 10))) {
        return head_refuse(refusal, 400, "the response has a transfer coding other than chunked");
    }
    h->body = bodiless             ? HTTP1_BODY_NONE
              : facts->codings > 0 ? HTTP1_BODY_CHUNKED
              : facts->lengths > 0 ? HTTP1_BODY_LENGTH
                                   : HTTP1_BODY_UNTIL_CLOSE;
    h->keep_alive = !facts->says_close && h->body != HTTP1_BODY_UNTIL_CLOSE &&
                    (h->version == 11 || facts->says_keep_alive);
    if (out->status == 204 && (facts->codings > 0 || h->length > 0)) {
        /* Forbidden by RFC 9110 8.6; whether bytes follow is anybody's guess. */
        h->keep_alive = false;
    }
    return HTTP1_DONE;
}

enum http1_result http1_response_parse(struct http1_scan *scan, struct span in,
                                       enum http1_asked asked, struct http1_response *out,
                                       struct http1_refusal *refusal)
{
    size_t size = 0;
    enum http1_result r = head_scan(scan, in, HTTP1_RESPONSE_HEAD_MAX, false, &size, refusal);
    if (r != HTTP1_DONE) {
        return r;
    }
    struct http1_head *h = &out->head;
    struct head_facts facts;
    h->size = size;
    size_t fields = status_line(span_of(in.ptr, size), out, refusal);
    if (fields == 0) {
        return HTTP1_BAD;
    }
    struct span lines = span_of(in.ptr + fields, size - fields - 2);
    if (head_fields(lines, HTTP1_HEADER_COUNT, h->headers, h->flags, &h->count, refusal) < 0 ||
        head_facts(h, &facts, refusal) < 0) {
        return HTTP1_BAD;
    }
    return response_framing(out, asked, &facts, refusal);
}
