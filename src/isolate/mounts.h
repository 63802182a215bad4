/*
 * mounts: detached mounts made with the new mount calls.
 */
#ifndef SALLYPORT_ISOLATE_MOUNTS_H
#define SALLYPORT_ISOLATE_MOUNTS_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct isolate_idmap {
    uid_t from_uid; /* as the files have it on disk */
    gid_t from_gid;
    uid_t to_uid; /* as the clone shows it, and who may write */
    gid_t to_gid;
};

/* A new mount namespace whose changes do not reach the one it came from. */
int isolate_mounts_private(struct error *err);

struct isolate_clone {
    bool recursive; /* with the mounts below it */
    bool readonly;
    const struct isolate_idmap *map; /* NULL: owners as they are. Root only, not recursive */
};

/* Clones the mount at fd (O_PATH, a folder or a file), nosuid and nodev. *tree_fd (given, CLOEXEC)
 * is the root of a detached mount. With a map, -EINVAL or -EPERM: this file system cannot be
 * id-mapped. fd belongs to a mount of the caller's mount namespace. */
int isolate_mounts_clone(int fd, const struct isolate_clone *how, int *tree_fd, struct error *err);

/* Puts a detached mount over target (O_PATH; a folder on a folder, a file on a file; a symbolic
 * link is not followed). */
int isolate_mounts_attach(int tree_fd, int target_fd, struct error *err);

/* A tmpfs of limit_bytes, mode 0755, mounted at path; *root_fd (given) is its root. */
int isolate_mounts_tmpfs(const char *path, unsigned long long limit_bytes, int *root_fd,
                         struct error *err);

#endif
