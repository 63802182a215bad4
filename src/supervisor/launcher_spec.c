#include "supervisor/launcher_spec.h"

#include <jansson.h>
#include <string.h>

static json_t *strings(const struct spec_strings *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        json_array_append_new(array, json_string(list->items[i]));
    }
    return array;
}

static json_t *environment(const struct spec *spec, struct span more)
{
    json_t *array = strings(&spec->env);
    while (more.len > 0) {
        size_t len = strnlen(more.ptr, more.len);
        json_array_append_new(array, json_stringn(more.ptr, len));
        more = span_from(more, len + 1);
    }
    return array;
}

static json_t *binds(const struct spec *spec)
{
    json_t *array = json_array();
    for (size_t i = 0; i < spec->bind_count; i++) {
        const struct spec_bind *b = &spec->binds[i];
        json_array_append_new(array, json_pack("{s:s,s:s,s:b}", "src", b->source, "dst", b->target,
                                               "ro", b->read_only));
    }
    return array;
}

/* A folder that is a bind's root itself cannot be read-only as a whole: the working directory would
 * be. Its policy files still are, one by one. */
static bool is_bind_root(const struct spec *spec, const char *path)
{
    for (size_t i = 0; i < spec->bind_count; i++) {
        if (strcmp(spec->binds[i].source, path) == 0) {
            return true;
        }
    }
    return false;
}

/* A daemon's sandboxes start there; a bind, if there is one, takes its place. */
static bool wants_workspace(const struct spec *spec)
{
    static const char place[] = "/workspace";
    bool bound = false;
    for (size_t i = 0; i < spec->bind_count; i++) {
        bound = bound || strcmp(spec->binds[i].target, place) == 0;
    }
    return spec->mode == SPEC_UP && strcmp(spec->cwd, place) == 0 && !bound;
}

char *launcher_spec_json(const struct spec *spec, const struct launcher_facts *facts)
{
    json_t *readonly = strings(&spec->inputs);
    if (spec->config_dir != NULL && !is_bind_root(spec, spec->config_dir)) {
        json_array_append_new(readonly, json_string(spec->config_dir));
    }
    json_t *masked = json_array();
    if (spec->dev_vars != NULL) {
        json_array_append_new(masked, json_string(spec->dev_vars));
    }
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(facts->id));
    if (spec->mode == SPEC_UP) {
        /* As docker names its containers: 64 digits are no label of a host's name. */
        json_object_set_new(o, "hostname", json_stringn(facts->id, strnlen(facts->id, 12)));
    }
    json_object_set_new(o, "env", environment(spec, facts->env));
    json_object_set_new(o, "cwd", json_string(spec->cwd));
    json_object_set_new(o, "binds", binds(spec));
    json_object_set_new(o, "masks", strings(&spec->masks));
    json_object_set_new(o, "masked", masked);
    json_object_set_new(o, "readonly", readonly);
    json_object_set_new(o, "writable", strings(&spec->writable));
    json_object_set_new(o, "state_dirs", strings(&spec->private_paths));
    json_object_set_new(o, "home", spec->home != NULL ? json_string(spec->home) : json_null());
    json_object_set_new(o, "workspace", json_boolean(wants_workspace(spec)));
    if (facts->uid != 0) {
        json_object_set_new(o, "uid", json_integer((json_int_t)facts->uid));
        json_object_set_new(o, "gid", json_integer((json_int_t)facts->uid));
    }
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}
