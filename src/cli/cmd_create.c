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

/* Prints the id: 64 digits that every command takes as well as the name. */
static int create(const char *name, const char *class_name, struct error *err)
{
    struct client_request r;
    struct client_reply reply;
    struct client *c = find_daemon_or_say(err);
    if (c == NULL) {
        return -1;
    }
    json_t *body = json_pack("{s:s, s:s*}", "id", name, "class", class_name);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    client_path_start(&r, "POST", "/v1/instances");
    r.body = span_str(text);
    int rc = client_do(c, &r, &reply, err);
    free(text);
    client_close(c);
    if (rc < 0) {
        return rc;
    }
    json_t *instance = ask_json(&reply, err);
    client_reply_free(&reply);
    const char *id = json_string_value(json_object_get(instance, "id"));
    puts(id != NULL ? id : name);
    json_decref(instance);
    return instance != NULL ? 0 : -1;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {NULL};
    int n = 0;
    struct error err;
    int status = ask_args(self, argc, argv, &o, &n);
    status = status != 0 ? status : ask_operands(self, n, 1, 1);
    if (status == 0 && grammar_name(argv[0], &err) < 0) {
        status = fail_usage(self, &err);
    }
    if (status != 0) {
        return status;
    }
    return create(argv[0], o.class_name, &err) < 0 ? fail(&err) : 0;
}

const struct command command_create = {
    .name = "create",
    .usage = "ID [--class NAME]",
    .summary = "starts a sandbox of the daemon, prints its id",
    .options = options,
    .run = run,
};
