#include "proto/http1/chars.h"
#include "proto/http1/head.h"

/* "METHOD SP target SP version CRLF": exactly one space each time. Returns where the fields
 * start, or 0 after a refusal. */
static size_t request_line(struct span in, struct http1_request *out, struct http1_refusal *refusal)
{
    size_t start = in.ptr[0] == '\r' && in.ptr[1] == '\n' ? 2 : 0;
    const char *lf = memchr(in.ptr + start, '\n', in.len - start);
    struct span line = span_of(in.ptr + start, (size_t)(lf - in.ptr) - 1 - start);
    const char *sp = memchr(line.ptr, ' ', line.len);
    const char *last = memrchr(line.ptr, ' ', line.len);
    if (sp == NULL || sp == last) {
        head_refuse(refusal, 400, "the request line has not three parts");
        return 0;
    }
    out->method = span_of(line.ptr, (size_t)(sp - line.ptr));
    out->target = span_of(sp + 1, (size_t)(last - sp) - 1);
    int version = head_version(span_from(line, (size_t)(last - line.ptr) + 1));
    if (!http1_is_token(out->method)) {
        head_refuse(refusal, 400, "the method is no token");
    } else if (span_eq(out->method, SPAN_LIT("PRI"))) {
        /* Reserved by RFC 9113 3.4: another reader may take what follows for HTTP/2. */
        head_refuse(refusal, 400, "PRI is no method of HTTP/1");
    } else if (version < 0) {
        head_refuse(refusal, 400, "the request line does not end in an HTTP version");
    } else if (version == 0) {
        head_refuse(refusal, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    } else if (out->target.len > HTTP1_TARGET_MAX) {
        head_refuse(refusal, 431, "the request target is too large");
    } else if (out->target.len == 0 || !span_all(out->target, CHAR_TARGET)) {
        head_refuse(refusal, 400, "the request target holds a byte that it must not");
    } else {
        out->head.version = (uint8_t)version;
        return (size_t)(lf - in.ptr) + 1;
    }
    return 0;
}

static bool authority_ok(struct span a)
{
    return a.len > 0 && span_all(a, CHAR_HOST);
}

static bool istarts(struct span s, struct span prefix)
{
    return s.len >= prefix.len && span_ieq(span_of(s.ptr, prefix.len), prefix);
}

/* "http://authority/path". What follows the authority is '/' or nothing. */
static const char *absolute_form(struct http1_request *out)
{
    struct span t = out->target;
    size_t scheme = istarts(t, SPAN_LIT("http://")) ? 4 : istarts(t, SPAN_LIT("https://")) ? 5 : 0;
    if (scheme == 0) {
        return "the request target is neither a path nor an http URL";
    }
    out->form = HTTP1_ABSOLUTE;
    out->scheme = span_of(t.ptr, scheme);
    struct span rest = span_from(t, scheme + 3);
    const char *slash = memchr(rest.ptr, '/', rest.len);
    size_t len = slash != NULL ? (size_t)(slash - rest.ptr) : rest.len;
    out->authority = span_of(rest.ptr, len);
    out->path = span_from(rest, len);
    if (out->path.len == 0) {
        out->path = span_eq(out->method, SPAN_LIT("OPTIONS")) ? SPAN_LIT("*") : SPAN_LIT("/");
    }
    return authority_ok(out->authority) ? NULL : "the authority of the request target is malformed";
}

/* "host:port" with a port of 1 to 65535. */
static const char *authority_form(struct http1_request *out)
{
    struct span t = out->target;
    out->form = HTTP1_AUTHORITY;
    out->authority = t;
    const char *colon = memrchr(t.ptr, ':', t.len);
    size_t digits = colon != NULL ? t.len - (size_t)(colon - t.ptr) - 1 : 0;
    unsigned port = 0;
    for (size_t i = t.len - digits; i < t.len && digits <= 5; i++) {
        if (t.ptr[i] < '0' || t.ptr[i] > '9') {
            return "CONNECT wants host:port";
        }
        port = port * 10 + (unsigned)(t.ptr[i] - '0');
    }
    if (port == 0 || port > 65535 || digits == t.len - 1 || !authority_ok(t)) {
        return "CONNECT wants host:port";
    }
    return NULL;
}

static const char *target_form(struct http1_request *out)
{
    out->scheme = out->authority = out->path = span_of("", 0);
    if (span_eq(out->method, SPAN_LIT("CONNECT"))) {
        return authority_form(out);
    }
    if (out->target.ptr[0] == '/') {
        out->form = HTTP1_ORIGIN;
        out->path = out->target;
        return NULL;
    }
    if (span_eq(out->target, SPAN_LIT("*"))) {
        out->form = HTTP1_ASTERISK;
        out->path = out->target;
        return span_eq(out->method, SPAN_LIT("OPTIONS")) ? NULL : "only OPTIONS may ask for *";
    }
    return absolute_form(out);
}

/* Without the port when it is the scheme's own. */
static struct span without_default_port(struct span a, struct span scheme)
{
    struct span suffix = span_ieq(scheme, SPAN_LIT("https")) ? SPAN_LIT(":443")
                         : scheme.len > 0                    ? SPAN_LIT(":80")
                                                             : SPAN_LIT("");
    if (a.len > suffix.len && span_eq(span_from(a, a.len - suffix.len), suffix)) {
        a.len -= suffix.len;
    }
    return a;
}

static struct span without_port(struct span a)
{
    const char *colon = memrchr(a.ptr, ':', a.len);
    return colon != NULL ? span_of(a.ptr, (size_t)(colon - a.ptr)) : a;
}

/* Some clients send CONNECT with a Host that has no port; a different name is refused all the
 * same. */
static bool host_agrees(const struct http1_request *out, struct span host)
{
    struct span a = without_default_port(out->authority, out->scheme);
    struct span b = without_default_port(host, out->scheme);
    return span_ieq(a, b) ||
           (out->form == HTTP1_AUTHORITY && span_ieq(without_port(out->authority), host));
}

static enum http1_result request_host(struct http1_request *out, const struct head_facts *facts,
                                      struct http1_refusal *refusal)
{
    if (facts->hosts > 1) {
        return head_refuse(refusal, 400, "more than one Host");
    }
    if (facts->hosts == 0) {
        return out->head.version == 11 ? head_refuse(refusal, 400, "no Host") : HTTP1_DONE;
    }
    if (!authority_ok(facts->host)) {
        return head_refuse(refusal, 400, "Host is malformed");
    }
    if (out->form == HTTP1_ORIGIN || out->form == HTTP1_ASTERISK) {
        out->authority = facts->host;
    } else if (!host_agrees(out, facts->host)) {
        return head_refuse(refusal, 400, "Host and the request target name different hosts");
    }
    return HTTP1_DONE;
}

static enum http1_result request_framing(struct http1_request *out, const struct head_facts *facts,
                                         struct http1_refusal *refusal)
{
    struct http1_head *h = &out->head;
    if (facts->codings > 0) {
        if (facts->lengths > 0) {
            return head_refuse(refusal, 400, "Content-Length beside Transfer-Encoding");
        }
        if (facts->codings > 1 || h->version == 10) {
            return head_refuse(refusal, 400, "Transfer-Encoding is not allowed like this");
        }
        if (!facts->chunked) {
            return head_refuse(refusal, 501, "the only transfer coding spoken here is chunked");
        }
    }
    if (facts->lengths > 1) {
        return head_refuse(refusal, 400, "more than one Content-Length");
    }
    if (out->form == HTTP1_AUTHORITY && facts->codings + facts->lengths > 0) {
        return head_refuse(refusal, 400, "CONNECT has no body");
    }
    h->body = facts->codings > 0   ? HTTP1_BODY_CHUNKED
              : facts->lengths > 0 ? HTTP1_BODY_LENGTH
                                   : HTTP1_BODY_NONE;
    h->keep_alive = !facts->says_close && (h->version == 11 || facts->says_keep_alive);
    return HTTP1_DONE;
}

static enum http1_result request_expect(struct http1_request *out, const struct head_facts *facts,
                                        struct http1_refusal *refusal)
{
    out->expect_continue = false;
    if (facts->expect.len == 0) {
        return HTTP1_DONE;
    }
    if (!span_ieq(facts->expect, SPAN_LIT("100-continue"))) {
        return head_refuse(refusal, 417, "the only expectation known here is 100-continue");
    }
    bool empty = out->head.body == HTTP1_BODY_NONE || out->head.length == 0;
    out->expect_continue = out->head.version == 11 && !empty;
    return HTTP1_DONE;
}

enum http1_result http1_request_parse(struct http1_scan *scan, struct span in,
                                      struct http1_request *out, struct http1_refusal *refusal)
{
    size_t size = 0;
    enum http1_result r = head_scan(scan, in, HTTP1_REQUEST_HEAD_MAX, true, &size, refusal);
    if (r != HTTP1_DONE) {
        return r;
    }
    struct http1_head *h = &out->head;
    struct head_facts facts;
    h->size = size;
    size_t fields = request_line(span_of(in.ptr, size), out, refusal);
    if (fields == 0) {
        return HTTP1_BAD;
    }
    const char *why = target_form(out);
    if (why != NULL) {
        return head_refuse(refusal, 400, why);
    }
    struct span lines = span_of(in.ptr + fields, size - fields - 2);
    if (head_fields(lines, HTTP1_HEADER_COUNT, h->headers, h->flags, &h->count, refusal) < 0 ||
        head_facts(h, &facts, refusal) < 0 || request_host(out, &facts, refusal) < 0 ||
        request_framing(out, &facts, refusal) < 0) {
        return HTTP1_BAD;
    }
    return request_expect(out, &facts, refusal);
}
