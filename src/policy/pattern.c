/*
 * One host pattern: what may be one, and what it matches.
 */
#include "policy/internal.h"

#include <errno.h>
#include <stdlib.h>

bool pattern_glob(struct span pattern, struct span value)
{
    const char *star = memchr(pattern.ptr, '*', pattern.len);

    if (star == NULL) {
        return span_eq(pattern, value);
    }
    size_t head = (size_t)(star - pattern.ptr);
    if (!span_starts(value, span_of(pattern.ptr, head))) {
        return false;
    }
    value = span_from(value, head);
    pattern = span_from(pattern, head + 1);
    /* Each middle part is taken where it first occurs: what is left can only be longer. */
    while ((star = memchr(pattern.ptr, '*', pattern.len)) != NULL) {
        size_t len = (size_t)(star - pattern.ptr);
        const char *found = len > 0 ? memmem(value.ptr, value.len, pattern.ptr, len) : value.ptr;
        if (found == NULL) {
            return false;
        }
        value = span_from(value, (size_t)(found - value.ptr) + len);
        pattern = span_from(pattern, len + 1);
    }
    return value.len >= pattern.len && span_eq(span_from(value, value.len - pattern.len), pattern);
}

bool pattern_matches(const struct pattern *p, const struct url_host *host)
{
    switch (p->form) {
    case PATTERN_EXACT:
        return span_eq(p->compared, url_host_span(host));
    case PATTERN_GLOB:
        return pattern_glob(p->compared, url_host_span(host));
    case PATTERN_CIDR:
        return host->kind != URL_HOST_DOMAIN && url_bits_equal(host->addr, p->addr, p->bits);
    }
    return false;
}

static bool make_cidr(struct pattern *p, struct span text, size_t slash)
{
    struct span digits = span_from(text, slash + 1);
    struct span addr = span_of(text.ptr, slash);
    unsigned bits = 0;

    if (digits.len == 0 || digits.len > 3 || !url_ip_parse(addr, p->addr)) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') {
            return false;
        }
        bits = bits * 10 + (unsigned)(digits.ptr[i] - '0');
    }
    bool v6 = memchr(addr.ptr, ':', addr.len) != NULL;
    if (bits > (v6 ? 128u : 32u)) {
        return false;
    }
    p->form = PATTERN_CIDR;
    p->bits = (uint8_t)(v6 ? bits : bits + 96);
    return true;
}

/* Bytes of a name or a '*'; for an IPv6 literal in brackets also those. */
static bool glob_bytes(struct span text)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.*";
    static const char ipv6[] = "abcdef0123456789:.*[]";
    const char *set = text.len > 0 && text.ptr[0] == '[' ? ipv6 : name;

    for (size_t i = 0; i < text.len; i++) {
        char c = span_lower(text.ptr[i]);
        if (c == '\0' || strchr(set, c) == NULL) {
            return false;
        }
    }
    return true;
}

/* Lower case and A-labels, label by label, since a '*' is no part of a name. */
static bool normalize(struct span text, struct buf *out)
{
    for (size_t at = 0; at <= text.len;) {
        struct span rest = span_from(text, at);
        const char *dot = memchr(rest.ptr, '.', rest.len);
        struct span label = span_of(rest.ptr, dot != NULL ? (size_t)(dot - rest.ptr) : rest.len);
        struct url_host host;
        bool ascii = true;

        for (size_t i = 0; i < label.len; i++) {
            ascii &= (unsigned char)label.ptr[i] < 0x80;
        }
        if (!ascii) {
            if (!url_host_canonical(label, &host) || !buf_append_span(out, url_host_span(&host))) {
                return false;
            }
        }
        for (size_t i = 0; ascii && i < label.len; i++) {
            char c = span_lower(label.ptr[i]);
            if (!buf_append(out, &c, 1)) {
                return false;
            }
        }
        if (dot != NULL && !buf_append(out, ".", 1)) {
            return false;
        }
        at += label.len + 1;
    }
    return true;
}

