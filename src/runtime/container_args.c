#include "runtime/container_args.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX (4u * CONTAINER_LIST_MAX)

/* One reading: the fields are offsets into text until it has stopped growing. */
struct reading {
    const char *op;
    json_t *json;
    struct container_args *out;
    struct {
        size_t at;
        size_t len;
    } fields[CONTAINER_FIELDS];
    size_t used; /* members that were looked at */
    struct error *err;
};

static int wrong(struct reading *r, const char *key, const char *want)
{
    return error_set(r->err, 0, "%s: %s: expected %s", r->op, key, want);
}

static const json_t *member(struct reading *r, const char *key)
{
    const json_t *v = json_object_get(r->json, key);
    r->used += v != NULL ? 1 : 0;
    return v;
}

static int put(struct reading *r, size_t field, const void *bytes, size_t len)
{
    struct buf *text = &r->out->text;
    if (r->fields[field].len == 0) {
        r->fields[field].at = buf_len(text);
    }
    r->fields[field].len += len;
    return buf_append(text, bytes, len) ? 0 : error_set(r->err, 0, "%s: too large", r->op);
}

static bool plain(const json_t *v)
{
    return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v);
}

static int text(struct reading *r, size_t field, const char *key)
{
    const json_t *v = member(r, key);
    if (v == NULL) {
        return 0;
    }
    return plain(v) ? put(r, field, json_string_value(v), json_string_length(v))
                    : wrong(r, key, "a string");
}

static int number(struct reading *r, size_t field, const char *key, bool must)
{
    const json_t *v = member(r, key);
    char digits[24];
    double n = json_number_value(v);
    if (v == NULL && !must) {
        return 0;
    }
    if (!json_is_number(v) || n < 0 || n > 4294967295.0 || n != (double)(uint32_t)n) {
        return wrong(r, key, "a whole number");
    }
    int len = snprintf(digits, sizeof digits, "%u", (unsigned)n);
    return put(r, field, digits, (size_t)len);
}

static int flag(struct reading *r, const char *key, bool *out)
{
    const json_t *v = member(r, key);
    *out = json_is_true(v);
    return v == NULL || json_is_boolean(v) ? 0 : wrong(r, key, "true or false");
}

/* Each with a NUL behind it. */
static int strings(struct reading *r, size_t field, const char *key, const json_t *list)
{
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return wrong(r, key, "a list of strings");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (!plain(v)) {
            return wrong(r, key, "a list of strings");
        }
        if (put(r, field, json_string_value(v), json_string_length(v) + 1) != 0) {
            return -1;
        }
    }
    return r->fields[field].len <= CONTAINER_LIST_MAX
               ? 0
               : error_set(r->err, 0, "%s: %s: more than 1 MiB", r->op, key);
}

static int env(struct reading *r, size_t field)
{
    json_t *map = (json_t *)(uintptr_t)member(r, "env");
    const char *key;
    json_t *v;
    if (map != NULL && !json_is_object(map)) {
        return wrong(r, "env", "an object of strings");
    }
    json_object_foreach(map, key, v)
    {
        bool unset = json_is_null(v);
        if ((!unset && !plain(v)) || *key == '\0' || strchr(key, '=') != NULL) {
            return wrong(r, "env", "an object of strings");
        }
        if (put(r, field, key, strlen(key) + (unset ? 1 : 0)) != 0 ||
            (!unset && (put(r, field, "=", 1) != 0 ||
                        put(r, field, json_string_value(v), json_string_length(v) + 1) != 0))) {
            return -1;
        }
    }
    return r->fields[field].len <= CONTAINER_LIST_MAX
               ? 0
               : error_set(r->err, 0, "%s: env: more than 1 MiB", r->op);
}

/* ---- the ops ---- */

static int run(struct reading *r, bool input)
{
    const json_t *command = member(r, "command");
    const json_t *argv = member(r, "argv");
    const json_t *file = member(r, "file");
    char flags[4] = "";
    size_t n = 0;
    int rc = flag(r, "background", &r->out->background);
    if ((command != NULL) + (argv != NULL) + (file != NULL) != 1) {
        return error_set(r->err, 0, "run: expected one of command, argv and file");
    }
    if (rc != 0 || (command != NULL && !plain(command))) {
        return rc != 0 ? rc : wrong(r, "command", "a string");
    }
    if (command != NULL) {
        flags[n++] = 's';
        rc = put(r, 6, json_string_value(command), json_string_length(command) + 1);
    } else {
        rc = strings(r, 6, argv != NULL ? "argv" : "file", argv != NULL ? argv : file);
    }
    if (file != NULL) {
        flags[n++] = 'f';
    }
    if (r->out->background) {
        flags[n++] = 'b';
    }
    if (input) {
        flags[n++] = 'i';
    }
    if (rc != 0 || put(r, 0, flags, n) != 0) {
        return -1;
    }
    return number(r, 1, "timeout_ms", false) != 0 || text(r, 2, "session") != 0 ||
                   text(r, 3, "label") != 0 || text(r, 4, "cwd") != 0 || env(r, 5) != 0
               ? -1
               : 0;
}

