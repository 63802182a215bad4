#include "launcher/protect.h"

#include "base/cleanup.h"
#include "isolate/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Below root, over no symbolic link: what is mounted is where the name says. */
static int open_below(int root, const char *rel, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    long fd = syscall(SYS_openat2, root, rel, &how, sizeof(how));
    return fd >= 0 ? (int)fd : -errno;
}

/* A mount of `source` (or of target itself) over target. */
static int cover(int source, int target, const struct isolate_clone *how, struct error *err)
{
    cleanup_close int tree = -1;
    int rc = isolate_mounts_clone(source, how, &tree, err);
    return rc < 0 ? rc : isolate_mounts_attach(tree, target, err);
}

/* Whether rel lies in a folder that is read-only as a whole already. */
static bool in_readonly(const struct protect *p, const struct protect_item *item)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct protect_item *other = &p->items[i];
        size_t len = strlen(other->rel);
        if (other != item && other->bind == item->bind && other->kind == PROTECT_READONLY &&
            strncmp(item->rel, other->rel, len) == 0 && item->rel[len] == '/') {
            return true;
        }
    }
    return item->bind->readonly;
}

/* The longest common run of whole components: what the item before has pinned already. */
static size_t shared_folders(const struct protect_item *before, const struct protect_item *item)
{
    size_t shared = 0;
    if (before == NULL || before->bind != item->bind) {
        return 0;
    }
    for (size_t i = 0; before->rel[i] == item->rel[i] && item->rel[i] != '\0'; i++) {
        if (item->rel[i] == '/') {
            shared = i + 1;
        }
    }
    return shared;
}

static int pin_folders(const struct protect_item *item, size_t from, struct error *err)
{
    char rel[PATH_MAX];
    const struct isolate_clone same = {.recursive = true};
    snprintf(rel, sizeof(rel), "%s", item->rel);
    for (char *slash = strchr(rel + from, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        cleanup_close int folder = open_below(item->bind->tree, rel, O_DIRECTORY);
        if (folder < 0) {
            return error_set(err, -folder, "protect %s/%s: open its folder", item->bind->real, rel);
        }
        int rc = cover(folder, folder, &same, err);
        if (rc < 0) {
            return error_prefix(err, "protect %s/%s", item->bind->real, rel);
        }
        *slash = '/';
    }
    return 0;
}

int protect_apply(const struct protect *p, int empty_fd, struct error *err)
{
    const struct isolate_clone mask = {.readonly = true};
    const struct isolate_clone readonly = {.recursive = true, .readonly = true};
    const struct protect_item *pinned = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const struct protect_item *item = &p->items[i];
        if (!in_readonly(p, item)) {
            int rc = pin_folders(item, shared_folders(pinned, item), err);
            if (rc < 0) {
                return rc;
            }
            pinned = item;
        } else if (item->kind == PROTECT_READONLY) {
            continue;
        }
        cleanup_close int target = open_below(item->bind->tree, item->rel, O_NOFOLLOW);
        if (target < 0) {
            return error_set(err, -target, "protect %s/%s: it changed while we looked",
                             item->bind->real, item->rel);
        }
        int rc = item->kind == PROTECT_MASK ? cover(empty_fd, target, &mask, err)
                                            : cover(target, target, &readonly, err);
        if (rc < 0) {
            return error_prefix(err, "protect %s/%s", item->bind->real, item->rel);
        }
    }
    return 0;
}

void protect_free(struct protect *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].rel);
    }
    free(p->items);
    memset(p, 0, sizeof(*p));
}
