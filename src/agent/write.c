/*
 * write: contents that replace a file's.
 *
 * A regular file is written beside, without a name where the file system has such, and takes the
 * old one's place when all has come: a reader sees the old contents or the new, and a write that is
 * killed leaves nothing. Where that cannot be (no right on the folder, a mount point, a device) it
 * is written in place.
 *
 * What came through a socket is all of it only when its writer said so by a shutdown: one that was
 * closed is a writer that broke or is gone.
 */
#include "agent/files.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Behind the end of the contents. A pipe says no more than that it ended. */
static bool came_whole(int from)
{
    struct stat st;
    struct pollfd p = {.fd = from, .events = 0};
    const bool closed = poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0;
    return !closed || (fstat(from, &st) == 0 && !S_ISSOCK(st.st_mode));
}

/* Where the contents go. */
struct target {
    const char *asked; /* as it is told of */
    const char *path;  /* a symlink is followed, also to where nothing is yet */
};

static int copy_to(int from, int out, const struct target *t)
{
    int at_source;
    const int rc = files_copy(from, out, &at_source);
    if (rc < 0) {
        return files_fail(-rc, at_source ? "input" : t->asked);
    }
    return came_whole(from) ? 0 : files_fail(ECANCELED, t->asked);
}

static int write_in_place(int from, const struct target *t)
{
    cleanup_close int out =
        open(t->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    return out < 0 ? files_fail(errno, t->asked) : copy_to(from, out, t);
}

/* A file in the same folder, and a name for it there. */
struct beside {
    int fd;
    bool named; /* it has it already */
    char name[PATH_MAX];
};

static bool open_beside(const char *path, struct beside *b)
{
    const char *slash = strrchr(path, '/');
    const int folder = slash != NULL ? (int)(slash + 1 - path) : 0;
    const int n = snprintf(b->name, sizeof b->name, "%.*s.", folder, path);
    if (n < 0 || (size_t)n >= sizeof b->name) {
        return false;
    }
    b->fd = open(b->name, O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
    const size_t room = sizeof b->name - (size_t)n;
    const int rest = snprintf(b->name + n, room, "%.200s.writing-%d", path + folder, getpid());
    if (rest < 0 || (size_t)rest >= room) {
        return false;
    }
    if (b->fd < 0) {
        b->fd = open(b->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        b->named = b->fd >= 0;
    }
    return b->fd >= 0;
}

static void give_up(const struct beside *b)
{
    if (b->named) {
        unlink(b->name);
    }
}

static bool give_name(struct beside *b)
{
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", b->fd);
    b->named = b->named || linkat(AT_FDCWD, self, AT_FDCWD, b->name, AT_SYMLINK_FOLLOW) == 0;
    return b->named;
}

static int take_place(struct beside *b, const struct target *t)
{
    if (give_name(b) && rename(b->name, t->path) == 0) {
        return 0;
    }
    /* Not to be replaced: a mount point. Its contents can be. */
    const int rc =
        lseek(b->fd, 0, SEEK_SET) == 0 ? write_in_place(b->fd, t) : files_fail(errno, t->asked);
    give_up(b);
    return rc;
}

int files_write(const char *path)
{
    char real[PATH_MAX];
    static struct beside b = {.fd = -1};
    struct stat st;
    struct stat named;
    const struct target t = {path, realpath(path, real) != NULL ? real : path};
    const bool there = stat(t.path, &st) == 0;
    const bool dangles = !there && lstat(t.path, &named) == 0;
    if ((there && (!S_ISREG(st.st_mode) || access(t.path, W_OK) != 0)) || dangles) {
        return write_in_place(STDIN_FILENO, &t);
    }
    const bool beside = open_beside(t.path, &b);
    if (!beside || (there && fchmod(b.fd, st.st_mode & 07777) != 0)) {
        give_up(&b);
        return write_in_place(STDIN_FILENO, &t);
    }
    const int rc = copy_to(STDIN_FILENO, b.fd, &t);
    if (rc != 0) {
        give_up(&b);
        return rc;
    }
    return take_place(&b, &t);
}
