#include "config/types.h"
#include "base/cleanup.h"
#include "config/bindings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH_BYTES_MAX 16384u /* relative to another */

static const char header[] =
    TYPES_MARKER ": `sallyport types` writes it anew, so do not edit it.\n"
                 "/* eslint-disable */\n"
                 "// Its names are those of the npm package @cloudflare/workers-types.\n"
                 "// What only Sallyport has is described in share/sallyport/types of its "
                 "installation; the README there says how to add it to tsconfig.json.\n";

static bool is_identifier(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        bool letter =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_' || *p == '$';
        if (!letter && (p == text || *p < '0' || *p > '9')) {
            return false;
        }
    }
    return *text != '\0';
}

/* A value as a literal of ASCII. NULL when memory is out. */
static char *literal(const json_t *v)
{
    char *text = NULL;
    json_t *back = NULL;
    /* 17 digits always bring a number back; few need them: 0.1 is to stay 0.1. */
    for (size_t digits = 15; digits <= 17 && !json_equal(back, v); digits++) {
        free(text);
        json_decref(back);
        text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII |
                                 JSON_REAL_PRECISION(digits));
        back = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    }
    json_decref(back);
    return text;
}

static char *quoted(const char *text)
{
    json_t *v = json_string(text);
    char *out = v != NULL ? literal(v) : NULL;
    json_decref(v);
    return out;
}

/* ---- the module ---- */

/* Bytes of the folders that both are in, with the last slash. May be one more than folder has. */
static size_t shared_bytes(const char *folder, const char *file)
{
    size_t shared = 0;
    size_t i = 0;
    for (; folder[i] != '\0' && folder[i] == file[i]; i++) {
        shared = file[i] == '/' ? i + 1 : shared;
    }
    return folder[i] == '\0' && file[i] == '/' ? i + 1 : shared;
}

/* What TypeScript finds a source file by. */
static void drop_extension(char *path)
{
    static const char *const ends[][2] = {{".ts", ""},  {".tsx", ""},     {".js", ""},
                                          {".jsx", ""}, {".mts", ".mjs"}, {".cts", ".cjs"}};
    char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof ends / sizeof *ends; i++) {
        if (strcmp(dot, ends[i][0]) == 0) {
            memcpy(dot, ends[i][1], strlen(ends[i][1]) + 1);
            return;
        }
    }
}

/* `import("./src/index")` */
static char *import_of(const char *folder, const char *module)
{
    size_t shared = shared_bytes(folder, module);
    const char *above = shared > strlen(folder) ? "" : folder + shared;
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    bool ok = buf_append_str(&path, *above != '\0' ? "../" : "./");
    for (; *above != '\0'; above++) {
        ok = ok && (*above != '/' || buf_append_str(&path, "../"));
    }
    ok = ok && buf_append(&path, module + shared, strlen(module + shared) + 1);
    char *text = ok ? strdup(buf_span(&path).ptr) : NULL;
    buf_free(&path);
    if (text != NULL) {
        drop_extension(text);
    }
    cleanup_free char *name = text != NULL ? quoted(text) : NULL;
    free(text);
    char *out = NULL;
    return name != NULL && asprintf(&out, "import(%s)", name) >= 0 ? out : NULL;
}

/* ---- the members ---- */

struct members {
    json_t *types;   /* name: text of its type; of two with one name the later counts */
    json_t *objects; /* names of classes, as keys */
    char *import;
};

