#include "runtime/event.h"

#include <time.h>

/* Length of the well-formed UTF-8 sequence at p, 0 when there is none (RFC 3629). */
static size_t sequence(const unsigned char *p, size_t left)
{
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || len > left) {
        return 0;
    }
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

static bool escape(struct buf *out, const unsigned char *p, size_t left, size_t *used)
{
    static const char hex[] = "0123456789abcdef";
    *used = 1;
    if (*p >= 0x80) {
        size_t len = sequence(p, left);
        if (len == 0) {
            return buf_append_str(out, "\xef\xbf\xbd");
        }
        *used = len;
        return buf_append(out, p, len);
    }
    if (*p == '"' || *p == '\\') {
        return buf_append(out, (char[2]){'\\', (char)*p}, 2);
    }
    return buf_append(out, (char[6]){'\\', 'u', '0', '0', hex[*p >> 4], hex[*p & 15]}, 6);
}

static bool put_string(struct buf *out, struct span s)
{
    size_t limit = s.len > EVENT_TEXT_MAX ? EVENT_TEXT_MAX : s.len;
    const unsigned char *p = (const unsigned char *)s.ptr;
    bool ok = buf_append(out, "\"", 1);
    for (size_t i = 0; ok && i < limit;) {
        size_t run = i;
        while (run < limit && p[run] >= 0x20 && p[run] < 0x7f && p[run] != '"' && p[run] != '\\') {
            run++;
        }
        ok = run == i || buf_append(out, p + i, run - i);
        i = run;
        if (ok && i < limit) {
            size_t used = 1;
            ok = escape(out, p + i, s.len - i, &used);
            i += used;
        }
    }
    return ok && buf_append_str(out, limit < s.len ? "\xe2\x80\xa6\"" : "\"");
}

/* key is `,"name":` */
static bool put_field(struct buf *out, const char *key, struct span s)
{
    if (!buf_append_str(out, key)) {
        return false;
    }
    return s.len == 0 ? buf_append_str(out, "null") : put_string(out, s);
}

static bool put_number(struct buf *out, const char *key, uint64_t n)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return buf_append_str(out, key) && buf_append(out, digits + at, sizeof digits - at);
}

static bool put_time(struct buf *out, uint64_t ms)
{
    /* Thousands of lines share a second: the calendar is computed once for it. */
    static uint64_t second;
    static char text[40];
    static size_t len;
    if (len == 0 || second != ms / 1000) {
        struct tm tm;
        time_t t = (time_t)(ms / 1000);
        gmtime_r(&t, &tm);
        len = strftime(text, sizeof text, "{\"time\":\"%Y-%m-%dT%H:%M:%S.", &tm);
        second = ms / 1000;
    }
    unsigned rest = (unsigned)(ms % 1000);
    char tail[6] = {(char)('0' + rest / 100),
                    (char)('0' + rest / 10 % 10),
                    (char)('0' + rest % 10),
                    'Z',
                    '"',
                    0};
    return buf_append(out, text, len) && buf_append_str(out, tail);
}

static bool put_secrets(struct buf *out, struct span names)
{
    bool ok = buf_append_str(out, ",\"secrets\":[");
    bool first = true;
    while (ok && names.len > 0) {
        const char *nl = memchr(names.ptr, '\n', names.len);
        size_t len = nl != NULL ? (size_t)(nl - names.ptr) : names.len;
        ok = (first || buf_append(out, ",", 1)) && put_string(out, span_of(names.ptr, len));
        first = false;
        names = span_from(names, len + 1);
    }
    return ok && buf_append(out, "]", 1);
}

static struct span path_only(struct span target)
{
    const char *q = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    return q != NULL ? span_of(target.ptr, (size_t)(q - target.ptr)) : target;
}

static bool put_who(struct buf *out, const struct event *e)
{
    return put_time(out, e->time_ms) && put_field(out, ",\"instance\":", e->instance) &&
           (e->name.len == 0 || put_field(out, ",\"name\":", e->name)) &&
           put_field(out, ",\"class\":", e->class_name) &&
           put_field(out, ",\"proto\":", span_str(e->proto)) &&
           put_field(out, ",\"method\":", e->method) &&
           put_field(out, ",\"scheme\":", span_str(e->scheme)) &&
           put_field(out, ",\"host\":", e->host) &&
           (e->port != 0 ? put_number(out, ",\"port\":", e->port)
                         : buf_append_str(out, ",\"port\":null")) &&
           put_field(out, ",\"path\":", path_only(e->path));
}

static bool put_what(struct buf *out, const struct event *e)
{
    return put_field(out, ",\"decision\":", span_str(e->decision)) &&
           put_field(out, ",\"rule\":", span_str(e->rule)) &&
           put_field(out, ",\"pattern\":", e->pattern) &&
           put_field(out, ",\"handler\":", e->handler) &&
           (e->status != 0 ? put_number(out, ",\"status\":", e->status)
                           : buf_append_str(out, ",\"status\":null")) &&
           put_number(out, ",\"bytes_in\":", e->bytes_in) &&
           put_number(out, ",\"bytes_out\":", e->bytes_out) &&
           put_number(out, ",\"ms\":", e->us / 1000) &&
           put_field(out, ",\"upstream\":", e->upstream) && put_secrets(out, e->secrets);
}

bool event_write(struct buf *out, const struct event *e)
{
    size_t before = buf_len(out);
    bool ok = put_who(out, e) && put_what(out, e) &&
              (e->error == NULL || put_field(out, ",\"error\":", span_str(e->error))) &&
              (e->id.len == 0 || put_field(out, ",\"id\":", e->id)) &&
              (e->ca_rejected.len == 0 || put_field(out, ",\"ca_rejected\":", e->ca_rejected)) &&
              buf_append(out, "}", 1);
    if (!ok) {
        out->end = out->start + before;
    }
    return ok;
}
