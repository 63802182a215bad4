#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/find.h"

#include <stdio.h>

static int get(const char *id, struct error *err)
{
    struct client *c = find_instance(id, err);
    if (c == NULL) {
        return -1;
    }
    struct client_request r;
    struct client_reply reply;
    ask_path(&r, "GET", id, NULL);
    int rc = client_do(c, &r, &reply, err);
    client_close(c);
    if (rc < 0) {
        return rc;
    }
    json_t *doc = ask_json(&reply, err);
    client_reply_free(&reply);
    if (doc == NULL) {
        return -1;
    }
    ask_name_class(doc);
    json_dumpf(doc, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(doc);
    return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
    int n = 0;
    int status = ask_args(self, argc, argv, NULL, &n);
    if (status != 0) {
        return status;
    }
    struct error err;
    return get(argv[0], &err) < 0 ? fail(&err) : 0;
}

const struct command command_inspect = {
    .name = "inspect",
    .usage = "ID",
    .summary = "tells all of one instance, its policy too, as JSON",
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
