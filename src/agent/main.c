/*
 * sallyport-agent: process 1 of a sandbox.
 *
 *     sallyport-agent STDERR TTY -- COMMAND [ARG…]
 *
 * Descriptor 2 is the start report, STDERR the number of the descriptor that is the command's
 * standard error, TTY "1" when one of the three is a terminal of ours. Ends with the command's exit
 * status, 128+n when signal n ended it; all other processes of the sandbox end with it.
 */
#include "agent/command.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_FAILED 125
/* What isolate_start_report waits for. */
#define STARTED "sallyport: started\n"

static const int forwarded[] = {SIGTERM, SIGINT,   SIGHUP,  SIGQUIT, SIGUSR1,
                                SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP};

static int fail(const char *what)
{
    fprintf(stderr, "sallyport: %s: %s\n", what, strerror(errno));
    return STATUS_FAILED;
}

/* A terminal would send these to a group, kill(1) sends those to one process. */
static void forward(pid_t command, int signum)
{
    switch (signum) {
    case SIGTERM:
    case SIGUSR1:
    case SIGUSR2:
        kill(command, signum);
        break;
    case SIGTSTP:
        /* The command leads a session of its own, where the kernel drops the stop of a terminal. */
        kill(-command, SIGSTOP);
        break;
    default:
        kill(-command, signum);
        break;
    }
}

/* Reaps whoever ended. True when the command did: *status is what to end with. */
static bool reap(pid_t command, int *status)
{
    int raw;
    pid_t pid;
    while ((pid = waitpid(-1, &raw, WNOHANG)) > 0) {
        if (pid == command) {
            *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
            return true;
        }
    }
    return false;
}

static int watch(pid_t command, const sigset_t *signals)
{
    int status = STATUS_FAILED;
    for (;;) {
        int signum = sigwaitinfo(signals, NULL);
        if (signum == SIGCHLD) {
            if (reap(command, &status)) {
                return status;
            }
        } else if (signum > 0) {
            forward(command, signum);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 5 || strcmp(argv[3], "--") != 0) {
        return STATUS_FAILED;
    }
    const int error_fd = atoi(argv[1]);
    const bool tty = strcmp(argv[2], "1") == 0;

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++) {
        sigaddset(&signals, forwarded[i]);
    }
    sigprocmask(SIG_BLOCK, &signals, NULL);

    if (write(STDERR_FILENO, STARTED, sizeof(STARTED) - 1) != sizeof(STARTED) - 1 ||
        dup2(error_fd, STDERR_FILENO) < 0 || close_range(3, ~0u, 0) != 0) {
        return STATUS_FAILED;
    }
    pid_t command = fork();
    if (command < 0) {
        return fail("start the command");
    }
    if (command == 0) {
        _exit(agent_command_become(argv + 4, tty, &signals));
    }
    return watch(command, &signals);
}
