#include "isolate/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum isolate_fd_kind isolate_fd_classify(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) != 0) {
        return ISOLATE_FD_CLOSED;
    }
    if ((flags & O_PATH) != 0) {
        return ISOLATE_FD_OTHER;
    }
    switch (st.st_mode & S_IFMT) {
    case S_IFIFO:
        return ISOLATE_FD_PIPE;
    case S_IFREG:
        return ISOLATE_FD_FILE;
    case S_IFSOCK:
        return ISOLATE_FD_SOCKET;
    case S_IFDIR:
        return ISOLATE_FD_DIRECTORY;
    case S_IFCHR:
        if (st.st_rdev == makedev(1, 3)) {
            return ISOLATE_FD_NULL;
        }
        return isatty(fd) == 1 ? ISOLATE_FD_TERMINAL : ISOLATE_FD_OTHER;
    default:
        return ISOLATE_FD_OTHER;
    }
}

const char *isolate_fd_kind_name(enum isolate_fd_kind kind)
{
    static const char *const names[] = {
        "closed", "/dev/null", "a pipe",   "a terminal",
        "a file", "a socket",  "a folder", "a device or kernel object"};
    _Static_assert(sizeof(names) / sizeof(names[0]) == ISOLATE_FD_KINDS, "a name for each kind");
    return names[kind];
}

bool isolate_fd_safe(enum isolate_fd_kind kind)
{
    return kind == ISOLATE_FD_NULL || kind == ISOLATE_FD_PIPE || kind == ISOLATE_FD_FILE;
}

int isolate_fds_cloexec_from(unsigned first, struct error *err)
{
    if (close_range(first, ~0u, CLOSE_RANGE_CLOEXEC) != 0) {
        return error_set(err, errno, "mark descriptors close-on-exec (Linux 5.11 or later)");
    }
    return 0;
}

int isolate_fds_close_from(unsigned first, struct error *err)
{
    if (close_range(first, ~0u, 0) != 0) {
        return error_set(err, errno, "close descriptors (Linux 5.9 or later)");
    }
    return 0;
}
