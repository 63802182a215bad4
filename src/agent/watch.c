/*
 * watch: what changes in a folder, or of a file, one JSON line an event, until nobody listens.
 *
 * The kernel watches single folders, so a tree is watched folder by folder, and one that comes
 * later when it comes: what it holds by then is told of as created, once more rather than never.
 * A folder that moves away takes its watches along: they are given back, and made anew where it
 * arrives; what it holds is told of unless it was watched before. What the kernel had to drop ends
 * the watch, with EOVERFLOW: nothing is lost in silence.
 */
#include "agent/files.h"
#include "agent/json.h"
#include "agent/tree.h"
#include "base/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#define PLACES_MAX (1024u * 1024u) /* folders that one watch sees in its whole life */
#define LINE_BYTES (64u * 1024u)   /* of one event: a path of 16 KiB at most, escaped */
#define PATH_BYTES (16u * 1024u)
#define EVENTS                                                                                     \
    (IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |            \
     IN_MOVE_SELF | IN_EXCL_UNLINK)

struct watch {
    int fd;
    const char *root;
    char **skip; /* names of folders that are not gone into; the last is NULL */
    bool recursive;
    bool tells;     /* of what an added folder holds */
    uint32_t moved; /* cookie of the last folder that moved away and was watched */
    char **places;  /* by watch descriptor: from the root on, or NULL */
    size_t place_count;
};

static int say(const char *event, const char *path, bool folder)
{
    struct buf line;
    buf_init(&line, LINE_BYTES);
    const bool ok = buf_appendf(&line, "{\"event\":\"%s\",\"name\":", event) &&
                    json_string(&line, span_str(path)) &&
                    buf_appendf(&line, ",\"folder\":%s}\n", folder ? "true" : "false") &&
                    fwrite(line.mem + line.start, 1, buf_len(&line), stdout) == buf_len(&line);
    buf_free(&line);
    return ok ? 0 : -EIO;
}

static int place_set(struct watch *w, int wd, const char *path)
{
    const size_t at = (size_t)wd;
    if (at >= w->place_count) {
        const size_t count = at + 64;
        char **more = at < PLACES_MAX ? realloc(w->places, count * sizeof *more) : NULL;
        if (more == NULL) {
            return -ENOSPC;
        }
        memset(more + w->place_count, 0, (count - w->place_count) * sizeof *more);
        w->places = more;
        w->place_count = count;
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        return -ENOMEM;
    }
    free(w->places[at]);
    w->places[at] = copy;
    return 0;
}

static const char *place_of(const struct watch *w, int wd)
{
    return wd >= 0 && (size_t)wd < w->place_count ? w->places[wd] : NULL;
}

static void place_drop(struct watch *w, int wd)
{
    if (place_of(w, wd) != NULL) {
        free(w->places[wd]);
        w->places[wd] = NULL;
    }
}

/* out = root/path, or a/b with an empty part left out. */
static bool join(char *out, const char *a, const char *b)
{
    const char *slash = a[0] != '\0' && b[0] != '\0' && a[strlen(a) - 1] != '/' ? "/" : "";
    const int n = snprintf(out, PATH_BYTES, "%s%s%s", a, slash, b);
    return n >= 0 && n < (int)PATH_BYTES;
}

static int add(struct watch *w, const char *path, uint32_t flags)
{
    char full[PATH_BYTES];
    if (!join(full, w->root, path)) {
        return -ENAMETOOLONG;
    }
    const int wd = inotify_add_watch(w->fd, full, EVENTS | flags);
    if (wd < 0) {
        return -errno;
    }
    return place_set(w, wd, path);
}

