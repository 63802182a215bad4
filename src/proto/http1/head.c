#include "proto/http1/head.h"

#include "proto/http1/chars.h"

#define CONNECTION_TOKENS_MAX 64 /* names in Connection; each is looked up in all fields */
#define LENGTH_DIGITS_MAX     18 /* always fits int64_t */

enum http1_result head_refuse(struct http1_refusal *refusal, uint16_t status, const char *why)
{
    *refusal = (struct http1_refusal){status, why};
    return HTTP1_BAD;
}

enum http1_result head_scan(struct http1_scan *scan, struct span in, size_t max, bool lead,
                            size_t *size, struct http1_refusal *refusal)
{
    for (;;) {
        const char *lf = NULL;
        if (scan->seen < in.len) {
            lf = memchr(in.ptr + scan->seen, '\n', in.len - scan->seen);
        }
        size_t end = lf != NULL ? (size_t)(lf - in.ptr) + 1 : in.len;
        if (end > max || (lf == NULL && in.len >= max)) {
            return head_refuse(refusal, 431, "the head is too large");
        }
        scan->seen = end;
        if (lf == NULL) {
            return HTTP1_MORE;
        }
        if (end - scan->line < 2 || lf[-1] != '\r') {
            return head_refuse(refusal, 400, "a line ends in LF without CR");
        }
        bool blank = end - scan->line == 2;
        bool first = scan->lines == 0;
        if (blank && first && !(lead && scan->line == 0)) {
            return head_refuse(refusal, 400, "the first line is empty");
        }
        scan->line = end;
        if (blank && !first) {
            *size = end;
            return HTTP1_DONE;
        }
        scan->lines += blank ? 0 : 1;
        if (scan->lines > HTTP1_HEADER_COUNT + 1) {
            return head_refuse(refusal, 431, "too many fields");
        }
    }
}

/* One field line from *at on; *at moves behind its CRLF. */
static const char *field_line(struct span lines, size_t *at, struct http1_header *out)
{
    const char *p = lines.ptr + *at;
    const char *end = lines.ptr + lines.len;
    const char *name = p;
    while (p < end && char_is(*p, CHAR_TOKEN)) {
        p++;
    }
    if (p == name || p == end || *p != ':') {
        return *name == ' ' || *name == '\t' ? "a field line is folded"
                                             : "a field name is no token followed by a colon";
    }
    out->name = span_of(name, (size_t)(p - name));
    p++;
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    const char *value = p;
    while (p < end && char_is(*p, CHAR_VALUE)) {
        p++;
    }
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n') {
        return "a field value holds a control byte";
    }
    const char *last = p;
    while (last > value && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }
    out->value = span_of(value, (size_t)(last - value));
    *at = (size_t)(p - lines.ptr) + 2;
    return NULL;
}

enum http1_result head_fields(struct span lines, size_t max, struct http1_header *headers,
                              uint8_t *flags, size_t *count, struct http1_refusal *refusal)
{
    *count = 0;
    for (size_t at = 0; at < lines.len;) {
        if (*count == max) {
            return head_refuse(refusal, 431, "too many fields");
        }
        struct http1_header *h = &headers[*count];
        const char *why = field_line(lines, &at, h);
        if (why != NULL) {
            return head_refuse(refusal, 400, why);
        }
        flags[*count] = (uint8_t)http1_field_flags(h->name);
        (*count)++;
    }
    return HTTP1_DONE;
}

static int64_t parse_length(struct span v)
{
    if (v.len == 0 || v.len > LENGTH_DIGITS_MAX) {
        return -1;
    }
    int64_t n = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9') {
            return -1;
        }
        n = n * 10 + (v.ptr[i] - '0');
    }
    return n;
}

static void mark_named(struct http1_head *out, struct span name)
{
    for (size_t i = 0; i < out->count; i++) {
        if (span_ieq(out->headers[i].name, name)) {
            out->flags[i] |= HTTP1_FIELD_HOP;
        }
    }
}

