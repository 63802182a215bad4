/*
 * url: the URL standard (WHATWG) over bytes, the one parser for policy and for the handlers' URL.
 *
 * Input is UTF-8; bytes that are not become U+FFFD, as a lone surrogate does in a browser. A url
 * owns its serialisation (`href`) and gives its parts as spans into it: they are lent until the
 * url is changed or freed. Running out of memory or over a ceiling is a parse failure.
 * Nothing here does I/O, and no call recurses on its input.
 */
#ifndef SALLYPORT_PROTO_URL_URL_H
#define SALLYPORT_PROTO_URL_URL_H

#include "base/buf.h"
#include "base/span.h"

#define URL_INPUT_MAX (64u * 1024u)  /* bytes of one input, to the parser or to a setter */
#define URL_HREF_MAX  (512u * 1024u) /* bytes of one serialisation */

enum url_scheme { /* the special schemes, and all others */
                  URL_SCHEME_OTHER,
                  URL_SCHEME_HTTP,
                  URL_SCHEME_HTTPS,
                  URL_SCHEME_WS,
                  URL_SCHEME_WSS,
                  URL_SCHEME_FTP,
                  URL_SCHEME_FILE
};

/* Where a part stands in href, without its delimiters. */
struct url_part {
    uint32_t at;
    uint32_t len;
};

struct url {
    char *href; /* owned; not NUL-terminated. NULL in a url that holds nothing */
    uint32_t href_len;
    struct url_part scheme; /* without ':' */
    struct url_part username;
    struct url_part password;
    struct url_part host; /* with the brackets of an IPv6 address, without the port */
    struct url_part path;
    struct url_part query;    /* without '?' */
    struct url_part fragment; /* without '#' */
    enum url_scheme kind;
    uint16_t port; /* 0 unless has_port */
    bool has_host; /* false: the host is null, which an empty host is not */
    bool has_port; /* a port other than the scheme's default */
    bool has_query;
    bool has_fragment;
    bool opaque_path; /* `mailto:x`, `data:…`: not a list of segments */
};

/* Parses input, against base unless that is NULL. u is filled anew: what it held is not freed.
 * false: not a valid URL, or no memory; then u holds nothing and need not be freed. */
bool url_parse(struct url *u, struct span input, const struct url *base);
/* A url that holds nothing is allowed. */
void url_free(struct url *u);
bool url_copy(struct url *to, const struct url *from);

static inline bool url_is_special(const struct url *u)
{
    return u->kind != URL_SCHEME_OTHER;
}

/* The parts as the URL class names them. `search` and `hash` are empty, or begin with '?', '#'. */
struct span url_get_href(const struct url *u);
struct span url_get_protocol(const struct url *u); /* "https:" */
struct span url_get_username(const struct url *u);
struct span url_get_password(const struct url *u);
struct span url_get_host(const struct url *u); /* with the port, if there is one */
struct span url_get_hostname(const struct url *u);
struct span url_get_port(const struct url *u); /* digits; empty for the scheme's default */
struct span url_get_pathname(const struct url *u);
struct span url_get_search(const struct url *u);
struct span url_get_hash(const struct url *u);
/* Path and query as a request target has them. */
struct span url_get_target(const struct url *u);
/* Appends "scheme://host[:port]", or "null" for an origin that is opaque. */
bool url_get_origin(const struct url *u, struct buf *out);

/* The port that is dialled: the explicit one, else the scheme's default, else 0. */
uint16_t url_port_or_default(const struct url *u);
uint16_t url_default_port(enum url_scheme kind); /* 0 for FILE and OTHER */

/* The setters of the URL class. false: value is not valid there, or no memory; u is unchanged.
 * The class throws for href and ignores the others. value may point into u. */
bool url_set_href(struct url *u, struct span value);
bool url_set_protocol(struct url *u, struct span value);
bool url_set_username(struct url *u, struct span value);
bool url_set_password(struct url *u, struct span value);
bool url_set_host(struct url *u, struct span value);
bool url_set_hostname(struct url *u, struct span value);
bool url_set_port(struct url *u, struct span value);
bool url_set_pathname(struct url *u, struct span value);
bool url_set_search(struct url *u, struct span value);
bool url_set_hash(struct url *u, struct span value);

#endif
