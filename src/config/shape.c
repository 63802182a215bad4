#include "config/shape.h"
#include "config/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *at(const void *base, size_t offset)
{
    return (void *)((uintptr_t)base + offset);
}

static void free_string(char *s)
{
    if (s != NULL) {
        explicit_bzero(s, strlen(s));
        free(s);
    }
}

static int read_text(json_t *v, const char *name, char **out, struct error *err)
{
    if (!json_is_string(v)) {
        return error_set(err, 0, "%s: expected a string", name);
    }
    if (json_string_length(v) != strlen(json_string_value(v))) {
        return error_set(err, 0, "%s: holds a NUL byte", name);
    }
    *out = strdup(json_string_value(v));
    return *out != NULL ? 0 : error_set(err, ENOMEM, "%s", name);
}

static int read_int(json_t *v, const char *name, int *out, struct error *err)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 65535) {
        return error_set(err, 0, "%s: expected a number from 0 to 65535", name);
    }
    *out = (int)json_integer_value(v);
    return 0;
}

static int read_name(const struct shape_field *f, json_t *v, int *out, struct error *err)
{
    const char *text = json_string_value(v);
    for (int i = 0; text != NULL && f->names[i] != NULL; i++) {
        if (strcmp(f->names[i], text) == 0) {
            *out = i;
            return 0;
        }
    }
    return error_set(err, 0, "%s: not one of the known words", f->name);
}

static int list_check(const struct shape_field *f, json_t *v, struct error *err)
{
    if (!json_is_array(v)) {
        return error_set(err, 0, "%s: expected an array", f->name);
    }
    if (json_array_size(v) > SHAPE_ITEMS_MAX) {
        return error_set(err, 0, "%s: more than %u elements", f->name, SHAPE_ITEMS_MAX);
    }
    return 0;
}

static int read_strings(const struct shape_field *f, json_t *v, void *base, struct error *err)
{
    struct spec_strings *list = at(base, f->offset);
    int rc = list_check(f, v, err);
    for (size_t i = 0; rc == 0 && i < json_array_size(v); i++) {
        char *text = NULL;
        rc = read_text(json_array_get(v, i), f->name, &text, err);
        if (rc == 0 && !spec_strings_add(list, text)) {
            rc = error_set(err, ENOMEM, "%s", f->name);
        }
        free_string(text);
    }
    return rc;
}

static int read_structs(const struct shape_field *f, json_t *v, void *base, struct error *err)
{
    int rc = list_check(f, v, err);
    if (rc < 0 || json_array_size(v) == 0) {
        return rc;
    }
    void *items = calloc(json_array_size(v), f->element->size);
    if (items == NULL) {
        return error_set(err, ENOMEM, "%s", f->name);
    }
    *(void **)at(base, f->offset) = items;
    *(size_t *)at(base, f->count_offset) = json_array_size(v);
    for (size_t i = 0; rc == 0 && i < json_array_size(v); i++) {
        rc = shape_read(f->element, json_array_get(v, i), at(items, i * f->element->size), err);
        if (rc < 0) {
            error_prefix(err, "%s", f->name);
        }
    }
    return rc;
}

static int read_json(json_t *v, const char *name, char **out, struct error *err)
{
    if (!json_is_object(v)) {
        return error_set(err, 0, "%s: expected an object", name);
    }
    *out = json_dumps(v, JSON_COMPACT);
    return *out != NULL ? 0 : error_set(err, ENOMEM, "%s", name);
}

static int read_field(const struct shape_field *f, json_t *v, void *base, struct error *err)
{
    void *place = at(base, f->offset);
    switch (f->kind) {
    case SHAPE_STRING:
        return read_text(v, f->name, place, err);
    case SHAPE_JSON:
        return read_json(v, f->name, place, err);
    case SHAPE_BOOL:
        if (!json_is_boolean(v)) {
            return error_set(err, 0, "%s: expected true or false", f->name);
        }
        *(bool *)place = json_is_true(v);
        return 0;
    case SHAPE_INT:
        return read_int(v, f->name, place, err);
    case SHAPE_NAME:
        return read_name(f, v, place, err);
    case SHAPE_STRINGS:
        return read_strings(f, v, base, err);
    case SHAPE_STRUCTS:
        return read_structs(f, v, base, err);
    }
    return -1;
}

