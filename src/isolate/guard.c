#include "isolate/guard.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "commondir"

struct folder {
    int fd; /* O_PATH: whatever its name leads to later */
    int watch;
    char *path;
};

struct isolate_guard {
    int fd;
    struct loop_watch *watch;
    isolate_guard_fn fn;
    void *arg;
    size_t count;
    struct folder folders[ISOLATE_GUARD_FOLDERS_MAX];
};

static void remove_name(struct isolate_guard *g, const struct folder *f)
{
    char why[PATH_MAX + 256];
    if (unlinkat(f->fd, NAME, 0) == 0) {
        snprintf(why, sizeof(why),
                 "%s/" NAME ": the sandbox made it, to have git run programs outside: removed, and "
                 "the sandbox ended",
                 f->path);
    } else if (errno != ENOENT) {
        snprintf(why, sizeof(why),
                 "%s/" NAME ": the sandbox made it and it cannot be removed: %s: remove it before "
                 "git is used there",
                 f->path, strerror(errno));
    } else {
        return;
    }
    g->fn(g->arg, why);
}

/* Events only say that it is time to look. */
static void on_change(void *arg, unsigned events)
{
    struct isolate_guard *g = arg;
    char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool look = (events & LOOP_WRITE) != 0;
    ssize_t n = read(g->fd, bytes, sizeof(bytes));
    for (ssize_t at = 0; n > 0 && at < n;) {
        const struct inotify_event *e = (const void *)(bytes + at);
        look = look || (e->mask & IN_Q_OVERFLOW) != 0 || (e->len > 0 && strcmp(e->name, NAME) == 0);
        at += (ssize_t)(sizeof(*e) + e->len);
    }
    for (size_t i = 0; look && i < g->count; i++) {
        remove_name(g, &g->folders[i]);
    }
}

/* One git folder. One that has the name already is somebody's worktree: not ours to judge. */
static int add(struct isolate_guard *g, const char *path, struct error *err)
{
    char link[40];
    struct stat st;
    if (g->count == ISOLATE_GUARD_FOLDERS_MAX) {
        return error_set(err, 0, "guard %s: more than %u repositories in the binds", path,
                         ISOLATE_GUARD_FOLDERS_MAX);
    }
    struct folder *f = &g->folders[g->count];
    f->fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (f->fd < 0) {
        return errno == ENOENT || errno == ENOTDIR ? 0 : error_set(err, errno, "guard %s", path);
    }
    if (fstatat(f->fd, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        close_fd(&f->fd);
        return 0;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
    f->watch = inotify_add_watch(g->fd, link, IN_CREATE | IN_MOVED_TO);
    f->path = f->watch >= 0 ? strdup(path) : NULL;
    if (f->path == NULL) {
        int code = f->watch < 0 ? errno : ENOMEM;
        close_fd(&f->fd);
        return error_set(err, code, "guard %s: watch it (fs.inotify.max_user_watches)", path);
    }
    g->count++;
    return 0;
}

static int add_root(struct isolate_guard *g, const char *root, struct error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/.git", root) >= (int)sizeof(path)) {
        return error_set(err, ENAMETOOLONG, "guard %s", root);
    }
    int rc = add(g, path, err);
    if (snprintf(path, sizeof(path), "%s/.git/modules", root) >= (int)sizeof(path)) {
        return error_set(err, ENAMETOOLONG, "guard %s", root);
    }
    DIR *dir = rc == 0 ? opendir(path) : NULL;
    for (struct dirent *e; rc == 0 && dir != NULL && (e = readdir(dir)) != NULL;) {
        char module[PATH_MAX];
        if (e->d_name[0] != '.' &&
            snprintf(module, sizeof(module), "%s/%s", path, e->d_name) < (int)sizeof(module)) {
            rc = add(g, module, err);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return rc;
}

static void guard_free(struct isolate_guard *g)
{
    loop_watch_cancel(g->watch);
    for (size_t i = 0; i < g->count; i++) {
        close_fd(&g->folders[i].fd);
        free(g->folders[i].path);
    }
    close_fd(&g->fd);
    free(g);
}

int isolate_guard_start(struct loop *loop, const char *const *roots, size_t count,
                        isolate_guard_fn fn, void *arg, struct isolate_guard **out,
                        struct error *err)
{
    *out = NULL;
    struct isolate_guard *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        return error_set(err, ENOMEM, "guard");
    }
    g->fn = fn;
    g->arg = arg;
    g->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int rc = g->fd >= 0 ? 0
                        : error_set(err, errno,
                                    "guard: raise fs.inotify.max_user_instances with "
                                    "sysctl");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = add_root(g, roots[i], err);
    }
    if (rc == 0 && g->count > 0) {
        rc = loop_watch_start(loop, g->fd, LOOP_READ, on_change, g, &g->watch, err);
    }
    if (rc < 0 || g->count == 0) {
        guard_free(g);
        return rc;
    }
    *out = g;
    return 0;
}

void isolate_guard_stop(struct isolate_guard *g)
{
    if (g == NULL) {
        return;
    }
    for (size_t i = 0; i < g->count; i++) {
        remove_name(g, &g->folders[i]);
    }
    guard_free(g);
}
