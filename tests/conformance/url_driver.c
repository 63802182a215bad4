/*
 * proto/url behind lines: each input line is [input, base or null, [[setter, value]…]], each output
 * line null, or the parts after every setter: [[href, origin, protocol, …]…].
 */
#include "proto/url/url.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static struct span text_of(json_t *value)
{
    return span_of(json_string_value(value), json_string_length(value));
}

static json_t *string_of(struct span s)
{
    return json_stringn(s.ptr, s.len);
}

static json_t *parts_of(const struct url *u)
{
    struct buf origin;
    json_t *out = json_array();

    buf_init(&origin, URL_HREF_MAX);
    if (!url_get_origin(u, &origin)) {
        abort();
    }
    json_array_append_new(out, string_of(url_get_href(u)));
    json_array_append_new(out, string_of(buf_span(&origin)));
    json_array_append_new(out, string_of(url_get_protocol(u)));
    json_array_append_new(out, string_of(url_get_username(u)));
    json_array_append_new(out, string_of(url_get_password(u)));
    json_array_append_new(out, string_of(url_get_host(u)));
    json_array_append_new(out, string_of(url_get_hostname(u)));
    json_array_append_new(out, string_of(url_get_port(u)));
    json_array_append_new(out, string_of(url_get_pathname(u)));
    json_array_append_new(out, string_of(url_get_search(u)));
    json_array_append_new(out, string_of(url_get_hash(u)));
    buf_free(&origin);
    return out;
}

static void set(struct url *u, const char *name, struct span value)
{
    static const struct {
        const char *name;
        bool (*set)(struct url *u, struct span value);
    } setters[] = {
        {"href", url_set_href},         {"protocol", url_set_protocol},
        {"username", url_set_username}, {"password", url_set_password},
        {"host", url_set_host},         {"hostname", url_set_hostname},
        {"port", url_set_port},         {"pathname", url_set_pathname},
        {"search", url_set_search},     {"hash", url_set_hash},
    };
    for (size_t i = 0; i < sizeof setters / sizeof setters[0]; i++) {
        if (strcmp(setters[i].name, name) == 0) {
            setters[i].set(u, value);
            return;
        }
    }
    fprintf(stderr, "url-driver: no setter %s\n", name);
    exit(2);
}

static json_t *run(json_t *line)
{
    json_t *base_text = json_array_get(line, 1);
    struct url base = {0};
    struct url u;
    size_t i;
    json_t *step;

    if (json_is_string(base_text) && !url_parse(&base, text_of(base_text), NULL)) {
        return json_null();
    }
    bool ok = url_parse(&u, text_of(json_array_get(line, 0)), base.href != NULL ? &base : NULL);
    url_free(&base);
    if (!ok) {
        return json_null();
    }
    json_t *out = json_array();
    json_array_append_new(out, parts_of(&u));
    json_array_foreach(json_array_get(line, 2), i, step)
    {
        set(&u, json_string_value(json_array_get(step, 0)), text_of(json_array_get(step, 1)));
        json_array_append_new(out, parts_of(&u));
    }
    url_free(&u);
    return out;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    json_error_t error;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        json_t *in = json_loadb(line, (size_t)len, JSON_ALLOW_NUL, &error);
        if (in == NULL) {
            fprintf(stderr, "url-driver: %s\n", error.text);
            return 2;
        }
        json_t *out = run(in);
        json_dumpf(out, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        fputc('\n', stdout);
        json_decref(out);
        json_decref(in);
    }
    free(line);
    return 0;
}