/* The list of one Connection field (RFC 9110 7.6.1). false: malformed or too long. */
static bool connection_tokens(struct http1_head *out, struct span v, struct head_facts *facts,
                              size_t *tokens)
{
    while (v.len > 0) {
        const char *comma = memchr(v.ptr, ',', v.len);
        struct span t = span_of(v.ptr, comma != NULL ? (size_t)(comma - v.ptr) : v.len);
        v = span_from(v, t.len + 1);
        while (t.len > 0 && (t.ptr[0] == ' ' || t.ptr[0] == '\t')) {
            t = span_from(t, 1);
        }
        while (t.len > 0 && (t.ptr[t.len - 1] == ' ' || t.ptr[t.len - 1] == '\t')) {
            t.len--;
        }
        if (++*tokens > CONNECTION_TOKENS_MAX || (t.len > 0 && !http1_is_token(t))) {
            return false;
        }
        facts->says_close |= span_ieq(t, SPAN_LIT("close"));
        facts->says_keep_alive |= span_ieq(t, SPAN_LIT("keep-alive"));
        facts->says_upgrade |= span_ieq(t, SPAN_LIT("upgrade"));
        if (t.len > 0) {
            mark_named(out, t);
        }
    }
    return true;
}

static enum http1_result framing_fact(struct http1_head *out, const struct http1_header *h,
                                      struct head_facts *facts, struct http1_refusal *refusal)
{
    if (h->name.len == sizeof "content-length" - 1) {
        int64_t n = parse_length(h->value);
        if (n < 0) {
            return head_refuse(refusal, 400, "Content-Length is not a number");
        }
        facts->lengths_vary |= facts->lengths > 0 && n != out->length;
        facts->lengths++;
        out->length = n;
    } else {
        facts->codings++;
        facts->chunked = span_ieq(h->value, SPAN_LIT("chunked"));
    }
    return HTTP1_DONE;
}

enum http1_result head_facts(struct http1_head *out, struct head_facts *facts,
                             struct http1_refusal *refusal)
{
    *facts = (struct head_facts){0};
    out->length = -1;
    out->has_connection = false;
    out->upgrade = span_of("", 0);
    struct span upgrade = out->upgrade;
    size_t tokens = 0;
    for (size_t i = 0; i < out->count; i++) {
        unsigned f = out->flags[i];
        const struct http1_header *h = &out->headers[i];
        if (f == 0) {
            continue;
        }
        if ((f & HTTP1_FIELD_HOST) != 0) {
            facts->hosts++;
            facts->host = h->value;
        } else if ((f & HTTP1_FIELD_FRAMING) != 0) {
            if (framing_fact(out, h, facts, refusal) == HTTP1_BAD) {
                return HTTP1_BAD;
            }
        } else if ((f & HTTP1_FIELD_EXPECT) != 0) {
            facts->expect = h->value;
        } else if (span_ieq(h->name, SPAN_LIT("connection"))) {
            out->has_connection = true;
            if (!connection_tokens(out, h->value, facts, &tokens)) {
                return head_refuse(refusal, 400, "Connection is not a list of tokens");
            }
        } else if (span_ieq(h->name, SPAN_LIT("upgrade"))) {
            upgrade = h->value;
        }
    }
    out->upgrade = facts->says_upgrade ? upgrade : out->upgrade;
    return HTTP1_DONE;
}

int head_version(struct span s)
{
    if (s.len != 8 || memcmp(s.ptr, "HTTP/", 5) != 0 || s.ptr[5] < '0' || s.ptr[5] > '9' ||
        s.ptr[6] != '.' || s.ptr[7] < '0' || s.ptr[7] > '9') {
        return -1;
    }
    if (s.ptr[5] != '1' || s.ptr[7] > '1') {
        return 0;
    }
    return 10 + (s.ptr[7] - '0');
}
