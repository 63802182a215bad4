/*
 * UTF-8 as the Encoding standard decodes it: each maximal part of an ill-formed sequence is one
 * U+FFFD (Unicode 15, table 3-7).
 */
#include "proto/url/internal.h"

/* Length of the sequence at p, and whether it is well formed. */
static size_t sequence(const uint8_t *p, size_t left, bool *ok)
{
    uint8_t lead = p[0];
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t need;

    *ok = true;
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        need = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        need = 3;
        low = lead == 0xe0 ? 0xa0 : low;
        high = lead == 0xed ? 0x9f : high;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        need = 4;
        low = lead == 0xf0 ? 0x90 : low;
        high = lead == 0xf4 ? 0x8f : high;
    } else {
        *ok = false;
        return 1;
    }
    for (size_t i = 1; i < need; i++) {
        if (i == left || p[i] < low || p[i] > high) {
            *ok = false;
            return i;
        }
        low = 0x80;
        high = 0xbf;
    }
    return need;
}

bool url_utf8_repair(struct buf *out, struct span in)
{
    const uint8_t *p = (const uint8_t *)in.ptr;
    size_t run = 0;
    size_t at = 0;

    while (at < in.len) {
        bool ok;
        size_t len = sequence(p + at, in.len - at, &ok);
        if (!ok) {
            if (!buf_append(out, in.ptr + run, at - run) || !buf_append(out, "\xef\xbf\xbd", 3)) {
                return false;
            }
            run = at + len;
        }
        at += len;
    }
    return buf_append(out, in.ptr + run, in.len - run);
}

bool url_utf8_valid(struct span in)
{
    const uint8_t *p = (const uint8_t *)in.ptr;

    for (size_t at = 0; at < in.len;) {
        bool ok;
        at += sequence(p + at, in.len - at, &ok);
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool url_input_clean(struct span in, struct buf *tmp, struct span *out)
{
    bool blanks = false;
    bool high = false;

    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = (uint8_t)in.ptr[i];
        blanks |= c == '\t' || c == '\n' || c == '\r';
        high |= c >= 0x80;
    }
    *out = in;
    if (high && !url_utf8_valid(in)) {
        if (!url_utf8_repair(tmp, in)) {
            return false;
        }
        *out = buf_span(tmp);
    }
    if (!blanks) {
        return true;
    }
    if (out->ptr == in.ptr) {
        if (!buf_append_span(tmp, in)) {
            return false;
        }
    }
    char *to = tmp->mem + tmp->start;
    size_t kept = 0;
    for (size_t i = 0, n = buf_len(tmp); i < n; i++) {
        if (to[i] != '\t' && to[i] != '\n' && to[i] != '\r') {
            to[kept++] = to[i];
        }
    }
    *out = span_of(to, kept);
    return true;
}