static bool make_name(struct pattern *p, struct span text, struct buf *out)
{
    struct url_host host;

    p->form = memchr(text.ptr, '*', text.len) != NULL ? PATTERN_GLOB : PATTERN_EXACT;
    if (p->form == PATTERN_EXACT && url_host_canonical(text, &host)) {
        return buf_append_span(out, url_host_span(&host));
    }
    if (p->form == PATTERN_EXACT && text.ptr[0] == '[') {
        return false;
    }
    if (!normalize(text, out) || !glob_bytes(buf_span(out))) {
        return false;
    }
    struct span made = buf_span(out);
    size_t len = made.len;
    if (len > 1 && made.ptr[len - 1] == '.' && made.ptr[len - 2] != '*' &&
        made.ptr[len - 2] != '.') {
        out->end--;
    }
    return true;
}

/* written as a sentence may show it: one line, no control byte, not long. */
static void show(struct span written, char out[84])
{
    size_t len = written.len < 80 ? written.len : 80;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)written.ptr[i];
        out[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    memcpy(out + len, len < written.len ? "..." : "", len < written.len ? 4 : 1);
}

static int refuse(struct span written, bool blank, struct error *err)
{
    char text[84];

    show(written, text);
    if (blank) {
        return error_set(err, 0,
                         "host pattern \"%s\": holds a space or a control byte: write each host as "
                         "an entry of its own",
                         text);
    }
    return error_set(err, 0,
                     "host pattern \"%s\": is not a host name, an address or a glob: write it "
                     "without scheme, port and path; only '*' is special",
                     text);
}

static bool has_blank(struct span written)
{
    for (size_t i = 0; i < written.len; i++) {
        unsigned char c = (unsigned char)written.ptr[i];
        if (c <= 0x20 || c == 0x7f) {
            return true;
        }
    }
    return false;
}

int pattern_make(struct pattern *p, struct span written, bool cidr, struct error *err)
{
    struct buf made;

    *p = (struct pattern){0};
    if (written.len == 0) {
        return error_set(err, 0, "host pattern: is empty: name a host, or \"*\" for all");
    }
    if (written.len > POLICY_PATTERN_MAX) {
        return error_set(err, 0, "host pattern: is longer than %u bytes", POLICY_PATTERN_MAX);
    }
    buf_init(&made, 8u * POLICY_PATTERN_MAX);
    const char *slash = memchr(written.ptr, '/', written.len);
    bool blank = has_blank(written);
    bool ok = !blank && url_utf8_valid(written);
    if (ok && slash != NULL) {
        ok = cidr && make_cidr(p, written, (size_t)(slash - written.ptr));
    } else if (ok) {
        ok = make_name(p, written, &made);
    }
    if (!ok) {
        buf_free(&made);
        /* A name of these bytes is always a pattern. */
        bool memory = written.ptr[0] != '[' && glob_bytes(written);
        return memory ? error_set(err, ENOMEM, "host pattern") : refuse(written, blank, err);
    }
    struct span compared = slash != NULL ? written : buf_span(&made);
    p->mem = malloc(written.len + compared.len);
    if (p->mem == NULL) {
        buf_free(&made);
        return error_set(err, ENOMEM, "host pattern");
    }
    memcpy(p->mem, written.ptr, written.len);
    memcpy(p->mem + written.len, compared.ptr, compared.len);
    p->written = span_of(p->mem, written.len);
    p->compared = span_of(p->mem + written.len, compared.len);
    buf_free(&made);
    return 0;
}

int pattern_make_if(struct pattern *p, struct span written, bool cidr, bool *made,
                    struct error *err)
{
    int rc = pattern_make(p, written, cidr, err);
    bool ascii = true;

    for (size_t i = 0; i < written.len; i++) {
        ascii &= (unsigned char)written.ptr[i] < 0x80;
    }
    *made = rc == 0;
    /* IDNA does not say whether it was the name or the memory. */
    return rc == -ENOMEM || (rc < 0 && !ascii) ? rc : 0;
}

int policy_pattern_check(struct span pattern, struct error *err)
{
    struct pattern p;
    int rc = pattern_make(&p, pattern, true, err);

    free(p.mem);
    return rc;
}
