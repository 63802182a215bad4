/*
 * protect_collect: which paths of the binds are protected. Roots are listed, trees never walked.
 */
#include "launcher/protect.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GLOB_DEPTH_MAX 32

#define GLOB_LOOKS_MAX 200000 /* entries that all --mask patterns together may look at */

struct collect {
    int looks;
    const struct spec *spec;
    struct binds *binds;
    struct protect *out;
    struct error *err;
};

static int add(struct collect *c, struct bind *bind, const char *rel, enum protect_kind kind)
{
    struct protect *p = c->out;
    if (rel[0] == '\0' || (kind == PROTECT_READONLY && bind->readonly)) {
        return 0;
    }
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].bind == bind && strcmp(p->items[i].rel, rel) == 0) {
            if (kind == PROTECT_MASK) {
                p->items[i].kind = kind; /* the stronger one */
            }
            return 0;
        }
    }
    if (p->count >= PROTECT_MAX) {
        return error_set(c->err, 0,
                         "binds: more than %u masked or read-only paths: use narrower "
                         "--mask patterns",
                         PROTECT_MAX);
    }
    if ((p->count & (p->count - 1)) == 0) { /* grows at powers of two */
        size_t cap = p->count == 0 ? 16 : p->count * 2;
        struct protect_item *grown = reallocarray(p->items, cap, sizeof(*grown));
        if (grown == NULL) {
            return error_set(c->err, ENOMEM, "binds");
        }
        p->items = grown;
    }
    char *copy = strdup(rel);
    if (copy == NULL) {
        return error_set(c->err, ENOMEM, "binds");
    }
    p->items[p->count++] = (struct protect_item){.bind = bind, .rel = copy, .kind = kind};
    return 0;
}

