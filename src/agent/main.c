/*
 * sallyport-agent: process 1 of a sandbox.
 *
 *     sallyport-agent SOCKET [REPORT]    both numbers of inherited descriptors
 *     sallyport-agent snapshot PID       shell.c
 *
 * Speaks docs/agent-protocol.md on SOCKET. One line on REPORT says that it is up, and is the last
 * that comes from here outside of the protocol. It ends, and the sandbox with it, when its main
 * process does, when the supervisor goes away, or when it is told to by a signal.
 */
#include "agent/agent.h"
#include "agent/background.h"
#include "agent/child.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "ipc/conversations.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define STATUS_FAILED 125
/* What isolate_start_report waits for. */
#define STARTED "sallyport: started\n"

static const int heard[] = {SIGTERM, SIGINT,   SIGHUP,  SIGQUIT, SIGUSR1,
                            SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP, SIGCHLD};

_Noreturn void agent_exit(int status)
{
    _exit(status);
}

void agent_message(struct agent *a, struct ipc_message *msg)
{
    switch (msg->type) {
    case AGENT_RUN:
        run_message(a, msg);
        break;
    case AGENT_SIGNAL: {
        const struct process *p = process_by_number(a, number_read(msg->fields[0]));
        const uint32_t signum = number_read(msg->fields[1]);
        if (p != NULL && signum < NSIG) {
            process_kill(p, (int)signum);
        }
        break;
    }
    case AGENT_SESSION:
        session_message(a, msg);
        break;
    default: /* PROCESSES, LOGS, FORGET */
        background_message(a, msg);
        break;
    }
}

static void socket_ready(struct agent *a)
{
    static struct buf body;
    struct ipc_message msg;
    buf_init(&body, IPC_BODY_MAX);
    if (ipc_receive_blocking(a->socket, ipc_agent_hears, &msg, &body, NULL) < 0) {
        agent_exit(STATUS_FAILED); /* without a supervisor there is no sandbox */
    }
    agent_message(a, &msg);
    for (size_t i = 0; i < msg.fd_count; i++) {
        close_fd(&msg.fds[i]);
    }
    buf_free(&body);
}

static void signal_ready(struct agent *a)
{
    struct signalfd_siginfo info;
    if (read(a->signal_fd, &info, sizeof info) != sizeof info) {
        return;
    }
    if (info.ssi_signo == SIGCHLD) {
        processes_reap(a);
    } else if ((int)info.ssi_signo == SHELL_SIGNAL) {
        shell_left(a, (pid_t)info.ssi_pid);
    } else {
        processes_signal(a, (int)info.ssi_signo);
    }
}

static _Noreturn void serve(struct agent *a)
{
    for (;;) {
        struct pollfd fds[2 + BACKGROUND_POLL_MAX] = {
            {.fd = a->socket, .events = POLLIN},
            {.fd = a->signal_fd, .events = POLLIN},
        };
        const size_t count = 2 + background_poll(a, fds + 2);
        if (poll(fds, count, processes_timeout(a)) < 0) {
            if (errno == EINTR || errno == ENOMEM) {
                continue;
            }
            agent_exit(STATUS_FAILED); /* somebody inside took our descriptors' limit away */
        }
        /* Signals first: a shell that tells of its end waits for us. */
        if (fds[1].revents != 0) {
            signal_ready(a);
        }
        if (fds[0].revents != 0) {
            socket_ready(a);
        }
        background_ready(a, fds + 2, count - 2);
    }
}

/* Nobody inside may look into process 1 or steer it, though it has their uid. */
static bool signals_open(struct agent *a)
{
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof heard / sizeof *heard; i++) {
        sigaddset(&signals, heard[i]);
    }
    sigaddset(&signals, SHELL_SIGNAL);
    signal(SIGPIPE, SIG_IGN);
    a->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return sigprocmask(SIG_BLOCK, &signals, NULL) == 0 && a->signal_fd >= 0 &&
           prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

static bool open_all(struct agent *a)
{
    char self[PATH_MAX];
    char **empty = NULL;
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    list_init(&a->processes);
    list_init(&a->backgrounds);
    a->self = n > 0 ? strndup(self, (size_t)n) : NULL;
    a->cwd = getcwd(NULL, 0);
    a->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return a->self != NULL && a->cwd != NULL && a->null_fd > 2 &&
           close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0 && child_open_files_raise() &&
           words_copy(&a->env, environ != NULL ? environ : empty) && sessions_open(a) &&
           signals_open(a);
}

/* The last word outside of the protocol, and no descriptor of the launcher's stays open. */
static bool report(struct agent *a, int fd)
{
    bool ok = fd < 0 || write(fd, STARTED, sizeof STARTED - 1) == sizeof STARTED - 1;
    for (int i = 0; i < 3; i++) {
        ok = dup2(a->null_fd, i) == i && ok;
    }
    if (fd > 2) {
        close(fd);
    }
    return ok;
}

int main(int argc, char **argv)
{
    static struct agent a;
    if (argc == 3 && strcmp(argv[1], "snapshot") == 0) {
        return shell_tell(atoi(argv[2]));
    }
    if (argc < 2) {
        return STATUS_FAILED;
    }
    a.socket = atoi(argv[1]);
    if (!open_all(&a) || !report(&a, argc > 2 ? atoi(argv[2]) : -1)) {
        return STATUS_FAILED;
    }
    say_ready(&a);
    serve(&a);
}
