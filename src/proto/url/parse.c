/*
 * The basic URL parser (4.4) without a state override. Each function is one state, or a few that
 * follow each other; `at` stands where the standard's pointer would.
 *
 *     parse_input -+- parse_absolute -+- parse_file ------ parse_file_host --+
 *                  |                  +- parse_authority --------------------+-- parse_path_start
 *                  |                  +- parse_opaque                        |        |
 *                  +- parse_relative ----------------------------------------+   parse_tail
 */
#include "proto/url/internal.h"

#include <stdlib.h>

struct parser {
    struct url_writer w;
    struct span in;
    size_t at;
    const struct url *base; /* NULL: none */
};

static int peek(const struct parser *p, size_t ahead)
{
    return p->at + ahead < p->in.len ? (unsigned char)p->in.ptr[p->at + ahead] : -1;
}

static bool at_slash(const struct parser *p, size_t ahead)
{
    int c = peek(p, ahead);
    return c == '/' || (c == '\\' && url_is_special(&p->w.u));
}

static struct span rest(const struct parser *p)
{
    return span_from(p->in, p->at);
}

/* Query and fragment, if they come. */
static bool parse_tail(struct parser *p)
{
    if (peek(p, 0) == '?') {
        struct span query = span_from(p->in, p->at + 1);
        const char *hash = memchr(query.ptr, '#', query.len);
        query.len = hash != NULL ? (size_t)(hash - query.ptr) : query.len;
        url_writer_query(&p->w, query, true);
        p->at += 1 + query.len;
    }
    if (peek(p, 0) == '#') {
        url_writer_fragment(&p->w, span_from(p->in, p->at + 1), true);
    }
    return !p->w.failed;
}

static void path_begin(struct parser *p)
{
    p->w.u.path.at = url_writer_at(&p->w);
}

/* Path state: the segment at the pointer joins the path that was begun. */
static bool parse_path(struct parser *p)
{
    p->at += url_path_write(&p->w, rest(p), false);
    return parse_tail(p);
}

static bool parse_path_start(struct parser *p)
{
    int c = peek(p, 0);

    path_begin(p);
    if (!url_is_special(&p->w.u) && (c == -1 || c == '?' || c == '#')) {
        return parse_tail(p);
    }
    if (at_slash(p, 0)) {
        p->at++;
    }
    return parse_path(p);
}

static bool parse_host(struct parser *p, struct span host)
{
    p->w.u.has_host = true;
    p->w.u.host.at = url_writer_at(&p->w);
    if (!url_host_parse(host, !url_is_special(&p->w.u), &p->w.out)) {
        return false;
    }
    p->w.u.host.len = url_writer_at(&p->w) - p->w.u.host.at;
    return true;
}

static bool parse_port(struct parser *p, struct span digits)
{
    unsigned port = 0;

    for (size_t i = 0; i < digits.len; i++) {
        if (!url_is_digit(digits.ptr[i])) {
            return false;
        }
        port = port * 10 + (unsigned)(digits.ptr[i] - '0');
        if (port > UINT16_MAX) {
            return false;
        }
    }
    if (digits.len > 0) {
        url_writer_port(&p->w, (uint16_t)port);
    }
    return true;
}

/* The end of what the host and port states take: the first ':' outside brackets splits them. */
static size_t host_length(struct span hostport)
{
    bool brackets = false;

    for (size_t i = 0; i < hostport.len; i++) {
        char c = hostport.ptr[i];
        if (c == ':' && !brackets) {
            return i;
        }
        brackets = c == '[' || (brackets && c != ']');
    }
    return hostport.len;
}

static void parse_userinfo(struct parser *p, struct span userinfo)
{
    const char *colon = memchr(userinfo.ptr, ':', userinfo.len);
    size_t name = colon != NULL ? (size_t)(colon - userinfo.ptr) : userinfo.len;

    url_writer_userinfo(&p->w, span_of(userinfo.ptr, name),
                        span_from(userinfo, colon != NULL ? name + 1 : name), true);
}

/* From the pointer to the byte that ends an authority. */
static struct span until_path(const struct parser *p)
{
    struct span in = rest(p);
    size_t len = 0;

    while (len < in.len && !at_slash(p, len) && in.ptr[len] != '?' && in.ptr[len] != '#') {
        len++;
    }
    return span_of(in.ptr, len);
}

