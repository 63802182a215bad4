#include "isolate/mounts.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

int isolate_mounts_private(struct error *err)
{
    if (unshare(CLONE_NEWNS) != 0) {
        return error_set(err, errno, "make a mount namespace");
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return error_set(err, errno, "make mounts private");
    }
    return 0;
}

static int write_map(pid_t pid, const char *file, unsigned from, unsigned to)
{
    char path[64];
    char text[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    snprintf(text, sizeof(text), "%u %u 1\n", from, to);
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) > 0 ? 0 : -errno;
}

/* Holds a new user namespace until the parent lets go of it, or dies: then the pipe ends. */
_Noreturn static void hold_namespace(int report, int release)
{
    char ok = unshare(CLONE_NEWUSER) == 0 ? 'y' : 'n';
    while (write(report, &ok, 1) == 1 && read(release, &ok, 1) < 0 && errno == EINTR) {
    }
    _exit(0);
}

/* The id maps of the namespace that pid holds, then a descriptor of it. */
static int map_ids(pid_t pid, const struct isolate_idmap *map)
{
    int rc = write_map(pid, "uid_map", map->from_uid, map->to_uid);
    rc = rc < 0 ? rc : write_map(pid, "gid_map", map->from_gid, map->to_gid);
    if (rc < 0) {
        return rc;
    }
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
    rc = open(path, O_RDONLY | O_CLOEXEC);
    return rc < 0 ? -errno : rc;
}

/* A user namespace nobody is in: the kernel takes an id map in this form only. */
static int map_namespace(const struct isolate_idmap *map, struct error *err)
{
    int ready[2];
    int hold[2];
    if (pipe2(ready, O_CLOEXEC) != 0) {
        return error_set(err, errno, "make a pipe");
    }
    if (pipe2(hold, O_CLOEXEC) != 0) {
        int code = errno;
        close(ready[0]);
        close(ready[1]);
        return error_set(err, code, "make a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(hold[1]);
        hold_namespace(ready[1], hold[0]);
    }
    int fork_code = errno;
    cleanup_close int in = ready[0];
    cleanup_close int release = hold[1];
    close(ready[1]);
    close(hold[0]);
    if (pid < 0) {
        return error_set(err, fork_code, "fork");
    }
    char ok = 'n';
    int rc = read(in, &ok, 1) == 1 && ok == 'y' ? map_ids(pid, map) : -EPERM;
    close_fd(&release);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return rc >= 0 ? rc
                   : error_set(err, -rc, "make an id map %u -> %u", map->from_uid, map->to_uid);
}

int isolate_mounts_clone(int fd, const struct isolate_clone *how, int *tree_fd, struct error *err)
{
    const unsigned below = how->recursive ? AT_RECURSIVE : 0;
    cleanup_close int user = -1;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    if (how->readonly) {
        attr.attr_set |= MOUNT_ATTR_RDONLY;
    }
    if (how->map != NULL) {
        user = map_namespace(how->map, err);
        if (user < 0) {
            return user;
        }
        attr.attr_set |= MOUNT_ATTR_IDMAP;
        attr.userns_fd = (unsigned)user;
    }
    cleanup_close int tree =
        open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | below);
    if (tree < 0) {
        return error_set(err, errno, "clone a mount");
    }
    if (mount_setattr(tree, "", AT_EMPTY_PATH | below, &attr, sizeof(attr)) != 0) {
        return error_set(err, errno, "%s",
                         how->map != NULL ? "id-map a mount" : "restrict a mount");
    }
    *tree_fd = steal_fd(&tree);
    return 0;
}

int isolate_mounts_attach(int tree_fd, int target_fd, struct error *err)
{
    if (move_mount(tree_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) !=
        0) {
        return error_set(err, errno, "attach a mount");
    }
    return 0;
}

int isolate_mounts_tmpfs(const char *path, unsigned long long limit_bytes, int *root_fd,
                         struct error *err)
{
    char options[64];
    snprintf(options, sizeof(options), "mode=0755,size=%llu", limit_bytes);
    if (mount("sallyport", path, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) {
        return error_set(err, errno, "mount a tmpfs at %s", path);
    }
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, errno, "open %s", path);
    }
    *root_fd = fd;
    return 0;
}
