/*
 * move: delete and move, which go through whole trees.
 */
#include "agent/files.h"
#include "agent/tree.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- delete ---- */

static int remove_entry(void *arg, const struct tree_entry *e)
{
    (void)arg;
    if (S_ISDIR(e->st.st_mode) && !e->leaving) {
        return 0;
    }
    if (unlinkat(e->dir, e->name, e->leaving ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT) {
        return 0;
    }
    return -errno;
}

int files_remove(const char *path)
{
    const int rc = tree_walk(path, false, remove_entry, NULL);
    return rc < 0 ? files_fail(-rc, path) : 0;
}

/* ---- move ---- */

struct copying {
    const char *to;
};

static int copy_file(const struct tree_entry *e, const char *to)
{
    int at_source;
    cleanup_close int in = openat(e->dir, e->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    cleanup_close int out =
        in >= 0 ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    if (in < 0 || out < 0) {
        return -errno;
    }
    const struct timespec times[] = {e->st.st_atim, e->st.st_mtim};
    const int rc = files_copy(in, out, &at_source);
    return rc < 0                                    ? rc
           : fchmod(out, e->st.st_mode & 07777) != 0 ? -errno
           : futimens(out, times) != 0               ? -errno
                                                     : 0;
}

static int copy_link(const struct tree_entry *e, const char *to)
{
    char target[PATH_MAX];
    const ssize_t n = readlinkat(e->dir, e->name, target, sizeof target - 1);
    if (n < 0) {
        return -errno;
    }
    target[n] = '\0';
    return symlink(target, to) == 0 ? 0 : -errno;
}

static int copy_entry(void *arg, const struct tree_entry *e)
{
    const struct copying *c = arg;
    char to[PATH_MAX];
    const int n = snprintf(to, sizeof to, "%s%s%s", c->to, e->path[0] != '\0' ? "/" : "", e->path);
    if (n < 0 || (size_t)n >= sizeof to) {
        return -ENAMETOOLONG;
    }
    if (e->leaving) { /* at last: it may not be writable */
        const struct timespec times[] = {e->st.st_atim, e->st.st_mtim};
        return chmod(to, e->st.st_mode & 07777) == 0 &&
                       utimensat(AT_FDCWD, to, times, AT_SYMLINK_NOFOLLOW) == 0
                   ? 0
                   : -errno;
    }
    switch (e->st.st_mode & S_IFMT) {
    case S_IFDIR:
        return mkdir(to, 0700) == 0 ? 0 : -errno;
    case S_IFREG:
        return copy_file(e, to);
    case S_IFLNK:
        return copy_link(e, to);
    case S_IFIFO:
        return mkfifo(to, e->st.st_mode & 07777) == 0 ? 0 : -errno;
    default:
        return -EOPNOTSUPP;
    }
}

/* Beside the target under a name of its own first: the target is there whole, or not. */
static int move_across(const char *from, const char *to)
{
    char beside[PATH_MAX];
    const int n = snprintf(beside, sizeof beside, "%s.moving-%d", to, getpid());
    if (n < 0 || (size_t)n >= sizeof beside) {
        return files_fail(ENAMETOOLONG, to);
    }
    struct copying c = {.to = beside};
    int rc = tree_walk(from, false, copy_entry, &c);
    if (rc == 0 && rename(beside, to) != 0) {
        rc = -errno;
    }
    if (rc < 0) {
        (void)tree_walk(beside, false, remove_entry, NULL);
        return files_fail(-rc, to);
    }
    return files_remove(from);
}

int files_move(const char *from, const char *to)
{
    if (rename(from, to) == 0) {
        return 0;
    }
    return errno == EXDEV ? move_across(from, to) : files_fail(errno, from);
}
