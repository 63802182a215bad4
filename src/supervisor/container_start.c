#include "supervisor/container_start.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

static bool word_add(struct buf *out, const json_t *v)
{
    const char *text = json_string_value(v);
    return text != NULL && strlen(text) == json_string_length(v) &&
           buf_append(out, text, strlen(text) + 1);
}

/* Names as a shell has them: one with a `=` would be another. */
static bool name_allowed(const char *name)
{
    for (const char *p = name; *p != 0; p++) {
        bool letter = span_lower(*p) >= 'a' && span_lower(*p) <= 'z';
        if (!letter && *p != '_' && (p == name || *p < '0' || *p > '9')) {
            return false;
        }
    }
    return name[0] != 0;
}

static bool env_read(json_t *env, struct buf *out)
{
    const char *name;
    json_t *v;
    json_object_foreach(env, name, v)
    {
        if (!name_allowed(name) || !buf_appendf(out, "%s=", name) || !word_add(out, v)) {
            return false;
        }
    }
    return json_is_object(env);
}

static bool words_read(json_t *words, struct buf *out)
{
    json_t *v;
    size_t i;
    json_array_foreach(words, i, v)
    {
        if (!word_add(out, v)) {
            return false;
        }
    }
    return json_array_size(words) > 0;
}

static bool internet_set(const char *base, json_t *v, char **out)
{
    json_t *o = json_is_boolean(v) ? json_loads(base, 0, NULL) : NULL;
    bool ok = o != NULL && json_object_set(o, "internet", v) == 0;
    *out = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    return *out != NULL;
}

static int member_read(struct container_start *c, const char *base, const char *key, json_t *v,
                       struct error *err)
{
    bool ok = false;
    if (strcmp(key, "env") == 0) {
        ok = env_read(v, &c->env);
    } else if (strcmp(key, "entrypoint") == 0) {
        ok = words_read(v, &c->entrypoint);
    } else if (strcmp(key, "internet") == 0) {
        ok = internet_set(base, v, &c->options);
    } else {
        return error_set(err, 0, "start: no such option");
    }
    return ok ? 0 : error_set(err, 0, "start: option %s: not what is expected", key);
}

int container_start_parse(struct span json, const char *base, struct container_start *out,
                          struct error *err)
{
    *out = (struct container_start){0};
    buf_init(&out->env, CONTAINER_START_MAX);
    buf_init(&out->entrypoint, CONTAINER_START_MAX);
    if (json.len == 0) {
        return 0;
    }
    json_t *root = json.len <= CONTAINER_START_MAX
                       ? json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;
    const char *key;
    json_t *v;
    int rc = json_is_object(root) ? 0 : error_set(err, 0, "start: options: not a JSON object");
    json_object_foreach(root, key, v)
    {
        rc = rc < 0 ? rc : member_read(out, base, key, v, err);
    }
    json_decref(root);
    if (rc < 0) {
        container_start_free(out);
        return rc;
    }
    out->start.options = out->options;
    out->start.env = buf_span(&out->env);
    out->start.entrypoint = buf_span(&out->entrypoint);
    return 0;
}

void container_start_free(struct container_start *c)
{
    buf_free(&c->env);
    buf_free(&c->entrypoint);
    free(c->options);
    c->options = NULL;
}
