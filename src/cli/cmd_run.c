#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/start.h"

static int run(const struct command *self, int argc, char **argv)
{
    struct run_options o = {.config = NULL};
    struct error err;
    int operands = 0;
    int rc = args_read(self, argc, argv, &o, &operands, &err);
    rc = rc < 0 ? rc : run_options_check(&o, &err);
    if (rc == 0 && operands == 0) {
        rc = error_set(&err, 0, "run: COMMAND is missing");
    }
    int status = rc < 0 ? fail_usage(self, &err) : start_from_options(&o, operands, argv);
    run_options_free(&o);
    return status;
}

const struct command command_run = {
    .name = "run",
    .usage = "[options] [--] COMMAND [ARG…]",
    .summary = "one sandbox for one command; exits with the command's status",
    .options = run_option_table,
    .stop_at_operand = true,
    .run = run,
};
