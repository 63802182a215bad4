/* What is known of a field by its name, and questions about names and values. */
#include "proto/http1/chars.h"
#include "proto/http1/http1.h"

struct known {
    struct span name;
    unsigned flags;
};

#define HOP(s)                                                                                     \
    {                                                                                              \
        SPAN_INIT(s), HTTP1_FIELD_HOP                                                              \
    }

/* Proxy-Authorization is meant for us when the client takes us for a proxy, and for nobody
 * otherwise; HTTP2-Settings belongs to the h2c upgrade. */
static const struct known known[] = {
    {SPAN_INIT("host"), HTTP1_FIELD_HOST},
    {SPAN_INIT("content-length"), HTTP1_FIELD_FRAMING},
    {SPAN_INIT("transfer-encoding"), HTTP1_FIELD_FRAMING | HTTP1_FIELD_HOP},
    {SPAN_INIT("expect"), HTTP1_FIELD_EXPECT},
    HOP("connection"),
    HOP("keep-alive"),
    HOP("proxy-connection"),
    HOP("proxy-authorization"),
    HOP("proxy-authenticate"),
    HOP("proxy-authentication-info"),
    HOP("te"),
    HOP("upgrade"),
    HOP("http2-settings"),
};

unsigned http1_field_flags(struct span name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].name.len == name.len &&
            known[i].name.ptr[0] == span_lower(name.len > 0 ? name.ptr[0] : '\0') &&
            span_ieq(known[i].name, name)) {
            return known[i].flags;
        }
    }
    return 0;
}

bool http1_is_token(struct span s)
{
    return s.len > 0 && span_all(s, CHAR_TOKEN);
}

bool http1_is_value(struct span s)
{
    if (s.len == 0) {
        return true;
    }
    char a = s.ptr[0];
    char z = s.ptr[s.len - 1];
    return a != ' ' && a != '\t' && z != ' ' && z != '\t' && span_all(s, CHAR_VALUE);
}

size_t http1_fields(const struct http1_head *head, unsigned drop, struct http1_header *out)
{
    size_t n = 0;
    for (size_t i = 0; i < head->count; i++) {
        if ((head->flags[i] & drop) == 0) {
            out[n++] = head->headers[i];
        }
    }
    return n;
}
