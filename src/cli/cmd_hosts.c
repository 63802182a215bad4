#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/grammar.h"

#include <stddef.h>

struct options {
    bool remove;
};

static const struct arg_option options[] = {
    {.name = "remove",
     .help = "takes the patterns out of the list",
     .kind = ARG_FLAG,
     .offset = offsetof(struct options, remove)},
    {.name = NULL},
};

static int edit(const char *id, const char *method, const char *glob)
{
    struct client_request r;
    struct error err;
    ask_path(&r, "POST", id, "call");
    client_path_segment(&r, span_str(method));
    json_t *args = json_pack("[s]", glob);
    int rc = args != NULL ? ask_instance(id, &r, args, NULL, &err)
                          : error_set(&err, 0, "host pattern: not UTF-8 text");
    json_decref(args);
    return rc < 0 ? fail(&err) : 0;
}

/* Every pattern is checked before the first is sent. */
static int run_edit(const struct command *self, int argc, char **argv, const char *add,
                    const char *remove)
{
    struct options o = {false};
    int n = 0;
    int status = ask_args(self, argc, argv, &o, &n);
    struct error err;
    for (int i = 0; status == 0 && i < n; i++) {
        int rc = i == 0 ? grammar_name(argv[i], &err) : grammar_host_glob(argv[i], &err);
        status = rc < 0 ? fail_usage(self, &err) : 0;
    }
    for (int i = 1; status == 0 && i < n; i++) {
        status = edit(argv[0], o.remove ? remove : add, argv[i]);
    }
    return status;
}

static int run_allow(const struct command *self, int argc, char **argv)
{
    return run_edit(self, argc, argv, "allowHost", "removeAllowedHost");
}

static int run_deny(const struct command *self, int argc, char **argv)
{
    return run_edit(self, argc, argv, "denyHost", "removeDeniedHost");
}

const struct command command_allow = {
    .name = "allow",
    .usage = "ID GLOB… [--remove]",
    .summary = "adds to the hosts that a running instance may reach",
    .options = options,
    .operands_least = 2,
    .operands_most = OPERANDS_ANY,
    .run = run_allow,
};

const struct command command_deny = {
    .name = "deny",
    .usage = "ID GLOB… [--remove]",
    .summary = "adds to the hosts that a running instance must not reach",
    .options = options,
    .operands_least = 2,
    .operands_most = OPERANDS_ANY,
    .run = run_deny,
};
