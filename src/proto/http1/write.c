#include "proto/http1/write.h"

#include "proto/http1/body.h"
#include "proto/http1/chars.h"

#define OWNED (HTTP1_FIELD_HOST | HTTP1_FIELD_FRAMING | HTTP1_FIELD_HOP | HTTP1_FIELD_EXPECT)

/* Bytes that all our own lines of one head may take beside the caller's spans. */
#define OWN_LINES_MAX 256u
#define DATE_MAX      32u

struct pen {
    char *at;
    bool ok;
};

static void put(struct pen *p, struct span s)
{
    if (s.len > 0) {
        memcpy(p->at, s.ptr, s.len);
        p->at += s.len;
    }
}

static void put_number(struct pen *p, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    put(p, span_of(digits + at, sizeof digits - at));
}

static size_t fields_size(const struct http1_header *h, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += h[i].name.len + h[i].value.len + 4;
    }
    return size;
}

static void put_fields(struct pen *p, const struct http1_header *h, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!http1_is_token(h[i].name) || !http1_is_value(h[i].value)) {
            p->ok = false;
            return;
        }
        if ((http1_field_flags(h[i].name) & OWNED) != 0) {
            continue;
        }
        put(p, h[i].name);
        put(p, SPAN_LIT(": "));
        put(p, h[i].value);
        put(p, SPAN_LIT("\r\n"));
    }
}

static void put_length(struct pen *p, int64_t length)
{
    put(p, SPAN_LIT("Content-Length: "));
    put_number(p, (uint64_t)length);
    put(p, SPAN_LIT("\r\n"));
}

static bool may_lack_length(struct span method)
{
    return span_eq(method, SPAN_LIT("GET")) || span_eq(method, SPAN_LIT("HEAD")) ||
           span_eq(method, SPAN_LIT("TRACE")) || span_eq(method, SPAN_LIT("CONNECT"));
}

static void put_request_framing(struct pen *p, const struct http1_request_out *r)
{
    if (r->body == HTTP1_BODY_CHUNKED) {
        put(p, SPAN_LIT("Transfer-Encoding: chunked\r\n"));
    } else if (r->body == HTTP1_BODY_LENGTH) {
        p->ok = p->ok && r->length >= 0;
        put_length(p, r->length);
    } else if (r->body == HTTP1_BODY_NONE) {
        if (!may_lack_length(r->method)) {
            put_length(p, 0);
        }
    } else {
        p->ok = false;
    }
}

static bool finish(struct buf *out, const struct pen *p, const char *start)
{
    if (p->ok) {
        buf_commit(out, (size_t)(p->at - start));
    }
    return p->ok;
}

bool http1_write_request(struct buf *out, const struct http1_request_out *r)
{
    if (!http1_is_token(r->method) || r->target.len == 0 || !span_all(r->target, CHAR_TARGET) ||
        r->authority.len == 0 || !span_all(r->authority, CHAR_HOST)) {
        return false;
    }
    char *start = buf_reserve(out, r->method.len + r->target.len + r->authority.len +
                                       fields_size(r->headers, r->header_count) + OWN_LINES_MAX);
    if (start == NULL) {
        return false;
    }
    struct pen p = {start, true};
    put(&p, r->method);
    put(&p, SPAN_LIT(" "));
    put(&p, r->target);
    put(&p, SPAN_LIT(" HTTP/1.1\r\nHost: "));
    put(&p, r->authority);
    put(&p, SPAN_LIT("\r\n"));
    put_fields(&p, r->headers, r->header_count);
    put_request_framing(&p, r);
    if (r->expect_continue) {
        put(&p, SPAN_LIT("Expect: 100-continue\r\n"));
    }
    if (r->close) {
        put(&p, SPAN_LIT("Connection: close\r\n"));
    }
    put(&p, SPAN_LIT("\r\n"));
    return finish(out, &p, start);
}