static bool parse_authority(struct parser *p)
{
    struct span in = until_path(p);
    size_t len = in.len;
    const char *sign = len > 0 ? memrchr(in.ptr, '@', len) : NULL;
    size_t user = sign != NULL ? (size_t)(sign - in.ptr) : 0;
    struct span hostport = span_from(in, sign != NULL ? user + 1 : 0);
    size_t host = host_length(hostport);

    if (host == 0 && (hostport.len > 0 || sign != NULL || url_is_special(&p->w.u))) {
        return false;
    }
    parse_userinfo(p, span_of(in.ptr, user));
    if (!parse_host(p, span_of(hostport.ptr, host)) ||
        !parse_port(p, span_from(hostport, host + 1))) {
        return false;
    }
    p->at += len;
    return parse_path_start(p);
}

/* Special authority ignore slashes state. */
static bool parse_special_authority(struct parser *p)
{
    while (at_slash(p, 0)) {
        p->at++;
    }
    return parse_authority(p);
}

/* The path of the base, to which parse_path may append. */
static void path_from_base(struct parser *p)
{
    path_begin(p);
    url_writer_put(&p->w, url_part_span(p->base, p->base->path));
    p->w.u.path.len = p->base->path.len;
}

/* What relative and file state do after a path that was taken over. */
static bool parse_after_base_path(struct parser *p)
{
    if (peek(p, 0) != '?' && p->base->has_query) {
        url_writer_query(&p->w, url_part_span(p->base, p->base->query), false);
    }
    return parse_tail(p);
}

static bool parse_relative(struct parser *p)
{
    int c = peek(p, 0);

    if (at_slash(p, 0)) {
        p->at++;
        if (at_slash(p, 0)) {
            p->at++;
            return url_is_special(&p->w.u) ? parse_special_authority(p) : parse_authority(p);
        }
        url_writer_copy_authority(&p->w, p->base);
        path_begin(p);
        return parse_path(p);
    }
    url_writer_copy_authority(&p->w, p->base);
    path_from_base(p);
    if (c == -1 || c == '?' || c == '#') {
        return parse_after_base_path(p);
    }
    url_path_shorten(&p->w);
    return parse_path(p);
}

static bool parse_file_host(struct parser *p)
{
    struct span in = until_path(p);
    size_t len = in.len;

    if (url_is_drive_letter(span_of(in.ptr, len))) {
        url_writer_host(&p->w, SPAN_LIT(""));
        path_begin(p);
        return parse_path(p);
    }
    p->at += len;
    if (len == 0) {
        url_writer_host(&p->w, SPAN_LIT(""));
        return parse_path_start(p);
    }
    if (!parse_host(p, span_of(in.ptr, len))) {
        return false;
    }
    if (span_eq(span_from(buf_span(&p->w.out), p->w.u.host.at), SPAN_LIT("localhost"))) {
        p->w.out.end -= p->w.u.host.len;
        p->w.u.host.len = 0;
    }
    return parse_path_start(p);
}

/* The first segment of the base's path, when that is a drive. */
static struct span base_drive(const struct url *base)
{
    struct span path = url_part_span(base, base->path);

    if (path.len < 3 || !url_is_normalized_drive_letter(span_of(path.ptr + 1, 2)) ||
        (path.len > 3 && path.ptr[3] != '/')) {
        return span_of("", 0);
    }
    return span_of(path.ptr, 3);
}

static bool parse_file_slash(struct parser *p, const struct url *base)
{
    p->at++;
    url_writer_put(&p->w, SPAN_LIT("//"));
    if (at_slash(p, 0)) {
        p->at++;
        return parse_file_host(p);
    }
    url_writer_host(&p->w, base != NULL ? url_part_span(base, base->host) : span_of("", 0));
    path_begin(p);
    if (base != NULL && !url_starts_with_drive_letter(rest(p))) {
        url_writer_put(&p->w, base_drive(base));
    }
    return parse_path(p);
}

static bool parse_file(struct parser *p)
{
    const struct url *base = p->base != NULL && p->base->kind == URL_SCHEME_FILE ? p->base : NULL;
    int c = peek(p, 0);

    url_writer_scheme(&p->w, SPAN_LIT("file"), URL_SCHEME_FILE);
    if (at_slash(p, 0)) {
        return parse_file_slash(p, base);
    }
    url_writer_put(&p->w, SPAN_LIT("//"));
    if (base == NULL) {
        url_writer_host(&p->w, span_of("", 0));
        path_begin(p);
        return parse_path(p);
    }
    url_writer_host(&p->w, url_part_span(base, base->host));
    if (c == -1 || c == '?' || c == '#') {
        path_from_base(p);
        return parse_after_base_path(p);
    }
    if (url_starts_with_drive_letter(rest(p))) {
        path_begin(p);
    } else {
        path_from_base(p);
        url_path_shorten(&p->w);
    }
    return parse_path(p);
}