static int put(struct members *m, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int put(struct members *m, const char *name, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    int rc = n >= 0 ? json_object_set_new(m->types, name, json_string(text)) : -1;
    if (n >= 0) {
        free(text);
    }
    return rc;
}

static const char *text_of(const json_t *item, const char *key)
{
    return json_string_value(json_object_get(item, key));
}

static int put_vars(struct members *m, const struct config *c)
{
    int rc = 0;
    const char *name;
    json_t *v;
    json_object_foreach(json_object_get(c->app, "vars"), name, v)
    {
        cleanup_free char *text = literal(v);
        rc = rc < 0 || text == NULL ? -1 : put(m, name, "%s", text);
    }
    for (size_t i = 0; rc == 0 && i < c->secrets.count; i++) {
        rc = put(m, c->secrets.items[i].name, "string");
    }
    return rc;
}

static int put_kv(struct members *m, const json_t *item)
{
    return put(m, text_of(item, "binding"), "KVNamespace");
}

static int put_object(struct members *m, const json_t *item)
{
    const char *name = text_of(item, "binding");
    const char *class_name = text_of(item, "class");
    if (json_object_set_new(m->objects, class_name, json_null()) < 0) {
        return -1;
    }
    if (is_identifier(class_name)) {
        return put(m, name, "DurableObjectNamespace<%s.%s>", m->import, class_name);
    }
    cleanup_free char *key = quoted(class_name);
    return key == NULL ? -1
                       : put(m, name, "DurableObjectNamespace<InstanceType<(typeof %s)[%s]>>",
                             m->import, key);
}

static int put_service(struct members *m, const json_t *item)
{
    const char *name = text_of(item, "binding");
    const char *entrypoint = text_of(item, "entrypoint");
    if (entrypoint == NULL || is_identifier(entrypoint)) {
        return put(m, name, "Service<typeof %s.%s>", m->import,
                   entrypoint != NULL ? entrypoint : "default");
    }
    cleanup_free char *key = quoted(entrypoint);
    return key == NULL ? -1 : put(m, name, "Service<(typeof %s)[%s]>", m->import, key);
}

static int put_absent(struct members *m, const json_t *item)
{
    return put(m, text_of(item, "binding"), "%s /* has no local form: throws when it is used */",
               bindings_absent_type(text_of(item, "kind")));
}

static int put_list(struct members *m, const struct config *c, const char *key,
                    int (*fn)(struct members *m, const json_t *item))
{
    const json_t *list = json_object_get(c->app, key);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        rc = fn(m, json_array_get(list, i));
    }
    return rc;
}

/* In the order in which `env` is filled: a binding wins over a secret, a secret over a var. */
static int put_all(struct members *m, const struct config *c)
{
    int rc = put_vars(m, c);
    rc = rc < 0 ? rc : put_list(m, c, "kv", put_kv);
    rc = rc < 0 ? rc : put_list(m, c, "objects", put_object);
    rc = rc < 0 ? rc : put_list(m, c, "unsupported", put_absent);
    return rc < 0 ? rc : put_list(m, c, "services", put_service);
}

/* ---- the text ---- */

static bool write_members(const struct members *m, struct buf *out)
{
    const char *name;
    json_t *type;
    bool ok = buf_append_str(out, "\tinterface Env {\n");
    json_object_foreach(m->types, name, type)
    {
        cleanup_free char *key = is_identifier(name) ? strdup(name) : quoted(name);
        ok = ok && key != NULL && buf_appendf(out, "\t\t%s: ", key) &&
             buf_append_str(out, json_string_value(type)) && buf_append_str(out, ";\n");
    }
    return ok && buf_append_str(out, "\t}\n");
}

/* What `ctx.exports` is made of. */
static bool write_props(const struct members *m, struct buf *out)
{
    const char *name;
    json_t *unused;
    const char *lead = "\t\tdurableNamespaces: ";
    bool ok = buf_append_str(out, "\tinterface GlobalProps {\n\t\tmainModule: typeof ") &&
              buf_append_str(out, m->import) && buf_append_str(out, ";\n");
    json_object_foreach(m->objects, name, unused)
    {
        cleanup_free char *text = quoted(name);
        ok = ok && text != NULL && buf_append_str(out, lead) && buf_append_str(out, text);
        lead = " | ";
    }
    ok = ok && (json_object_size(m->objects) == 0 || buf_append_str(out, ";\n"));
    return ok && buf_append_str(out, "\t}\n");
}

int types_write(const struct config *c, const char *folder, const char *interface, struct buf *out,
                struct error *err)
{
    buf_init(out, TYPES_BYTES_MAX);
    struct members m = {json_object(), json_object(), import_of(folder, c->module)};
    bool ok = m.import != NULL && put_all(&m, c) == 0 && buf_append_str(out, header) &&
              buf_append_str(out, "declare namespace Cloudflare {\n") && write_props(&m, out) &&
              write_members(&m, out) &&
              buf_appendf(out, "}\ninterface %s extends Cloudflare.Env {}\n", interface);
    json_decref(m.types);
    json_decref(m.objects);
    free(m.import);
    if (!ok) {
        buf_free(out);
        return error_set(err, 0, "types: module %s: no UTF-8 text, or out of memory", c->module);
    }
    return 0;
}
