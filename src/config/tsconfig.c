#include "config/tsconfig.h"
#include "base/cleanup.h"
#include "config/config.h"
#include "config/jsonc.h"
#include "config/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Taken as they are. */
static const struct {
    const char *name;
    json_type type; /* JSON_TRUE: a boolean */
} plain[] = {
    {"jsx", JSON_STRING},
    {"jsxFactory", JSON_STRING},
    {"jsxFragmentFactory", JSON_STRING},
    {"jsxImportSource", JSON_STRING},
    {"experimentalDecorators", JSON_TRUE},
    {"useDefineForClassFields", JSON_TRUE},
};

static int bad_option(const struct jsonc *doc, const char *name, const char *expected,
                      struct error *err)
{
    const struct jsonc_step steps[] = {{"compilerOptions", 0}, {name, 0}};
    return jsonc_error(doc, steps, 2, err, "expected %s", expected);
}

/* The file that says a thing first wins: the one that extends. */
static void set_new(json_t *out, const char *name, json_t *value)
{
    if (json_object_get(out, name) == NULL) {
        json_object_set_new(out, name, value);
    } else {
        json_decref(value);
    }
}

static int take_plain(const struct jsonc *doc, const json_t *options, json_t *out,
                      struct error *err)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        json_t *value = json_object_get(options, plain[i].name);
        bool text = plain[i].type == JSON_STRING;
        if (value == NULL) {
            continue;
        }
        if (text ? !json_is_string(value) : !json_is_boolean(value)) {
            return bad_option(doc, plain[i].name, text ? "a string" : "true or false", err);
        }
        set_new(out, plain[i].name, json_incref(value));
    }
    return 0;
}

/* What the files say so far. */
struct taken {
    json_t *options;
    char *paths_folder; /* of the file that has the paths; NULL: none has */
};

static int check_paths(const struct jsonc *doc, json_t *paths, struct error *err)
{
    bool good = json_is_object(paths);
    const char *pattern;
    json_t *places;
    json_object_foreach(paths, pattern, places)
    {
        good = good && json_is_array(places);
        for (size_t i = 0; good && i < json_array_size(places); i++) {
            good = json_is_string(json_array_get(places, i));
        }
    }
    return good
               ? 0
               : bad_option(doc, "paths", "an object with a list of strings for each pattern", err);
}

/* Each place is below the baseUrl, whichever file has that, else beside the file with the paths. */
static int place_paths(struct taken *t)
{
    const char *base = json_string_value(json_object_get(t->options, "baseUrl"));
    const char *pattern;
    json_t *places;
    json_object_foreach(json_object_get(t->options, "paths"), pattern, places)
    {
        for (size_t i = 0; i < json_array_size(places); i++) {
            const char *place = json_string_value(json_array_get(places, i));
            cleanup_free char *clean = paths_clean(base != NULL ? base : t->paths_folder, place);
            if (clean == NULL || json_array_set_new(places, i, json_string(clean)) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int take(const struct jsonc *doc, const char *folder, struct taken *t, struct error *err)
{
    const json_t *options = json_object_get(doc->root, "compilerOptions");
    const json_t *base_url = json_object_get(options, "baseUrl");
    json_t *paths = json_object_get(options, "paths");
    if (base_url != NULL && !json_is_string(base_url)) {
        return bad_option(doc, "baseUrl", "a string", err);
    }
    cleanup_free char *base =
        paths_clean(folder, base_url != NULL ? json_string_value(base_url) : ".");
    if (base == NULL) {
        return error_set(err, ENOMEM, "tsconfig");
    }
    if (base_url != NULL) {
        set_new(t->options, "baseUrl", json_string(base));
    }
    int rc = take_plain(doc, options, t->options, err);
    rc = rc == 0 && paths != NULL ? check_paths(doc, paths, err) : rc;
    if (rc == 0 && paths != NULL && t->paths_folder == NULL) {
        t->paths_folder = strdup(folder);
        json_object_set(t->options, "paths", paths);
        rc = t->paths_folder == NULL ? error_set(err, ENOMEM, "tsconfig") : 0;
    }
    return rc;
}

static char *folder_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    return strndup(file, slash > file ? (size_t)(slash - file) : 1);
}

/* *next: the file that this one extends, NULL when that is none of ours to read. */
static int take_file(const char *file, struct tsconfig *t, struct taken *taken, char **next,
                     struct error *err)
{
    struct buf text;
    struct jsonc doc;
    cleanup_free char *folder = folder_of(file);
    *next = NULL;
    int rc = config_read_file(file, JSONC_BYTES_MAX, &text, err);
    rc = rc < 0 ? rc : jsonc_parse(file, buf_span(&text), &doc, err);
    buf_free(&text);
    if (rc < 0) {
        return rc;
    }
    if (folder == NULL || !spec_strings_add(&t->files, file)) {
        rc = error_set(err, ENOMEM, "tsconfig");
    }
    rc = rc < 0 ? rc : take(&doc, folder, taken, err);
    const char *extends = json_string_value(json_object_get(doc.root, "extends"));
    if (rc == 0 && extends != NULL && (extends[0] == '.' || extends[0] == '/')) {
        const char *dot = strrchr(extends, '.');
        cleanup_free char *named = NULL;
        bool whole = dot != NULL && strcmp(dot, ".json") == 0;
        *next = asprintf(&named, "%s%s", extends, whole ? "" : ".json") > 0
                    ? paths_clean(folder, named)
                    : NULL;
    }
    jsonc_free(&doc);
    return rc;
}

static int take_all(const char *root, struct tsconfig *t, struct taken *taken, struct error *err)
{
    cleanup_free char *first = paths_clean(root, "tsconfig.json");
    char *file = first != NULL ? strdup(first) : NULL;
    int rc = file == NULL ? error_set(err, ENOMEM, "tsconfig") : 0;
    if (rc == 0 && access(file, F_OK) != 0) {
        free(file);
        return 0;
    }
    for (unsigned depth = 0; rc == 0 && file != NULL; depth++) {
        char *next = NULL;
        rc = depth < TSCONFIG_EXTENDS_MAX
                 ? take_file(file, t, taken, &next, err)
                 : error_set(err, 0, "%s: more than %u files extend each other", first,
                             TSCONFIG_EXTENDS_MAX);
        free(file);
        file = next;
    }
    free(file);
    return rc;
}

int tsconfig_read(const char *root, struct tsconfig *out, struct error *err)
{
    *out = (struct tsconfig){.files = {NULL, 0}};
    struct taken taken = {.options = json_object()};
    json_t *options = taken.options;
    int rc = take_all(root, out, &taken, err);
    if (rc == 0 && place_paths(&taken) < 0) {
        rc = error_set(err, ENOMEM, "tsconfig");
    }
    free(taken.paths_folder);
    set_new(options, "useDefineForClassFields", json_true());
    json_object_set_new(options, "target", json_string("esnext"));
    out->maps =
        json_object_get(options, "paths") != NULL || json_object_get(options, "baseUrl") != NULL;
    json_t *doc = json_pack("{s:o}", "compilerOptions", options);
    out->text = doc != NULL ? json_dumps(doc, JSON_COMPACT) : NULL;
    json_decref(doc);
    if (rc == 0 && out->text == NULL) {
        rc = error_set(err, ENOMEM, "tsconfig");
    }
    if (rc < 0) {
        tsconfig_free(out);
    }
    return rc;
}

void tsconfig_free(struct tsconfig *t)
{
    free(t->text);
    t->text = NULL;
    spec_strings_free(&t->files);
}
