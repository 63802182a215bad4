#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/grammar.h"

#include <stdio.h>

static int call(const char *id, const char *method, const json_t *args)
{
    struct client_request r;
    struct error err;
    json_t *result = NULL;
    ask_path(&r, "POST", id, "call");
    client_path_segment(&r, span_str(method));
    if (ask_instance(id, &r, args, &result, &err) < 0) {
        return fail(&err);
    }
    cleanup_free char *text = json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(result);
    puts(text != NULL ? text : "null");
    return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
    int n = 0;
    int status = ask_args(self, argc, argv, NULL, &n);
    struct error err;
    if (status == 0 && grammar_name(argv[0], &err) < 0) {
        status = fail_usage(self, &err);
    }
    if (status != 0) {
        return status;
    }
    json_error_t why;
    json_t *args = n == 3 ? json_loads(argv[2], JSON_REJECT_DUPLICATES, &why) : json_array();
    if (!json_is_array(args)) {
        json_decref(args);
        return ask_usage(self, "JSON-ARGS: expected a JSON array, as '[\"a\", 1]'");
    }
    status = call(argv[0], argv[1], args);
    json_decref(args);
    return status;
}

const struct command command_call = {
    .name = "call",
    .usage = "ID METHOD [JSON-ARGS]",
    .summary = "calls a public method of the instance's class",
    .operands_least = 2,
    .operands_most = 3,
    .run = run,
};
