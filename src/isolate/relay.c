/*
 * relay: the descriptors may be shared with the user's shell, and the loop watches only what is
 * non-blocking. Where the kernel lets us open the same pipe or terminal anew, that one is ours to
 * change; where not, the flag is given back at the end.
 */
#include "isolate/relay.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define RELAY_BYTES (64u * 1024u)

struct relay_end {
    int fd;      /* ours: a new opening or a duplicate */
    int flags;   /* to be given back to the file that is shared; -1: nothing to give back */
    bool always; /* a regular file or the like: never waits, cannot be watched */
    struct loop_watch *watch;
};

struct isolate_relay {
    struct relay_end from;
    struct relay_end to;
    bool ended; /* nothing more comes, or nobody takes it */
    bool done_called;
    struct loop_task task; /* moves on where an end cannot be watched */
    isolate_relay_done_fn done;
    void *arg;
    size_t start;
    size_t end;
    char mem[RELAY_BYTES];
};

static int reopen(int fd, int mode)
{
    struct stat st;
    unsigned number;
    if (fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || isatty(fd) == 1)) {
        return -1;
    }
    if (ioctl(fd, TIOCGPTN, &number) == 0) {
        return -1; /* the outer end of a pty: opening it anew makes another pty */
    }
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int end_open(struct relay_end *e, int fd, int mode)
{
    struct stat st;
    e->fd = reopen(fd, mode);
    if (e->fd >= 0) {
        return 0;
    }
    e->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    e->flags = e->fd < 0 ? -1 : fcntl(e->fd, F_GETFL);
    if (e->flags < 0 || fstat(e->fd, &st) != 0) {
        return -errno;
    }
    e->always = S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(e->fd) == 0);
    return 0;
}

static void end_close(struct relay_end *e)
{
    loop_watch_cancel(e->watch);
    if (e->fd >= 0 && e->flags >= 0) {
        (void)fcntl(e->fd, F_SETFL, e->flags);
    }
    close_fd(&e->fd);
}

static void relay_arm(struct isolate_relay *r)
{
    const bool full = r->start < r->end;
    if (r->from.watch != NULL) {
        loop_watch_set(r->from.watch, full || r->ended ? 0 : LOOP_READ);
    }
    if (r->to.watch != NULL) {
        loop_watch_set(r->to.watch, full ? LOOP_WRITE : 0);
    }
    if (full ? r->to.always : r->from.always && !r->ended) {
        loop_task_queue(&r->task);
    }
    if (r->ended && !full && !r->done_called) {
        r->done_called = true;
        r->done(r->arg);
    }
}

/* Writes what it can. An end that refuses for good ends the relay and drops what is left. */
static void relay_write(struct isolate_relay *r)
{
    while (r->start < r->end) {
        ssize_t n = write(r->to.fd, r->mem + r->start, r->end - r->start);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) {
            r->ended = true;
            break;
        }
        r->start += (size_t)n;
    }
    r->start = r->end = 0;
}

static void relay_read(struct isolate_relay *r)
{
    ssize_t n = read(r->from.fd, r->mem, sizeof(r->mem));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    r->start = 0;
    r->end = n > 0 ? (size_t)n : 0;
    r->ended = n <= 0; /* a terminal ends with EIO */
}

static void relay_turn(struct isolate_relay *r)
{
    if (r->start == r->end && !r->ended) {
        relay_read(r);
    }
    relay_write(r);
    relay_arm(r);
}

static void on_ready(void *arg, unsigned events)
{
    (void)events;
    relay_turn(arg);
}

static void on_task(void *arg)
{
    relay_turn(arg);
}

int isolate_relay_start(struct loop *loop, int from, int to, isolate_relay_done_fn done, void *arg,
                        struct isolate_relay **out, struct error *err)
{
    struct isolate_relay *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return error_set(err, ENOMEM, "start a relay");
    }
    r->from.fd = r->to.fd = -1;
    r->from.flags = r->to.flags = -1;
    r->done = done;
    r->arg = arg;
    loop_task_init(&r->task, loop, on_task, r);
    int rc = end_open(&r->from, from, O_RDONLY);
    if (rc == 0) {
        rc = end_open(&r->to, to, O_WRONLY);
    }
    if (rc < 0) {
        rc = error_set(err, -rc, "start a relay");
    }
    if (rc == 0 && !r->from.always) {
        rc = loop_watch_start(loop, r->from.fd, LOOP_READ, on_ready, r, &r->from.watch, err);
    }
    if (rc == 0 && !r->to.always) {
        rc = loop_watch_start(loop, r->to.fd, 0, on_ready, r, &r->to.watch, err);
    }
    if (rc < 0) {
        isolate_relay_cancel(r);
        return rc;
    }
    relay_arm(r);
    *out = r;
    return 0;
}

void isolate_relay_flush(struct isolate_relay *r)
{
    for (int round = 0; round < 64 && !r->ended; round++) {
        relay_write(r);
        if (r->start < r->end) {
            return;
        }
        relay_read(r);
        if (r->start == r->end) {
            return;
        }
    }
}

void isolate_relay_cancel(struct isolate_relay *r)
{
    if (r == NULL) {
        return;
    }
    loop_task_cancel(&r->task);
    end_close(&r->from);
    end_close(&r->to);
    free(r);
}
