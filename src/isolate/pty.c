#include "isolate/pty.h"

#include "base/cleanup.h"
#include "isolate/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

int isolate_pty_open(int like, struct isolate_pty *out, struct error *err)
{
    cleanup_close int outer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (outer < 0 || grantpt(outer) != 0 || unlockpt(outer) != 0) {
        return error_set(err, errno, "make a terminal: is devpts mounted at /dev/pts?");
    }
    /* Not by its name: another devpts could be mounted at /dev/pts. */
    cleanup_close int inner = ioctl(outer, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (inner < 0) {
        return error_set(err, errno, "open the inner end of a terminal");
    }
    struct termios settings;
    struct winsize size;
    if (like >= 0 && tcgetattr(like, &settings) == 0) {
        (void)tcsetattr(inner, TCSANOW, &settings);
    }
    if (like >= 0 && ioctl(like, TIOCGWINSZ, &size) == 0) {
        (void)ioctl(outer, TIOCSWINSZ, &size);
    }
    out->outer = steal_fd(&outer);
    out->inner = steal_fd(&inner);
    return 0;
}

struct isolate_pty_relay {
    int outer;
    int user; /* the user's terminal; -1: none, nothing to restore */
    struct termios saved;
    struct isolate_relay *in;
    struct isolate_relay *out;
    struct loop_signal *winch;
    isolate_pty_done_fn done;
    void *arg;
};

static void on_winch(void *arg, int signum)
{
    struct isolate_pty_relay *r = arg;
    struct winsize size;
    (void)signum;
    if (ioctl(r->user, TIOCGWINSZ, &size) == 0) {
        (void)ioctl(r->outer, TIOCSWINSZ, &size); /* the kernel signals the foreground group */
    }
}

/* The user's input ended: the sandbox's terminal stays open, as it would over ssh. */
static void on_in_done(void *arg)
{
    (void)arg;
}

static void on_out_done(void *arg)
{
    struct isolate_pty_relay *r = arg;
    r->done(r->arg);
}

static int take_terminal(struct isolate_pty_relay *r, struct loop *loop, int user_in,
                         struct error *err)
{
    if (user_in < 0 || tcgetattr(user_in, &r->saved) != 0) {
        return 0;
    }
    struct termios raw = r->saved;
    const tcflag_t output = raw.c_oflag;
    cfmakeraw(&raw);
    if (isatty(STDOUT_FILENO) != 1) {
        raw.c_oflag = output; /* `sallyport run … | grep x`: grep writes to it, line by line */
    }
    if (tcsetattr(user_in, TCSADRAIN, &raw) != 0) {
        return error_set(err, errno, "put the terminal into raw mode");
    }
    r->user = user_in;
    return loop_signal_start(loop, SIGWINCH, on_winch, r, &r->winch, err);
}

int isolate_pty_relay_start(struct loop *loop, const struct isolate_pty_relay_options *options,
                            struct isolate_pty_relay **out, struct error *err)
{
    struct isolate_pty_relay *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return error_set(err, ENOMEM, "relay a terminal");
    }
    r->outer = options->outer;
    r->user = -1;
    r->done = options->done;
    r->arg = options->arg;
    int rc = take_terminal(r, loop, options->user_in, err);
    if (rc == 0 && options->user_in >= 0) {
        rc = isolate_relay_start(loop, options->user_in, r->outer, on_in_done, r, &r->in, err);
    }
    if (rc == 0) {
        rc = isolate_relay_start(loop, r->outer, options->user_out, on_out_done, r, &r->out, err);
    }
    if (rc < 0) {
        isolate_pty_relay_stop(r);
        return rc;
    }
    *out = r;
    return 0;
}

void isolate_pty_relay_stop(struct isolate_pty_relay *r)
{
    if (r == NULL) {
        return;
    }
    if (r->out != NULL) {
        isolate_relay_flush(r->out);
    }
    isolate_relay_cancel(r->in);
    isolate_relay_cancel(r->out);
    loop_signal_cancel(r->winch);
    if (r->user >= 0) {
        (void)tcsetattr(r->user, TCSADRAIN, &r->saved);
    }
    free(r);
}
