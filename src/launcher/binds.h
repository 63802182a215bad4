/*
 * binds: the host folders and files that a sandbox sees, checked and opened.
 */
#ifndef SALLYPORT_LAUNCHER_BINDS_H
#define SALLYPORT_LAUNCHER_BINDS_H

#include "base/error.h"
#include "launcher/spec.h"

#include <sys/stat.h>

struct bind {
    int fd;         /* O_PATH, of the mount namespace that opened it */
    char *real;     /* its path without symbolic links */
    char *dst;      /* inside */
    struct stat st; /* of fd */
    bool readonly;
    int tree; /* root of the clone that the sandbox will see, once attached; else -1 */
};

struct binds {
    struct bind *items;
    size_t count;
};

struct user;

/* Opens every bind of the spec, and --home's folder as the first. Refuses what must not be seen: /,
 * the home folder of who asked and what holds it, our state and cache, sockets and devices, kernel
 * file systems; and destinations over what is ours inside. */
int binds_open(const struct spec *spec, const struct user *user, struct binds *out,
               struct error *err);
void binds_free(struct binds *b);

/* The part of an absolute, real host path below the bind's root ("" for the root itself; lent,
 * points into path). NULL when the bind does not hold it. */
const char *binds_below(const struct bind *b, const char *path);

#endif
