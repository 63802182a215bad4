#include "js/utf8.h"

#define REPLACEMENT 0xfffdu

/* Decodes one character at s (not empty). *used gets its bytes; for an ill-formed sequence the
 * bytes of its longest prefix that could begin a character (Unicode 3.9, "maximal subpart"), and
 * the result is UINT32_MAX. *cut is set when it ended because the input did. */
static uint32_t decode(struct span s, size_t *used, bool *cut)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    unsigned char lead = p[0];
    unsigned low = 0x80;
    unsigned high = 0xbf;
    size_t need;
    uint32_t code;
    *used = 1;
    *cut = false;
    if (lead < 0x80) {
        return lead;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        need = 1;
        code = lead & 0x1fu;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        need = 2;
        code = lead & 0x0fu;
        low = lead == 0xe0 ? 0xa0 : low;
        high = lead == 0xed ? 0x9f : high;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        need = 3;
        code = lead & 0x07u;
        low = lead == 0xf0 ? 0x90 : low;
        high = lead == 0xf4 ? 0x8f : high;
    } else {
        return UINT32_MAX;
    }
    for (size_t i = 1; i <= need; i++) {
        if (i >= s.len) {
            *cut = true;
            return UINT32_MAX;
        }
        if (p[i] < low || p[i] > high) {
            return UINT32_MAX;
        }
        low = 0x80;
        high = 0xbf;
        code = code << 6 | (p[i] & 0x3fu);
        (*used)++;
    }
    return code;
}

size_t js_utf8_to_utf16(struct span bytes, uint16_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes.len;) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (c < 0x80) {
            out[n++] = c;
            i++;
            continue;
        }
        size_t used;
        bool cut;
        uint32_t code = decode(span_from(bytes, i), &used, &cut);
        i += used;
        if (code == UINT32_MAX) {
            out[n++] = REPLACEMENT;
        } else if (code < 0x10000) {
            out[n++] = (uint16_t)code;
        } else {
            out[n++] = (uint16_t)(0xd800u + ((code - 0x10000u) >> 10));
            out[n++] = (uint16_t)(0xdc00u + ((code - 0x10000u) & 0x3ffu));
        }
    }
    return n;
}

size_t js_utf16_to_utf8(const uint16_t *units, size_t len, char *out)
{
    unsigned char *o = (unsigned char *)out;
    for (size_t i = 0; i < len; i++) {
        uint32_t c = units[i];
        if (c < 0x80) {
            *o++ = (unsigned char)c;
            continue;
        }
        if (c >= 0xd800 && c <= 0xdfff) {
            bool pair = c < 0xdc00 && i + 1 < len && (units[i + 1] & 0xfc00u) == 0xdc00;
            c = pair ? 0x10000u + ((c - 0xd800u) << 10) + (units[i + 1] - 0xdc00u) : REPLACEMENT;
            i += pair ? 1 : 0;
        }
        if (c < 0x800) {
            *o++ = (unsigned char)(0xc0u | c >> 6);
        } else if (c < 0x10000) {
            *o++ = (unsigned char)(0xe0u | c >> 12);
            *o++ = (unsigned char)(0x80u | (c >> 6 & 0x3fu));
        } else {
            *o++ = (unsigned char)(0xf0u | c >> 18);
            *o++ = (unsigned char)(0x80u | (c >> 12 & 0x3fu));
            *o++ = (unsigned char)(0x80u | (c >> 6 & 0x3fu));
        }
        *o++ = (unsigned char)(0x80u | (c & 0x3fu));
    }
    return (size_t)((char *)o - out);
}

size_t js_utf8_incomplete(struct span bytes)
{
    for (size_t back = 1; back <= 3 && back <= bytes.len; back++) {
        unsigned char c = (unsigned char)bytes.ptr[bytes.len - back];
        if (c >= 0xc0) {
            size_t used;
            bool cut;
            decode(span_from(bytes, bytes.len - back), &used, &cut);
            return cut && used == back ? back : 0;
        }
        if (c < 0x80) {
            return 0;
        }
    }
    return 0;
}

bool js_utf8_valid(struct span bytes)
{
    for (size_t i = 0; i < bytes.len;) {
        size_t used;
        bool cut;
        if (decode(span_from(bytes, i), &used, &cut) == UINT32_MAX) {
            return false;
        }
        i += used;
    }
    return true;
}
