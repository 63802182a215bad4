/*
 * The table of destinations that code registers: ctx.container.interceptOutboundHttp and its like.
 */
#include "policy/internal.h"

#include <errno.h>
#include <stdlib.h>

static void intercept_free(struct intercept *i)
{
    free(i->mem);
    free(i->host.mem);
}

void intercepts_free(struct runtime_side *r)
{
    for (size_t i = 0; i < r->intercept_count; i++) {
        intercept_free(&r->intercepts[i]);
    }
    free(r->intercepts);
    r->intercepts = NULL;
    r->intercept_count = 0;
}

/* 1 to 65535, decimal, no leading zero. */
static bool port_parse(struct span digits, uint16_t *port)
{
    uint32_t value = 0;

    if (digits.len == 0 || digits.len > 5 || digits.ptr[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(digits.ptr[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

/* Splits `HOST:PORT`. Two colons and no bracket are an IPv6 address without a port. */
static bool split(struct span match, struct span *host, uint16_t *port)
{
    const char *colon = memrchr(match.ptr, ':', match.len);
    const char *first = memchr(match.ptr, ':', match.len);
    const char *close = memchr(match.ptr, ']', match.len);

    *host = match;
    if (colon == NULL || (close != NULL && colon < close) || (close == NULL && first != colon)) {
        return true;
    }
    *host = span_of(match.ptr, (size_t)(colon - match.ptr));
    return port_parse(span_from(match, host->len + 1), port);
}

/* An IPv6 address or network may stand without brackets; patterns want one, networks none. */
static int host_make(struct pattern *p, struct span host, struct error *err)
{
    char text[POLICY_PATTERN_MAX + 3];
    bool cidr = memchr(host.ptr, '/', host.len) != NULL;
    bool bracket = host.len > 0 && host.ptr[0] == '[';
    const char *close = memchr(host.ptr, ']', host.len);

    if (host.len == 0 || host.len > POLICY_PATTERN_MAX) {
        return error_set(err, 0, "intercept: names no host");
    }
    if (cidr && bracket && close != NULL) {
        size_t inner = (size_t)(close - host.ptr) - 1;
        memcpy(text, host.ptr + 1, inner);
        memcpy(text + inner, close + 1, host.len - inner - 2);
        return pattern_make(p, span_of(text, host.len - 2), true, err);
    }
    if (!cidr && !bracket && memchr(host.ptr, ':', host.len) != NULL) {
        text[0] = '[';
        memcpy(text + 1, host.ptr, host.len);
        text[host.len + 1] = ']';
        return pattern_make(p, span_of(text, host.len + 2), false, err);
    }
    return pattern_make(p, host, true, err);
}

static int intercept_make(struct intercept *to, const struct policy_intercept *from,
                          struct error *err)
{
    struct span host;

    *to = (struct intercept){.tls = from->tls, .port = from->tls ? 443 : 80};
    if (from->target.len > POLICY_PARAMS_MAX || !url_utf8_valid(from->target)) {
        return error_set(err, 0, "intercept: its target is longer than %u bytes, or not UTF-8",
                         POLICY_PARAMS_MAX);
    }
    if (from->match.len == 0 || !split(from->match, &host, &to->port)) {
        return error_set(err, 0, "intercept: the port of a destination is 1 to 65535");
    }
    int rc = host_make(&to->host, host, err);
    if (rc < 0) {
        return rc;
    }
    to->every = to->host.form == PATTERN_CIDR && host.len >= 2 &&
                span_eq(span_from(host, host.len - 2), SPAN_LIT("/0"));
    to->mem = malloc(from->match.len + from->target.len + 1);
    if (to->mem == NULL) {
        intercept_free(to);
        return error_set(err, ENOMEM, "intercept");
    }
    memcpy(to->mem, from->match.ptr, from->match.len);
    if (from->target.len > 0) {
        memcpy(to->mem + from->match.len, from->target.ptr, from->target.len);
    }
    to->match = span_of(to->mem, from->match.len);
    to->target = span_of(to->mem + from->match.len, from->target.len);
    return 0;
}

static bool same(const struct intercept *a, const struct intercept *b)
{
    return a->tls == b->tls && a->port == b->port && a->host.form == b->host.form &&
           span_eq(a->host.compared, b->host.compared);
}

int policy_intercept(struct policy *p, const struct policy_intercept *i, struct error *err)
{
    struct runtime_side *r = &p->set;
    struct intercept next;
    int rc = intercept_make(&next, i, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t at = 0; at < r->intercept_count; at++) {
        if (same(&r->intercepts[at], &next)) {
            intercept_free(&r->intercepts[at]);
            r->intercepts[at] = next;
            return 0;
        }
    }
    struct intercept *grown = NULL;
    if (r->intercept_count < POLICY_ENTRIES_MAX) {
        grown = realloc(r->intercepts, (r->intercept_count + 1) * sizeof *grown);
    }
    if (grown == NULL) {
        intercept_free(&next);
        return error_set(err, ENOMEM, "intercept: no memory, or more than %u", POLICY_ENTRIES_MAX);
    }
    r->intercepts = grown;
    grown[r->intercept_count++] = next;
    return 0;
}

bool policy_intercepts_clear(struct policy *p)
{
    bool some = p->set.intercept_count > 0;

    intercepts_free(&p->set);
    return some;
}

const struct intercept *intercept_find(const struct runtime_side *r,
                                       const struct policy_facts *facts)
{
    for (size_t i = 0; i < r->intercept_count; i++) {
        const struct intercept *at = &r->intercepts[i];
        if (at->tls == facts->secure && at->port == facts->port &&
            (at->every || pattern_matches(&at->host, facts->host))) {
            return at;
        }
    }
    return NULL;
}
