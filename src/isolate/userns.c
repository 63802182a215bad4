#include "isolate/userns.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int write_file(const char *path, const char *text)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    size_t len = strlen(text);
    ssize_t n = write(fd, text, len);
    return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

/* One id of each kind, inside -> outside, for the namespace the caller is in. */
static int write_maps(uid_t in_uid, uid_t uid, gid_t in_gid, gid_t gid)
{
    char text[64];
    int rc = write_file("/proc/self/setgroups", "deny");
    if (rc < 0 && rc != -ENOENT) {
        return rc;
    }
    snprintf(text, sizeof(text), "%u %u 1\n", in_uid, uid);
    rc = write_file("/proc/self/uid_map", text);
    if (rc < 0) {
        return rc;
    }
    snprintf(text, sizeof(text), "%u %u 1\n", in_gid, gid);
    return write_file("/proc/self/gid_map", text);
}

static int unshare_failed(int code, struct error *err)
{
    switch (code) {
    case ENOSPC:
        return error_set(err, code,
                         "make a namespace: the limit is reached: raise user.max_user_namespaces "
                         "and user.max_net_namespaces with sysctl");
    case EPERM:
    case EACCES:
        return error_set(err, code,
                         "make a user namespace: this system denies it to ordinary users: see "
                         "`sallyport doctor` (kernel.unprivileged_userns_clone, AppArmor)");
    case EINVAL:
    case ENOSYS:
        return error_set(err, code, "make a namespace: the kernel was built without that kind");
    default:
        return error_set(err, code, "make a namespace");
    }
}

int isolate_userns_enter(int flags, struct error *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER | flags) != 0) {
        return unshare_failed(errno, err);
    }
    int rc = write_maps(0, uid, 0, gid);
    if (rc < 0) {
        /* AppArmor's restriction lets the call pass and takes the rights away afterwards. */
        return error_set(err, -rc,
                         "map ids in a user namespace: this system takes its rights away: see "
                         "`sallyport doctor`");
    }
    return 0;
}

/* The child of isolate_userns_make_empty: builds, reports 0 or an errno, waits to be looked at. */
static void empty_child(uid_t uid, gid_t gid, int report, int wait_fd)
{
    int code = 0;
    if (geteuid() == 0 && uid != 0) {
        code = -isolate_userns_become(uid, gid, NULL);
    } else if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
        code = errno;
    }
    if (code == 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        code = errno;
    }
    if (code == 0) {
        code = -write_maps(uid, uid, gid, gid);
    }
    char done = 0;
    if (write(report, &code, sizeof(code)) == (ssize_t)sizeof(code)) {
        while (read(wait_fd, &done, 1) < 0 && errno == EINTR) {
        }
    }
    _exit(0);
}

static int open_ns(pid_t pid, const char *kind, struct error *err)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : error_set(err, errno, "open %s", path);
}

int isolate_userns_make_empty(uid_t uid, gid_t gid, int *user_fd, int *net_fd, struct error *err)
{
    int up[2];
    int down[2];
    if (pipe2(up, O_CLOEXEC) != 0) {
        return error_set(err, errno, "make a pipe");
    }
    if (pipe2(down, O_CLOEXEC) != 0) {
        int code = errno;
        close(up[0]);
        close(up[1]);
        return error_set(err, code, "make a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(up[0]);
        close(down[1]);
        empty_child(uid, gid, up[1], down[0]);
    }
    int fork_code = errno;
    close(up[1]);
    close(down[0]);
    cleanup_close int report = up[0];
    cleanup_close int release = down[1];
    if (pid < 0) {
        return error_set(err, fork_code, "fork");
    }
    int rc = 0;
    int code = EIO;
    cleanup_close int user = -1;
    cleanup_close int net = -1;
    if (read(report, &code, sizeof(code)) != (ssize_t)sizeof(code) || code != 0) {
        rc = unshare_failed(code, err);
    } else {
        user = open_ns(pid, "user", err);
        net = user < 0 ? -1 : open_ns(pid, "net", err);
        rc = user < 0 ? user : net < 0 ? net : 0;
    }
    close_fd(&release);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (rc < 0) {
        return rc;
    }
    *user_fd = steal_fd(&user);
    *net_fd = steal_fd(&net);
    return 0;
}

/* The one id that the caller's namespace maps, from /proc/self/uid_map or gid_map. */
static int mapped_id(const char *path, unsigned *id)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[128];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0) {
        return n < 0 ? -errno : -ESRCH;
    }
    text[n] = '\0';
    return sscanf(text, "%u", id) == 1 ? 0 : -EINVAL;
}

int isolate_userns_join(int user_fd, int net_fd, struct error *err)
{
    if (geteuid() == 0 && setgroups(0, NULL) != 0) {
        return error_set(err, errno, "drop supplementary groups");
    }
    if (setns(user_fd, CLONE_NEWUSER) != 0) {
        return error_set(err, errno, "enter the shared user namespace");
    }
    if (setns(net_fd, CLONE_NEWNET) != 0) {
        return error_set(err, errno, "enter the shared network namespace");
    }
    unsigned uid = 0;
    unsigned gid = 0;
    int rc = mapped_id("/proc/self/uid_map", &uid);
    if (rc == 0) {
        rc = mapped_id("/proc/self/gid_map", &gid);
    }
    if (rc < 0) {
        return error_set(err, -rc, "read the ids of the shared user namespace");
    }
    if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        return error_set(err, errno, "become uid %u of the shared user namespace", uid);
    }
    rc = isolate_userns_drop_capabilities(err);
    if (rc < 0) {
        return rc;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_set(err, errno, "set no_new_privs");
    }
    return 0;
}

int isolate_userns_become(uid_t uid, gid_t gid, struct error *err)
{
    if (setgroups(0, NULL) != 0) {
        return error_set(err, errno, "drop supplementary groups");
    }
    if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        return error_set(err, errno, "become uid %u", uid);
    }
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
        return error_set(err, errno, "become dumpable");
    }
    return 0;
}

int isolate_userns_drop_capabilities(struct error *err)
{
    /* The bounding set first: dropping from it takes a capability. Without it nothing can come
     * back from there either, so EPERM is no failure. */
    for (unsigned long cap = 0; cap <= 63; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) {
            if (errno == EINVAL || errno == EPERM) {
                break;
            }
            return error_set(err, errno, "drop capability %lu", cap);
        }
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) {
        return error_set(err, errno, "clear ambient capabilities");
    }
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof(none));
    if (syscall(SYS_capset, &head, none) != 0) {
        return error_set(err, errno, "drop capabilities");
    }
    return 0;
}
