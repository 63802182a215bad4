#include "supervisor/exec_request.h"

#include <jansson.h>
#include <stdio.h>

static bool text_take(const json_t *v, struct buf *out)
{
    const char *text = json_string_value(v);
    return text != NULL && strlen(text) == json_string_length(v) && buf_append_str(out, text);
}

static bool words_take(json_t *v, struct buf *out)
{
    json_t *word;
    size_t i;
    json_array_foreach(v, i, word)
    {
        if (!text_take(word, out) || !buf_append(out, "", 1)) {
            return false;
        }
    }
    return json_is_array(v);
}

static bool tty_take(json_t *v, struct exec_spec *spec)
{
    json_int_t rows = json_integer_value(json_object_get(v, "rows"));
    json_int_t columns = json_integer_value(json_object_get(v, "cols"));
    spec->tty = !json_is_null(v);
    spec->rows = (uint16_t)rows;
    spec->columns = (uint16_t)columns;
    return json_is_null(v) || (json_object_size(v) == 2 && rows >= 1 && rows <= UINT16_MAX &&
                               columns >= 1 && columns <= UINT16_MAX);
}

static bool timeout_take(const json_t *v, struct exec_request *r)
{
    json_int_t ms = json_integer_value(v);
    snprintf(r->timeout, sizeof r->timeout, "%lld", (long long)ms);
    return json_is_integer(v) && ms >= 0 && ms <= UINT32_MAX;
}

static bool member_take(struct exec_request *r, const char *key, json_t *v)
{
    if (strcmp(key, "argv") == 0) {
        return buf_len(&r->argv) == 0 && words_take(v, &r->argv) && json_array_size(v) > 0;
    }
    if (strcmp(key, "shell") == 0) {
        r->spec.flags = SPAN_LIT("s");
        return buf_len(&r->argv) == 0 && text_take(v, &r->argv) && buf_append(&r->argv, "", 1);
    }
    if (strcmp(key, "env") == 0) {
        return words_take(v, &r->env);
    }
    if (strcmp(key, "cwd") == 0) {
        return json_is_null(v) || text_take(v, &r->cwd);
    }
    if (strcmp(key, "session") == 0) {
        return json_is_null(v) || text_take(v, &r->session);
    }
    if (strcmp(key, "timeout_ms") == 0) {
        return timeout_take(v, r);
    }
    if (strcmp(key, "stdin") == 0) {
        r->spec.input = json_is_true(v);
        return json_is_boolean(v);
    }
    if (strcmp(key, "tty") == 0) {
        return tty_take(v, &r->spec);
    }
    if (strcmp(key, "input") == 0) {
        return json_is_string(v) &&
               buf_append(&r->input, json_string_value(v), json_string_length(v));
    }
    return false;
}

int exec_request_parse(struct span json, struct exec_request *out, struct error *err)
{
    json_error_t e;
    const char *key;
    json_t *v;
    *out = (struct exec_request){0};
    buf_init(&out->argv, EXEC_WORDS_MAX);
    buf_init(&out->env, EXEC_WORDS_MAX);
    buf_init(&out->cwd, 4096);
    buf_init(&out->session, 256);
    buf_init(&out->input, 26u * 1024u * 1024u);
    json_t *root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    int rc = root == NULL            ? error_set(err, 0, "body: %s", e.text)
             : !json_is_object(root) ? error_set(err, 0, "body: not an object")
                                     : 0;
    json_object_foreach(root, key, v)
    {
        if (rc == 0 && !member_take(out, key, v)) {
            rc = error_set(err, 0, "body: field %s: not known, or not what is expected", key);
        }
    }
    json_decref(root);
    if (rc == 0 && buf_len(&out->argv) == 0) {
        rc = error_set(err, 0, "body: expected \"argv\" or \"shell\"");
    }
    if (rc < 0) {
        exec_request_free(out);
        return rc;
    }
    out->spec.argv = buf_span(&out->argv);
    out->spec.env = buf_span(&out->env);
    out->spec.cwd = buf_span(&out->cwd);
    out->spec.session = buf_span(&out->session);
    out->spec.timeout_ms = span_str(out->timeout);
    return 0;
}

void exec_request_free(struct exec_request *r)
{
    buf_free(&r->argv);
    buf_free(&r->env);
    buf_free(&r->cwd);
    buf_free(&r->session);
    buf_wipe(&r->input);
}
