/*
 * watch_tree: from what inotify says to events with paths. inotify watches single folders: one that
 * appears is watched first and listed then, so that nothing in it is missed (what is made between
 * the two is told twice). A folder that moves keeps its watch: where it stands now is what the
 * watch descriptor of its new path says.
 */
#include "agent/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS      (IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_EXCL_UNLINK)
#define ROOT_EVENTS (EVENTS | IN_DELETE_SELF | IN_MOVE_SELF)
#define CHUNK       (64u * 1024u)

static _Noreturn void fail(struct watch *w, int code)
{
    char many[80];
    snprintf(many, sizeof many, "too many folders: at most %u are watched at once: exclude some",
             FOLDERS_MAX);
    watch_end(w, "error",
              code == EMFILE   ? many
              : code == ENOSPC ? "no watch is left: raise fs.inotify.max_user_watches"
                               : strerror(code));
}

/* The folder as it was known until now, or a new one that waits to be listed. NULL: errno. */
static struct folder *add(struct watch *w, int parent, const char *name, const char *path)
{
    const uint32_t mask =
        parent == FOLDER_ROOT ? ROOT_EVENTS : EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW;
    const int wd = inotify_add_watch(w->fd, path, mask);
    if (wd < 0) {
        return NULL;
    }
    struct folder *at = folders_find(&w->folders, wd);
    if (at != NULL) {
        return at->parent == FOLDER_ROOT || folders_place(&w->folders, at, parent, name) ? at
                                                                                         : NULL;
    }
    at = folders_add(&w->folders, wd, parent, name);
    if (at != NULL) {
        list_append(&w->todo, &at->todo);
    }
    return at;
}

/* A folder below the root. One that is gone again, or closed to us, is none. */
static struct folder *add_below(struct watch *w, int parent, const char *name, const char *path)
{
    if (!watch_enters(w, path)) {
        return NULL;
    }
    struct folder *at = add(w, parent, name, path);
    if (at == NULL && (errno == ENOSPC || errno == ENOMEM || errno == EMFILE)) {
        fail(w, errno);
    }
    return at;
}

static bool is_folder(DIR *dir, const struct dirent *d)
{
    struct stat st;
    return d->d_type == DT_DIR ||
           (d->d_type == DT_UNKNOWN &&
            fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
}

static void list_folder(struct watch *w, struct folder *at)
{
    char path[PATH_MAX];
    const int flags = at->parent == FOLDER_ROOT ? 0 : O_NOFOLLOW;
    if (folders_path(&w->folders, at, "", path) < 0) {
        return;
    }
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    for (const struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) {
            continue;
        }
        if (folders_path(&w->folders, at, d->d_name, path) < 0) {
            fail(w, ENAMETOOLONG);
        }
        const bool folder = is_folder(dir, d);
        if (at->tell) {
            watch_tell(w, "create", path, folder);
        }
        struct folder *below =
            folder && w->recursive ? add_below(w, at->wd, d->d_name, path) : NULL;
        if (below != NULL && at->tell && !list_empty(&below->todo)) {
            below->tell = true;
            below->listed = true;
        }
    }
    closedir(dir);
}

static void list_all(struct watch *w)
{
    while (!list_empty(&w->todo)) {
        struct folder *at = LIST_ENTRY(w->todo.next, struct folder, todo);
        list_remove(&at->todo);
        list_folder(w, at);
    }
}

int watch_open(struct watch *w)
{
    struct stat st;
    folders_init(&w->folders);
    list_init(&w->todo);
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (w->fd < 0 || stat(w->root, &st) != 0 || add(w, FOLDER_ROOT, w->root, w->root) == NULL) {
        return -errno;
    }
    w->recursive = w->recursive && S_ISDIR(st.st_mode);
    if (!w->recursive) {
        struct folder *root = folders_next(&w->folders, NULL);
        list_remove(&root->todo);
    }
    list_all(w);
    return 0;
}

/* Whether it is news: the listing of its parent may have told of it before inotify did. What is in
 * it waits to be listed. */
static bool folder_came(struct watch *w, const struct folder *in, const char *name,
                        const char *path, bool made)
{
    struct folder *at = w->recursive ? add_below(w, in->wd, name, path) : NULL;
    if (at == NULL) {
        return true;
    }
    at->tell = at->tell || !list_empty(&at->todo);
    const bool told = made && at->listed;
    at->listed = false;
    return !told;
}

static void folder_left(struct watch *w, const struct folder *in, const char *name)
{
    struct folder *at = w->recursive ? folders_child(&w->folders, in->wd, name) : NULL;
    if (at != NULL) {
        folders_detach(&w->folders, at);
    }
}

static void handle_entry(struct watch *w, struct folder *in, const struct inotify_event *e)
{
    static const struct {
        uint32_t bit;
        const char *event;
    } kinds[] = {{IN_CREATE, "create"},
                 {IN_MODIFY, "modify"},
                 {IN_DELETE, "delete"},
                 {IN_MOVED_FROM, "move_from"},
                 {IN_MOVED_TO, "move_to"}};
    char path[PATH_MAX];
    const char *name = e->len > 0 ? e->name : "";
    const bool folder = (e->mask & IN_ISDIR) != 0;
    const int rc = folders_path(&w->folders, in, name, path);
    bool news = rc == 0;
    if (rc == -ENAMETOOLONG) {
        fail(w, ENAMETOOLONG);
    }
    if (news && folder && (e->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
        news = folder_came(w, in, name, path, (e->mask & IN_CREATE) != 0);
    }
    for (size_t i = 0; news && i < sizeof kinds / sizeof *kinds; i++) {
        if ((e->mask & kinds[i].bit) != 0) {
            watch_tell(w, kinds[i].event, path, folder);
        }
    }
    if (folder && (e->mask & IN_MOVED_FROM) != 0) {
        folder_left(w, in, name);
    }
    list_all(w);
}

static void handle(struct watch *w, const struct inotify_event *e)
{
    if ((e->mask & IN_Q_OVERFLOW) != 0) {
        watch_end(w, "error",
                  "events were lost: there were more than were read in time: "
                  "look at what is there, and watch again");
    }
    struct folder *at = folders_find(&w->folders, e->wd);
    if (at == NULL) {
        return;
    }
    const bool root = at->parent == FOLDER_ROOT;
    if (root && (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0) {
        watch_end(w, "stopped", "what was watched is gone");
    }
    if ((e->mask & IN_IGNORED) != 0) {
        folders_drop(&w->folders, at);
        return;
    }
    handle_entry(w, at, e);
}

void watch_read(struct watch *w)
{
    static union {
        struct inotify_event align;
        char bytes[CHUNK];
    } in;
    int there = 0;
    if (ioctl(w->fd, FIONREAD, &there) != 0) {
        fail(w, errno);
    }
    while (there > 0) {
        const ssize_t n = read(w->fd, in.bytes, sizeof in.bytes);
        if (n < 0 && errno != EINTR) {
            return;
        }
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const void *)(in.bytes + at);
            at += (ssize_t)(sizeof *e + e->len);
            handle(w, e);
        }
        there -= n > 0 ? (int)n : 0;
    }
}

void watch_forget_lost(struct watch *w)
{
    char path[PATH_MAX];
    struct folder *next;
    for (struct folder *at = folders_next(&w->folders, NULL); at != NULL; at = next) {
        next = folders_next(&w->folders, at);
        if (folders_path(&w->folders, at, "", path) == -ENOENT) {
            inotify_rm_watch(w->fd, at->wd);
            folders_drop(&w->folders, at);
        }
    }
}
