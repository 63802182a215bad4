#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/start.h"

/* The command and its arguments, as they are. */
static int add_command(struct spec *s, int argc, char **argv, struct error *err)
{
    s->mode = SPEC_RUN;
    for (int i = 0; i < argc; i++) {
        if (!spec_strings_add(&s->argv, argv[i])) {
            return error_set(err, 0, "run: out of memory");
        }
    }
    return 0;
}

static int start(const struct run_options *o, int argc, char **argv)
{
    struct error err;
    struct spec s;
    struct spec_strings notes = {NULL, 0};
    int rc = run_options_spec(o, &s, &notes, &err);
    for (size_t i = 0; rc == 0 && i < notes.count; i++) {
        print_note(notes.items[i]);
    }
    spec_strings_free(&notes);
    if (rc < 0) {
        return fail(&err);
    }
    rc = add_command(&s, argc, argv, &err);
    if (rc == 0) {
        start_become_supervisor(&s, &err);
    }
    spec_free(&s);
    return fail(&err);
}

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
    int status = rc < 0 ? fail_usage(self, &err) : start(&o, operands, argv);
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
