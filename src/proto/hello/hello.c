#include "proto/hello/hello.h"

#include <stdlib.h>

#define RECORD_HEAD     5u
#define RECORD_MAX      16384u /* plaintext of one record, RFC 8446 5.1 */
#define RECORD_TYPE     22     /* handshake */
#define RECORDS_MAX     32u    /* real clients send one or two; each call walks them anew */
#define HANDSHAKE_HEAD  4u
#define HANDSHAKE_HELLO 1

#define EXT_SERVER_NAME 0
#define EXT_ALPN        16
#define EXT_VERSIONS    43
#define EXT_ECH         0xfe0d

/* A cursor over bytes; a read beyond the end sets `short_` and gives zeros. */
struct cursor {
    const uint8_t *p;
    size_t len;
    bool short_;
};

static struct span take(struct cursor *c, size_t n)
{
    if (n > c->len) {
        c->short_ = true;
        n = c->len = 0;
    }
    struct span s = span_of(c->p, n);
    c->p += n;
    c->len -= n;
    return s;
}

static size_t number(struct cursor *c, size_t bytes)
{
    struct span s = take(c, bytes);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n = n << 8 | (uint8_t)s.ptr[i];
    }
    return n;
}

/* A vector whose length stands in front of it in `bytes` bytes. */
static struct cursor vector(struct cursor *c, size_t bytes)
{
    struct span s = take(c, number(c, bytes));
    return (struct cursor){(const uint8_t *)s.ptr, s.len, c->short_};
}

