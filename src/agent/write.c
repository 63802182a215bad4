/*
 * write: contents that replace a file's.
 *
 * A regular file is written beside under another name and takes the old one's place when all has
 * come: a reader sees the old contents or the new. Where that cannot be (no right on the folder, a
 * mount point, a device) it is written in place.
 */
#include "agent/files.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int copy_to(int from, int out, const char *path)
{
    int at_source;
    const int rc = files_copy(from, out, &at_source);
    return rc < 0 ? files_fail(-rc, at_source ? "input" : path) : 0;
}

static int write_in_place(int from, const char *path)
{
    cleanup_close int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    return out < 0 ? files_fail(errno, path) : copy_to(from, out, path);
}

/* The file that the path leads to at last: a symlink is followed, also to where nothing is yet. */
static const char *real_path(const char *path, char *out)
{
    return realpath(path, out) != NULL ? out : path;
}

/* A name in the same folder, and a file there. */
static int open_beside(const char *path, char *name)
{
    const char *slash = strrchr(path, '/');
    const int folder = slash != NULL ? (int)(slash + 1 - path) : 0;
    const int n =
        snprintf(name, PATH_MAX, "%.*s.%.200s.writing-%d", folder, path, path + folder, getpid());
    return n > 0 && n < PATH_MAX ? open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
}

static int take_place(int out, const char *name, const char *path)
{
    if (rename(name, path) == 0) {
        return 0;
    }
    /* Not to be replaced: a mount point. Its contents can be. */
    const int rc =
        lseek(out, 0, SEEK_SET) == 0 ? write_in_place(out, path) : files_fail(errno, path);
    unlink(name);
    return rc;
}

int files_write(const char *path)
{
    char real[PATH_MAX];
    char name[PATH_MAX];
    struct stat st;
    struct stat named;
    path = real_path(path, real);
    const bool there = stat(path, &st) == 0;
    const bool dangles = !there && lstat(path, &named) == 0;
    if ((there && (!S_ISREG(st.st_mode) || access(path, W_OK) != 0)) || dangles) {
        return write_in_place(STDIN_FILENO, path);
    }
    cleanup_close int out = open_beside(path, name);
    if (out < 0) {
        return write_in_place(STDIN_FILENO, path);
    }
    if (there && fchmod(out, st.st_mode & 07777) != 0) {
        unlink(name);
        return write_in_place(STDIN_FILENO, path);
    }
    const int rc = copy_to(STDIN_FILENO, out, path);
    if (rc != 0) {
        unlink(name);
        return rc;
    }
    return take_place(out, name, path);
}
