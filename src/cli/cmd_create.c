#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/find.h"
#include "cli/grammar.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    const char *class_name;
};

static const struct arg_option options[] = {
    {.name = "class",
     .value = "NAME",
     .help = "exported class (default: the only one)",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, class_name)},
    {.name = NULL},
};

/* NULL: a word is not UTF-8. */
static char *body_of(const char *class_name, int n, char **argv)
{
    json_t *body = json_pack("{s:s, s:s*}", "id", argv[0], "class", class_name);
    json_t *command = json_array();
    int rc = body != NULL ? 0 : -1;
    for (int i = 1; i < n; i++) {
        rc |= json_array_append_new(command, json_string(argv[i]));
    }
    if (n > 1) {
        rc |= json_object_set(body, "command", command);
    }
    char *text = rc == 0 ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(command);
    json_decref(body);
    return text;
}

/* Prints the id: 64 digits that every command takes as well as the name. */
static int print_id(const struct client_reply *reply, struct error *err)
{
    json_t *instance = ask_json(reply, err);
    const char *id = json_string_value(json_object_get(instance, "id"));
    if (id != NULL) {
        puts(id);
    }
    json_decref(instance);
    return id != NULL ? 0 : error_set(err, 0, "control socket: no id in the answer");
}

/* argv: the name and the command's words. */
static int create(const char *class_name, int n, char **argv)
{
    struct client_request r;
    struct client_reply reply;
    struct error err;
    cleanup_free char *text = body_of(class_name, n, argv);
    struct client *c = text != NULL ? find_daemon_or_say(&err) : NULL;
    if (c == NULL) {
        return text != NULL ? fail(&err) : ask_usage(&command_create, "a word is not UTF-8 text");
    }
    client_path_start(&r, "POST", "/v1/instances");
    r.body = span_str(text);
    int rc = client_call(c, &r, &reply, &err);
    client_close(c);
    if (rc < 0) {
        return fail(&err);
    }
    int status = reply.status >= 400 ? ask_refused(&reply) : 0;
    rc = status == 0 ? print_id(&reply, &err) : 0;
    client_reply_free(&reply);
    return rc < 0 ? fail(&err) : status;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {NULL};
    int n = 0;
    struct error err;
    int status = ask_args(self, argc, argv, &o, &n);
    if (status == 0 && grammar_name(argv[0], &err) < 0) {
        status = fail_usage(self, &err);
    }
    if (status != 0) {
        return status;
    }
    return create(o.class_name, n, argv);
}

const struct command command_create = {
    .name = "create",
    .usage = "ID [--class NAME] [-- COMMAND [ARG…]]",
    .summary = "starts a sandbox of the daemon, with a command in its background; prints its id",
    .options = options,
    .operands_least = 1,
    .operands_most = OPERANDS_ANY,
    .run = run,
};