static bool name_ok(struct span name)
{
    if (name.len == 0 || name.len > HELLO_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if ((uint8_t)name.ptr[i] < 0x21 || (uint8_t)name.ptr[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* Exactly one entry, of type host_name: two names could be read by two readers as either. */
static bool read_server_name(struct cursor ext, struct hello *out)
{
    struct cursor list = vector(&ext, 2);
    size_t type = number(&list, 1);
    struct cursor name = vector(&list, 2);
    if (ext.len != 0 || list.len != 0 || list.short_ || name.short_ || type != 0) {
        return false;
    }
    out->has_sni = true;
    out->sni = span_of(name.p, name.len);
    return name_ok(out->sni);
}

static bool read_alpn(struct cursor ext, struct hello *out)
{
    struct cursor list = vector(&ext, 2);
    if (ext.len != 0 || list.short_ || list.len == 0) {
        return false;
    }
    while (list.len > 0) {
        struct cursor one = vector(&list, 1);
        if (one.short_ || one.len == 0) {
            return false;
        }
        if (out->alpn_count < HELLO_ALPN_MAX) {
            out->alpn[out->alpn_count++] = span_of(one.p, one.len);
        }
    }
    return true;
}

static bool read_versions(struct cursor ext, struct hello *out)
{
    struct cursor list = vector(&ext, 1);
    if (ext.len != 0 || list.short_ || list.len % 2 != 0) {
        return false;
    }
    while (list.len > 0) {
        uint16_t v = (uint16_t)number(&list, 2);
        /* 0x?a?a is GREASE (RFC 8701). */
        if (v > out->version && (v & 0x0f0f) != 0x0a0a) {
            out->version = v;
        }
        out->offers_tls13 |= v == 0x0304;
    }
    return true;
}

static bool read_extensions(struct cursor list, struct hello *out)
{
    bool seen_name = false;
    bool seen_alpn = false;
    while (list.len > 0) {
        size_t type = number(&list, 2);
        struct cursor ext = vector(&list, 2);
        bool ok = !ext.short_;
        if (ok && type == EXT_SERVER_NAME) {
            ok = !seen_name && read_server_name(ext, out);
            seen_name = true;
        } else if (ok && type == EXT_ALPN) {
            ok = !seen_alpn && read_alpn(ext, out);
            seen_alpn = true;
        } else if (ok && type == EXT_VERSIONS) {
            ok = read_versions(ext, out);
        } else if (ok && type == EXT_ECH) {
            out->has_ech = true;
        }
        if (!ok) {
            return false;
        }
    }
    return !list.short_;
}

/* The body of the handshake message. */
static bool read_hello(struct cursor c, struct hello *out)
{
    out->version = (uint16_t)number(&c, 2);
    take(&c, 32);
    struct cursor session = vector(&c, 1);
    struct cursor suites = vector(&c, 2);
    struct cursor compression = vector(&c, 1);
    if (c.short_ || session.len > 32 || suites.len < 2 || suites.len % 2 != 0 ||
        compression.len == 0) {
        return false;
    }
    if (c.len == 0) {
        return true;
    }
    struct cursor extensions = vector(&c, 2);
    return !extensions.short_ && c.len == 0 && read_extensions(extensions, out);
}

/* Walks the records in front. *hello_len is the length of the handshake message with its head as
 * soon as that is known, *joined how many of its bytes are there. */
static enum hello_result walk_records(struct span in, size_t *hello_len, size_t *joined)
{
    *hello_len = *joined = 0;
    uint8_t head[HANDSHAKE_HEAD];
    size_t at = 0;
    for (unsigned records = 0; *hello_len == 0 || *joined < *hello_len; records++) {
        if (at > HELLO_BYTES_MAX || records == RECORDS_MAX) {
            return HELLO_BAD;
        }
        const uint8_t *r = (const uint8_t *)in.ptr + at;
        size_t have = in.len - at;
        if ((have > 0 && r[0] != RECORD_TYPE) || (have > 1 && r[1] != 3) ||
            (have > 2 && r[2] > 4)) {
            return at == 0 ? HELLO_NOT_TLS : HELLO_BAD;
        }
        if (have < RECORD_HEAD) {
            return HELLO_MORE;
        }
        size_t len = (size_t)r[3] << 8 | r[4];
        if (len == 0 || len > RECORD_MAX) {
            return at == 0 ? HELLO_NOT_TLS : HELLO_BAD;
        }
        size_t got = have - RECORD_HEAD < len ? have - RECORD_HEAD : len;
        for (size_t i = 0; i < got && *joined + i < HANDSHAKE_HEAD; i++) {
            head[*joined + i] = r[RECORD_HEAD + i];
        }
        *joined += got;
        if (*joined > 0 && head[0] != HANDSHAKE_HELLO) {
            return at == 0 ? HELLO_NOT_TLS : HELLO_BAD;
        }
        if (*joined >= HANDSHAKE_HEAD && *hello_len == 0) {
            *hello_len = HANDSHAKE_HEAD + ((size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]);
            if (*hello_len > HELLO_BYTES_MAX) {
                return HELLO_BAD;
            }
        }
        if (got < len && (*hello_len == 0 || *joined < *hello_len)) {
            return HELLO_MORE;
        }
        at += RECORD_HEAD + got;
    }
    return HELLO_DONE;
}

/* The message cut out of its records. */
static char *join_records(struct span in, size_t hello_len)
{
    char *mem = malloc(hello_len);
    size_t done = 0;
    for (size_t at = 0; mem != NULL && done < hello_len;) {
        const uint8_t *r = (const uint8_t *)in.ptr + at;
        size_t len = (size_t)r[3] << 8 | r[4];
        size_t n = hello_len - done < len ? hello_len - done : len;
        memcpy(mem + done, r + RECORD_HEAD, n);
        done += n;
        at += RECORD_HEAD + len;
    }
    return mem;
}

enum hello_result hello_parse(struct span first, struct hello *out)
{
    *out = (struct hello){0};
    size_t hello_len = 0;
    size_t joined = 0;
    enum hello_result r = walk_records(first, &hello_len, &joined);
    if (r != HELLO_DONE) {
        return r;
    }
    const uint8_t *p = (const uint8_t *)first.ptr;
    size_t first_record = (size_t)p[3] << 8 | p[4];
    const char *message = first.ptr + RECORD_HEAD;
    if (hello_len > first_record) {
        message = out->joined = join_records(first, hello_len);
        if (message == NULL) {
            return HELLO_BAD;
        }
    }
    struct cursor body = {(const uint8_t *)message + HANDSHAKE_HEAD, hello_len - HANDSHAKE_HEAD,
                          false};
    if (!read_hello(body, out)) {
        hello_free(out);
        return HELLO_BAD;
    }
    return HELLO_DONE;
}

void hello_free(struct hello *h)
{
    free(h->joined);
    h->joined = NULL;
}