static void put_response_framing(struct pen *p, const struct http1_response_out *r)
{
    if (r->status < 200 || r->status == 204) {
        return;
    }
    switch (r->body) {
    case HTTP1_BODY_NONE:
        if (r->length >= 0) {
            put_length(p, r->length);
        }
        break;
    case HTTP1_BODY_LENGTH:
        p->ok = p->ok && r->length >= 0;
        put_length(p, r->length);
        break;
    case HTTP1_BODY_CHUNKED:
        p->ok = p->ok && r->version != 10;
        put(p, SPAN_LIT("Transfer-Encoding: chunked\r\n"));
        break;
    case HTTP1_BODY_UNTIL_CLOSE:
        p->ok = p->ok && r->close;
        break;
    }
}

static bool has_date(const struct http1_header *h, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (span_ieq(h[i].name, SPAN_LIT("date"))) {
            return true;
        }
    }
    return false;
}

/* RFC 9110 6.6.1. */
static void put_date(struct pen *p, const struct http1_response_out *r)
{
    if (r->date.len == 0 || r->status < 200 || has_date(r->headers, r->header_count)) {
        return;
    }
    p->ok = p->ok && r->date.len <= DATE_MAX && http1_is_value(r->date);
    if (p->ok) {
        put(p, SPAN_LIT("Date: "));
        put(p, r->date);
        put(p, SPAN_LIT("\r\n"));
    }
}

bool http1_write_response(struct buf *out, const struct http1_response_out *r)
{
    if (r->status < 100 || r->status > 599) {
        return false;
    }
    char *start = buf_reserve(out, fields_size(r->headers, r->header_count) + OWN_LINES_MAX);
    if (start == NULL) {
        return false;
    }
    struct pen p = {start, true};
    put(&p, SPAN_LIT("HTTP/1.1 "));
    put_number(&p, r->status);
    put(&p, SPAN_LIT(" "));
    put(&p, span_str(http1_reason(r->status)));
    put(&p, SPAN_LIT("\r\n"));
    put_fields(&p, r->headers, r->header_count);
    put_date(&p, r);
    put_response_framing(&p, r);
    if (r->close) {
        put(&p, SPAN_LIT("Connection: close\r\n"));
    } else if (r->version == 10 && r->status >= 200) {
        put(&p, SPAN_LIT("Connection: keep-alive\r\n"));
    }
    put(&p, SPAN_LIT("\r\n"));
    return finish(out, &p, start);
}

size_t http1_chunk_head(char out[HTTP1_CHUNK_HEAD_MAX], size_t len)
{
    char hex[16];
    size_t at = sizeof hex;
    do {
        hex[--at] = "0123456789abcdef"[len & 15];
        len >>= 4;
    } while (len > 0);
    size_t digits = sizeof hex - at;
    memcpy(out, hex + at, digits);
    memcpy(out + digits, "\r\n", 2);
    return digits + 2;
}

bool http1_write_chunk(struct buf *out, struct span bytes)
{
    char head[HTTP1_CHUNK_HEAD_MAX];
    size_t n = http1_chunk_head(head, bytes.len);
    if (bytes.len == 0 || buf_reserve(out, n + bytes.len + 2) == NULL) {
        return false;
    }
    return buf_append(out, head, n) && buf_append_span(out, bytes) && buf_append(out, "\r\n", 2);
}

bool http1_write_last_chunk(struct buf *out, const struct http1_header *trailers, size_t count)
{
    char *start = buf_reserve(out, fields_size(trailers, count) + OWN_LINES_MAX);
    if (start == NULL) {
        return false;
    }
    struct pen p = {start, true};
    put(&p, SPAN_LIT("0\r\n"));
    put_fields(&p, trailers, count);
    put(&p, SPAN_LIT("\r\n"));
    return finish(out, &p, start);
}

static const struct {
    unsigned status;
    const char *phrase;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {520, "Origin is disallowed"},
    {526, "Invalid SSL Certificate"},
};

const char *http1_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].phrase;
        }
    }
    return "";
}
