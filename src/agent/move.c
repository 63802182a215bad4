/*
 * move: delete and move, which go through whole trees.
 */
#include "agent/files.h"
#include "agent/tree.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- delete ---- */

/* arg is not NULL: of what was moved, where a folder that is closed to writing went too. */
static int remove_entry(void *arg, const struct tree_entry *e)
{
    if (S_ISDIR(e->st.st_mode) && !e->leaving) {
        const mode_t mode = e->st.st_mode & 07777;
        const bool closed = arg != NULL && (mode & S_IRWXU) != S_IRWXU;
        return !closed || fchmodat(e->dir, e->name, mode | S_IRWXU, 0) == 0 ? 0 : -errno;
    }
    if (unlinkat(e->dir, e->name, e->leaving ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT) {
        return 0;
    }
    return -errno;
}

static int remove_tree(const char *path, bool moved)
{
    const int rc = tree_walk(path, false, remove_entry, moved ? &moved : NULL);
    return rc < 0 ? files_fail(-rc, path) : 0;
}

int files_remove(const char *path)
{
    return remove_tree(path, false);
}

/* ---- move ---- */

struct copying {
    const char *to;
    struct stat made; /* the folder that stands there, once it does */
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

/* Where a file system stands below the folder, its place may be in itself. */
static int copy_folder(struct copying *c, const struct tree_entry *e, const char *to)
{
    if (e->st.st_ino == c->made.st_ino && e->st.st_dev == c->made.st_dev) {
        return -EINVAL;
    }
    if (mkdir(to, 0700) != 0) {
        return -errno;
    }
    return e->path[0] != '\0' || lstat(to, &c->made) == 0 ? 0 : -errno;
}

static int copy_entry(void *arg, const struct tree_entry *e)
{
    struct copying *c = arg;
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
        return copy_folder(c, e, to);
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
        (void)tree_walk(beside, false, remove_entry, &c);
        return files_fail(-rc, to);
    }
    return remove_tree(from, true);
}

int files_move(const char *from, const char *to)
{
    if (rename(from, to) == 0) {
        return 0;
    }
    return errno == EXDEV ? move_across(from, to) : files_fail_of_two(errno, from, to);
}
