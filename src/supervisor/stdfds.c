#include "supervisor/stdfds.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "isolate/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static void stdio_check_done(struct stdio *s)
{
    bool open = s->pty_open || s->relay_args[1].open || s->relay_args[2].open;
    if (s->done != NULL && !open) {
        stdio_done_fn done = s->done;
        s->done = NULL;
        done(s->arg);
    }
}

static void on_relay_done(void *arg)
{
    struct stdio_relay *r = arg;
    struct stdio *s = r->owner;
    r->open = false;
    if (r->at == 0) {
        /* The end of our input is the end of the sandbox's. */
        isolate_relay_cancel(s->relays[0]);
        s->relays[0] = NULL;
        close_fd(&s->pipes[0]);
    }
    stdio_check_done(s);
}

/* Puts a pipe between descriptor `at` of ours and of the sandbox. */
static int relay_through_pipe(struct stdio *s, int at, struct error *err)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0) {
        return error_set(err, errno, "pipe for descriptor %d", at);
    }
    bool input = at == 0;
    s->fds[at] = pair[input ? 0 : 1];
    s->pipes[at] = pair[input ? 1 : 0];
    s->relay_args[at] = (struct stdio_relay){s, at, !input};
    return isolate_relay_start(s->loop, input ? at : s->pipes[at], input ? s->pipes[at] : at,
                               on_relay_done, &s->relay_args[at], &s->relays[at], err);
}

/* Inside, /proc/self/fd/N opens the file anew, with the rights of the file instead of those of the
 * descriptor: input that the user may write would be writable, a log that is appended to could be
 * rewritten. */
static bool file_gives_more(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return ((flags & O_ACCMODE) == O_RDONLY && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0) ||
           ((flags & O_ACCMODE) == O_WRONLY && (flags & O_APPEND) != 0);
}

static int pass(struct stdio *s, int at, struct error *err)
{
    s->fds[at] = fcntl(at, F_DUPFD_CLOEXEC, 3);
    return s->fds[at] < 0 ? error_set(err, errno, "descriptor %d", at) : 0;
}

/* One pty serves all descriptors that are terminals. */
static int pass_terminal(struct stdio *s, int at, struct error *err)
{
    if (s->pty.outer < 0) {
        int rc = isolate_pty_open(at, &s->pty, err);
        if (rc < 0) {
            return rc;
        }
    }
    s->tty = true;
    if (at == 0) {
        s->user_in = 0;
    }
    if (at != 0 && s->user_out <= 0) {
        s->user_out = at;
    } else if (s->user_out < 0) {
        s->user_out = at; /* only input is a terminal: its echo goes there */
    }
    s->fds[at] = fcntl(s->pty.inner, F_DUPFD_CLOEXEC, 3);
    return s->fds[at] < 0 ? error_set(err, errno, "descriptor %d", at) : 0;
}

static int fd_open(struct stdio *s, int at, struct error *err)
{
    enum isolate_fd_kind kind = isolate_fd_classify(at);
    switch (kind) {
    case ISOLATE_FD_CLOSED:
        s->fds[at] = open("/dev/null", (at == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
        return s->fds[at] < 0 ? error_set(err, errno, "open /dev/null") : 0;
    case ISOLATE_FD_NULL:
    case ISOLATE_FD_PIPE:
        return pass(s, at, err);
    case ISOLATE_FD_FILE:
        return file_gives_more(at) ? relay_through_pipe(s, at, err) : pass(s, at, err);
    case ISOLATE_FD_TERMINAL:
        return pass_terminal(s, at, err);
    case ISOLATE_FD_SOCKET:
        return relay_through_pipe(s, at, err);
    case ISOLATE_FD_DIRECTORY:
    case ISOLATE_FD_OTHER:
    case ISOLATE_FD_KINDS:
        break;
    }
    return error_set(err, 0,
                     "descriptor %d: it is %s, which would lead out of the sandbox: redirect it "
                     "from or to a file, a pipe or /dev/null",
                     at, isolate_fd_kind_name(kind));
}

static void on_pty_done(void *arg)
{
    struct stdio *s = arg;
    s->pty_open = false;
    stdio_check_done(s);
}

static int pty_start(struct stdio *s, struct error *err)
{
    struct isolate_pty_relay_options options = {
        .outer = s->pty.outer,
        .user_in = s->user_in,
        .user_out = s->user_out,
        .done = on_pty_done,
        .arg = s,
    };
    log_terminal_raw(s->user_in >= 0 && isatty(STDERR_FILENO) == 1);
    return isolate_pty_relay_start(s->loop, &options, &s->pty_relay, err);
}

int stdio_open(struct stdio *s, struct loop *loop, struct error *err)
{
    *s = (struct stdio){.loop = loop,
                        .fds = {-1, -1, -1},
                        .pty = {-1, -1},
                        .user_in = -1,
                        .user_out = -1,
                        .pipes = {-1, -1, -1}};
    int rc = 0;
    for (int at = 0; at < 3 && rc == 0; at++) {
        rc = fd_open(s, at, err);
    }
    if (rc == 0 && s->pty.outer >= 0) {
        s->pty_open = true;
        rc = pty_start(s, err);
    }
    if (rc < 0) {
        stdio_close(s);
    }
    return rc;
}

void stdio_handed(struct stdio *s)
{
    for (int at = 0; at < 3; at++) {
        close_fd(&s->fds[at]);
    }
    close_fd(&s->pty.inner);
}

void stdio_finish(struct stdio *s, stdio_done_fn done, void *arg)
{
    stdio_handed(s);
    s->done = done;
    s->arg = arg;
    stdio_check_done(s);
}

void stdio_suspend(struct stdio *s)
{
    isolate_pty_relay_stop(s->pty_relay);
    s->pty_relay = NULL;
    log_terminal_raw(false);
}

void stdio_resume(struct stdio *s)
{
    struct error err;
    if (s->pty_open && s->pty_relay == NULL && pty_start(s, &err) < 0) {
        log_error("%s", err.text);
        s->pty_open = false;
    }
}

void stdio_close(struct stdio *s)
{
    if (s->loop == NULL) {
        return;
    }
    isolate_pty_relay_stop(s->pty_relay);
    s->pty_relay = NULL;
    log_terminal_raw(false);
    for (int at = 0; at < 3; at++) {
        isolate_relay_cancel(s->relays[at]);
        s->relays[at] = NULL;
        close_fd(&s->pipes[at]);
        close_fd(&s->fds[at]);
    }
    close_fd(&s->pty.inner);
    close_fd(&s->pty.outer);
    s->loop = NULL;
}