/* Checked member by member, and written anew: the supervisor reads it. */
static int start(struct reading *r)
{
    bool internet;
    const json_t *entry = member(r, "entrypoint");
    const json_t *map = member(r, "env");
    r->out->internet = -1;
    if (json_object_get(r->json, "internet") != NULL) {
        if (flag(r, "internet", &internet) != 0) {
            return -1;
        }
        r->out->internet = internet;
    }
    const char *key;
    json_t *v;
    if (map != NULL && !json_is_object(map)) {
        return wrong(r, "env", "an object of strings");
    }
    json_object_foreach((json_t *)(uintptr_t)map, key, v)
    {
        if (!plain(v) || *key == '\0' || strchr(key, '=') != NULL) {
            return wrong(r, "env", "an object of strings");
        }
    }
    for (size_t i = 0; i < json_array_size(entry) || (entry != NULL && i == 0); i++) {
        if (!plain(json_array_get(entry, i))) {
            return wrong(r, "entrypoint", "a list of strings");
        }
    }
    char *json = json_dumps(r->json, JSON_COMPACT);
    int rc =
        json != NULL ? put(r, 0, json, strlen(json)) : error_set(r->err, 0, "start: out of memory");
    free(json);
    return rc;
}

static int session(struct reading *r)
{
    return text(r, 0, "op") != 0 || text(r, 1, "name") != 0 || text(r, 2, "cwd") != 0 ||
                   env(r, 3) != 0
               ? -1
               : 0;
}

static int logs(struct reading *r)
{
    bool follow;
    if (number(r, 0, "process", true) != 0 || flag(r, "follow", &follow) != 0) {
        return -1;
    }
    return follow ? put(r, 1, "follow", 6) : 0;
}

static int dispatch(struct reading *r, bool input)
{
    struct span op = span_str(r->op);
    if (span_eq(op, SPAN_LIT("run"))) {
        return run(r, input);
    }
    if (span_eq(op, SPAN_LIT("start"))) {
        return start(r);
    }
    if (span_eq(op, SPAN_LIT("signal"))) {
        return number(r, 0, "process", true) != 0 || number(r, 1, "signal", true) != 0 ? -1 : 0;
    }
    if (span_eq(op, SPAN_LIT("session"))) {
        return session(r);
    }
    if (span_eq(op, SPAN_LIT("forget"))) {
        return number(r, 0, "process", true);
    }
    if (span_eq(op, SPAN_LIT("logs"))) {
        return logs(r);
    }
    if (span_eq(op, SPAN_LIT("stop"))) {
        return number(r, 0, "signal", false);
    }
    if (span_eq(op, SPAN_LIT("processes")) || span_eq(op, SPAN_LIT("destroy")) ||
        span_eq(op, SPAN_LIT("idle"))) {
        return 0;
    }
    return error_set(r->err, 0, "container: there is no call \"%s\"", r->op);
}

int container_args_parse(struct span op, struct span json, bool input, struct container_args *out,
                         struct error *err)
{
    char name[16];
    json_error_t where;
    snprintf(name, sizeof name, SPAN_FMT, SPAN_ARG(op));
    *out = (struct container_args){.internet = -1};
    buf_init(&out->text, TEXT_MAX);
    struct reading r = {.op = name, .out = out, .err = err};
    json = json.len > 0 ? json : SPAN_LIT("{}");
    r.json = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &where);
    int rc = json_is_object(r.json)
                 ? dispatch(&r, input)
                 : error_set(err, 0, "%s: its arguments are not a JSON object", name);
    if (rc == 0 && r.used != json_object_size(r.json)) {
        rc = error_set(err, 0, "%s: an unknown member in its arguments", name);
    }
    json_decref(r.json);
    for (size_t i = 0; i < CONTAINER_FIELDS; i++) {
        out->fields[i] = r.fields[i].len > 0
                             ? span_of(buf_span(&out->text).ptr + r.fields[i].at, r.fields[i].len)
                             : span_of("", 0);
    }
    if (rc != 0) {
        container_args_free(out);
    }
    return rc;
}

void container_args_free(struct container_args *a)
{
    buf_free(&a->text);
}