/* A host path, in every bind that shows it. */
static int add_path(struct collect *c, const char *path, enum protect_kind kind)
{
    char real[PATH_MAX];
    struct stat st;
    if (realpath(path, real) == NULL || stat(real, &st) != 0) {
        return 0; /* what is not there now is not taken up later */
    }
    for (size_t i = 0; i < c->binds->count; i++) {
        struct bind *bind = &c->binds->items[i];
        const char *rel = binds_below(bind, real);
        const char *link = strcmp(path, real) != 0 ? binds_below(bind, path) : NULL;
        if (kind == PROTECT_READONLY && link != NULL && !bind->readonly) {
            return error_set(
                c->err, 0,
                "%s: reached over a symbolic link that the sandbox could replace: name "
                "its real path %s",
                path, real);
        }
        if (rel == NULL || (kind == PROTECT_MASK && S_ISDIR(st.st_mode))) {
            continue;
        }
        int rc = add(c, bind, rel, kind);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int add_mask(struct collect *c, struct bind *bind, const char *rel)
{
    char path[PATH_MAX];
    struct stat st;
    if (fstatat(bind->fd, rel, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(st.st_mode)) {
        return 0;
    }
    if (!S_ISLNK(st.st_mode)) {
        return add(c, bind, rel, PROTECT_MASK);
    }
    /* What a link leads to is masked where it is; the link itself shows nothing. */
    if (snprintf(path, sizeof(path), "%s/%s", bind->real, rel) >= (int)sizeof(path)) {
        return 0;
    }
    return add_path(c, path, PROTECT_MASK);
}

static bool masked_name(const char *name)
{
    static const char *const names[] = {
        ".dev.vars",    ".dev.vars.*",          ".env*", "docker.sock", "*.sock",
        "S.gpg-agent*", "fsmonitor--daemon.ipc"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (fnmatch(names[i], name, 0) == 0) {
            return true;
        }
    }
    return false;
}

/* One folder of a bind, listed: by name when it is the root, and every socket. */
static int scan_folder(struct collect *c, struct bind *bind, const char *rel)
{
    int fd = openat(bind->fd, rel, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int code = errno;
        close_fd(&fd);
        return code == ENOENT || code == ENOTDIR || code == ELOOP
                   ? 0
                   : error_set(c->err, code, "bind %s: list it", bind->real);
    }
    const bool root = strcmp(rel, ".") == 0;
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(dir)) != NULL;) {
        char below[PATH_MAX];
        if (e->d_type == DT_SOCK || (root && masked_name(e->d_name))) {
            snprintf(below, sizeof(below), "%s%s%s", root ? "" : rel, root ? "" : "/", e->d_name);
            rc = add_mask(c, bind, below);
        }
    }
    closedir(dir);
    return rc;
}

static bool is_lifted(const struct collect *c, const struct bind *bind, const char *rel)
{
    for (size_t i = 0; i < c->spec->writable.count; i++) {
        char real[PATH_MAX];
        const char *path = c->spec->writable.items[i];
        size_t len = strlen(bind->real);
        if (realpath(path, real) != NULL) {
            path = real;
        }
        if (strncmp(path, bind->real, len) == 0 && path[len] == '/' &&
            strcmp(path + len + 1, rel) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether the repository reads config.worktree beside its config. */
static bool has_worktree_config(const struct bind *bind, const char *git)
{
    char path[PATH_MAX];
    char text[64 * 1024];
    snprintf(path, sizeof(path), "%s/config", git);
    cleanup_close int fd = openat(bind->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    text[n > 0 ? n : 0] = '\0';
    return strcasestr(text, "worktreeconfig") != NULL;
}

/* What makes git run programs: outside, as the user. A repository that lacks one it would read is
 * read-only as a whole, else the sandbox could make it. commondir is none that it lacks in good
 * order: isolate/guard.h watches for that name. */
static int protect_git_dir(struct collect *c, struct bind *bind, const char *git)
{
    const struct {
        const char *name;
        bool needed;
    } files[] = {{"hooks", true},
                 {"config", true},
                 {"config.worktree", has_worktree_config(bind, git)},
                 {"commondir", false}};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char rel[PATH_MAX];
        struct stat st;
        snprintf(rel, sizeof(rel), "%s/%s", git, files[i].name);
        if (is_lifted(c, bind, rel) || is_lifted(c, bind, git)) {
            continue;
        }
        bool there = fstatat(bind->fd, rel, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode);
        if (!there && !files[i].needed) {
            continue;
        }
        int rc = add(c, bind, there ? rel : git, PROTECT_READONLY);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int protect_git(struct collect *c, struct bind *bind)
{
    struct stat st;
    if (fstatat(bind->fd, ".git", &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0;
    }
    if (!S_ISDIR(st.st_mode)) {
        /* A worktree's pointer to its repository, which lies elsewhere. */
        return is_lifted(c, bind, ".git") || S_ISLNK(st.st_mode)
                   ? 0
                   : add(c, bind, ".git", PROTECT_READONLY);
    }
    int rc = protect_git_dir(c, bind, ".git");
    if (rc == 0) {
        rc = scan_folder(c, bind, ".git");
    }
    int fd = openat(bind->fd, ".git/modules", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; rc == 0 && dir != NULL && (e = readdir(dir)) != NULL;) {
        char git[PATH_MAX];
        snprintf(git, sizeof(git), ".git/modules/%s/HEAD", e->d_name);
        if (e->d_name[0] != '.' && fstatat(bind->fd, git, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            git[strlen(git) - strlen("/HEAD")] = '\0';
            rc = protect_git_dir(c, bind, git);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return rc;
}

static int expand(struct collect *c, struct bind *bind, const char *rel, const char *pattern,
                  int depth);

/* One entry of the folder rel against the first component of pattern; rest is what follows it. */
static int expand_entry(struct collect *c, struct bind *bind, const char *rel, const char *name,
                        const char *pattern, int depth)
{
    char below[PATH_MAX];
    char component[NAME_MAX + 1];
    const size_t len = strcspn(pattern, "/");
    const char *rest = pattern + len + (pattern[len] == '/');
    snprintf(component, sizeof(component), "%.*s", (int)len, pattern);
    if (++c->looks > GLOB_LOOKS_MAX) {
        return error_set(c->err, 0, "--mask: %s: too many files to look at: use a narrower pattern",
                         pattern);
    }
    if (snprintf(below, sizeof(below), "%s%s%s", rel, rel[0] != '\0' ? "/" : "", name) >=
        (int)sizeof(below)) {
        return 0;
    }
    if (strcmp(component, "**") == 0) { /* any folder below, this one with it */
        return expand(c, bind, below, pattern, depth + 1);
    }
    if (fnmatch(component, name, component[0] == '.' ? 0 : FNM_PERIOD) != 0) {
        return 0;
    }
    if (*rest != '\0') {
        return expand(c, bind, below, rest, depth + 1);
    }
    struct stat st;
    if (strpbrk(component, "*?[") == NULL &&
        fstatat(bind->fd, below, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
        return error_set(c->err, 0,
                         "--mask: %s is a folder, and only files are masked: bind folders that "
                         "may be seen, or name its files, as %s/**/*",
                         below, below);
    }
    return add_mask(c, bind, below);
}

/* --mask: one component at a time, so that only folders which the pattern names are listed; a whole
 * component `**` stands for any number of folders. */
static int expand(struct collect *c, struct bind *bind, const char *rel, const char *pattern,
                  int depth)
{
    if (depth > GLOB_DEPTH_MAX) {
        return error_set(c->err, 0, "--mask: folders deeper than %d: use a narrower pattern",
                         GLOB_DEPTH_MAX);
    }
    int rc = 0;
    if (strncmp(pattern, "**/", 3) == 0) {
        rc = expand(c, bind, rel, pattern + 3, depth + 1);
    }
    int fd = openat(bind->fd, rel[0] != '\0' ? rel : ".",
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        close_fd(&fd);
        return rc;
    }
    for (struct dirent *e; rc == 0 && (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            rc = expand_entry(c, bind, rel, e->d_name, pattern, depth);
        }
    }
    closedir(dir);
    return rc;
}

/* Relative, no empty component, none longer than a name, and not all folders alone. */
static int check_pattern(const char *pattern, struct error *err)
{
    const size_t all = strlen(pattern);
    bool ok = all > 0 && pattern[all - 1] != '/' && strcmp(pattern, "**") != 0 &&
              (all < 3 || strcmp(pattern + all - 3, "/**") != 0);
    for (const char *at = pattern; ok && *at != '\0';) {
        const size_t len = strcspn(at, "/");
        ok = len > 0 && len <= NAME_MAX && strncmp(at, "./", len + 1) != 0 &&
             strncmp(at, "../", len + 1) != 0 && strcmp(at, ".") != 0 && strcmp(at, "..") != 0;
        at += len + (at[len] == '/');
    }
    return ok ? 0
              : error_set(err, 0, "--mask: %s: expected the path of files, relative to the bind",
                          pattern);
}

static int collect_bind(struct collect *c, struct bind *bind)
{
    if (!S_ISDIR(bind->st.st_mode)) {
        return 0;
    }
    int rc = scan_folder(c, bind, ".");
    if (rc == 0) {
        rc = protect_git(c, bind);
    }
    for (size_t i = 0; rc == 0 && i < c->spec->masks.count; i++) {
        rc = check_pattern(c->spec->masks.items[i], c->err);
        if (rc == 0) {
            rc = expand(c, bind, "", c->spec->masks.items[i], 0);
        }
    }
    return rc;
}

static int by_place(const void *a, const void *b)
{
    const struct protect_item *x = a;
    const struct protect_item *y = b;
    if (x->bind != y->bind) {
        return x->bind < y->bind ? -1 : 1;
    }
    return strcmp(x->rel, y->rel);
}

int protect_collect(const struct spec *spec, struct binds *binds, struct protect *out,
                    struct error *err)
{
    struct collect c = {.spec = spec, .binds = binds, .out = out, .err = err};
    int rc = 0;
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; rc == 0 && i < binds->count; i++) {
        rc = collect_bind(&c, &binds->items[i]);
    }
    for (size_t i = 0; rc == 0 && i < spec->masked.count; i++) {
        rc = add_path(&c, spec->masked.items[i], PROTECT_MASK);
    }
    for (size_t i = 0; rc == 0 && i < spec->readonly.count; i++) {
        rc = add_path(&c, spec->readonly.items[i], PROTECT_READONLY);
    }
    if (rc == 0 && out->count > 1) {
        qsort(out->items, out->count, sizeof(*out->items), by_place);
    }
    return rc;
}
