#include "agent/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES (16u * 1024u)

struct level {
    DIR *dir;
    size_t path_len; /* of the folder's own path */
};

struct walk {
    tree_fn fn;
    void *arg;
    const char *root;
    struct level levels[TREE_DEPTH_MAX];
    size_t depth;
    char path[PATH_BYTES]; /* from the root on */
};

static int folder_of(const struct walk *w, size_t depth)
{
    return depth > 0 ? dirfd(w->levels[depth - 1].dir) : AT_FDCWD;
}

/* Of the folder at the top: its name in the one that it stands in. */
static const char *name_of(const struct walk *w)
{
    if (w->depth <= 1) {
        return w->root;
    }
    const size_t above = w->levels[w->depth - 2].path_len;
    return w->path + above + (above > 0);
}

static int enter(struct walk *w, int parent, const char *name, int flags)
{
    if (w->depth == TREE_DEPTH_MAX) {
        return -ENAMETOOLONG;
    }
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        const int code = errno;
        if (fd >= 0) {
            close(fd);
        }
        return -code;
    }
    w->levels[w->depth++] = (struct level){dir, strlen(w->path)};
    return 0;
}

static int leave(struct walk *w)
{
    struct level *top = &w->levels[w->depth - 1];
    w->path[top->path_len] = '\0';
    struct tree_entry e = {.name = name_of(w), .path = w->path, .leaving = true};
    int rc = fstat(dirfd(top->dir), &e.st) == 0 ? 0 : -errno;
    closedir(top->dir);
    w->depth--;
    e.dir = folder_of(w, w->depth);
    return rc < 0 ? rc : w->fn(w->arg, &e);
}

static bool join(struct walk *w, size_t at, const char *name)
{
    const size_t len = strlen(name);
    if (at + len + 2 > sizeof w->path) {
        return false;
    }
    if (at > 0) {
        w->path[at++] = '/';
    }
    memcpy(w->path + at, name, len + 1);
    return true;
}

static int visit(struct walk *w, const char *name)
{
    const size_t at = w->levels[w->depth - 1].path_len;
    if (!join(w, at, name)) {
        return -ENAMETOOLONG;
    }
    struct tree_entry e = {.dir = folder_of(w, w->depth), .name = name, .path = w->path};
    if (fstatat(e.dir, name, &e.st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : -errno; /* somebody was faster */
    }
    const int rc = w->fn(w->arg, &e);
    if (rc != 0 || !S_ISDIR(e.st.st_mode)) {
        return rc < 0 ? rc : 0;
    }
    const int entered = enter(w, e.dir, name, O_NOFOLLOW);
    return entered == -ENOENT ? 0 : entered;
}

static int walk(struct walk *w)
{
    int rc = 0;
    while (rc >= 0 && w->depth > 0) {
        errno = 0;
        const struct dirent *d = readdir(w->levels[w->depth - 1].dir);
        if (d == NULL) {
            rc = errno != 0 ? -errno : leave(w);
        } else if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0) {
            rc = visit(w, d->d_name);
        }
    }
    while (w->depth > 0) {
        closedir(w->levels[--w->depth].dir);
    }
    return rc < 0 ? rc : 0;
}

int tree_walk(const char *root, bool follow_root, tree_fn fn, void *arg)
{
    struct tree_entry e = {.dir = AT_FDCWD, .name = root, .path = ""};
    struct walk *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return -ENOMEM;
    }
    *w = (struct walk){.fn = fn, .arg = arg, .root = root};
    int rc =
        fstatat(AT_FDCWD, root, &e.st, follow_root ? 0 : AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
    if (rc == 0) {
        rc = fn(arg, &e);
    }
    if (rc == 0 && (S_ISDIR(e.st.st_mode) || follow_root)) {
        rc = enter(w, AT_FDCWD, root, follow_root ? 0 : O_NOFOLLOW);
        rc = rc < 0 ? rc : walk(w);
    }
    free(w);
    return rc < 0 ? rc : 0;
}
