/*
 * The host parser (3.5). Plain ASCII names never reach ICU.
 */
#include "proto/url/internal.h"

/* Forbidden host code points, and those that domains forbid besides: C0 controls, '%', U+007F. */
static const uint64_t forbidden_host[2] = {
    URL_BIT(0) | URL_BIT('\t') | URL_BIT('\n') | URL_BIT('\r') | URL_BIT(' ') | URL_BIT('#') |
        URL_BIT('/') | URL_BIT(':') | URL_BIT('<') | URL_BIT('>') | URL_BIT('?'),
    URL_BIT('@') | URL_BIT('[') | URL_BIT('\\') | URL_BIT(']') | URL_BIT('^') | URL_BIT('|'),
};

static bool host_byte_forbidden(uint8_t c)
{
    return c < 0x80 && URL_IN(forbidden_host, c);
}

static bool domain_byte_forbidden(uint8_t c)
{
    return c < 0x20 || c == '%' || c == 0x7f || host_byte_forbidden(c);
}

static bool host_opaque(struct span in, struct buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        if (host_byte_forbidden((uint8_t)in.ptr[i])) {
            return false;
        }
    }
    return url_percent_encode(out, in, URL_SET_C0_CONTROL);
}

static bool host_ipv6(struct span in, struct buf *out)
{
    uint8_t addr[16];
    char text[40];

    if (in.len < 2 || in.ptr[in.len - 1] != ']' ||
        !url_ipv6_parse(span_of(in.ptr + 1, in.len - 2), addr)) {
        return false;
    }
    return buf_append_str(out, "[") && buf_append(out, text, url_ipv6_format(addr, text)) &&
           buf_append_str(out, "]");
}

static bool append_lower(struct span in, struct buf *out)
{
    char *to = buf_reserve(out, in.len);

    if (to == NULL) {
        return false;
    }
    for (size_t i = 0; i < in.len; i++) {
        to[i] = span_lower(in.ptr[i]);
    }
    buf_commit(out, in.len);
    return true;
}

/* domain was appended to out at `from`, in ASCII: checks it, and makes a number an address. */
static bool finish_domain(struct buf *out, size_t from)
{
    struct span domain = span_from(buf_span(out), from);
    uint32_t addr;
    char text[16];

    if (domain.len == 0) {
        return false;
    }
    for (size_t i = 0; i < domain.len; i++) {
        if (domain_byte_forbidden((uint8_t)domain.ptr[i])) {
            return false;
        }
    }
    if (!url_ends_in_number(domain)) {
        return true;
    }
    if (!url_ipv4_parse(domain, &addr)) {
        return false;
    }
    out->end = out->start + from;
    return buf_append(out, text, url_ipv4_format(addr, text));
}

static bool host_domain(struct span domain, struct buf *out)
{
    size_t from = buf_len(out);
    bool ascii = true;

    for (size_t i = 0; i < domain.len; i++) {
        ascii &= (unsigned char)domain.ptr[i] < 0x80;
    }
    /* In a name that is ASCII throughout, "xn--" labels are not checked either (3.3 step 1). */
    bool ok = ascii ? append_lower(domain, out) : url_domain_to_ascii(domain, out);
    return ok && finish_domain(out, from);
}

bool url_host_parse(struct span in, bool opaque, struct buf *out)
{
    if (in.len > 0 && in.ptr[0] == '[') {
        return host_ipv6(in, out);
    }
    if (opaque) {
        return host_opaque(in, out);
    }
    if (memchr(in.ptr, '%', in.len) == NULL) {
        return host_domain(in, out);
    }
    struct buf tmp;
    buf_init(&tmp, URL_INPUT_MAX * 3);
    /* What is not UTF-8 would become U+FFFD, which no domain may hold. */
    bool ok = url_percent_decode(&tmp, in) && url_utf8_valid(buf_span(&tmp)) &&
              host_domain(buf_span(&tmp), out);
    buf_free(&tmp);
    return ok;
}
