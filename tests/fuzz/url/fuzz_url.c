/* Input, base and setter values, apart by 0xfe: what is parsed parses again to the same, and a
 * setter leaves a URL that does. */
#include "proto/url/form.h"
#include "proto/url/url.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span next_field(struct span *in)
{
    const char *end = in->len > 0 ? memchr(in->ptr, 0xfe, in->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - in->ptr) : in->len;
    struct span field = span_of(in->ptr, len);

    *in = span_from(*in, len + 1);
    return field;
}

/* Does the serialisation mean itself? A part must also lie inside it. */
static void check(const struct url *u)
{
    struct url again;
    struct url_part parts[] = {u->scheme, u->username, u->password, u->host,
                               u->path,   u->query,    u->fragment};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].at > u->href_len || parts[i].len > u->href_len - parts[i].at) {
            abort();
        }
    }
    struct buf origin;
    buf_init(&origin, URL_HREF_MAX);
    (void)url_get_origin(u, &origin);
    buf_free(&origin);
    if (u->href_len > URL_INPUT_MAX) {
        return;
    }
    if (!url_parse(&again, url_get_href(u), NULL) ||
        !span_eq(url_get_href(&again), url_get_href(u)) || again.port != u->port ||
        !span_eq(url_get_hostname(&again), url_get_hostname(u)) ||
        !span_eq(url_get_pathname(&again), url_get_pathname(u))) {
        abort();
    }
    url_free(&again);
}

static bool ignore_pair(void *arg, struct span name, struct span value)
{
    return buf_append_span(arg, name) && url_form_append(arg, name, value);
}

static void set_all(struct url *u, struct span rest)
{
    static bool (*const setters[])(struct url *, struct span) = {
        url_set_protocol, url_set_username, url_set_password, url_set_host, url_set_hostname,
        url_set_port,     url_set_pathname, url_set_search,   url_set_hash, url_set_href};

    for (size_t i = 0; rest.len > 0 && i < 64; i++) {
        struct span value = next_field(&rest);
        size_t which = value.len > 0 ? (unsigned char)value.ptr[0] % 10u : 0;
        (void)setters[which](u, span_from(value, 1));
        check(u);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of(data, size);
    struct span input = next_field(&rest);
    struct span base_text = next_field(&rest);
    struct url base;
    struct url u;
    struct buf form;

    bool has_base = url_parse(&base, base_text, NULL);
    if (url_parse(&u, input, has_base ? &base : NULL)) {
        check(&u);
        set_all(&u, rest);
        url_free(&u);
    }
    if (has_base) {
        url_free(&base);
    }
    buf_init(&form, 64 * 1024);
    (void)url_form_parse(input, ignore_pair, &form);
    buf_free(&form);
    return 0;
}