/* Opaque path state. A space just before the query or fragment would be lost to a later parse of
 * the serialisation without them, so it is encoded. */
static bool parse_opaque(struct parser *p)
{
    struct span in = rest(p);
    size_t len = 0;

    while (len < in.len && in.ptr[len] != '?' && in.ptr[len] != '#') {
        len++;
    }
    bool space = len > 0 && len < in.len && in.ptr[len - 1] == ' ';
    path_begin(p);
    p->w.u.opaque_path = true;
    url_writer_encode(&p->w, span_of(in.ptr, len - space), URL_SET_C0_CONTROL);
    if (space) {
        url_writer_put(&p->w, SPAN_LIT("%20"));
    }
    p->w.u.path.len = url_writer_at(&p->w) - p->w.u.path.at;
    p->at += len;
    return parse_tail(p);
}

/* What follows "scheme:". */
static bool parse_absolute(struct parser *p, struct span scheme, enum url_scheme kind)
{
    if (kind == URL_SCHEME_FILE) {
        return parse_file(p);
    }
    url_writer_scheme(&p->w, scheme, kind);
    if (kind != URL_SCHEME_OTHER) {
        bool same = p->base != NULL && p->base->kind == kind;
        bool slashes = peek(p, 0) == '/' && peek(p, 1) == '/';
        return same && !slashes ? parse_relative(p) : parse_special_authority(p);
    }
    if (peek(p, 0) != '/') {
        return parse_opaque(p);
    }
    p->at++;
    if (peek(p, 0) == '/') {
        p->at++;
        return parse_authority(p);
    }
    path_begin(p);
    return parse_path(p);
}

/* "No scheme" state. */
static bool parse_without_scheme(struct parser *p)
{
    const struct url *base = p->base;

    if (base == NULL || (base->opaque_path && peek(p, 0) != '#')) {
        return false;
    }
    if (base->kind == URL_SCHEME_FILE) {
        return parse_file(p);
    }
    url_writer_scheme(&p->w, url_part_span(base, base->scheme), base->kind);
    if (base->opaque_path) {
        p->w.u.opaque_path = true;
        path_from_base(p);
        return parse_after_base_path(p);
    }
    return parse_relative(p);
}

/* Length of the scheme, without its ':', or 0. */
static size_t scheme_length(struct span in)
{
    size_t len = 0;

    if (in.len == 0 || !url_is_alpha(in.ptr[0])) {
        return 0;
    }
    while (len < in.len && (url_is_alpha(in.ptr[len]) || url_is_digit(in.ptr[len]) ||
                            in.ptr[len] == '+' || in.ptr[len] == '-' || in.ptr[len] == '.')) {
        len++;
    }
    return len < in.len && in.ptr[len] == ':' ? len : 0;
}

static bool parse_input(struct parser *p)
{
    size_t len = scheme_length(p->in);
    char small[16];
    char *lower = small;

    if (len == 0) {
        return parse_without_scheme(p);
    }
    if (len > sizeof small && (lower = malloc(len)) == NULL) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        lower[i] = span_lower(p->in.ptr[i]);
    }
    struct span scheme = span_of(lower, len);
    p->at = len + 1;
    bool ok = parse_absolute(p, scheme, url_scheme_of(scheme));
    if (lower != small) {
        free(lower);
    }
    return ok;
}

bool url_parse(struct url *u, struct span input, const struct url *base)
{
    struct parser p = {.base = base};
    struct buf tmp;

    *u = (struct url){0};
    if (input.len > URL_INPUT_MAX || (base != NULL && base->href == NULL)) {
        return false;
    }
    while (input.len > 0 && (unsigned char)input.ptr[0] <= ' ') {
        input = span_from(input, 1);
    }
    while (input.len > 0 && (unsigned char)input.ptr[input.len - 1] <= ' ') {
        input.len--;
    }
    buf_init(&tmp, URL_INPUT_MAX * 3);
    if (!url_input_clean(input, &tmp, &p.in)) {
        buf_free(&tmp);
        return false;
    }
    url_writer_init(&p.w, p.in.len + (base != NULL ? base->href_len : 0) + 16);
    bool ok = !p.w.failed && parse_input(&p);
    ok = url_writer_take(&p.w, ok, u);
    buf_free(&tmp);
    return ok;
}
