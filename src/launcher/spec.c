#include "launcher/spec.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static int spec_bad(struct error *err, const char *key, const char *expected)
{
    return error_set(err, 0, "launcher: \"%s\": expected %s", key, expected);
}

static int read_string(const json_t *value, const char *key, char **out, struct error *err)
{
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) != json_string_length(value)) {
        return spec_bad(err, key, "a string without NUL");
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return error_set(err, ENOMEM, "launcher: \"%s\"", key);
    }
    free(*out);
    *out = copy;
    return 0;
}

static int read_path(const json_t *value, const char *key, char **out, struct error *err)
{
    int rc = read_string(value, key, out, err);
    return rc == 0 && (*out)[0] != '/' ? spec_bad(err, key, "an absolute path") : rc;
}

typedef int (*read_fn)(const json_t *value, const char *key, char **out, struct error *err);

static int read_list(const json_t *value, const char *key, read_fn item, struct spec_list *out,
                     struct error *err)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > SPEC_LIST_MAX || out->items != NULL) {
        return spec_bad(err, key, "a list");
    }
    out->items = calloc(count + 1, sizeof(*out->items));
    if (out->items == NULL) {
        return error_set(err, ENOMEM, "launcher: \"%s\"", key);
    }
    for (size_t i = 0; i < count; i++) {
        out->count = i + 1; /* a refused one is freed too */
        int rc = item(json_array_get(value, i), key, &out->items[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int read_bind(const json_t *value, struct spec_bind *out, struct error *err)
{
    const char *key;
    json_t *field;
    if (!json_is_object(value)) {
        return spec_bad(err, "binds", "objects");
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, field)
    {
        int rc = 0;
        if (strcmp(key, "src") == 0) {
            rc = read_path(field, "src", &out->src, err);
        } else if (strcmp(key, "dst") == 0) {
            rc = read_path(field, "dst", &out->dst, err);
        } else if (strcmp(key, "ro") == 0 && json_is_boolean(field)) {
            out->readonly = json_is_true(field);
        } else {
            rc = spec_bad(err, key, "src, dst, ro");
        }
        if (rc < 0) {
            return rc;
        }
    }
    return out->src != NULL && out->dst != NULL ? 0 : spec_bad(err, "binds", "src and dst");
}

static int read_binds(const json_t *value, struct spec *s, struct error *err)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > SPEC_LIST_MAX || s->binds != NULL) {
        return spec_bad(err, "binds", "a list");
    }
    s->binds = calloc(count + 1, sizeof(*s->binds));
    if (s->binds == NULL) {
        return error_set(err, ENOMEM, "launcher: binds");
    }
    for (size_t i = 0; i < count; i++) {
        s->bind_count = i + 1;
        int rc = read_bind(json_array_get(value, i), &s->binds[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int read_id_number(const json_t *value, const char *key, unsigned *out, struct error *err)
{
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    if (n < 1 || n >= UINT32_MAX) {
        return spec_bad(err, key, "a number from 1 to 4294967294");
    }
    *out = (unsigned)n;
    return 0;
}

static int read_key(const char *key, const json_t *value, struct spec *s, struct error *err)
{
    const struct {
        const char *key;
        read_fn item;
        struct spec_list *list;
    } lists[] = {
        {"env", read_string, &s->env},         {"masks", read_string, &s->masks},
        {"masked", read_path, &s->masked},     {"readonly", read_path, &s->readonly},
        {"writable", read_path, &s->writable}, {"state_dirs", read_path, &s->state_dirs},
    };
    const struct {
        const char *key;
        read_fn item;
        char **out;
    } texts[] = {
        {"id", read_string, &s->id},
        {"cwd", read_path, &s->cwd},
        {"home", read_path, &s->home},
        {"hostname", read_string, &s->hostname},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcmp(key, lists[i].key) == 0) {
            return read_list(value, key, lists[i].item, lists[i].list, err);
        }
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(key, texts[i].key) == 0) {
            return json_is_null(value) ? 0 : texts[i].item(value, key, texts[i].out, err);
        }
    }
    if (strcmp(key, "binds") == 0) {
        return read_binds(value, s, err);
    }
    if (strcmp(key, "workspace") == 0 && json_is_boolean(value)) {
        s->workspace = json_is_true(value);
        return 0;
    }
    if (strcmp(key, "uid") == 0) {
        return read_id_number(value, key, &s->uid, err);
    }
    if (strcmp(key, "gid") == 0) {
        return read_id_number(value, key, &s->gid, err);
    }
    return spec_bad(err, key, "a key of launcher/spec.h");
}

static int check_whole(struct spec *s, struct error *err)
{
    if (s->id == NULL || s->id[0] == '\0' || strlen(s->id) > 64 || strchr(s->id, '/') != NULL) {
        return spec_bad(err, "id", "an instance id");
    }
    if (s->cwd == NULL) {
        return spec_bad(err, "cwd", "a value");
    }
    for (size_t i = 0; i < s->env.count; i++) {
        if (strchr(s->env.items[i], '=') == NULL || s->env.items[i][0] == '=') {
            return spec_bad(err, "env", "NAME=VALUE");
        }
    }
    if (s->hostname == NULL) {
        s->hostname = strdup(s->id);
    }
    return s->hostname != NULL ? 0 : error_set(err, ENOMEM, "launcher: hostname");
}

int spec_parse(struct span json, struct spec *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    json_error_t where;
    json_t *root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(root)) {
        json_decref(root);
        return error_set(err, 0, "launcher: spec is not a JSON object: %s", where.text);
    }
    int rc = 0;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        rc = read_key(key, value, out, err);
        if (rc < 0) {
            break;
        }
    }
    json_decref(root);
    return rc < 0 ? rc : check_whole(out, err);
}

static void list_free(struct spec_list *l)
{
    for (size_t i = 0; l->items != NULL && i < l->count; i++) {
        free(l->items[i]);
    }
    free(l->items);
}

void spec_free(struct spec *s)
{
    struct spec_list *lists[] = {&s->env,      &s->masks,    &s->masked,
                                 &s->readonly, &s->writable, &s->state_dirs};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        list_free(lists[i]);
    }
    for (size_t i = 0; i < s->bind_count; i++) {
        free(s->binds[i].src);
        free(s->binds[i].dst);
    }
    free(s->binds);
    free(s->id);
    free(s->cwd);
    free(s->home);
    free(s->hostname);
    memset(s, 0, sizeof(*s));
}