static bool skipped(const struct watch *w, const char *name)
{
    for (char **s = w->skip; *s != NULL; s++) {
        if (strncmp(*s, "skip=", 5) == 0 && strcmp(*s + 5, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Of a folder: meanwhile, or to us. */
static bool gone(int rc)
{
    return rc == -ENOENT || rc == -ENOTDIR || rc == -EACCES;
}

struct branch {
    struct watch *w;
    const char *path; /* of what is added */
};

static int add_entry(void *arg, const struct tree_entry *e)
{
    struct branch *b = arg;
    char path[PATH_BYTES];
    const bool folder = S_ISDIR(e->st.st_mode);
    const bool first = e->path[0] == '\0';
    if (e->leaving || (first && b->path[0] == '\0')) {
        return 0; /* the root is watched already */
    }
    if (!join(path, b->path, e->path)) {
        return -ENAMETOOLONG;
    }
    if (!first && b->w->tells && say("create", path, folder) < 0) {
        return -EIO;
    }
    if (!folder || (!first && skipped(b->w, e->name))) {
        return TREE_SKIP;
    }
    const int rc = add(b->w, path, IN_ONLYDIR | IN_DONT_FOLLOW);
    return gone(rc) ? TREE_SKIP : rc;
}

/* All folders from `path` on. One that is gone again is none. */
static int add_tree(struct watch *w, const char *path)
{
    char full[PATH_BYTES];
    struct branch b = {w, path};
    if (!join(full, w->root, path)) {
        return -ENAMETOOLONG;
    }
    const int rc = tree_walk(full, path[0] == '\0', add_entry, &b);
    return gone(rc) ? 0 : rc;
}

/* A folder moved away: those below it too. Whether there was any. */
static bool give_back(struct watch *w, const char *path)
{
    const size_t len = strlen(path);
    bool any = false;
    for (size_t i = 0; i < w->place_count; i++) {
        const char *p = w->places[i];
        if (p != NULL && strncmp(p, path, len) == 0 && (p[len] == '\0' || p[len] == '/')) {
            inotify_rm_watch(w->fd, (int)i);
            place_drop(w, (int)i);
            any = true;
        }
    }
    return any;
}

static const char *event_name(uint32_t mask)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{IN_CREATE, "create"},
                 {IN_MODIFY, "modify"},
                 {IN_DELETE, "delete"},
                 {IN_MOVED_FROM, "move_from"},
                 {IN_MOVED_TO, "move_to"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if ((mask & names[i].bit) != 0) {
            return names[i].name;
        }
    }
    return NULL;
}

/* 1: the root is gone. */
static int heard(struct watch *w, const struct inotify_event *e)
{
    char path[PATH_BYTES];
    if ((e->mask & IN_Q_OVERFLOW) != 0) {
        return -EOVERFLOW;
    }
    const char *place = place_of(w, e->wd);
    if (place == NULL) {
        return 0; /* of a folder that was given back */
    }
    if ((e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0) {
        const bool root = place[0] == '\0';
        if ((e->mask & IN_IGNORED) != 0) {
            place_drop(w, e->wd);
        }
        return root ? 1 : 0;
    }
    const char *name = event_name(e->mask);
    const bool folder = (e->mask & IN_ISDIR) != 0;
    if (name == NULL || !join(path, place, e->len > 0 ? e->name : "")) {
        return name == NULL ? 0 : -ENAMETOOLONG;
    }
    if (say(name, path, folder) < 0) {
        return -EIO;
    }
    if (!folder || !w->recursive) {
        return 0;
    }
    if ((e->mask & (IN_MOVED_FROM | IN_DELETE)) != 0) {
        w->moved = give_back(w, path) ? e->cookie : 0;
    } else if ((e->mask & (IN_CREATE | IN_MOVED_TO)) != 0 && !skipped(w, e->name)) {
        w->tells = e->cookie == 0 || e->cookie != w->moved;
        return add_tree(w, path);
    }
    return 0;
}

/* false: nobody listens any more. */
static bool wait_for_events(const struct watch *w)
{
    struct pollfd fds[2] = {{w->fd, POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
    while (poll(fds, 2, -1) < 0) {
    }
    return (fds[1].revents & (POLLERR | POLLHUP)) == 0;
}

static int listen_to(struct watch *w)
{
    static char bytes[64u * 1024u] __attribute__((aligned(__alignof__(struct inotify_event))));
    for (;;) {
        if (fflush(stdout) != 0 || !wait_for_events(w)) {
            return 0;
        }
        const ssize_t n = read(w->fd, bytes, sizeof bytes);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const void *)(bytes + at);
            const int rc = heard(w, e);
            if (rc != 0) {
                return rc == -EIO ? 0 : rc;
            }
            at += (ssize_t)(sizeof *e + e->len);
        }
    }
}

static int begin(struct watch *w)
{
    w->fd = inotify_init1(IN_CLOEXEC);
    if (w->fd < 0) {
        return -errno;
    }
    const int rc = add(w, "", 0);
    struct stat st;
    if (rc < 0 || stat(w->root, &st) != 0 || !S_ISDIR(st.st_mode)) {
        w->recursive = false;
        return rc;
    }
    return w->recursive ? add_tree(w, "") : 0;
}

int files_watch(const char *path, char **options)
{
    struct watch w = {.fd = -1, .root = path, .skip = options};
    for (char **o = options; *o != NULL; o++) {
        w.recursive = w.recursive || strcmp(*o, "recursive") == 0;
    }
    int rc = begin(&w);
    if (rc == 0) {
        rc = say("watching", "", false) < 0 ? 0 : listen_to(&w);
    }
    for (size_t i = 0; i < w.place_count; i++) {
        free(w.places[i]);
    }
    free(w.places);
    if (w.fd >= 0) {
        close(w.fd);
    }
    fflush(stdout);
    return rc < 0 ? files_fail(-rc, path) : 0;
}
