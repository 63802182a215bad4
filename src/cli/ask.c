#include "cli/ask.h"
#include "base/cleanup.h"
#include "cli/find.h"

#include <errno.h>

int ask_args(const struct command *c, int argc, char **argv, void *into, int *operands)
{
    struct error err;
    if (args_read(c, argc, argv, into, operands, &err) < 0) {
        return fail_usage(c, &err);
    }
    if (*operands < c->operands_least) {
        return ask_usage(c, "an operand is missing");
    }
    const bool too_many = c->operands_most != OPERANDS_ANY && *operands > c->operands_most;
    return too_many ? ask_usage(c, "too many operands") : 0;
}

int ask_usage(const struct command *c, const char *what)
{
    struct error err;
    error_set(&err, 0, "%s: %s", c->name, what);
    return fail_usage(c, &err);
}

void ask_path(struct client_request *r, const char *method, const char *id, const char *tail)
{
    client_path_start(r, method, "/v1/instances");
    client_path_segment(r, span_str(id));
    if (tail != NULL) {
        buf_append_str(&r->path, "/");
        buf_append_str(&r->path, tail);
    }
}

json_t *ask_json(const struct client_reply *reply, struct error *err)
{
    struct span text = buf_span(&reply->body);
    json_t *doc = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
    if (doc == NULL) {
        error_set(err, 0, "control socket: expected JSON in the answer");
    }
    return doc;
}

static int take_result(const struct client_reply *reply, json_t **result, struct error *err)
{
    json_t *doc = ask_json(reply, err);
    if (doc == NULL) {
        return -1;
    }
    *result = json_incref(json_object_get(doc, "result"));
    json_decref(doc);
    return *result != NULL ? 0 : error_set(err, 0, "control socket: no result in the answer");
}

int ask_instance_reply(const char *id, struct client_request *r, const json_t *body,
                       struct client_reply *out, struct error *err)
{
    cleanup_free char *text =
        body != NULL ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    struct client *c = find_instance(id, err);
    if (c == NULL || (body != NULL && text == NULL)) {
        buf_free(&r->path);
        client_close(c);
        return c == NULL ? -1 : error_set(err, ENOMEM, "instance %s", id);
    }
    r->body = span_str(text);
    int rc = client_do(c, r, out, err);
    client_close(c);
    return rc;
}

int ask_instance(const char *id, struct client_request *r, const json_t *body, json_t **result,
                 struct error *err)
{
    struct client_reply reply;
    int rc = ask_instance_reply(id, r, body, &reply, err);
    if (rc == 0) {
        rc = result != NULL ? take_result(&reply, result, err) : 0;
        client_reply_free(&reply);
    }
    return rc;
}

int ask_refused(const struct client_reply *reply)
{
    struct error err;
    json_t *doc = json_loadb(buf_span(&reply->body).ptr, buf_len(&reply->body), 0, NULL);
    json_t *exit = json_object_get(doc, "exit");
    int status = json_is_integer(exit) ? (int)json_integer_value(exit) : EXIT_FAILED;
    json_decref(doc);
    client_refusal(reply, &err);
    fail(&err);
    return status;
}

int ask_stdin(size_t max, struct buf *out, struct error *err)
{
    buf_init(out, max + 1);
    for (;;) {
        char *to = buf_reserve(out, 1);
        if (to == NULL) {
            return error_set(err, 0, "standard input: larger than %zu bytes", max);
        }
        ssize_t n = read(0, to,
                         out->cap - out->end < max + 1 - buf_len(out) ? out->cap - out->end
                                                                      : max + 1 - buf_len(out));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_set(err, errno, "standard input");
        }
        if (n == 0) {
            return 0;
        }
        buf_commit(out, (size_t)n);
        if (buf_len(out) > max) {
            return error_set(err, 0, "standard input: larger than %zu bytes", max);
        }
    }
}

void ask_name_class(json_t *instance)
{
    json_t *class = json_object_get(json_object_get(instance, "facts"), "class");
    if (json_is_null(json_object_get(instance, "class")) && json_is_string(class)) {
        json_object_set(instance, "class", class);
    }
}
