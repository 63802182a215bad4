#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/start.h"

#include <unistd.h>

/* A configuration is never taken because it lies there: an earlier sandbox may have written it. */
static void note_config(const struct run_options *o)
{
    static const char *const names[] = {"wrangler.jsonc", "wrangler.json"};
    for (size_t i = 0; o->config == NULL && i < sizeof names / sizeof *names; i++) {
        if (access(names[i], F_OK) == 0) {
            print_note("the wrangler file of this folder was not named and is not read: "
                       "`sallyport up -c .`");
            return;
        }
    }
}

/* What a user of `run` tries first. */
static int refuse_operand(const struct command *self, const char *operand)
{
    struct error err;
    error_set(&err, 0,
              "up: \"%.64s\": takes no command: `sallyport exec ID COMMAND` runs one in a sandbox",
              operand);
    return fail_usage(self, &err);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct run_options o = {.daemon = true};
    struct error err;
    int operands = 0;
    int rc = args_read(self, argc, argv, &o, &operands, &err);
    rc = rc < 0 ? rc : run_options_check(&o, &err);
    if (rc == 0 && operands == 0) {
        note_config(&o);
    }
    int status = rc < 0         ? fail_usage(self, &err)
                 : operands > 0 ? refuse_operand(self, argv[0])
                                : start_from_options(&o, 0, NULL);
    run_options_free(&o);
    return status;
}

const struct command command_up = {
    .name = "up",
    .usage = "[options]",
    .summary = "the daemon: many sandboxes from code, the Worker's own fetch(), the control API",
    .options = up_option_table,
    .run = run,
};
