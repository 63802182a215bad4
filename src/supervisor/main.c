/*
 * sallyport-supervisor --spec=N: one `run`, one `up` or one `check`. The CLI becomes it by exec.
 */
#include "isolate/process.h"
#include "supervisor/supervisor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int spec_fd_parse(int argc, char **argv)
{
    static const char option[] = "--spec=";
    char *end = NULL;
    if (argc != 2 || strncmp(argv[1], option, sizeof option - 1) != 0) {
        return -1;
    }
    long fd = strtol(argv[1] + sizeof option - 1, &end, 10);
    return *end == 0 && fd > 2 && fd < 1024 ? (int)fd : -1;
}

int main(int argc, char **argv)
{
    static struct supervisor s;
    int fd = spec_fd_parse(argc, argv);
    if (fd < 0) {
        fputs("sallyport-supervisor is started by sallyport: use `sallyport run`\n", stderr);
        return 2;
    }
    isolate_process_title_init(argc, argv);
    int status = supervisor_open(&s, fd);
    if (status == 0) {
        static int (*const modes[])(struct supervisor *) = {
            [SPEC_RUN] = supervisor_run,
            [SPEC_CHECK] = supervisor_check,
            [SPEC_UP] = supervisor_up,
        };
        status = modes[s.spec->mode](&s);
        supervisor_close(&s);
    }
    return status;
}
