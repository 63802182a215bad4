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

/* Clones the mount at dirfd (a directory or file; mounts below it are left out), nosuid, and maps
 * one owner to another. *tree_fd (given, CLOEXEC) is the root of a detached mount.
 * -EINVAL or -EPERM: this file system cannot be id-mapped. */
int isolate_mounts_clone_idmapped(int dirfd, const struct isolate_idmap *map, int *tree_fd,
                                  struct error *err);

/* Puts a detached mount at path. */
int isolate_mounts_attach(int tree_fd, const char *path, struct error *err);

/* A tmpfs of limit_bytes, mode 0755, mounted at path; *root_fd (given) is its root. */
int isolate_mounts_tmpfs(const char *path, unsigned long long limit_bytes, int *root_fd,
                         struct error *err);

#endif
