#include "config/wrangler.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>

/* A key of the top level; read gets its value. */
struct key {
    const char *name;
    int (*read)(const struct jsonc *doc, json_t *value, struct config *out, struct error *err);
};

#define STEP(k)    ((struct jsonc_step){.key = (k)})
#define INDEX(i)   ((struct jsonc_step){.index = (i)})
#define HERE(...)  ((const struct jsonc_step[]){__VA_ARGS__})
#define COUNT(...) (sizeof(HERE(__VA_ARGS__)) / sizeof(struct jsonc_step))
#define EXPECTED(doc, err, what, ...)                                                              \
    jsonc_error(doc, HERE(__VA_ARGS__), COUNT(__VA_ARGS__), err, "expected %s", what)

static int read_name(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    const char *text = json_string_value(v);
    if (text == NULL || text[0] == '\0' || strlen(text) > 255) {
        return EXPECTED(doc, err, "a name of 1 to 255 bytes", STEP("name"));
    }
    return json_object_set(out->app, "name", v);
}

static int read_main(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    const char *text = json_string_value(v);
    if (text == NULL || text[0] == '\0' || strlen(text) != json_string_length(v)) {
        return EXPECTED(doc, err, "the path of a module", STEP("main"));
    }
    out->module = strdup(text);
    return out->module != NULL ? 0 : error_set(err, ENOMEM, "%s", doc->file);
}

static int read_date(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    const char *text = json_string_value(v);
    int y = 0, m = 0, d = 0, n = 0;
    if (text == NULL || sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &n) != 3 || n != 10 ||
        text[10] != '\0') {
        return EXPECTED(doc, err, "a date as 2026-04-13", STEP("compatibility_date"));
    }
    return json_object_set(out->app, "date", v);
}

static int read_vars(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    if (!json_is_object(v)) {
        return EXPECTED(doc, err, "an object: { \"NAME\": value }", STEP("vars"));
    }
    return json_object_set(out->app, "vars", v);
}

/* An array of objects in which the two members are non-empty strings; *to gets pairs of them under
 * our own names. */
struct pairs {
    struct jsonc_step steps[4]; /* the way to the array; two more are filled in */
    size_t step_count;
    const char *from[2];
    const char *to[2];
};

static int read_pair(const struct jsonc *doc, json_t *item, struct pairs *p, json_t *pair,
                     struct error *err)
{
    for (int k = 0; k < 2; k++) {
        json_t *text = json_object_get(item, p->from[k]);
        if (json_string_length(text) == 0) {
            p->steps[p->step_count + 1] = STEP(p->from[k]);
            return jsonc_error(doc, p->steps, p->step_count + 2, err,
                               "expected an object with \"%s\" and \"%s\", each a string",
                               p->from[0], p->from[1]);
        }
        if (json_object_set(pair, p->to[k], text) < 0) {
            return error_set(err, ENOMEM, "%s", doc->file);
        }
    }
    return 0;
}

