/*
 * What a url says of itself.
 */
#include "proto/url/url.h"

#include "proto/url/internal.h"

#include <stdlib.h>

static const struct {
    struct span name;
    uint16_t port;
} schemes[] = {
    [URL_SCHEME_HTTP] = {{"http", 4}, 80}, [URL_SCHEME_HTTPS] = {{"https", 5}, 443},
    [URL_SCHEME_WS] = {{"ws", 2}, 80},     [URL_SCHEME_WSS] = {{"wss", 3}, 443},
    [URL_SCHEME_FTP] = {{"ftp", 3}, 21},   [URL_SCHEME_FILE] = {{"file", 4}, 0},
};

enum url_scheme url_scheme_of(struct span lower)
{
    for (int i = URL_SCHEME_HTTP; i <= URL_SCHEME_FILE; i++) {
        if (span_eq(schemes[i].name, lower)) {
            return (enum url_scheme)i;
        }
    }
    return URL_SCHEME_OTHER;
}

uint16_t url_default_port(enum url_scheme kind)
{
    return schemes[kind].port;
}

void url_free(struct url *u)
{
    free(u->href);
    *u = (struct url){0};
}

bool url_copy(struct url *to, const struct url *from)
{
    char *href = malloc(from->href_len > 0 ? from->href_len : 1);

    if (href == NULL) {
        *to = (struct url){0};
        return false;
    }
    if (from->href_len > 0) {
        memcpy(href, from->href, from->href_len);
    }
    *to = *from;
    to->href = href;
    return true;
}

/* From the byte before the part, which is its delimiter, to the end of the part. */
static struct span with_delimiter(const struct url *u, bool present, struct url_part part)
{
    return present && part.len > 0 ? span_of(u->href + part.at - 1, part.len + 1u) : span_of("", 0);
}

struct span url_get_href(const struct url *u)
{
    return span_of(u->href != NULL ? u->href : "", u->href_len);
}

struct span url_get_protocol(const struct url *u)
{
    return u->href != NULL ? span_of(u->href, u->scheme.len + 1u) : span_of("", 0);
}

struct span url_get_username(const struct url *u)
{
    return url_part_span(u, u->username);
}

struct span url_get_password(const struct url *u)
{
    return url_part_span(u, u->password);
}

struct span url_get_hostname(const struct url *u)
{
    return url_part_span(u, u->host);
}

static size_t port_digits(const struct url *u)
{
    size_t n = 1;

    for (unsigned v = u->port; v >= 10; v /= 10) {
        n++;
    }
    return u->has_port ? n : 0;
}

struct span url_get_port(const struct url *u)
{
    return u->has_port ? span_of(u->href + u->host.at + u->host.len + 1, port_digits(u))
                       : span_of("", 0);
}

struct span url_get_host(const struct url *u)
{
    struct span host = url_part_span(u, u->host);

    if (u->has_port) {
        host.len += 1 + port_digits(u);
    }
    return host;
}

struct span url_get_pathname(const struct url *u)
{
    return url_part_span(u, u->path);
}

struct span url_get_search(const struct url *u)
{
    return with_delimiter(u, u->has_query, u->query);
}

struct span url_get_hash(const struct url *u)
{
    return with_delimiter(u, u->has_fragment, u->fragment);
}

struct span url_get_target(const struct url *u)
{
    struct span path = url_part_span(u, u->path);

    if (u->has_query) {
        path.len += 1u + u->query.len;
    }
    return path;
}

uint16_t url_port_or_default(const struct url *u)
{
    return u->has_port ? u->port : url_default_port(u->kind);
}

static bool origin_of_blob(const struct url *u, struct buf *out)
{
    struct url inner;

    if (!url_parse(&inner, url_part_span(u, u->path), NULL)) {
        return buf_append_str(out, "null");
    }
    bool web = inner.kind == URL_SCHEME_HTTP || inner.kind == URL_SCHEME_HTTPS;
    bool ok = web ? url_get_origin(&inner, out) : buf_append_str(out, "null");
    url_free(&inner);
    return ok;
}

bool url_get_origin(const struct url *u, struct buf *out)
{
    if (span_eq(url_part_span(u, u->scheme), SPAN_LIT("blob"))) {
        return origin_of_blob(u, out);
    }
    if (!url_is_special(u) || u->kind == URL_SCHEME_FILE) {
        return buf_append_str(out, "null");
    }
    return buf_append_span(out, url_get_protocol(u)) && buf_append_str(out, "//") &&
           buf_append_span(out, url_get_host(u));
}
