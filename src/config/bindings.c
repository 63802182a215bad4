#include "config/bindings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int bindings_note(const struct jsonc *doc, struct config *out, struct error *err, const char *fmt,
                  ...)
{
    char text[512];
    char note[640];
    const char *name = strrchr(doc->file, '/');
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(note, sizeof note, "%.100s: %s", name != NULL ? name + 1 : doc->file, text);
    return spec_strings_add(&out->notes, note) ? 0 : error_set(err, ENOMEM, "%s", doc->file);
}

/* The array under key of out->app, made when it is not there. */
static json_t *list_of(struct config *out, const char *key)
{
    json_t *list = json_object_get(out->app, key);
    if (list == NULL) {
        list = json_array();
        json_object_set_new(out->app, key, list);
    }
    return list;
}

static int add_absent(struct config *out, const json_t *binding, const char *kind,
                      struct error *err)
{
    json_t *item = json_pack("{s:O, s:s}", "binding", binding, "kind", kind);
    return json_array_append_new(list_of(out, "unsupported"), item) < 0
               ? error_set(err, ENOMEM, "config")
               : 0;
}

/* Whether an item names a Worker that is not this one: nothing of it is here. */
static bool is_elsewhere(const struct jsonc *doc, const json_t *item, const char *key)
{
    const char *other = json_string_value(json_object_get(item, key));
    const char *ours = json_string_value(json_object_get(doc->root, "name"));
    return other != NULL && (ours == NULL || strcmp(other, ours) != 0);
}

/* A list of objects with texts in them. */
struct list {
    struct jsonc_step steps[4]; /* the way to the array; two more are filled in */
    size_t step_count;
    const char *shape; /* what each element is expected to be */
};

static int want_array(const struct jsonc *doc, json_t *array, const struct list *l,
                      struct error *err)
{
    return json_is_array(array)
               ? 0
               : jsonc_error(doc, l->steps, l->step_count, err, "expected an array of objects");
}

/* A member that is a text of at least one byte. */
static int want_text(const struct jsonc *doc, struct list *l, size_t i, const json_t *item,
                     const char *key, struct error *err)
{
    if (json_string_length(json_object_get(item, key)) > 0) {
        return 0;
    }
    l->steps[l->step_count] = INDEX(i);
    l->steps[l->step_count + 1] = STEP(key);
    return jsonc_error(doc, l->steps, l->step_count + 2, err, "expected an object with %s",
                       l->shape);
}

int bindings_read_kv(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    struct list l = {{STEP("kv_namespaces")}, 1, "\"binding\" and \"id\", each a string"};
    json_t *to = list_of(out, "kv");
    int rc = want_array(doc, v, &l, err);
    for (size_t i = 0; rc == 0 && i < json_array_size(v); i++) {
        json_t *item = json_array_get(v, i);
        rc = want_text(doc, &l, i, item, "binding", err);
        if (rc == 0 && json_object_get(item, "id") != NULL) {
            rc = want_text(doc, &l, i, item, "id", err);
        }
        if (rc == 0) {
            /* wrangler makes a namespace for one without an id: here it has the binding's name. */
            json_t *binding = json_object_get(item, "binding");
            json_t *id = json_object_get(item, "id");
            json_array_append_new(
                to, json_pack("{s:O, s:O}", "binding", binding, "id", id != NULL ? id : binding));
        }
    }
    return rc;
}

