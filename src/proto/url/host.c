/*
 * The canonical host. What the URL parser would make of the bytes is the start; a domain must then
 * be one that DNS, SNI and a Host field all can carry.
 */
#include "proto/url/internal.h"

#include <stdio.h>

/* Raw bytes of a name before IDNA; a legal one is a quarter as long at most. */
#define HOST_INPUT_MAX 1024u

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static void set_ipv4(struct url_host *out, uint32_t addr)
{
    out->kind = URL_HOST_IPV4;
    memcpy(out->addr, mapped_prefix, 12);
    for (int i = 0; i < 4; i++) {
        out->addr[12 + i] = (uint8_t)(addr >> (24 - 8 * i));
    }
    out->len = (uint8_t)url_ipv4_format(addr, out->text);
}

void url_host_from_addr(const uint8_t addr[16], struct url_host *out)
{
    *out = (struct url_host){0};
    if (memcmp(addr, mapped_prefix, 12) == 0) {
        set_ipv4(out, (uint32_t)addr[12] << 24 | (uint32_t)addr[13] << 16 |
                          (uint32_t)addr[14] << 8 | addr[15]);
        return;
    }
    char text[40];
    size_t len = url_ipv6_format(addr, text);
    out->kind = URL_HOST_IPV6;
    memcpy(out->addr, addr, 16);
    out->text[0] = '[';
    memcpy(out->text + 1, text, len);
    out->text[len + 1] = ']';
    out->len = (uint8_t)(len + 2);
}

bool url_ip_parse(struct span text, uint8_t addr[16])
{
    char canonical[16];
    uint32_t v4;

    if (memchr(text.ptr, ':', text.len) != NULL) {
        if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
            text = span_of(text.ptr + 1, text.len - 2);
        }
        return url_ipv6_parse(text, addr);
    }
    if (!url_ipv4_parse(text, &v4) ||
        !span_eq(text, span_of(canonical, url_ipv4_format(v4, canonical)))) {
        return false;
    }
    memcpy(addr, mapped_prefix, 12);
    for (int i = 0; i < 4; i++) {
        addr[12 + i] = (uint8_t)(v4 >> (24 - 8 * i));
    }
    return true;
}

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || url_is_digit(c) || c == '-' || c == '_';
}

static bool is_name(struct span name)
{
    size_t label = 0;

    if (name.len > URL_HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if (!name_byte(name.ptr[i]) || ++label > 63) {
            return false;
        }
    }
    return label > 0;
}

/* Takes the serialisation that the host parser made. */
static bool from_serialised(struct span s, struct url_host *out)
{
    uint32_t v4;
    uint8_t v6[16];

    *out = (struct url_host){0};
    if (s.len > 2 && s.ptr[0] == '[') {
        if (!url_ipv6_parse(span_of(s.ptr + 1, s.len - 2), v6)) {
            return false;
        }
        url_host_from_addr(v6, out);
        return true;
    }
    if (s.len > 1 && s.ptr[s.len - 1] == '.') {
        s.len--;
    }
    if (url_ends_in_number(s)) {
        if (!url_ipv4_parse(s, &v4)) {
            return false;
        }
        set_ipv4(out, v4);
        return true;
    }
    if (!is_name(s)) {
        return false;
    }
    memcpy(out->text, s.ptr, s.len);
    out->len = (uint8_t)s.len;
    return true;
}

bool url_host_canonical(struct span host, struct url_host *out)
{
    uint8_t addr[16];
    struct buf made;

    if (host.len == 0 || host.len > HOST_INPUT_MAX || memchr(host.ptr, '%', host.len) != NULL ||
        !url_utf8_valid(host)) {
        return false;
    }
    if (host.ptr[0] != '[' && memchr(host.ptr, ':', host.len) != NULL) {
        if (!url_ipv6_parse(host, addr)) {
            return false;
        }
        url_host_from_addr(addr, out);
        return true;
    }
    buf_init(&made, URL_HREF_MAX);
    bool ok = url_host_parse(host, false, &made) && from_serialised(buf_span(&made), out);
    buf_free(&made);
    return ok;
}

bool url_host_of(const struct url *u, struct url_host *out)
{
    return u->has_host && url_is_special(u) && from_serialised(url_get_hostname(u), out);
}

bool url_authority_split(struct span in, struct span *host, int32_t *port)
{
    size_t len = 0;
    unsigned value = 0;

    if (in.len > 0 && in.ptr[0] == '[') {
        const char *close = memchr(in.ptr, ']', in.len);
        len = close != NULL ? (size_t)(close - in.ptr) + 1 : 0;
    } else {
        const char *colon = memchr(in.ptr, ':', in.len);
        len = colon != NULL ? (size_t)(colon - in.ptr) : in.len;
    }
    if (len == 0 || memchr(in.ptr, '@', len) != NULL) {
        return false;
    }
    *host = span_of(in.ptr, len);
    *port = -1;
    if (len == in.len) {
        return true;
    }
    struct span digits = span_from(in, len + 1);
    if (in.ptr[len] != ':' || digits.len == 0 || digits.len > 5) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (!url_is_digit(digits.ptr[i])) {
            return false;
        }
        value = value * 10 + (unsigned)(digits.ptr[i] - '0');
    }
    *port = (int32_t)value;
    return value > 0 && value <= UINT16_MAX;
}
