#include "supervisor/dev_vars.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "config/dotenv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/* An editor writes in several steps: one reading for all of them. */
#define SETTLE_MS 30u

struct dev_vars {
    struct loop *loop;
    const struct spec *spec;
    struct vault *vault;
    dev_vars_fn changed;
    void *arg;
    const char *name; /* inside spec->dev_vars */
    int fd;
    struct loop_watch *watch;
    struct loop_timer *settle;
    struct vault last; /* what the file said last: only what changes in it rotates, for
                          `secret put` may have replaced the rest */
};

static bool listed(const struct spec_strings *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static int file_read(const char *path, struct secrets *out, struct error *err)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        return error_set(err, errno, "%s", path);
    }
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t)DOTENV_BYTES_MAX) {
        return error_set(err, 0, "%s: not a file of at most %u bytes", path, DOTENV_BYTES_MAX);
    }
    struct buf text;
    buf_init(&text, DOTENV_BYTES_MAX + 1);
    char *to = buf_reserve(&text, (size_t)st.st_size + 1);
    ssize_t n = to != NULL ? read(fd, to, (size_t)st.st_size) : -1;
    int rc = n < 0 ? error_set(err, to != NULL ? errno : ENOMEM, "%s", path) : 0;
    if (rc == 0) {
        rc = dotenv_parse(path, span_of(to, (size_t)n), out, err);
    }
    buf_wipe(&text);
    return rc;
}

static void put_changed(struct dev_vars *d, const struct secrets *now)
{
    struct error err;
    for (size_t i = 0; i < now->count; i++) {
        struct span name = span_str(now->items[i].name);
        struct span value = span_str(now->items[i].value);
        if (listed(&d->spec->dev_vars_ours, now->items[i].name) ||
            vault_has(&d->last, name, value)) {
            continue;
        }
        if (vault_put(d->vault, name, value, &err) < 0) {
            log_error("%s: %s", d->spec->dev_vars, err.text);
        } else {
            d->changed(d->arg, name, value, true);
        }
    }
}

struct removal {
    struct dev_vars *d;
    const struct secrets *now;
};

static void remove_missing(void *arg, struct span name, struct span value)
{
    const struct removal *r = arg;
    char text[VAULT_NAME_MAX + 1] = {0};
    (void)value;
    memcpy(text, name.ptr, name.len);
    if (secrets_find(r->now, text) == NULL && !listed(&r->d->spec->dev_vars_ours, text) &&
        vault_remove(r->d->vault, name)) {
        r->d->changed(r->d->arg, name, SPAN_LIT(""), false);
    }
}

static void remember(struct dev_vars *d, const struct secrets *now)
{
    vault_free(&d->last);
    for (size_t i = 0; i < now->count; i++) {
        vault_put(&d->last, span_str(now->items[i].name), span_str(now->items[i].value), NULL);
    }
}

static void settled(void *arg)
{
    struct dev_vars *d = arg;
    struct error err;
    struct secrets now = {0};
    if (file_read(d->spec->dev_vars, &now, &err) < 0) {
        log_error("%s: the secrets stay as they are", err.text);
    } else {
        put_changed(d, &now);
        vault_each(&d->last, remove_missing, &(struct removal){d, &now});
        remember(d, &now);
    }
    secrets_free(&now);
}

static void on_change(void *arg, unsigned events)
{
    struct dev_vars *d = arg;
    union {
        struct inotify_event align;
        char bytes[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    } in;
    bool ours = false;
    (void)events;
    ssize_t n = read(d->fd, &in, sizeof in);
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *e = (const void *)(in.bytes + at);
        ours = ours || (e->len > 0 && strcmp(e->name, d->name) == 0);
        at += (ssize_t)(sizeof *e + e->len);
    }
    if (!ours) {
        return;
    }
    loop_timer_cancel(d->settle);
    d->settle = loop_timer_start(d->loop, SETTLE_MS, 0, settled, d);
}

int dev_vars_watch(struct loop *loop, const struct spec *spec, struct vault *vault,
                   dev_vars_fn changed, void *arg, struct dev_vars **out, struct error *err)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", spec->dev_vars);
    char *slash = strrchr(folder, '/');
    struct dev_vars *d = calloc(1, sizeof *d);
    if (d == NULL || slash == NULL) {
        free(d);
        return error_set(err, d == NULL ? ENOMEM : EINVAL, "watch %s", spec->dev_vars);
    }
    slash[1] = 0;
    *d = (struct dev_vars){.loop = loop,
                           .spec = spec,
                           .vault = vault,
                           .changed = changed,
                           .arg = arg,
                           .name = strrchr(spec->dev_vars, '/') + 1,
                           .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    vault_init(&d->last);
    struct secrets now = {0};
    int rc = d->fd < 0 || inotify_add_watch(d->fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO) < 0
                 ? error_set(err, errno, "watch %s", folder)
                 : loop_watch_start(loop, d->fd, LOOP_READ, on_change, d, &d->watch, err);
    if (rc < 0) {
        dev_vars_close(d);
        return rc;
    }
    if (file_read(spec->dev_vars, &now, NULL) == 0) {
        remember(d, &now);
    }
    secrets_free(&now);
    *out = d;
    return 0;
}

static void remember_one(void *vault, struct span name, struct span value)
{
    vault_put(vault, name, value, NULL);
}

void dev_vars_replace(struct dev_vars *was, struct dev_vars *now)
{
    static const struct secrets none;
    if (now == NULL) {
        if (was != NULL) {
            vault_each(&was->last, remove_missing, &(struct removal){was, &none});
        }
        return;
    }
    vault_free(&now->last);
    if (was != NULL) {
        vault_each(&was->last, remember_one, &now->last);
    }
    settled(now);
}

void dev_vars_close(struct dev_vars *d)
{
    if (d == NULL) {
        return;
    }
    loop_timer_cancel(d->settle);
    loop_watch_cancel(d->watch);
    close_fd(&d->fd);
    vault_free(&d->last);
    free(d);
}