int bindings_read_objects(const struct jsonc *doc, json_t *v, struct config *out, struct error *err)
{
    struct list l = {{STEP("durable_objects"), STEP("bindings")},
                     2,
                     "\"name\" and \"class_name\", each a string"};
    if (!json_is_object(v)) {
        return EXPECTED(doc, err, "an object with \"bindings\"", STEP("durable_objects"));
    }
    json_t *bindings = json_object_get(v, "bindings");
    json_t *to = list_of(out, "objects");
    int rc = bindings != NULL ? want_array(doc, bindings, &l, err) : 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(bindings); i++) {
        json_t *item = json_array_get(bindings, i);
        rc = want_text(doc, &l, i, item, "name", err);
        rc = rc < 0 ? rc : want_text(doc, &l, i, item, "class_name", err);
        json_t *binding = json_object_get(item, "name");
        if (rc == 0 && is_elsewhere(doc, item, "script_name")) {
            rc = add_absent(out, binding, "durable_objects", err);
            rc = rc < 0 ? rc
                        : bindings_note(doc, out, err,
                                        "\"script_name\": no other Worker is here: %.64s throws "
                                        "when it is used",
                                        json_string_value(binding));
        } else if (rc == 0) {
            json_array_append_new(to, json_pack("{s:O, s:O}", "binding", binding, "class",
                                                json_object_get(item, "class_name")));
        }
    }
    return rc;
}

static int add_service(const struct jsonc *doc, const json_t *item, struct config *out,
                       struct error *err)
{
    json_t *binding = json_object_get(item, "binding");
    if (is_elsewhere(doc, item, "service")) {
        int rc = add_absent(out, binding, "services", err);
        return rc < 0 ? rc
                      : bindings_note(doc, out, err,
                                      "\"services\": no other Worker is here: %.64s throws when it "
                                      "is used",
                                      json_string_value(binding));
    }
    json_t *to =
        json_pack("{s:O, s:O}", "binding", binding, "service", json_object_get(item, "service"));
    if (json_object_get(item, "entrypoint") != NULL) {
        json_object_set(to, "entrypoint", json_object_get(item, "entrypoint"));
    }
    return json_array_append_new(list_of(out, "services"), to) < 0
               ? error_set(err, ENOMEM, "config")
               : 0;
}

int bindings_read_services(const struct jsonc *doc, json_t *v, struct config *out,
                           struct error *err)
{
    struct list l = {{STEP("services")}, 1, "\"binding\" and \"service\", each a string"};
    int rc = want_array(doc, v, &l, err);
    for (size_t i = 0; rc == 0 && i < json_array_size(v); i++) {
        json_t *item = json_array_get(v, i);
        rc = want_text(doc, &l, i, item, "binding", err);
        rc = rc < 0 ? rc : want_text(doc, &l, i, item, "service", err);
        if (rc == 0 && json_object_get(item, "entrypoint") != NULL) {
            rc = want_text(doc, &l, i, item, "entrypoint", err);
        }
        rc = rc < 0 ? rc : add_service(doc, item, out, err);
    }
    return rc;
}

/* Where the names of bindings stand under a key. */
enum absent_form {
    ABSENT_LIST,   /* [{ NAME: "X" }] */
    ABSENT_ONE,    /* { NAME: "X" } */
    ABSENT_NESTED, /* { INSIDE: [{ NAME: "X" }] } */
    ABSENT_MAP,    /* { "X": … } */
};

#define PIPELINE "import(\"cloudflare:pipelines\").Pipeline"

