#include "cli/ask.h"
#include "cli/commands.h"

static int run(const struct command *self, int argc, char **argv)
{
    int n = 0;
    int status = ask_args(self, argc, argv, NULL, &n);
    if (status != 0) {
        return status;
    }
    struct client_request r;
    struct error err;
    ask_path(&r, "DELETE", argv[0], NULL);
    return ask_instance(argv[0], &r, NULL, NULL, &err) < 0 ? fail(&err) : 0;
}

const struct command command_rm = {
    .name = "rm",
    .usage = "ID",
    .summary = "ends an instance",
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
