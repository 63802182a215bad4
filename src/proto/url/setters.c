/*
 * The setters of the URL class (6.1): the basic URL parser with a state override. Each builds a
 * whole new serialisation and only then lets the old one go, so value may point into it.
 */
#include "proto/url/internal.h"

#include <stdlib.h>

/* A setter at work: the parts as they are, and memory for the part that is new. */
struct edit {
    struct url_parts parts;
    struct span value; /* cleaned */
    struct buf clean;
    struct buf made;
};

static bool edit_begin(struct edit *e, const struct url *u, struct span value, bool clean)
{
    buf_init(&e->clean, URL_INPUT_MAX * 3);
    buf_init(&e->made, URL_HREF_MAX);
    if (u->href == NULL || value.len > URL_INPUT_MAX) {
        return false;
    }
    url_parts_of(u, &e->parts);
    e->value = value;
    return !clean || url_input_clean(value, &e->clean, &e->value);
}

static bool edit_end(struct edit *e, struct url *u, bool ok)
{
    struct url next;

    ok = ok && url_assemble(&next, &e->parts);
    if (ok) {
        free(u->href);
        *u = next;
    }
    buf_free(&e->clean);
    buf_free(&e->made);
    return ok;
}

static bool cannot_have_port(const struct url *u)
{
    return !u->has_host || u->host.len == 0 || u->kind == URL_SCHEME_FILE;
}

static bool has_credentials(const struct url *u)
{
    return u->username.len > 0 || u->password.len > 0;
}

bool url_set_href(struct url *u, struct span value)
{
    struct url next;

    if (!url_parse(&next, value, NULL)) {
        return false;
    }
    free(u->href);
    *u = next;
    return true;
}

/* Scheme start and scheme state: the scheme in lower case, up to the first ':'. */
static bool scheme_of_value(struct edit *e, struct span *scheme)
{
    const char *colon = memchr(e->value.ptr, ':', e->value.len);
    size_t len = colon != NULL ? (size_t)(colon - e->value.ptr) : e->value.len;

    if (len == 0 || !url_is_alpha(e->value.ptr[0])) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = span_lower(e->value.ptr[i]);
        if (!url_is_alpha(c) && !url_is_digit(c) && c != '+' && c != '-' && c != '.') {
            return false;
        }
        if (!buf_append(&e->made, &c, 1)) {
            return false;
        }
    }
    *scheme = buf_span(&e->made);
    return true;
}

static bool change_protocol(struct edit *e, const struct url *u)
{
    struct span scheme;

    if (!scheme_of_value(e, &scheme)) {
        return false;
    }
    enum url_scheme kind = url_scheme_of(scheme);
    if ((kind != URL_SCHEME_OTHER) != url_is_special(u)) {
        return false;
    }
    if (kind == URL_SCHEME_FILE && (has_credentials(u) || u->has_port)) {
        return false;
    }
    if (u->kind == URL_SCHEME_FILE && u->host.len == 0) {
        return false;
    }
    e->parts.scheme = scheme;
    e->parts.kind = kind;
    return true;
}

bool url_set_protocol(struct url *u, struct span value)
{
    struct edit e;
    bool ok = edit_begin(&e, u, value, true) && change_protocol(&e, u);
    return edit_end(&e, u, ok);
}

static bool encode_userinfo(struct edit *e, struct span *to)
{
    bool ok;

    if (url_utf8_valid(e->value)) {
        ok = url_percent_encode(&e->made, e->value, URL_SET_USERINFO);
    } else {
        ok = url_utf8_repair(&e->clean, e->value) &&
             url_percent_encode(&e->made, buf_span(&e->clean), URL_SET_USERINFO);
    }
    *to = buf_span(&e->made);
    return ok;
}

bool url_set_username(struct url *u, struct span value)
{
    struct edit e;
    bool ok = edit_begin(&e, u, value, false) && !cannot_have_port(u) &&
              encode_userinfo(&e, &e.parts.username);
    return edit_end(&e, u, ok);
}

bool url_set_password(struct url *u, struct span value)
{
    struct edit e;
    bool ok = edit_begin(&e, u, value, false) && !cannot_have_port(u) &&
              encode_userinfo(&e, &e.parts.password);
    return edit_end(&e, u, ok);
}

/* Port state: the digits that value begins with, if there are any. */
static bool change_port(struct edit *e, struct span value)
{
    unsigned port = 0;
    size_t len = 0;

    for (; len < value.len && url_is_digit(value.ptr[len]); len++) {
        port = port * 10 + (unsigned)(value.ptr[len] - '0');
        if (port > UINT16_MAX) {
            return false;
        }
    }
    if (len > 0) {
        e->parts.port = (int32_t)port;
    }
    return len > 0;
}

