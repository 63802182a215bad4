#include "cli/watch.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/paths.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#define MASK                                                                                       \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF |       \
     IN_MOVE_SELF | IN_ONLYDIR)

int watch_open(struct watch *w, struct error *err)
{
    *w = (struct watch){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    return w->fd >= 0 ? 0 : error_set(err, errno, "watch: raise fs.inotify.max_user_instances");
}

void watch_close(struct watch *w)
{
    close_fd(&w->fd);
    free(w->ids);
    spec_strings_free(&w->folders);
    spec_strings_free(&w->files);
    *w = (struct watch){.fd = -1};
}

static int keep(struct watch *w, const char *dir, int id, size_t *added, struct error *err)
{
    for (size_t i = 0; i < w->folders.count; i++) {
        if (strcmp(w->folders.items[i], dir) == 0) {
            *added += w->ids[i] != id ? 1 : 0; /* made anew under its old name */
            w->ids[i] = id;
            return 0;
        }
    }
    int *ids = reallocarray(w->ids, w->folders.count + 1, sizeof *ids);
    if (ids == NULL) {
        return error_set(err, ENOMEM, "watch");
    }
    w->ids = ids;
    if (!spec_strings_add(&w->folders, dir)) {
        return error_set(err, ENOMEM, "watch");
    }
    ids[w->folders.count - 1] = id;
    *added += 1;
    return 0;
}

int watch_folder(struct watch *w, const char *dir, size_t *added, struct error *err)
{
    cleanup_free char *place = strdup(dir);
    int id = -1;
    while (place != NULL && (id = inotify_add_watch(w->fd, place, MASK)) < 0 &&
           (errno == ENOENT || errno == ENOTDIR) && strcmp(place, "/") != 0) {
        char *up = paths_clean(place, "..");
        free(place);
        place = up;
    }
    if (place == NULL) {
        return error_set(err, ENOMEM, "watch");
    }
    if (id < 0 && errno == ENOSPC) {
        return error_set(err, 0, "watch %s: no watch is left: raise fs.inotify.max_user_watches",
                         place);
    }
    if (id < 0) {
        return error_set(err, errno, "watch %s", place);
    }
    if (w->folders.count >= WATCH_FOLDERS_MAX) {
        return error_set(err, 0, "watch: more than %u folders", WATCH_FOLDERS_MAX);
    }
    return keep(w, place, id, added, err);
}

int watch_files(struct watch *w, const struct spec_strings *files, size_t *added, struct error *err)
{
    const char *last = NULL;
    size_t last_len = 0;
    spec_strings_free(&w->files);
    for (size_t i = 0; i < files->count; i++) {
        const char *file = files->items[i];
        size_t len = (size_t)(strrchr(file, '/') - file);
        if (!spec_strings_add(&w->files, file)) {
            return error_set(err, ENOMEM, "watch");
        }
        /* Those of one folder stand together. */
        if (last != NULL && len == last_len && memcmp(last, file, len) == 0) {
            continue;
        }
        last = file;
        last_len = len;
        cleanup_free char *dir = len > 0 ? strndup(file, len) : strdup("/");
        int rc = dir != NULL ? watch_folder(w, dir, added, err) : error_set(err, ENOMEM, "watch");
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static const char *folder_of(const struct watch *w, int id)
{
    for (size_t i = 0; i < w->folders.count; i++) {
        if (w->ids[i] == id) {
            return w->folders.items[i];
        }
    }
    return NULL;
}

/* A file that an import may lead to. */
static bool may_be_module(const char *name)
{
    static const char *const ends[] = {"ts",  "tsx",  "mts",   "cts", "js",   "jsx", "mjs",
                                       "cjs", "json", "jsonc", "txt", "html", "sql", "bin"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof ends / sizeof *ends; i++) {
        if (strcmp(dot + 1, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* 1 counts, 0 does not. */
static int judge(struct watch *w, const struct inotify_event *e, struct error *err)
{
    if ((e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
        return 1;
    }
    const char *dir = folder_of(w, e->wd);
    if (dir == NULL || e->len == 0 || (e->mask & IN_IGNORED) != 0) {
        return 0;
    }
    cleanup_free char *path = paths_clean(dir, e->name);
    if (path == NULL) {
        return error_set(err, ENOMEM, "watch");
    }
    if ((e->mask & IN_ISDIR) != 0) {
        /* What an import misses may be about to appear in it. */
        size_t added = 0;
        bool appears = (e->mask & (IN_CREATE | IN_MOVED_TO)) != 0;
        return !w->broken ? 0 : appears && watch_folder(w, path, &added, err) < 0 ? -1 : 1;
    }
    for (size_t i = 0; i < w->files.count; i++) {
        if (strcmp(w->files.items[i], path) == 0) {
            return 1;
        }
    }
    return may_be_module(e->name) || strcmp(e->name, ".dev.vars") == 0 ? 1 : 0;
}

/* Takes what is there; *counts says whether any of it does. */
static int take(struct watch *w, bool *counts, struct error *err)
{
    char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    for (;;) {
        ssize_t n = read(w->fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN ? 0 : error_set(err, errno, "watch");
        }
        for (char *at = bytes; at < bytes + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(void *)at;
            int rc = judge(w, e, err);
            if (rc < 0) {
                return rc;
            }
            *counts |= rc > 0;
            at += sizeof *e + e->len;
        }
    }
}

int watch_wait(struct watch *w, struct error *err)
{
    bool counts = false;
    uint64_t first = 0;
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        if (counts && first == 0) {
            first = now;
        }
        if (counts && now - first >= WATCH_BURST_MS) {
            return 0;
        }
        struct pollfd p = {.fd = w->fd, .events = POLLIN};
        int n = poll(&p, 1, counts ? WATCH_QUIET_MS : -1);
        if (n < 0 && errno != EINTR) {
            return error_set(err, errno, "watch");
        }
        if (n == 0) {
            return 0;
        }
        int rc = take(w, &counts, err);
        if (rc < 0) {
            return rc;
        }
    }
}
