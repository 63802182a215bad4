#include "proto/dns/dns.h"

#include <assert.h>

#define FLAG_RD    0x0100u
#define FLAG_CD    0x0010u
#define RESPONSE   0x8080u /* QR and RA */
#define TYPE_OPT   41
#define CLASS_IN   1
#define NAME_WIRE  255u
#define EDNS_SIZE  1232u
#define QUESTION_0 0xc00cu /* points at the question's name */

struct writer {
    uint8_t *at;
};

static void put8(struct writer *w, unsigned n)
{
    *w->at++ = (uint8_t)n;
}

static void put16(struct writer *w, unsigned n)
{
    put8(w, n >> 8);
    put8(w, n);
}

static void put32(struct writer *w, uint32_t n)
{
    put16(w, n >> 16);
    put16(w, n & 0xffff);
}

static void put_bytes(struct writer *w, const void *p, size_t len)
{
    if (len > 0) {
        memcpy(w->at, p, len);
        w->at += len;
    }
}

/* Header, question, at most one record with `data`, OPT when the query had one. The whole is below
 * 12 + 259 + 12 + 255 + 11 bytes, and a PTR question is short, so 512 always suffices. */
static size_t message(const struct dns_query *q, enum dns_rcode rcode, uint32_t ttl,
                      struct span data, uint8_t out[DNS_ANSWER_MAX])
{
    struct writer w = {out};
    put16(&w, q->id);
    put16(&w, RESPONSE | (q->flags & (FLAG_RD | FLAG_CD)) | (unsigned)rcode);
    put16(&w, q->question_len > 0);
    put16(&w, data.len > 0);
    put16(&w, 0);
    put16(&w, q->edns);
    put_bytes(&w, q->question, q->question_len);
    if (data.len > 0) {
        put16(&w, QUESTION_0);
        put16(&w, q->type);
        put16(&w, CLASS_IN);
        put32(&w, ttl);
        put16(&w, (unsigned)data.len);
        put_bytes(&w, data.ptr, data.len);
    }
    if (q->edns) {
        put8(&w, 0);
        put16(&w, TYPE_OPT);
        put16(&w, EDNS_SIZE);
        put32(&w, 0);
        put16(&w, 0);
    }
    return (size_t)(w.at - out);
}

size_t dns_answer_a(const struct dns_query *q, const uint8_t addr[4], uint32_t ttl,
                    uint8_t out[DNS_ANSWER_MAX])
{
    return message(q, DNS_NOERROR, ttl, span_of(addr, 4), out);
}

size_t dns_answer_aaaa(const struct dns_query *q, const uint8_t addr[16], uint32_t ttl,
                       uint8_t out[DNS_ANSWER_MAX])
{
    return message(q, DNS_NOERROR, ttl, span_of(addr, 16), out);
}

size_t dns_answer_ptr(const struct dns_query *q, struct span name, uint32_t ttl,
                      uint8_t out[DNS_ANSWER_MAX])
{
    assert(name.len > 0 && name.len <= DNS_NAME_MAX);
    uint8_t wire[NAME_WIRE];
    struct writer w = {wire};
    for (size_t at = 0; at <= name.len;) {
        struct span rest = span_from(name, at);
        const char *dot = rest.len > 0 ? memchr(rest.ptr, '.', rest.len) : NULL;
        size_t label = dot != NULL ? (size_t)(dot - rest.ptr) : rest.len;
        if (label == 0 || label > 63) {
            return dns_answer_error(q, DNS_SERVFAIL, out);
        }
        put8(&w, (unsigned)label);
        put_bytes(&w, rest.ptr, label);
        at += label + 1;
    }
    put8(&w, 0);
    struct span data = span_of(wire, (size_t)(w.at - wire));
    if (12 + q->question_len + 12 + data.len + 11 > 512) {
        return dns_answer_error(q, DNS_SERVFAIL, out);
    }
    return message(q, DNS_NOERROR, ttl, data, out);
}

size_t dns_answer_empty(const struct dns_query *q, uint8_t out[DNS_ANSWER_MAX])
{
    return message(q, DNS_NOERROR, 0, span_of("", 0), out);
}

size_t dns_answer_error(const struct dns_query *q, enum dns_rcode rcode,
                        uint8_t out[DNS_ANSWER_MAX])
{
    return message(q, rcode, 0, span_of("", 0), out);
}
