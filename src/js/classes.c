/*
 * The classes that a bundle exports, as the shim lists them (webapi/module.js): JSON of our own
 * making, once a version. User code has run by then and may have given JSON another form.
 */
#include "js/engine.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

void js_classes_free(struct js_version *v)
{
    for (size_t i = 0; i < v->class_count; i++) {
        struct js_class *c = &v->classes[i];
        for (size_t k = 0; k < c->handler_count; k++) {
            free((char *)(uintptr_t)c->handlers[k].name.ptr);
        }
        for (size_t k = 0; k < c->host_count; k++) {
            free((char *)(uintptr_t)c->hosts[k].name.ptr);
        }
        free(c->handlers);
        free(c->hosts);
        free((char *)(uintptr_t)c->name.ptr);
    }
    free(v->classes);
    v->classes = NULL;
    v->class_count = 0;
}

const struct js_class *js_classes(const struct js_version *v, size_t *count)
{
    *count = v->class_count;
    return v->classes;
}

static bool copy_text(json_t *text, struct span *out)
{
    size_t len = json_string_length(text);
    char *copy = json_is_string(text) ? malloc(len + 1) : NULL;
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, json_string_value(text), len + 1);
    *out = span_of(copy, len);
    return true;
}

static uint32_t handler_of(json_t *number)
{
    return json_is_integer(number) ? (uint32_t)json_integer_value(number) : JS_HANDLER_NONE;
}

/* list: [[name, number], …] */
static bool copy_named(json_t *list, struct js_named **out, size_t *count)
{
    size_t n = json_array_size(list);
    *out = calloc(n != 0 ? n : 1, sizeof **out);
    for (size_t i = 0; *out != NULL && i < n; i++) {
        json_t *row = json_array_get(list, i);
        if (!copy_text(json_array_get(row, 0), &(*out)[i].name)) {
            return false;
        }
        (*out)[i].handler = handler_of(json_array_get(row, 1));
        *count = i + 1;
    }
    return *out != NULL;
}

static enum js_class_kind kind_of(json_t *text)
{
    const char *kind = json_string_value(text);
    if (kind != NULL && strcmp(kind, "object") == 0) {
        return JS_CLASS_OBJECT;
    }
    return kind != NULL && strcmp(kind, "entrypoint") == 0 ? JS_CLASS_ENTRYPOINT : JS_CLASS_SANDBOX;
}

static bool copy_class(json_t *from, struct js_class *to)
{
    to->kind = kind_of(json_object_get(from, "kind"));
    to->outbound = handler_of(json_object_get(from, "outbound"));
    to->denied = handler_of(json_object_get(from, "denied"));
    return copy_text(json_object_get(from, "name"), &to->name) &&
           copy_named(json_object_get(from, "handlers"), &to->handlers, &to->handler_count) &&
           copy_named(json_object_get(from, "hosts"), &to->hosts, &to->host_count);
}

int js_classes_load(struct js_version *v, struct error *err)
{
    struct buf text;
    buf_init(&text, JS_TEXT_MAX);
    JSValueRef value = js_enter(v, ENTRY_CLASSES, 0, NULL);
    json_t *root = NULL;
    if (value != NULL && js_append_utf8(v->ctx, value, &text)) {
        struct span s = buf_span(&text);
        root = json_loadb(s.ptr, s.len, JSON_ALLOW_NUL, NULL);
    }
    buf_free(&text);
    const char *problem = json_string_value(json_object_get(root, "error"));
    json_t *list = json_object_get(root, "classes");
    if (problem != NULL || !json_is_array(list)) {
        int rc = error_set(err, 0, "%s: %s", v->name,
                           problem != NULL ? problem : "the classes cannot be listed");
        json_decref(root);
        return rc;
    }
    size_t n = json_array_size(list);
    v->classes = calloc(n != 0 ? n : 1, sizeof *v->classes);
    bool ok = v->classes != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        v->class_count = i + 1;
        ok = copy_class(json_array_get(list, i), &v->classes[i]);
    }
    json_t *worker = json_object_get(root, "worker");
    v->worker.fetch = json_is_true(json_object_get(worker, "fetch"));
    v->worker.scheduled = json_is_true(json_object_get(worker, "scheduled"));
    json_decref(root);
    return ok ? 0 : error_set(err, 0, "%s: the classes cannot be listed", v->name);
}
