#include "config/wrangler.h"
#include "config/bindings.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>

/* A key of the top level; read gets its value. */
struct key {
    const char *name;
    int (*read)(const struct jsonc *doc, json_t *value, struct config *out, struct error *err);
};

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

static int read_container(const struct jsonc *doc, size_t i, json_t *item, struct error *err)
{
    if (json_string_length(json_object_get(item, "class_name")) == 0) {
        return EXPECTED(doc, err, "an object with \"class_name\", a string", STEP("containers"),
                        INDEX(i), STEP("class_name"));
    }
    json_t *most = json_object_get(item, "max_instances");
    if (most != NULL && json_integer_value(most) < 1) {
        return EXPECTED(doc, err, "a number above 0", STEP("containers"), INDEX(i),
                        STEP("max_instances"));
    }
    return 0;
}

static int read_containers(const struct jsonc *doc, json_t *v, struct config *out,
                           struct error *err)
{
    if (!json_is_array(v)) {
        return EXPECTED(doc, err, "an array of objects", STEP("containers"));
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        json_t *item = json_array_get(v, i);
        int rc = read_container(doc, i, item, err);
        if (rc < 0) {
            return rc;
        }
        out->has_image |= json_object_get(item, "image") != NULL;
    }
    if (json_array_size(v) == 1) {
        json_t *name = json_object_get(json_array_get(v, 0), "class_name");
        out->class_name = strdup(json_string_value(name));
    }
    return 0;
}

/* minute hour day month weekday; what they mean is the daemon's to read. */
static bool is_cron(const char *text)
{
    size_t fields = 0;
    if (text == NULL || strlen(text) > 256) {
        return false;
    }
    while (*text != '\0') {
        size_t space = strspn(text, " ");
        size_t field = strcspn(text + space, " ");
        if (strspn(text + space,
                   "0123456789*,-/#?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") <
            field) {
            return false;
        }
        fields += field > 0 ? 1 : 0;
        text += space + field;
    }
    return fields == 5;
}

static int read_triggers(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    json_t *crons = json_object_get(v, "crons");
    if (!json_is_object(v) || (crons != NULL && !json_is_array(crons))) {
        return EXPECTED(doc, err, "an object: { \"crons\": [\"*/5 * * * *\"] }", STEP("triggers"));
    }
    for (size_t i = 0; i < json_array_size(crons); i++) {
        const char *text = json_string_value(json_array_get(crons, i));
        if (!is_cron(text)) {
            return EXPECTED(doc, err, "five fields, as \"*/5 * * * *\"", STEP("triggers"),
                            STEP("crons"), INDEX(i));
        }
        if (!spec_strings_add(&out->crons, text)) {
            return error_set(err, ENOMEM, "%s", doc->file);
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
    {"kv_namespaces", bindings_read_kv},
    {"containers", read_containers},
    {"durable_objects", bindings_read_objects},
    {"services", bindings_read_services},
    {"triggers", read_triggers},
    {"compatibility_date", read_date},
    {"sallyport", read_ours},
};

/* Keys that say how Cloudflare deploys, and nothing about what the program does here. */
static const char *const passed_over[] = {
    "$schema",
    "account_id",
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
    "send_metrics",
    "tail_consumers",
    "tsconfig",
    "upload_source_maps",
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
    if (is_passed_over(name)) {
        return 0;
    }
    int rc = bindings_read_absent(doc, name, value, out, err);
    return rc != 0
               ? (rc < 0 ? rc : 0)
               : bindings_note(doc, out, err, "\"%.64s\" has no local form and is ignored", name);
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
