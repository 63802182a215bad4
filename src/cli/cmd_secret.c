#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/find.h"
#include "config/dotenv.h"

#include <errno.h>
#include <stdio.h>

struct change {
    const char *method;
    const char *name;
    struct span value;
    unsigned missing; /* ends that had no such secret */
};

/* A secret is one for all that runs: the daemon's and every `run`'s. */
static int change_one(void *arg, struct client *c, struct error *err)
{
    struct change *ch = arg;
    struct client_request r;
    client_path_start(&r, ch->method, "/v1/secrets");
    client_path_segment(&r, span_str(ch->name));
    r.body = ch->value;
    int rc = client_do(c, &r, NULL, err);
    if (rc < 0 && err->code == ENOENT && ch->value.len == 0) {
        ch->missing++;
        return 0;
    }
    return rc;
}

static int change_all(struct change *ch)
{
    struct error err;
    int count = find_all(change_one, ch, &err);
    if (count == 0) {
        error_set(&err, 0,
                  "secret %s: nothing runs: give it to `sallyport run` with --secret or "
                  "in .dev.vars",
                  ch->name);
    } else if (count > 0 && ch->missing == (unsigned)count) {
        count = error_set(&err, 0, "secret %s: there is none: `sallyport secret ls` lists them",
                          ch->name);
    }
    return count <= 0 ? fail(&err) : 0;
}

static int put(const char *name)
{
    struct error err;
    struct buf in;
    int rc = ask_stdin(SECRET_VALUE_MAX + 2, &in, &err);
    struct span value = buf_span(&in);
    value.len -= value.len > 0 && value.ptr[value.len - 1] == '\n' ? 1 : 0;
    value.len -= value.len > 0 && value.ptr[value.len - 1] == '\r' ? 1 : 0;
    if (rc == 0 && value.len == 0) {
        rc = error_set(&err, 0, "secret %s: standard input is empty: pipe the value in", name);
    }
    if (rc == 0 && (rc = secret_check_value(value, &err)) < 0) {
        error_prefix(&err, "secret %s", name);
    }
    int status;
    if (rc < 0) {
        status = fail(&err);
    } else {
        struct change ch = {.method = "PUT", .name = name, .value = value};
        status = change_all(&ch);
    }
    buf_wipe(&in);
    return status;
}

static int list_one(void *arg, struct client *c, struct error *err)
{
    struct client_request r;
    struct client_reply reply;
    client_path_start(&r, "GET", "/v1/secrets");
    int rc = client_do(c, &r, &reply, err);
    json_t *doc = rc == 0 ? ask_json(&reply, err) : NULL;
    if (rc == 0) {
        client_reply_free(&reply);
    }
    json_t *names = json_object_get(doc, "names");
    for (size_t i = 0; i < json_array_size(names); i++) {
        json_object_set_new(arg, json_string_value(json_array_get(names, i)), json_true());
    }
    json_decref(doc);
    return doc != NULL ? 0 : -1;
}

static int list(void)
{
    struct error err;
    json_t *all = json_object();
    const char *name;
    json_t *value;
    int rc = find_all(list_one, all, &err);
    if (rc >= 0) {
        json_object_foreach(all, name, value)
        {
            puts(name);
        }
    }
    json_decref(all);
    return rc < 0 ? fail(&err) : 0;
}

static int run(const struct command *self, int argc, char **argv)
{
    int n = 0;
    int status = ask_args(self, argc, argv, NULL, &n);
    struct error err;
    if (status == 0 && n == 2 && secret_check_name(span_str(argv[1]), &err) < 0) {
        status = fail_usage(self, &err);
    }
    if (status != 0) {
        return status;
    }
    if (strcmp(argv[0], "ls") == 0 && n == 1) {
        return list();
    }
    if (strcmp(argv[0], "put") == 0 && n == 2) {
        return put(argv[1]);
    }
    if (strcmp(argv[0], "rm") == 0 && n == 2) {
        struct change ch = {.method = "DELETE", .name = argv[1], .value = {"", 0}};
        return change_all(&ch);
    }
    return ask_usage(self, "expected `put NAME`, `ls` or `rm NAME`");
}

const struct command command_secret = {
    .name = "secret",
    .usage = "put NAME   (the value from standard input)\nls\nrm NAME",
    .summary = "rotates, lists or removes the secrets of what runs",
    .operands_least = 1,
    .operands_most = 2,
    .run = run,
};
