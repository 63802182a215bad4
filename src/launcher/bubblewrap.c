#include "launcher/bubblewrap.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "isolate/probe.h"
#include "isolate/fds.h"
#include "isolate/seccomp.h"
#include "launcher/env.h"
#include "launcher/etc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGS_MAX (4u * 1024u * 1024u)

#define RUN_SIZE "67108864"   /* 64 MiB */
#define SHM_SIZE "536870912"  /* 512 MiB */
#define TMP_SIZE "2147483648" /* 2 GiB, of memory and swap, as much as a build needs */

/* One option and its values, each with its NUL. */
static bool put(struct buf *args, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (!buf_append(args, *words, strlen(*words) + 1)) {
            return false;
        }
    }
    return true;
}
#define PUT(args, ...) put(args, (const char *const[]){__VA_ARGS__, NULL})

static bool put_system(struct buf *args)
{
    static const char *const folders[] = {"/bin",   "/sbin",   "/lib", "/lib32",
                                          "/lib64", "/libx32", "/opt"};
    bool ok = PUT(args, "--ro-bind", "/usr", "/usr");
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char target[256];
        struct stat st;
        if (lstat(folders[i], &st) != 0) {
            continue;
        }
        ssize_t n = S_ISLNK(st.st_mode) ? readlink(folders[i], target, sizeof(target) - 1) : -1;
        if (n > 0) {
            target[n] = '\0';
            ok = ok && PUT(args, "--symlink", target, folders[i]);
        } else {
            ok = ok && PUT(args, "--ro-bind", folders[i], folders[i]);
        }
    }
    return ok;
}

static bool put_view(struct buf *args, const struct view *v)
{
    char path[600];
    bool ok = put_system(args) && PUT(args, "--ro-bind", v->etc, "/etc") &&
              PUT(args, "--proc", "/proc", "--dev", "/dev") &&
              PUT(args, "--size", SHM_SIZE, "--perms", "1777", "--tmpfs", "/dev/shm") &&
              PUT(args, "--size", RUN_SIZE, "--tmpfs", "/run") &&
              PUT(args, "--size", TMP_SIZE, "--perms", "1777", "--tmpfs", "/tmp") &&
              PUT(args, "--size", TMP_SIZE, "--perms", "1777", "--tmpfs", "/var/tmp") &&
              PUT(args, "--symlink", "/run", "/var/run");
    if (v->spec->home == NULL) {
        ok = ok && PUT(args, "--size", TMP_SIZE, "--perms", "0700", "--tmpfs", v->user.home);
    }
    if (v->spec->workspace) {
        ok = ok && PUT(args, "--size", TMP_SIZE, "--perms", "0755", "--tmpfs", "/workspace");
    }
    for (size_t i = 0; i < v->binds.count; i++) {
        snprintf(path, sizeof(path), "%s/bind-%zu", v->stage, i);
        ok = ok && PUT(args, v->binds.items[i].readonly ? "--ro-bind" : "--bind", path,
                       v->binds.items[i].dst);
    }
    /* Last, so that no bind lies over it. */
    snprintf(path, sizeof(path), "%s/in", v->stage);
    ok = ok && PUT(args, "--ro-bind", path, ETC_INSTANCE_DIR);
    /* bubblewrap's own two have no size: nothing is to be written there. */
    return ok && PUT(args, "--remount-ro", "/dev", "--remount-ro", "/");
}

static bool put_environment(struct buf *args, const struct view *v)
{
    struct env env;
    bool ok = env_make(&env, v->spec, &v->user) && PUT(args, "--clearenv");
    for (size_t i = 0; ok && i < env.count; i++) {
        ok = PUT(args, "--setenv", env.items[i].name, env.items[i].value);
    }
    env_free(&env);
    return ok;
}

static bool put_all(struct buf *args, const struct bubblewrap *b, const struct view *v)
{
    char uid[16];
    char gid[16];
    char filter[16];
    char report[16];
    snprintf(uid, sizeof(uid), "%u", v->user.uid);
    snprintf(gid, sizeof(gid), "%u", v->user.gid);
    snprintf(filter, sizeof(filter), "%d", b->filter_fd);
    snprintf(report, sizeof(report), "%d", b->report_fd);
    /* Without --unshare-user the sandbox would own the network namespace. */
    return PUT(args, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
               "--unshare-cgroup-try", "--cap-drop", "ALL", "--die-with-parent", "--as-pid-1") &&
           PUT(args, "--uid", uid, "--gid", gid, "--hostname", v->spec->hostname) &&
           PUT(args, "--seccomp", filter, "--info-fd", report) && put_view(args, v) &&
           put_environment(args, v) && PUT(args, "--chdir", v->spec->cwd);
}

static int find_program(char **out, struct error *err)
{
    const char *place = isolate_bubblewrap();
    if (place == NULL) {
        return error_set(err, 0, "bubblewrap: not found: apt-get install bubblewrap");
    }
    *out = strdup(place);
    return *out != NULL ? 0 : error_set(err, ENOMEM, "bubblewrap");
}

int bubblewrap_prepare(struct bubblewrap *b, const struct view *v, int report_fd, struct error *err)
{
    struct buf args;
    *b = (struct bubblewrap){.args_fd = -1, .filter_fd = -1, .report_fd = report_fd};
    int rc = find_program(&b->program, err);
    if (rc == 0) {
        rc = isolate_seccomp_sandbox_fd(v->id_mapped, &b->filter_fd, err);
    }
    if (rc < 0) {
        return rc;
    }
    b->args_fd = memfd_create("arguments", MFD_CLOEXEC);
    if (b->args_fd < 0) {
        return error_set(err, errno, "bubblewrap: make its arguments");
    }
    buf_init(&args, ARGS_MAX);
    struct span all = {0};
    if (put_all(&args, b, v)) {
        all = buf_span(&args);
    }
    if (all.len == 0 || write(b->args_fd, all.ptr, all.len) != (ssize_t)all.len ||
        lseek(b->args_fd, 0, SEEK_SET) != 0) {
        rc = error_set(err, all.len == 0 ? E2BIG : errno, "bubblewrap: write its arguments");
    }
    buf_free(&args);
    return rc;
}

static int keep(int fd)
{
    return fcntl(fd, F_SETFD, 0) == 0 ? 0 : -errno;
}

int bubblewrap_become(struct bubblewrap *b, int agent_fd, struct error *err)
{
    char args[16];
    char socket[16];
    char report[] = "2";
    char name[] = "bwrap";
    char option[] = "--args";
    char end[] = "--";
    char agent[] = ETC_INSTANCE_DIR "/agent";
    snprintf(args, sizeof(args), "%d", b->args_fd);
    snprintf(socket, sizeof(socket), "%d", agent_fd);
    char *const argv[] = {name, option, args, end, agent, socket, report, NULL};
    int rc = isolate_fds_cloexec_from(3, err);
    if (rc < 0) {
        return rc;
    }
    if (keep(b->args_fd) < 0 || keep(b->filter_fd) < 0 || keep(agent_fd) < 0 ||
        keep(b->report_fd) < 0 || dup2(b->report_fd, STDERR_FILENO) < 0) {
        return error_set(err, errno, "bubblewrap: hand over descriptors");
    }
    static char *const no_environment[] = {NULL};
    execve(b->program, argv, no_environment);
    return error_set(err, errno, "run %s", b->program);
}
