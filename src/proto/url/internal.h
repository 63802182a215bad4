/*
 * Shared by the files of this room alone.
 */
#ifndef SALLYPORT_PROTO_URL_INTERNAL_H
#define SALLYPORT_PROTO_URL_INTERNAL_H

#include "proto/url/form.h"
#include "proto/url/host.h"
#include "proto/url/url.h"

/* What a non-ASCII domain may measure before it is given to ICU, whose time grows faster than the
 * input. No name that resolves is half as long. */
#define URL_IDNA_INPUT_MAX 1024

/* The parts of a url while it is built; every span is lent. */
struct url_parts {
    struct span scheme;
    struct span username;
    struct span password;
    struct span host;
    struct span path;
    struct span query;
    struct span fragment;
    enum url_scheme kind;
    int32_t port; /* -1: none */
    bool has_host;
    bool has_query;
    bool has_fragment;
    bool opaque_path;
};

/*
 * The writer appends a serialisation from left to right: scheme, authority, path, query, fragment,
 * which is also the order in which a parser meets them. `failed` is sticky: memory or the ceiling.
 */
struct url_writer {
    struct buf out;
    struct url u;
    bool failed;
};

void url_writer_init(struct url_writer *w, size_t hint);
/* The end: takes the result into *to, or frees everything and returns false. */
bool url_writer_take(struct url_writer *w, bool ok, struct url *to);
uint32_t url_writer_at(const struct url_writer *w);
void url_writer_put(struct url_writer *w, struct span s);
void url_writer_encode(struct url_writer *w, struct span s, enum url_set set);
void url_writer_scheme(struct url_writer *w, struct span lower, enum url_scheme kind);
/* Encoded userinfo; host and port follow. Both empty: writes nothing. */
void url_writer_userinfo(struct url_writer *w, struct span username, struct span password,
                         bool encode);
void url_writer_host(struct url_writer *w, struct span serialised);
void url_writer_port(struct url_writer *w, uint16_t port);
void url_writer_query(struct url_writer *w, struct span query, bool encode);
void url_writer_fragment(struct url_writer *w, struct span fragment, bool encode);
/* Everything from base between the scheme and the path. */
void url_writer_copy_authority(struct url_writer *w, const struct url *base);
bool url_assemble(struct url *to, const struct url_parts *parts);
void url_parts_of(const struct url *u, struct url_parts *parts);

enum url_scheme url_scheme_of(struct span lower);

static inline struct span url_part_span(const struct url *u, struct url_part part)
{
    return span_of(u->href != NULL ? u->href + part.at : "", part.len);
}

/* Path state of the standard, appending to w->u.path. all: '?' and '#' do not end the path.
 * Returns how much of in was consumed. */
size_t url_path_write(struct url_writer *w, struct span in, bool all);
void url_path_shorten(struct url_writer *w);
bool url_is_drive_letter(struct span s);            /* "C:" or "C|" */
bool url_is_normalized_drive_letter(struct span s); /* "C:" */
bool url_starts_with_drive_letter(struct span s);

/* Removes tabs and newlines, and makes it UTF-8. *out is lent from in, or from tmp. */
bool url_input_clean(struct span in, struct buf *tmp, struct span *out);

/* The host parser (3.5), without IPv4 in opaque hosts. Appends the serialisation to out. */
bool url_host_parse(struct span in, bool opaque, struct buf *out);

/* "domain to ASCII" with beStrict false, appended to out. Slow path only: in is UTF-8. */
bool url_domain_to_ascii(struct span in, struct buf *out);

/* Numbers in ASCII. */
bool url_ends_in_number(struct span domain);
bool url_ipv4_parse(struct span in, uint32_t *out); /* every spelling the standard allows */
bool url_ipv6_parse(struct span in, uint8_t out[16]);
size_t url_ipv4_format(uint32_t addr, char out[16]);
size_t url_ipv6_format(const uint8_t addr[16], char out[40]); /* without brackets */

static inline bool url_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool url_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline int url_hex(char c)
{
    if (url_is_digit(c)) {
        return c - '0';
    }
    c = span_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bit c of a set of ASCII, as two words. */
#define URL_BIT(c)        (1ull << ((c)&63))
#define URL_IN(map, byte) (((map)[(byte) >> 6] >> ((byte)&63)) & 1u)

#endif
