/*
 * fds: what a descriptor is, and closing all but some.
 */
#ifndef SALLYPORT_ISOLATE_FDS_H
#define SALLYPORT_ISOLATE_FDS_H

#include "base/error.h"

#include <stdbool.h>

enum isolate_fd_kind {
    ISOLATE_FD_CLOSED,
    ISOLATE_FD_NULL, /* /dev/null */
    ISOLATE_FD_PIPE,
    ISOLATE_FD_TERMINAL,
    ISOLATE_FD_FILE, /* a regular file */
    ISOLATE_FD_SOCKET,
    ISOLATE_FD_DIRECTORY,
    ISOLATE_FD_OTHER, /* another device, an epoll, a pidfd, an O_PATH descriptor … */
    ISOLATE_FD_KINDS
};

enum isolate_fd_kind isolate_fd_classify(int fd);
const char *isolate_fd_kind_name(enum isolate_fd_kind kind);

/* May a sandbox hold it as it is? Pipes, /dev/null and regular files. A terminal needs a pty
 * (pty.h), a socket a relay (relay.h); anything else is refused. */
bool isolate_fd_safe(enum isolate_fd_kind kind);

/* Marks every descriptor from first on close-on-exec, or closes them at once. */
int isolate_fds_cloexec_from(unsigned first, struct error *err);
int isolate_fds_close_from(unsigned first, struct error *err);

#endif
