/*
 * write: all of the bytes, to a descriptor that blocks.
 */
#ifndef SALLYPORT_BASE_WRITE_H
#define SALLYPORT_BASE_WRITE_H

#include "base/span.h"

#include <errno.h>
#include <unistd.h>

/* 0 or -errno; then some of them may be written. */
static inline int write_all(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        const ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        bytes = span_from(bytes, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

#endif
