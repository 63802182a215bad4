/*
 * cleanup: resources that clean themselves at the end of their scope.
 *
 *     cleanup_close int fd = open(…);
 *     conn->fd = steal_fd(&fd);            giving one away is a visible verb
 */
#ifndef SALLYPORT_BASE_CLEANUP_H
#define SALLYPORT_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close_fn(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

static inline void cleanup_free_fn(void *p)
{
    free(*(void **)p);
}

#define cleanup_close __attribute__((cleanup(cleanup_close_fn)))
#define cleanup_free  __attribute__((cleanup(cleanup_free_fn)))

static inline int steal_fd(int *fd)
{
    int out = *fd;
    *fd = -1;
    return out;
}

#define steal_ptr(p)                                                                               \
    __extension__({                                                                                \
        __typeof__(*(p)) stolen_ = *(p);                                                           \
        *(p) = NULL;                                                                               \
        stolen_;                                                                                   \
    })

/* Closes *fd when it is open and marks it closed. */
static inline void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

#endif
