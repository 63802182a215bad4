#include "launcher/view.h"

#include "base/cleanup.h"
#include "config/paths.h"
#include "isolate/mounts.h"
#include "launcher/etc.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT_CACHE    "/var/cache/sallyport"
#define STAGE_BYTES   (64ull * 1024 * 1024)
#define UID_BY_ITSELF 2000000000u /* of an instance started by root whose spec names none */

static int cache_folder(struct user *u, struct error *err)
{
    struct stat st;
    if (u->by_root) {
        snprintf(u->cache, sizeof(u->cache), ROOT_CACHE);
        if (mkdir(u->cache, 0755) != 0 && errno != EEXIST) {
            return error_set(err, errno, "make the cache folder %s", u->cache);
        }
    } else {
        cleanup_free char *path = NULL;
        int rc = paths_cache_dir(&path, err);
        if (rc == 0 && snprintf(u->cache, sizeof(u->cache), "%s", path) >= (int)sizeof(u->cache)) {
            rc = error_set(err, ENAMETOOLONG, "cache folder %s", path);
        }
        if (rc == 0) {
            rc = paths_make_dir(u->cache, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    if (lstat(u->cache, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return error_set(err, 0, "cache folder %s: not a folder that only we can write: remove it",
                         u->cache);
    }
    return 0;
}

int view_user(const struct spec *spec, struct user *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    const struct passwd *pw = getpwuid(getuid());
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/' || home[1] == '\0') {
        home = pw != NULL && pw->pw_dir[0] == '/' && pw->pw_dir[1] != '\0' ? pw->pw_dir : "";
    }
    if (strlen(home) >= sizeof(out->home) || strpbrk(home, ":\n") != NULL) {
        return error_set(err, 0, "HOME is not a usable path: set it to your home folder");
    }
    snprintf(out->host_home, sizeof(out->host_home), "%s", home);
    out->by_root = getuid() == 0;
    if (out->by_root) {
        out->uid = spec->uid != 0 ? spec->uid : UID_BY_ITSELF + (uid_t)getpid();
        out->gid = spec->gid != 0 ? spec->gid : out->uid;
    } else {
        out->uid = getuid();
        out->gid = getgid();
    }
    const bool named = !out->by_root && pw != NULL && strpbrk(pw->pw_name, ":\n") == NULL;
    snprintf(out->name, sizeof(out->name), "%s", named ? pw->pw_name : "sandbox");
    snprintf(out->home, sizeof(out->home), "%s",
             out->by_root || home[0] == '\0' ? "/home/sandbox" : home);
    return cache_folder(out, err);
}

static int mount_stage(struct view *v, struct error *err)
{
    if (asprintf(&v->stage, "%s/mnt", v->user.cache) < 0) {
        v->stage = NULL;
        return error_set(err, ENOMEM, "stage files");
    }
    if (mkdir(v->stage, 0755) != 0 && errno != EEXIST) {
        return error_set(err, errno, "stage files: make %s", v->stage);
    }
    int rc = isolate_mounts_tmpfs(v->stage, STAGE_BYTES, &v->stage_fd, err);
    if (rc < 0) {
        return rc;
    }
    if (mkdirat(v->stage_fd, "in", 0755) != 0 ||
        (v->in_fd = openat(v->stage_fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        return error_set(err, errno, "stage files: make a folder");
    }
    return 0;
}

static int attach_bind(struct view *v, size_t i, int tree, struct error *err)
{
    struct bind *b = &v->binds.items[i];
    char name[32];
    snprintf(name, sizeof(name), "bind-%zu", i);
    if (S_ISDIR(b->st.st_mode)) {
        if (mkdirat(v->stage_fd, name, 0755) != 0) {
            return error_set(err, errno, "stage a bind");
        }
    } else {
        cleanup_close int made =
            openat(v->stage_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
        if (made < 0) {
            return error_set(err, errno, "stage a bind");
        }
    }
    cleanup_close int target = openat(v->stage_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0) {
        return error_set(err, errno, "stage a bind");
    }
    int rc = isolate_mounts_attach(tree, target, err);
    if (rc == 0) {
        b->tree = openat(v->stage_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        rc = b->tree >= 0 ? 0 : error_set(err, errno, "stage a bind");
    }
    return rc;
}

/* As root: the owner's files become the sandbox's. Where the file system refuses, the sandbox
 * becomes the owner, unless that is root. */
static int clone_for_root(struct view *v, struct bind *b, int *tree, struct error *err)
{
    const struct isolate_idmap map = {.from_uid = b->st.st_uid,
                                      .from_gid = b->st.st_gid,
                                      .to_uid = v->user.uid,
                                      .to_gid = v->user.gid};
    struct isolate_clone how = {.readonly = b->readonly, .map = &map};
    if (isolate_mounts_clone(b->fd, &how, tree, err) == 0) {
        v->id_mapped = true;
        return 0;
    }
    how = (struct isolate_clone){.readonly = b->readonly, .recursive = b->readonly};
    if (!b->readonly && b->st.st_uid == 0) {
        return error_set(err, 0,
                         "bind %s: it belongs to root and its file system cannot be id-mapped, so "
                         "no sandbox may write there: give it another owner, or --bind %s:%s:ro",
                         b->real, b->real, b->dst);
    }
    if (!b->readonly && b->st.st_uid != v->user.uid) {
        for (size_t i = 0; i < v->binds.count; i++) {
            if (v->binds.items[i].tree >= 0 && !v->binds.items[i].readonly) {
                return error_set(err, 0,
                                 "bind %s: its file system cannot be id-mapped, and another bind "
                                 "was given to another user: --bind %s:%s:ro",
                                 b->real, b->real, b->dst);
            }
        }
        v->user.uid = b->st.st_uid;
        v->user.gid = b->st.st_gid;
    }
    return isolate_mounts_clone(b->fd, &how, tree, err);
}

static int clone_binds(struct view *v, struct error *err)
{
    for (size_t i = 0; i < v->binds.count; i++) {
        struct bind *b = &v->binds.items[i];
        const struct isolate_clone how = {.readonly = b->readonly, .recursive = true};
        cleanup_close int tree = -1;
        int rc = v->user.by_root ? clone_for_root(v, b, &tree, err)
                                 : isolate_mounts_clone(b->fd, &how, &tree, err);
        if (rc < 0) {
            return v->user.by_root ? rc : error_prefix(err, "bind %s", b->real);
        }
        rc = attach_bind(v, i, tree, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int protect_binds(struct view *v, struct error *err)
{
    cleanup_close int made =
        openat(v->stage_fd, "empty", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    cleanup_close int empty = openat(v->stage_fd, "empty", O_PATH | O_CLOEXEC);
    if (made < 0 || empty < 0) {
        return error_set(err, errno, "stage files: make an empty one");
    }
    int rc = protect_collect(v->spec, &v->binds, &v->protect, err);
    return rc < 0 ? rc : protect_apply(&v->protect, empty, err);
}

int view_open(struct view *v, const struct spec *spec, const struct user *user, struct error *err)
{
    memset(v, 0, sizeof(*v));
    v->stage_fd = v->in_fd = -1;
    v->spec = spec;
    v->user = *user;
    int rc = etc_stage(v->user.cache, &v->etc, err);
    if (rc == 0) {
        rc = binds_open(spec, &v->user, &v->binds, err);
    }
    if (rc == 0) {
        rc = mount_stage(v, err);
    }
    if (rc == 0) {
        rc = clone_binds(v, err);
    }
    if (rc == 0) {
        rc = protect_binds(v, err);
    }
    /* The folder goes to whoever the sandbox has become. */
    if (rc == 0 && v->user.by_root && fchown(v->in_fd, v->user.uid, v->user.gid) != 0) {
        rc = error_set(err, errno, "stage files: give the folder away");
    }
    return rc;
}

void view_close(struct view *v)
{
    if (v->spec == NULL) {
        return;
    }
    close_fd(&v->stage_fd);
    close_fd(&v->in_fd);
    binds_free(&v->binds);
    protect_free(&v->protect);
    buf_free(&v->system_pem);
    buf_free(&v->system_der);
    free(v->etc);
    free(v->stage);
}
