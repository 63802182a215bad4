#include "cli/commands.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct command *const cli_commands[] = {
    &command_run,   &command_up,      &command_deploy, &command_create,  &command_exec,
    &command_ps,    &command_inspect, &command_rm,     &command_handler, &command_allow,
    &command_deny,  &command_call,    &command_secret, &command_kv,      &command_check,
    &command_types, &command_logs,    &command_doctor, &command_version, &command_help,
    NULL,
};

static const struct command *find_command(const char *name)
{
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        name = "help";
    }
    if (strcmp(name, "--version") == 0) {
        name = "version";
    }
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        if (strcmp(cli_commands[i]->name, name) == 0) {
            return cli_commands[i];
        }
    }
    return NULL;
}

static int run_help(const struct command *self, int argc, char **argv)
{
    const struct command *about = argc > 0 ? find_command(argv[0]) : NULL;
    if (argc > 0 && about == NULL) {
        struct error err;
        error_set(&err, 0, "%.64s: no such command", argv[0]);
        return fail_usage(NULL, &err);
    }
    usage_print(about == self ? NULL : about);
    return 0;
}

const struct command command_help = {
    .name = "help", .usage = "[COMMAND]", .summary = "tells what the commands do", .run = run_help};

static bool asks_for_help(const struct command *c, int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return true;
        }
        if (c->stop_at_operand && argv[i][0] != '-') {
            return false;
        }
    }
    return false;
}

/* No descriptor that we open may land on 0, 1 or 2, and none that we were given may go on. */
static void settle_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= 2);
    if (fd > 2) {
        close(fd);
    }
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
}

int main(int argc, char **argv)
{
    settle_descriptors();
    spec_json_wipe_on_free();
    if (argc < 2) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        usage_print(NULL);
        return EXIT_USAGE;
    }
    const struct command *c = find_command(argv[1]);
    if (c == NULL) {
        struct error err;
        error_set(&err, 0, "%.64s: no such command", argv[1]);
        return fail_usage(NULL, &err);
    }
    if (asks_for_help(c, argc - 2, argv + 2)) {
        usage_print(c);
        return 0;
    }
    return c->run(c, argc - 2, argv + 2);
}