static int refuse_unknown(const struct shape *sh, json_t *object, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (i < sh->field_count && strcmp(sh->fields[i].name, key) != 0) {
            i++;
        }
        if (i == sh->field_count) {
            return error_set(err, 0, "unknown field \"%.64s\"", key);
        }
    }
    return 0;
}

int shape_read(const struct shape *sh, json_t *object, void *base, struct error *err)
{
    if (!json_is_object(object)) {
        return error_set(err, 0, "expected an object");
    }
    int rc = refuse_unknown(sh, object, err);
    for (size_t i = 0; rc == 0 && i < sh->field_count; i++) {
        const struct shape_field *f = &sh->fields[i];
        json_t *v = json_object_get(object, f->name);
        if (v == NULL || (f->required && json_is_array(v) && json_array_size(v) == 0)) {
            if (f->kind == SHAPE_INT) {
                *(int *)at(base, f->offset) = -1;
            }
            rc = f->required ? error_set(err, 0, "%s: missing", f->name) : 0;
        } else {
            rc = read_field(f, v, base, err);
        }
    }
    return rc;
}

json_t *shape_write_strings(const struct spec_strings *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        if (json_array_append_new(array, json_string(list->items[i])) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *write_structs(const struct shape_field *f, const void *base)
{
    json_t *array = json_array();
    char *items = *(char **)at(base, f->offset);
    for (size_t i = 0; i < *(size_t *)at(base, f->count_offset); i++) {
        if (json_array_append_new(array, shape_write(f->element, items + i * f->element->size)) <
            0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *write_field(const struct shape_field *f, const void *base)
{
    void *place = at(base, f->offset);
    switch (f->kind) {
    case SHAPE_STRING:
        return json_string(*(char **)place);
    case SHAPE_JSON:
        return json_loads(*(char **)place, JSON_REJECT_DUPLICATES, NULL);
    case SHAPE_BOOL:
        return json_boolean(*(bool *)place);
    case SHAPE_INT:
        return json_integer(*(int *)place);
    case SHAPE_NAME:
        return json_string(f->names[*(int *)place]);
    case SHAPE_STRINGS:
        return shape_write_strings(place);
    case SHAPE_STRUCTS:
        return write_structs(f, base);
    }
    return NULL;
}

static bool is_absent(const struct shape_field *f, const void *base)
{
    void *place = at(base, f->offset);
    if (f->kind == SHAPE_STRING || f->kind == SHAPE_JSON) {
        return *(char **)place == NULL;
    }
    return f->kind == SHAPE_INT && *(int *)place < 0;
}

json_t *shape_write(const struct shape *sh, const void *base)
{
    json_t *object = json_object();
    for (size_t i = 0; i < sh->field_count; i++) {
        const struct shape_field *f = &sh->fields[i];
        if (is_absent(f, base)) {
            continue;
        }
        if (json_object_set_new(object, f->name, write_field(f, base)) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static void free_structs(const struct shape_field *f, void *base)
{
    char *items = *(char **)at(base, f->offset);
    for (size_t i = 0; i < *(size_t *)at(base, f->count_offset); i++) {
        shape_free(f->element, items + i * f->element->size);
    }
    free(items);
    *(void **)at(base, f->offset) = NULL;
    *(size_t *)at(base, f->count_offset) = 0;
}

void spec_strings_free(struct spec_strings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free_string(list->items[i]);
    }
    free(list->items);
    *list = (struct spec_strings){NULL, 0};
}

void shape_free(const struct shape *sh, void *base)
{
    for (size_t i = 0; i < sh->field_count; i++) {
        const struct shape_field *f = &sh->fields[i];
        void *place = at(base, f->offset);
        if (f->kind == SHAPE_STRING || f->kind == SHAPE_JSON) {
            free_string(*(char **)place);
            *(char **)place = NULL;
        } else if (f->kind == SHAPE_STRINGS) {
            spec_strings_free(place);
        } else if (f->kind == SHAPE_STRUCTS) {
            free_structs(f, base);
        }
    }
}
