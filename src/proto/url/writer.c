/*
 * The serialisation of a url (4.5), written from left to right.
 */
#include "proto/url/internal.h"

#include <stdlib.h>

void url_writer_init(struct url_writer *w, size_t hint)
{
    *w = (struct url_writer){0};
    buf_init(&w->out, URL_HREF_MAX);
    w->failed = buf_reserve(&w->out, hint) == NULL;
}

/* A path that begins with an empty segment would read as an authority: "/." goes before it. */
static void guard_path(struct url_writer *w)
{
    struct url *u = &w->u;

    if (u->has_host || u->opaque_path || u->path.len < 2 || w->failed) {
        return;
    }
    char *base = w->out.mem + w->out.start;
    if (base[u->path.at] != '/' || base[u->path.at + 1] != '/') {
        return;
    }
    url_writer_put(w, SPAN_LIT("/."));
    if (w->failed) {
        return;
    }
    base = w->out.mem + w->out.start;
    memmove(base + u->path.at + 2, base + u->path.at, buf_len(&w->out) - 2 - u->path.at);
    base[u->path.at] = '/';
    base[u->path.at + 1] = '.';
    u->path.at += 2;
    u->query.at += 2;
    u->fragment.at += 2;
}

bool url_writer_take(struct url_writer *w, bool ok, struct url *to)
{
    if (ok) {
        guard_path(w);
    }
    if (!ok || w->failed) {
        buf_free(&w->out);
        *to = (struct url){0};
        return false;
    }
    w->u.href_len = (uint32_t)buf_len(&w->out);
    w->u.href = w->out.mem; /* nothing was consumed: the bytes start where the memory does */
    *to = w->u;
    return true;
}

uint32_t url_writer_at(const struct url_writer *w)
{
    return (uint32_t)buf_len(&w->out);
}

void url_writer_put(struct url_writer *w, struct span s)
{
    w->failed |= !buf_append_span(&w->out, s);
}

void url_writer_encode(struct url_writer *w, struct span s, enum url_set set)
{
    w->failed |= !url_percent_encode(&w->out, s, set);
}

static struct url_part put_part(struct url_writer *w, struct span s, bool encode, enum url_set set)
{
    struct url_part part = {.at = url_writer_at(w)};

    if (encode) {
        url_writer_encode(w, s, set);
    } else {
        url_writer_put(w, s);
    }
    part.len = url_writer_at(w) - part.at;
    return part;
}

void url_writer_scheme(struct url_writer *w, struct span lower, enum url_scheme kind)
{
    w->u.kind = kind;
    w->u.scheme = put_part(w, lower, false, URL_SET_C0_CONTROL);
    url_writer_put(w, SPAN_LIT(":"));
}

void url_writer_userinfo(struct url_writer *w, struct span username, struct span password,
                         bool encode)
{
    url_writer_put(w, SPAN_LIT("//"));
    w->u.username = put_part(w, username, encode, URL_SET_USERINFO);
    if (password.len > 0) {
        url_writer_put(w, SPAN_LIT(":"));
    }
    w->u.password = put_part(w, password, encode, URL_SET_USERINFO);
    if (username.len > 0 || password.len > 0) {
        url_writer_put(w, SPAN_LIT("@"));
    }
}

void url_writer_host(struct url_writer *w, struct span serialised)
{
    w->u.has_host = true;
    w->u.host = put_part(w, serialised, false, URL_SET_C0_CONTROL);
}

void url_writer_port(struct url_writer *w, uint16_t port)
{
    if (port == url_default_port(w->u.kind) && url_is_special(&w->u)) {
        return;
    }
    w->u.has_port = true;
    w->u.port = port;
    w->failed |= !buf_appendf(&w->out, ":%u", port);
}

void url_writer_query(struct url_writer *w, struct span query, bool encode)
{
    url_writer_put(w, SPAN_LIT("?"));
    w->u.has_query = true;
    w->u.query =
        put_part(w, query, encode, url_is_special(&w->u) ? URL_SET_SPECIAL_QUERY : URL_SET_QUERY);
}

void url_writer_fragment(struct url_writer *w, struct span fragment, bool encode)
{
    url_writer_put(w, SPAN_LIT("#"));
    w->u.has_fragment = true;
    w->u.fragment = put_part(w, fragment, encode, URL_SET_FRAGMENT);
}

void url_writer_copy_authority(struct url_writer *w, const struct url *base)
{
    if (!base->has_host) {
        return;
    }
    url_writer_userinfo(w, url_part_span(base, base->username), url_part_span(base, base->password),
                        false);
    url_writer_host(w, url_part_span(base, base->host));
    if (base->has_port) {
        url_writer_port(w, base->port);
    }
}

bool url_assemble(struct url *to, const struct url_parts *parts)
{
    struct url_writer w;

    url_writer_init(&w, parts->scheme.len + parts->username.len + parts->password.len +
                            parts->host.len + parts->path.len + parts->query.len +
                            parts->fragment.len + 16);
    url_writer_scheme(&w, parts->scheme, parts->kind);
    if (parts->has_host) {
        url_writer_userinfo(&w, parts->username, parts->password, false);
        url_writer_host(&w, parts->host);
        if (parts->port >= 0) {
            url_writer_port(&w, (uint16_t)parts->port);
        }
    }
    w.u.opaque_path = parts->opaque_path;
    w.u.path = put_part(&w, parts->path, false, URL_SET_C0_CONTROL);
    if (parts->has_query) {
        url_writer_query(&w, parts->query, false);
    }
    if (parts->has_fragment) {
        url_writer_fragment(&w, parts->fragment, false);
    }
    return url_writer_take(&w, true, to);
}

void url_parts_of(const struct url *u, struct url_parts *parts)
{
    *parts = (struct url_parts){
        .scheme = url_part_span(u, u->scheme),
        .username = url_part_span(u, u->username),
        .password = url_part_span(u, u->password),
        .host = url_part_span(u, u->host),
        .path = url_part_span(u, u->path),
        .query = url_part_span(u, u->query),
        .fragment = url_part_span(u, u->fragment),
        .kind = u->kind,
        .port = u->has_port ? u->port : -1,
        .has_host = u->has_host,
        .has_query = u->has_query,
        .has_fragment = u->has_fragment,
        .opaque_path = u->opaque_path,
    };
}
