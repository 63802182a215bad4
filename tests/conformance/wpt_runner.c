/*
 * Runs the web-platform-tests data against proto/url, prints what passes, and fails when a file
 * falls below its bar.
 */
#include "proto/url/form.h"
#include "proto/url/url.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct tally {
    const char *name;
    unsigned run;
    unsigned passed;
    unsigned shown;
};

#define SHOW_MAX 20u

__attribute__((format(printf, 2, 3))) static void fail(struct tally *t, const char *fmt, ...)
{
    va_list ap;

    if (t->shown++ >= SHOW_MAX) {
        return;
    }
    printf("  %s: ", t->name);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

static struct span text_of(json_t *value)
{
    return span_of(json_string_value(value), json_string_length(value));
}

/* A lone surrogate cannot stand in UTF-8: as in a browser's USVString it is U+FFFD. */
static void mend_surrogates(char *text)
{
    for (char *p = text; (p = strstr(p, "\\u")) != NULL;) {
        unsigned long unit = strtoul((char[]){p[2], p[3], p[4], p[5], 0}, NULL, 16);
        bool high = unit >= 0xd800 && unit <= 0xdbff;
        bool pair = high && p[6] == '\\' && p[7] == 'u' && (p[8] | 0x20) == 'd' &&
                    strchr("cdefCDEF", p[9]) != NULL;
        if (pair) {
            p += 12;
            continue;
        }
        if (unit >= 0xd800 && unit <= 0xdfff) {
            memcpy(p + 2, "fffd", 4);
        }
        p += 6;
    }
}

static json_t *load(const char *dir, const char *file)
{
    char path[4096];
    json_error_t error;

    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(1, size + 16);
    if (text == NULL || fread(text, 1, size, f) != size) {
        perror(path);
        exit(1);
    }
    fclose(f);
    mend_surrogates(text);
    json_t *root = json_loads(text, JSON_ALLOW_NUL, &error);
    free(text);
    if (root == NULL) {
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        exit(1);
    }
    return root;
}

static const struct {
    const char *name;
    struct span (*get)(const struct url *u);
} getters[] = {
    {"href", url_get_href},         {"protocol", url_get_protocol}, {"username", url_get_username},
    {"password", url_get_password}, {"host", url_get_host},         {"hostname", url_get_hostname},
    {"port", url_get_port},         {"pathname", url_get_pathname}, {"search", url_get_search},
    {"hash", url_get_hash},
};

/* Do all parts that want names agree with u? */
static bool same_parts(struct tally *t, const struct url *u, json_t *want, struct span input)
{
    for (size_t i = 0; i < sizeof getters / sizeof getters[0]; i++) {
        json_t *value = json_object_get(want, getters[i].name);
        struct span got = getters[i].get(u);
        if (value != NULL && !span_eq(text_of(value), got)) {
            fail(t, "\"" SPAN_FMT "\": %s is \"" SPAN_FMT "\", want \"" SPAN_FMT "\"",
                 SPAN_ARG(input), getters[i].name, SPAN_ARG(got), SPAN_ARG(text_of(value)));
            return false;
        }
    }
    json_t *origin = json_object_get(want, "origin");
    if (origin != NULL) {
        struct buf out;
        buf_init(&out, URL_HREF_MAX);
        bool ok = url_get_origin(u, &out) && span_eq(buf_span(&out), text_of(origin));
        if (!ok) {
            fail(t, "\"" SPAN_FMT "\": origin is \"" SPAN_FMT "\"", SPAN_ARG(input),
                 SPAN_ARG(buf_span(&out)));
        }
        buf_free(&out);
        return ok;
    }
    return true;
}

static bool parse_case(struct tally *t, json_t *item)
{
    struct span input = text_of(json_object_get(item, "input"));
    json_t *base_text = json_object_get(item, "base");
    struct url base = {0};
    struct url u;

    if (json_is_string(base_text) && !url_parse(&base, text_of(base_text), NULL)) {
        bool expected = json_is_true(json_object_get(item, "failure"));
        if (!expected) {
            fail(t, "base \"" SPAN_FMT "\" does not parse", SPAN_ARG(text_of(base_text)));
        }
        return expected;
    }
    bool parsed = url_parse(&u, input, base.href != NULL ? &base : NULL);
    url_free(&base);
    if (json_is_true(json_object_get(item, "failure"))) {
        if (parsed) {
            fail(t, "\"" SPAN_FMT "\" parses as " SPAN_FMT, SPAN_ARG(input),
                 SPAN_ARG(url_get_href(&u)));
            url_free(&u);
        }
        return !parsed;
    }
    if (!parsed) {
        fail(t, "\"" SPAN_FMT "\" does not parse", SPAN_ARG(input));
        return false;
    }
    bool ok = same_parts(t, &u, item, input);
    url_free(&u);
    return ok;
}

static void run_parse(struct tally *t, const char *dir, const char *file)
{
    json_t *root = load(dir, file);
    size_t i;
    json_t *item;

    json_array_foreach(root, i, item)
    {
        if (json_is_object(item)) {
            t->run++;
            t->passed += parse_case(t, item);
        }
    }
    json_decref(root);
}

static const struct {
    const char *name;
    bool (*set)(struct url *u, struct span value);
} setters[] = {
    {"protocol", url_set_protocol}, {"username", url_set_username}, {"password", url_set_password},
    {"host", url_set_host},         {"hostname", url_set_hostname}, {"port", url_set_port},
    {"pathname", url_set_pathname}, {"search", url_set_search},     {"hash", url_set_hash},
    {"href", url_set_href},
};

static void run_setters(struct tally *t, const char *dir)
{
    json_t *root = load(dir, "setters_tests.json");

    for (size_t s = 0; s < sizeof setters / sizeof setters[0]; s++) {
        size_t i;
        json_t *item;
        json_array_foreach(json_object_get(root, setters[s].name), i, item)
        {
            struct url u;
            struct span href = text_of(json_object_get(item, "href"));
            t->run++;
            if (!url_parse(&u, href, NULL)) {
                fail(t, "\"" SPAN_FMT "\" does not parse", SPAN_ARG(href));
                continue;
            }
            setters[s].set(&u, text_of(json_object_get(item, "new_value")));
            t->passed += same_parts(t, &u, json_object_get(item, "expected"), href);
            url_free(&u);
        }
    }
    json_decref(root);
}

/* toascii.json and IdnaTestV2.json: https://INPUT/x has the host OUTPUT, or does not parse.
 * encode: input may hold bytes that end a host. */
static void run_hosts(struct tally *t, const char *dir, const char *file, bool encode)
{
    json_t *root = load(dir, file);
    size_t i;
    json_t *item;

    json_array_foreach(root, i, item)
    {
        struct buf text;
        struct url u;
        if (!json_is_object(item)) {
            continue;
        }
        struct span input = text_of(json_object_get(item, "input"));
        json_t *output = json_object_get(item, "output");
        if (input.len == 0) { /* "https:///x" has another host */
            continue;
        }
        buf_init(&text, URL_INPUT_MAX);
        bool made = buf_append_str(&text, "https://") &&
                    (encode ? url_percent_encode(&text, input, URL_SET_COMPONENT)
                            : buf_append_span(&text, input)) &&
                    buf_append_str(&text, "/x");
        bool parsed = made && url_parse(&u, buf_span(&text), NULL);
        bool ok =
            json_is_string(output) ? parsed && span_eq(url_get_host(&u), text_of(output)) : !parsed;
        t->run++;
        t->passed += ok;
        if (!ok) {
            fail(t, "\"" SPAN_FMT "\" is \"" SPAN_FMT "\", want \"" SPAN_FMT "\" (%s)",
                 SPAN_ARG(input), SPAN_ARG(parsed ? url_get_host(&u) : SPAN_LIT("<failure>")),
                 SPAN_ARG(json_is_string(output) ? text_of(output) : SPAN_LIT("<failure>")),
                 json_string_value(json_object_get(item, "comment")));
        }
        if (parsed) {
            url_free(&u);
        }
        buf_free(&text);
    }
    json_decref(root);
}

/* A URL of ours is UTF-8: the columns of other encodings do not apply. */
static void run_percent(struct tally *t, const char *dir)
{
    json_t *root = load(dir, "percent-encoding.json");
    size_t i;
    json_t *item;

    json_array_foreach(root, i, item)
    {
        struct buf text;
        struct url u;
        if (!json_is_object(item)) {
            continue;
        }
        struct span input = text_of(json_object_get(item, "input"));
        struct span want = text_of(json_object_get(json_object_get(item, "output"), "utf-8"));
        buf_init(&text, URL_INPUT_MAX);
        bool ok = buf_append_str(&text, "https://example.org/?") && buf_append_span(&text, input) &&
                  buf_append_str(&text, "#") && buf_append_span(&text, input) &&
                  url_parse(&u, buf_span(&text), NULL);
        if (ok) {
            ok = span_eq(span_from(url_get_search(&u), 1), want) &&
                 span_eq(span_from(url_get_hash(&u), 1), want);
            url_free(&u);
        }
        t->run++;
        t->passed += ok;
        if (!ok) {
            fail(t, "\"" SPAN_FMT "\"", SPAN_ARG(input));
        }
        buf_free(&text);
    }
    json_decref(root);
}

/* Prints the rate; false below the bar, which is given in tenths of a percent. */
static bool report(const struct tally *t, unsigned bar)
{
    double rate = t->run > 0 ? 100.0 * t->passed / t->run : 0;

    printf("%-32s %5u of %5u  %6.2f %%  (bar %.1f %%)\n", t->name, t->passed, t->run, rate,
           bar / 10.0);
    return t->run > 0 && (uint64_t)t->passed * 1000 >= (uint64_t)t->run * bar;
}

int main(int argc, char **argv)
{
    struct tally urls = {.name = "urltestdata"};
    struct tally js = {.name = "urltestdata-javascript-only"};
    struct tally set = {.name = "setters_tests"};
    struct tally ascii = {.name = "toascii"};
    struct tally idna = {.name = "IdnaTestV2"};
    struct tally percent = {.name = "percent-encoding"};

    if (argc != 2) {
        fprintf(stderr, "usage: wpt-runner DIRECTORY\n");
        return 2;
    }
    run_parse(&urls, argv[1], "urltestdata.json");
    run_parse(&js, argv[1], "urltestdata-javascript-only.json");
    run_setters(&set, argv[1]);
    run_hosts(&ascii, argv[1], "toascii.json", false);
    run_hosts(&idna, argv[1], "IdnaTestV2.json", true);
    run_percent(&percent, argv[1]);

    bool ok = report(&urls, 1000);
    ok &= report(&js, 1000);
    ok &= report(&set, 1000);
    ok &= report(&ascii, 1000);
    /* Debian's ICU knows Unicode 15: letters that are newer are refused. */
    ok &= report(&idna, 998);
    ok &= report(&percent, 1000);
    return ok ? 0 : 1;
}
