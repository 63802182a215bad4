#include "launcher/binds.h"

#include "base/cleanup.h"
#include "launcher/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define WAY_OUT "bind a folder that holds only the project"

/* Whether `path`, or a folder above it, is the very file that st is of: by identity, so that no
 * second name or mount of it gets by. */
static bool lies_in(const char *path, const struct stat *st)
{
    char at[PATH_MAX];
    if (snprintf(at, sizeof(at), "%s", path) >= (int)sizeof(at)) {
        return true;
    }
    for (;;) {
        struct stat here;
        if (stat(at, &here) == 0 && here.st_dev == st->st_dev && here.st_ino == st->st_ino) {
            return true;
        }
        char *slash = strrchr(at, '/');
        if (slash == NULL || strcmp(at, "/") == 0) {
            return false;
        }
        slash[slash == at ? 1 : 0] = '\0';
    }
}

static int check_home(const struct bind *b, const struct user *user, struct error *err)
{
    struct stat st;
    if (user->host_home[0] == '\0' || stat(user->host_home, &st) != 0 ||
        !lies_in(user->host_home, &b->st)) {
        return 0;
    }
    return error_set(err, 0, "bind %s: it is or holds your home folder: " WAY_OUT, b->real);
}

static int check_state(const struct bind *b, const char *state, struct error *err)
{
    struct stat st;
    if (stat(state, &st) != 0) {
        return 0;
    }
    if (lies_in(state, &b->st) || (S_ISDIR(st.st_mode) && lies_in(b->real, &st))) {
        return error_set(err, 0,
                         "bind %s: it holds Sallyport's own state or a secret (%s): " WAY_OUT,
                         b->real, state);
    }
    return 0;
}

static int check_kind(const struct bind *b, struct error *err)
{
    struct statfs fs;
    if (!S_ISDIR(b->st.st_mode) && !S_ISREG(b->st.st_mode)) {
        return error_set(err, 0,
                         "bind %s: not a folder or a regular file: sockets and devices stay "
                         "outside",
                         b->real);
    }
    if (fstatfs(b->fd, &fs) != 0) {
        return error_set(err, errno, "bind %s", b->real);
    }
    switch ((unsigned long)fs.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case DEVPTS_SUPER_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC:
    case NSFS_MAGIC:
        return error_set(err, 0, "bind %s: a file system of the kernel stays outside", b->real);
    default:
        return 0;
    }
}

static bool path_within(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* A destination may not cover what makes the sandbox one. */
static int check_dst(const struct bind *b, struct error *err)
{
    static const char *const ours[] = {"/proc", "/dev", "/etc", "/run/sallyport"};
    static const char *const whole[] = {"/",     "/run", "/usr",   "/bin",
                                        "/sbin", "/lib", "/lib64", "/var"};
    bool bad = strstr(b->dst, "/../") != NULL || strstr(b->dst, "//") != NULL ||
               strstr(b->dst, "/./") != NULL;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        bad = bad || path_within(b->dst, ours[i]);
    }
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        bad = bad || strcmp(b->dst, whole[i]) == 0;
    }
    return bad ? error_set(err, 0,
                           "bind %s: the sandbox needs %s for itself: choose another "
                           "destination",
                           b->real, b->dst)
               : 0;
}

static int check(const struct bind *b, const struct spec *spec, const struct user *user, bool home,
                 struct error *err)
{
    int rc = check_kind(b, err);
    if (rc == 0 && strcmp(b->real, "/") == 0) {
        rc = error_set(err, 0, "bind /: the whole host: " WAY_OUT);
    }
    if (rc == 0) {
        rc = check_home(b, user, err);
    }
    if (rc == 0) {
        rc = check_state(b, user->cache, err);
    }
    for (size_t i = 0; rc == 0 && i < spec->state_dirs.count; i++) {
        rc = check_state(b, spec->state_dirs.items[i], err);
    }
    return rc == 0 && !home ? check_dst(b, err) : rc;
}

static int open_bind(const char *src, const char *dst, bool readonly, struct bind *out,
                     struct error *err)
{
    char link[40];
    char real[PATH_MAX];
    out->tree = -1;
    out->readonly = readonly;
    out->fd = open(src, O_PATH | O_CLOEXEC);
    if (out->fd < 0 || fstat(out->fd, &out->st) != 0) {
        return error_set(err, errno, "bind %s", src);
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", out->fd);
    ssize_t n = readlink(link, real, sizeof(real) - 1);
    if (n <= 0 || real[0] != '/') {
        return error_set(err, n < 0 ? errno : 0, "bind %s: find its real path", src);
    }
    real[n] = '\0';
    out->real = strdup(real);
    out->dst = strdup(dst);
    return out->real != NULL && out->dst != NULL ? 0 : error_set(err, ENOMEM, "bind %s", src);
}

int binds_open(const struct spec *spec, const struct user *user, struct binds *out,
               struct error *err)
{
    const size_t count = spec->bind_count + (spec->home != NULL ? 1 : 0);
    out->count = 0;
    out->items = calloc(count + 1, sizeof(*out->items));
    if (out->items == NULL) {
        return error_set(err, ENOMEM, "binds");
    }
    /* The home folder first: binds may lie below it. */
    for (size_t i = 0; i < count; i++) {
        const bool home = spec->home != NULL && i == 0;
        const struct spec_bind *b = home ? NULL : &spec->binds[i - (spec->home != NULL ? 1 : 0)];
        struct bind *item = &out->items[out->count++];
        item->fd = -1;
        int rc = open_bind(home ? spec->home : b->src, home ? user->home : b->dst,
                           home ? false : b->readonly, item, err);
        if (rc == 0) {
            rc = check(item, spec, user, home, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

void binds_free(struct binds *b)
{
    for (size_t i = 0; i < b->count; i++) {
        close_fd(&b->items[i].fd);
        close_fd(&b->items[i].tree);
        free(b->items[i].real);
        free(b->items[i].dst);
    }
    free(b->items);
    memset(b, 0, sizeof(*b));
}

const char *binds_below(const struct bind *b, const char *path)
{
    size_t len = strlen(b->real);
    return path_within(path, b->real) ? path + len + (path[len] == '/') : NULL;
}
