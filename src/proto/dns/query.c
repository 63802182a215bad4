#include "proto/dns/dns.h"

#define HEADER    12u
#define TYPE_OPT  41
#define FLAG_QR   0x8000u
#define FLAG_TC   0x0200u
#define OPCODE    0x7800u
#define EXTRA_MAX 4u /* records in the additional section */

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

enum name_result { NAME_OK, NAME_MALFORMED, NAME_STRANGE };

/* The question's name. STRANGE: well formed, but no host can be called that. */
static enum name_result read_name(const uint8_t *p, size_t len, size_t *at, struct dns_query *out)
{
    bool strange = false;
    size_t n = 0;
    for (;;) {
        if (*at >= len || p[*at] > 63) {
            return NAME_MALFORMED;
        }
        size_t label = p[(*at)++];
        if (label == 0) {
            break;
        }
        if (label > len - *at || n + label + (n > 0) > DNS_NAME_MAX) {
            return NAME_MALFORMED;
        }
        if (n > 0) {
            out->name[n++] = '.';
        }
        for (size_t i = 0; i < label; i++) {
            char c = span_lower((char)p[*at + i]);
            strange |= (uint8_t)c < 0x21 || (uint8_t)c > 0x7e || c == '.';
            out->name[n++] = c;
        }
        *at += label;
    }
    out->name[n] = '\0';
    out->name_len = n;
    return strange ? NAME_STRANGE : NAME_OK;
}

/* Behind a name that is of no interest; a pointer ends it and is not followed. */
static bool skip_name(const uint8_t *p, size_t len, size_t *at)
{
    while (*at < len) {
        size_t label = p[(*at)++];
        if (label == 0) {
            return true;
        }
        if (label >= 0xc0) {
            return (*at)++ < len;
        }
        if (label > 63 || label > len - *at) {
            return false;
        }
        *at += label;
    }
    return false;
}

/* One additional record; OPT (RFC 6891 6.1.2) stands at the root, at most once, in version 0. */
static bool read_extra(const uint8_t *p, size_t len, size_t *at, struct dns_query *out)
{
    size_t start = *at;
    if (!skip_name(p, len, at) || len - *at < 10) {
        return false;
    }
    const uint8_t *r = p + *at;
    size_t data = get16(r + 8);
    *at += 10;
    if (data > len - *at) {
        return false;
    }
    *at += data;
    if (get16(r) != TYPE_OPT) {
        return true;
    }
    if (p[start] != 0 || out->edns || r[5] != 0) {
        return false;
    }
    out->edns = true;
    out->edns_size = get16(r + 2) < 512 ? 512 : get16(r + 2);
    return true;
}

static enum dns_result bad(enum dns_rcode *rcode, enum dns_rcode what)
{
    *rcode = what;
    return DNS_BAD;
}

static enum dns_result read_question(const uint8_t *p, size_t len, size_t *at,
                                     struct dns_query *out, enum dns_rcode *rcode)
{
    enum name_result name = read_name(p, len, at, out);
    if (name == NAME_MALFORMED || len - *at < 4) {
        return bad(rcode, DNS_FORMERR);
    }
    out->type = get16(p + *at);
    out->class = get16(p + *at + 2);
    *at += 4;
    out->question_len = *at - HEADER;
    memcpy(out->question, p + HEADER, out->question_len);
    return name == NAME_STRANGE ? bad(rcode, DNS_NXDOMAIN) : DNS_OK;
}

enum dns_result dns_query_parse(struct span in, struct dns_query *out, enum dns_rcode *rcode)
{
    *out = (struct dns_query){.edns_size = 512};
    const uint8_t *p = (const uint8_t *)in.ptr;
    if (in.len < HEADER || (get16(p + 2) & FLAG_QR) != 0) {
        return DNS_IGNORE;
    }
    out->id = get16(p);
    out->flags = get16(p + 2);
    if ((out->flags & OPCODE) != 0) {
        return bad(rcode, DNS_NOTIMP);
    }
    unsigned extra = get16(p + 10);
    if (in.len > DNS_QUERY_MAX || (out->flags & FLAG_TC) != 0 || get16(p + 4) != 1 ||
        get16(p + 6) != 0 || get16(p + 8) != 0 || extra > EXTRA_MAX) {
        return bad(rcode, DNS_FORMERR);
    }
    size_t at = HEADER;
    enum dns_result r = read_question(p, in.len, &at, out, rcode);
    if (r != DNS_OK) {
        return r;
    }
    for (unsigned i = 0; i < extra; i++) {
        if (!read_extra(p, in.len, &at, out)) {
            return bad(rcode, DNS_FORMERR);
        }
    }
    return at == in.len ? DNS_OK : bad(rcode, DNS_FORMERR);
}

int dns_tcp_frame(struct span in, struct span *message)
{
    if (in.len < 2) {
        return 0;
    }
    size_t len = get16((const uint8_t *)in.ptr);
    if (len > DNS_QUERY_MAX) {
        return -1;
    }
    if (in.len - 2 < len) {
        return 0;
    }
    *message = span_of(in.ptr + 2, len);
    return (int)len + 2;
}