static const struct absent {
    const char *key;
    enum absent_form form;
    const char *name;
    const char *inside;
    const char *type; /* as @cloudflare/workers-types calls it */
} absent[] = {
    {"ai", ABSENT_ONE, "binding", NULL, "Ai"},
    {"analytics_engine_datasets", ABSENT_LIST, "binding", NULL, "AnalyticsEngineDataset"},
    {"assets", ABSENT_ONE, "binding", NULL, "Fetcher"},
    {"browser", ABSENT_ONE, "binding", NULL, "Fetcher"},
    {"d1_databases", ABSENT_LIST, "binding", NULL, "D1Database"},
    {"data_blobs", ABSENT_MAP, NULL, NULL, "ArrayBuffer"},
    {"dispatch_namespaces", ABSENT_LIST, "binding", NULL, "DispatchNamespace"},
    {"hyperdrive", ABSENT_LIST, "binding", NULL, "Hyperdrive"},
    {"images", ABSENT_ONE, "binding", NULL, "ImagesBinding"},
    {"logfwdr", ABSENT_NESTED, "name", "bindings", "any"},
    {"media", ABSENT_ONE, "binding", NULL, "MediaBinding"},
    {"mtls_certificates", ABSENT_LIST, "binding", NULL, "Fetcher"},
    {"pipelines", ABSENT_LIST, "binding", NULL, PIPELINE},
    {"queues", ABSENT_NESTED, "binding", "producers", "Queue"},
    {"r2_buckets", ABSENT_LIST, "binding", NULL, "R2Bucket"},
    {"ratelimits", ABSENT_LIST, "name", NULL, "RateLimit"},
    {"secrets_store_secrets", ABSENT_LIST, "binding", NULL, "SecretsStoreSecret"},
    {"send_email", ABSENT_LIST, "name", NULL, "SendEmail"},
    {"text_blobs", ABSENT_MAP, NULL, NULL, "string"},
    {"unsafe", ABSENT_NESTED, "name", "bindings", "any"},
    {"vectorize", ABSENT_LIST, "binding", NULL, "VectorizeIndex"},
    {"version_metadata", ABSENT_ONE, "binding", NULL, "WorkerVersionMetadata"},
    {"vpc_services", ABSENT_LIST, "binding", NULL, "Fetcher"},
    {"wasm_modules", ABSENT_MAP, NULL, NULL, "WebAssembly.Module"},
    {"worker_loaders", ABSENT_LIST, "binding", NULL, "WorkerLoader"},
    {"workflows", ABSENT_LIST, "binding", NULL, "Workflow"},
};

static const struct absent *find_absent(const char *key)
{
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        if (strcmp(absent[i].key, key) == 0) {
            return &absent[i];
        }
    }
    return NULL;
}

const char *bindings_absent_type(const char *kind)
{
    const struct absent *a = find_absent(kind);
    return a != NULL                              ? a->type
           : strcmp(kind, "durable_objects") == 0 ? "DurableObjectNamespace"
           : strcmp(kind, "services") == 0        ? "Fetcher"
                                                  : "unknown";
}

/* Adds the names to `to`; what has none binds nothing. */
static void collect(const struct absent *a, json_t *v, json_t *to)
{
    json_t *list = a->form == ABSENT_NESTED ? json_object_get(v, a->inside) : v;
    const char *key;
    json_t *value;
    if (a->form == ABSENT_MAP) {
        json_object_foreach(v, key, value)
        {
            json_array_append_new(to, json_string(key));
        }
        return;
    }
    size_t count = a->form == ABSENT_ONE ? 1 : json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        json_t *item = a->form == ABSENT_ONE ? v : json_array_get(list, i);
        json_t *name = json_object_get(item, a->name);
        if (json_string_length(name) > 0) {
            json_array_append(to, name);
        }
    }
}

static int note_absent(const struct jsonc *doc, const char *key, const json_t *names,
                       struct config *out, struct error *err)
{
    char text[300] = "";
    size_t len = 0;
    size_t count = json_array_size(names);
    for (size_t i = 0; i < count && len < 200; i++) {
        int n = snprintf(text + len, sizeof text - len, "%s%.64s", i > 0 ? ", " : "",
                         json_string_value(json_array_get(names, i)));
        len += n > 0 ? (size_t)n : 0;
    }
    if (count == 0) {
        return bindings_note(doc, out, err, "\"%s\" has no local form and is ignored", key);
    }
    return bindings_note(doc, out, err, "\"%s\" has no local form: %s %s when used", key, text,
                         count == 1 ? "throws" : "throw");
}

int bindings_read_absent(const struct jsonc *doc, const char *key, json_t *v, struct config *out,
                         struct error *err)
{
    const struct absent *a = find_absent(key);
    if (a == NULL) {
        return 0;
    }
    json_t *names = json_array();
    collect(a, v, names);
    int rc = note_absent(doc, key, names, out, err);
    for (size_t i = 0; rc == 0 && i < json_array_size(names); i++) {
        rc = add_absent(out, json_array_get(names, i), key, err);
    }
    json_decref(names);
    return rc < 0 ? rc : 1;
}