static int read_pairs(const struct jsonc *doc, json_t *array, struct pairs *p, json_t *to,
                      struct error *err)
{
    if (!json_is_array(array)) {
        return jsonc_error(doc, p->steps, p->step_count, err, "expected an array of objects");
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        p->steps[p->step_count] = INDEX(i);
        json_t *pair = json_object();
        json_array_append_new(to, pair);
        int rc = read_pair(doc, json_array_get(array, i), p, pair, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int read_kv(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    struct pairs p = {.steps = {STEP("kv_namespaces")},
                      .step_count = 1,
                      .from = {"binding", "id"},
                      .to = {"binding", "id"}};
    json_t *to = json_array();
    json_object_set_new(out->app, "kv", to);
    return read_pairs(doc, v, &p, to, err);
}

static int read_objects(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    if (!json_is_object(v)) {
        return EXPECTED(doc, err, "an object with \"bindings\"", STEP("durable_objects"));
    }
    json_t *bindings = json_object_get(v, "bindings");
    if (bindings == NULL) {
        return 0;
    }
    struct pairs p = {.steps = {STEP("durable_objects"), STEP("bindings")},
                      .step_count = 2,
                      .from = {"name", "class_name"},
                      .to = {"binding", "class"}};
    json_t *to = json_array();
    json_object_set_new(out->app, "objects", to);
    return read_pairs(doc, bindings, &p, to, err);
}

static int read_containers(const struct jsonc *doc, json_t *v, struct config *out,
                           struct error *err)
{
    if (!json_is_array(v)) {
        return EXPECTED(doc, err, "an array of objects", STEP("containers"));
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        json_t *name = json_object_get(json_array_get(v, i), "class_name");
        if (json_string_length(name) == 0) {
            return EXPECTED(doc, err, "an object with \"class_name\", a string", STEP("containers"),
                            INDEX(i), STEP("class_name"));
        }
        if (json_array_size(v) == 1) {
            out->class_name = strdup(json_string_value(name));
        }
    }
    return 0;
}

static int read_limits(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    static const char *const known[] = {"turn_ms", "heap_bytes", "request_ms", "exchanges"};
    const char *key;
    json_t *limit;
    if (!json_is_object(v)) {
        return EXPECTED(doc, err, "an object", STEP("sallyport"), STEP("limits"));
    }
    json_object_foreach(v, key, limit)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], key) != 0) {
            i++;
        }
        if (i == sizeof known / sizeof *known || json_integer_value(limit) <= 0) {
            return EXPECTED(doc, err,
                            "turn_ms, heap_bytes, request_ms or exchanges with a number above 0",
                            STEP("sallyport"), STEP("limits"), STEP(key));
        }
    }
    return json_object_set(out->app, "limits", v);
}

static int read_ours(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(v)) {
        return EXPECTED(doc, err, "an object", STEP("sallyport"));
    }
    json_object_foreach(v, key, value)
    {
        if (strcmp(key, "limits") != 0) {
            return jsonc_error(doc, HERE(STEP("sallyport"), STEP(key)), 2, err,
                               "expected one of: limits; \"%.64s\" is not known", key);
        }
        int rc = read_limits(doc, value, out, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static const struct key understood[] = {
    {"name", read_name},
    {"main", read_main},
    {"vars", read_vars},
    {"kv_namespaces", read_kv},
    {"containers", read_containers},
    {"durable_objects", read_objects},
    {"compatibility_date", read_date},
    {"sallyport", read_ours},
};

/* Keys that say how Cloudflare deploys, and nothing about what the program does here. */
static const char *const passed_over[] = {
    "$schema",
    "account_id",
    "assets",
    "build",
    "compatibility_flags",
    "dev",
    "env",
    "find_additional_modules",
    "keep_names",
    "keep_vars",
    "limits",
    "logpush",
    "migrations",
    "minify",
    "no_bundle",
    "observability",
    "placement",
    "preview_urls",
    "route",
    "routes",
    "rules",
    "send_metrics",
    "tail_consumers",
    "triggers",
    "tsconfig",
    "upload_source_maps",
    "version_metadata",
    "workers_dev",
};

static bool is_passed_over(const char *key)
{
    for (size_t i = 0; i < sizeof passed_over / sizeof *passed_over; i++) {
        if (strcmp(passed_over[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static int read_key(const struct jsonc *doc, const char *name, json_t *value, struct config *out,
                    struct error *err)
{
    for (size_t i = 0; i < sizeof understood / sizeof *understood; i++) {
        if (strcmp(understood[i].name, name) == 0) {
            return understood[i].read(doc, value, out, err);
        }
    }
    if (!is_passed_over(name)) {
        char note[256];
        snprintf(note, sizeof note, "%.128s: \"%.64s\" has no local form and is ignored",
                 strrchr(doc->file, '/') != NULL ? strrchr(doc->file, '/') + 1 : doc->file, name);
        if (!spec_strings_add(&out->notes, note)) {
            return error_set(err, ENOMEM, "%s", doc->file);
        }
    }
    return 0;
}

int wrangler_read(const struct jsonc *doc, struct config *out, struct error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(doc->root, name, value)
    {
        int rc = read_key(doc, name, value, out, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}