/* Where the host ends in value: at the path, query or fragment, and outside brackets at ':'. */
static size_t host_end(const struct url *u, struct span value, bool *colon)
{
    bool brackets = false;
    size_t i = 0;

    *colon = false;
    for (; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == ':' && !brackets && u->kind != URL_SCHEME_FILE) {
            *colon = true;
            break;
        }
        if (c == '/' || c == '?' || c == '#' || (c == '\\' && url_is_special(u))) {
            break;
        }
        brackets = c == '[' || (brackets && c != ']');
    }
    return i;
}

/* Host, hostname and file host state. */
static bool change_host(struct edit *e, const struct url *u, bool with_port)
{
    bool colon;
    size_t len = host_end(u, e->value, &colon);
    struct span host = span_of(e->value.ptr, len);
    bool file = u->kind == URL_SCHEME_FILE;

    if (u->opaque_path || (colon && (len == 0 || !with_port))) {
        return false;
    }
    if (len == 0 && !file && (url_is_special(u) || has_credentials(u) || u->has_port)) {
        return false;
    }
    if (len > 0 && !url_host_parse(host, !url_is_special(u), &e->made)) {
        return false;
    }
    e->parts.host = buf_span(&e->made);
    if (file && span_eq(e->parts.host, SPAN_LIT("localhost"))) {
        e->parts.host.len = 0;
    }
    e->parts.has_host = true;
    if (colon) {
        /* A port that is none leaves the old one; the host has changed all the same. */
        (void)change_port(e, span_from(e->value, len + 1));
    }
    return true;
}

bool url_set_host(struct url *u, struct span value)
{
    struct edit e;
    bool ok = edit_begin(&e, u, value, true) && change_host(&e, u, true);
    return edit_end(&e, u, ok);
}

bool url_set_hostname(struct url *u, struct span value)
{
    struct edit e;
    bool ok = edit_begin(&e, u, value, true) && change_host(&e, u, false);
    return edit_end(&e, u, ok);
}

bool url_set_port(struct url *u, struct span value)
{
    struct edit e;
    bool ok = edit_begin(&e, u, value, true) && !cannot_have_port(u);
    if (ok && value.len == 0) {
        e.parts.port = -1;
    } else {
        ok = ok && change_port(&e, e.value);
    }
    return edit_end(&e, u, ok);
}

/* Path start and path state, in a writer that holds nothing but the path. */
static bool change_pathname(struct edit *e, const struct url *u, struct url_writer *w)
{
    struct span in = e->value;

    w->u.kind = u->kind;
    if (in.len > 0 && (in.ptr[0] == '/' || (in.ptr[0] == '\\' && url_is_special(u)))) {
        in = span_from(in, 1);
        url_path_write(w, in, true);
    } else if (in.len > 0 || url_is_special(u)) {
        url_path_write(w, in, true);
    } else if (!u->has_host) {
        url_writer_put(w, SPAN_LIT("/"));
    }
    e->parts.path = buf_span(&w->out);
    return !w->failed;
}

bool url_set_pathname(struct url *u, struct span value)
{
    struct edit e;
    struct url_writer w;

    url_writer_init(&w, value.len + 1);
    bool ok = edit_begin(&e, u, value, true) && !u->opaque_path && change_pathname(&e, u, &w);
    ok = edit_end(&e, u, ok);
    buf_free(&w.out);
    return ok;
}

/* The mark goes before tabs and newlines do: in "\t#x" the '#' is part of the fragment. */
static struct span without_mark(struct span value, char mark)
{
    return value.len > 0 && value.ptr[0] == mark ? span_from(value, 1) : value;
}

bool url_set_search(struct url *u, struct span value)
{
    struct edit e;
    enum url_set set = url_is_special(u) ? URL_SET_SPECIAL_QUERY : URL_SET_QUERY;
    bool ok = edit_begin(&e, u, without_mark(value, '?'), true) &&
              url_percent_encode(&e.made, e.value, set);
    e.parts.query = buf_span(&e.made);
    e.parts.has_query = value.len > 0;
    return edit_end(&e, u, ok);
}

bool url_set_hash(struct url *u, struct span value)
{
    struct edit e;
    bool ok = edit_begin(&e, u, without_mark(value, '#'), true) &&
              url_percent_encode(&e.made, e.value, URL_SET_FRAGMENT);
    e.parts.fragment = buf_span(&e.made);
    e.parts.has_fragment = value.len > 0;
    return edit_end(&e, u, ok);
}
