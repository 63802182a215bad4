/*
 * IPv4 and IPv6 as the URL standard reads and writes them (3.5).
 */
#include "proto/url/internal.h"

/* One number: decimal, octal with a leading 0, hexadecimal with a leading 0x. Values over 2^32 are
 * kept as 2^32, which every caller refuses. */
static bool number(struct span in, uint64_t *out)
{
    unsigned radix = 10;

    if (in.len == 0) {
        return false;
    }
    if (in.len >= 2 && in.ptr[0] == '0' && span_lower(in.ptr[1]) == 'x') {
        in = span_from(in, 2);
        radix = 16;
    } else if (in.len >= 2 && in.ptr[0] == '0') {
        in = span_from(in, 1);
        radix = 8;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < in.len; i++) {
        int digit = url_hex(in.ptr[i]);
        if (digit < 0 || (unsigned)digit >= radix) {
            return false;
        }
        value = value * radix + (unsigned)digit;
        value = value > UINT32_MAX ? (uint64_t)UINT32_MAX + 1 : value;
    }
    *out = value;
    return true;
}

static struct span without_last_dot(struct span in)
{
    return in.len > 1 && in.ptr[in.len - 1] == '.' ? span_of(in.ptr, in.len - 1) : in;
}

bool url_ends_in_number(struct span domain)
{
    struct span in = without_last_dot(domain);
    size_t from = in.len;
    bool digits = true;
    uint64_t value;

    while (from > 0 && in.ptr[from - 1] != '.') {
        from--;
        digits &= url_is_digit(in.ptr[from]);
    }
    struct span last = span_from(in, from);
    return last.len > 0 && (digits || number(last, &value));
}

bool url_ipv4_parse(struct span in, uint32_t *out)
{
    uint64_t numbers[4];
    size_t count = 0;

    in = without_last_dot(in);
    for (size_t at = 0; at <= in.len; count++) {
        const char *dot = memchr(in.ptr + at, '.', in.len - at);
        size_t len = dot != NULL ? (size_t)(dot - in.ptr) - at : in.len - at;
        if (count == 4 || !number(span_of(in.ptr + at, len), &numbers[count])) {
            return false;
        }
        at += len + 1;
    }
    uint32_t addr = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        if (numbers[i] > 255) {
            return false;
        }
        addr |= (uint32_t)numbers[i] << (24 - 8 * i);
    }
    if (numbers[count - 1] >= 1ull << (8 * (5 - count))) {
        return false;
    }
    *out = addr | (uint32_t)numbers[count - 1];
    return true;
}

/* The dotted form at the end of an IPv6 address: four decimals without leading zeros. */
static bool embedded_ipv4(struct span in, uint8_t out[4])
{
    size_t at = 0;

    for (int i = 0; i < 4; i++) {
        unsigned value = 0;
        if (i > 0 && (at >= in.len || in.ptr[at++] != '.')) {
            return false;
        }
        size_t from = at;
        while (at < in.len && url_is_digit(in.ptr[at])) {
            if (at > from && value == 0) {
                return false;
            }
            value = value * 10 + (unsigned)(in.ptr[at++] - '0');
            if (value > 255) {
                return false;
            }
        }
        if (at == from) {
            return false;
        }
        out[i] = (uint8_t)value;
    }
    return at == in.len;
}

static size_t hex_piece(struct span in, size_t at, unsigned *value)
{
    size_t len = 0;

    *value = 0;
    while (len < 4 && at + len < in.len && url_hex(in.ptr[at + len]) >= 0) {
        *value = *value << 4 | (unsigned)url_hex(in.ptr[at + len]);
        len++;
    }
    return len;
}

/* Moves what follows "::" to the end. */
static bool expand(uint8_t out[16], size_t have, size_t compress)
{
    if (compress == SIZE_MAX) {
        return have == 16;
    }
    if (have == 16) {
        return false;
    }
    size_t tail = have - compress;
    memmove(out + 16 - tail, out + compress, tail);
    memset(out + compress, 0, 16 - have);
    return true;
}

bool url_ipv6_parse(struct span in, uint8_t out[16])
{
    size_t have = 0; /* bytes in out */
    size_t compress = SIZE_MAX;
    size_t at = 0;

    memset(out, 0, 16);
    if (in.len >= 2 && in.ptr[0] == ':' && in.ptr[1] == ':') {
        at = 2;
        compress = 0;
    } else if (in.len > 0 && in.ptr[0] == ':') {
        return false;
    }
    while (at < in.len) {
        unsigned value;
        if (have == 16) {
            return false;
        }
        if (in.ptr[at] == ':') {
            if (compress != SIZE_MAX) {
                return false;
            }
            compress = have;
            at++;
            continue;
        }
        size_t len = hex_piece(in, at, &value);
        if (at + len < in.len && in.ptr[at + len] == '.') {
            if (len == 0 || have > 12 || !embedded_ipv4(span_from(in, at), out + have)) {
                return false;
            }
            return expand(out, have + 4, compress);
        }
        at += len;
        if (at < in.len && in.ptr[at] == ':') {
            at++;
            if (at == in.len) {
                return false;
            }
        } else if (at < in.len) {
            return false;
        }
        out[have++] = (uint8_t)(value >> 8);
        out[have++] = (uint8_t)value;
    }
    return expand(out, have, compress);
}

size_t url_ipv4_format(uint32_t addr, char out[16])
{
    size_t len = 0;

    for (int shift = 24; shift >= 0; shift -= 8) {
        unsigned v = addr >> shift & 255;
        if (v >= 100) {
            out[len++] = (char)('0' + v / 100);
        }
        if (v >= 10) {
            out[len++] = (char)('0' + v / 10 % 10);
        }
        out[len++] = (char)('0' + v % 10);
        out[len++] = shift > 0 ? '.' : '\0';
    }
    return len - 1;
}

/* First of the longest runs of two or more zero pieces, as [*from, *from + *len). */
static void zero_run(const uint16_t piece[8], int *from, int *len)
{
    *from = -1;
    *len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && piece[i + n] == 0) {
            n++;
        }
        if (n > *len) {
            *from = i;
            *len = n;
        }
        i += n > 0 ? n - 1 : 0;
    }
}

size_t url_ipv6_format(const uint8_t addr[16], char out[40])
{
    static const char digits[] = "0123456789abcdef";
    uint16_t piece[8];
    int skip;
    int skip_len;
    size_t len = 0;

    for (int i = 0; i < 8; i++) {
        piece[i] = (uint16_t)(addr[2 * i] << 8 | addr[2 * i + 1]);
    }
    zero_run(piece, &skip, &skip_len);
    for (int i = 0; i < 8; i++) {
        if (i == skip) {
            out[len++] = ':';
            if (i == 0) {
                out[len++] = ':';
            }
            i += skip_len - 1;
            continue;
        }
        int shift = piece[i] > 0xfff ? 12 : piece[i] > 0xff ? 8 : piece[i] > 0xf ? 4 : 0;
        for (; shift >= 0; shift -= 4) {
            out[len++] = digits[piece[i] >> shift & 15];
        }
        if (i < 7) {
            out[len++] = ':';
        }
    }
    out[len] = '\0';
    return len;
}
