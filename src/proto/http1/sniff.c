/* Are the first bytes of a connection HTTP? */
#include "proto/http1/http1.h"

#define METHOD_MAX 24u

static const struct span preface = SPAN_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

static const struct span methods[] = {
    SPAN_INIT("GET"),   SPAN_INIT("HEAD"),   SPAN_INIT("POST"),
    SPAN_INIT("PUT"),   SPAN_INIT("DELETE"), SPAN_INIT("OPTIONS"),
    SPAN_INIT("TRACE"), SPAN_INIT("PATCH"),  SPAN_INIT("CONNECT"),
};

static bool method_known(struct span m)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (span_eq(m, methods[i])) {
            return true;
        }
    }
    return false;
}

/* Letters, '-' and '_' only: "SSH-2.0-…" and the like are no methods. */
static bool method_char(char c)
{
    char l = span_lower(c);
    return (l >= 'a' && l <= 'z') || c == '-' || c == '_';
}

/* Behind a method that nobody registered: does a target begin here? */
static enum http1_guess sniff_target(struct span t)
{
    static const struct span starts[] = {SPAN_INIT("/"), SPAN_INIT("* HTTP/1."),
                                         SPAN_INIT("http://"), SPAN_INIT("https://")};
    enum http1_guess guess = HTTP1_GUESS_NO;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t n = t.len < starts[i].len ? t.len : starts[i].len;
        if (span_ieq(span_of(t.ptr, n), span_of(starts[i].ptr, n))) {
            guess = n == starts[i].len ? HTTP1_GUESS_YES : HTTP1_GUESS_MAYBE;
            break;
        }
    }
    return guess;
}

enum http1_guess http1_sniff(struct span first)
{
    size_t n = first.len < preface.len ? first.len : preface.len;
    if (span_eq(span_of(first.ptr, n), span_of(preface.ptr, n))) {
        return n == preface.len ? HTTP1_GUESS_H2 : HTTP1_GUESS_MAYBE;
    }
    if (first.ptr[0] == '\r') {
        /* The one empty line that RFC 9112 2.2 lets stand before a request. */
        if (first.len == 1) {
            return HTTP1_GUESS_MAYBE;
        }
        first = first.ptr[1] == '\n' ? span_from(first, 2) : first;
    }
    size_t m = 0;
    while (m < first.len && m < METHOD_MAX && method_char(first.ptr[m])) {
        m++;
    }
    if (m == first.len) {
        return HTTP1_GUESS_MAYBE;
    }
    if (m == 0 || first.ptr[m] != ' ') {
        return HTTP1_GUESS_NO;
    }
    if (method_known(span_of(first.ptr, m))) {
        return HTTP1_GUESS_YES;
    }
    return sniff_target(span_from(first, m + 1));
}
