#include "cli/commands.h"

#include <stdio.h>

static int run(const struct command *self, int argc, char **argv)
{
    (void)argv;
    if (argc > 0) {
        struct error err;
        error_set(&err, 0, "version: takes no operand");
        return fail_usage(self, &err);
    }
    puts("sallyport " SALLYPORT_VERSION);
    return 0;
}

const struct command command_version = {
    .name = "version", .usage = "", .summary = "prints the version", .run = run};
