#include "agent/folders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct list *bucket_of(struct folders *f, int wd)
{
    return &f->buckets[(unsigned)wd % FOLDERS_BUCKETS];
}

void folders_init(struct folders *f)
{
    for (size_t i = 0; i < FOLDERS_BUCKETS; i++) {
        list_init(&f->buckets[i]);
    }
    f->count = 0;
    f->detached = 0;
}

struct folder *folders_find(struct folders *f, int wd)
{
    struct list *bucket = bucket_of(f, wd);
    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct folder *at = LIST_ENTRY(n, struct folder, node);
        if (at->wd == wd) {
            return at;
        }
    }
    return NULL;
}

struct folder *folders_next(struct folders *f, const struct folder *at)
{
    size_t i = at != NULL ? (unsigned)at->wd % FOLDERS_BUCKETS : 0;
    struct list *n = at != NULL ? at->node.next : f->buckets[0].next;
    while (n == &f->buckets[i]) {
        if (++i == FOLDERS_BUCKETS) {
            return NULL;
        }
        n = f->buckets[i].next;
    }
    return LIST_ENTRY(n, struct folder, node);
}

struct folder *folders_child(struct folders *f, int parent, const char *name)
{
    struct folder *at = folders_next(f, NULL);
    while (at != NULL && (at->parent != parent || strcmp(at->name, name) != 0)) {
        at = folders_next(f, at);
    }
    return at;
}

struct folder *folders_add(struct folders *f, int wd, int parent, const char *name)
{
    if (f->count == FOLDERS_MAX) {
        errno = EMFILE;
        return NULL;
    }
    struct folder *at = calloc(1, sizeof *at);
    char *own = strdup(name);
    if (at == NULL || own == NULL) {
        free(at);
        free(own);
        errno = ENOMEM;
        return NULL;
    }
    at->wd = wd;
    at->parent = parent;
    at->name = own;
    list_init(&at->todo);
    list_append(bucket_of(f, wd), &at->node);
    f->count++;
    return at;
}

void folders_drop(struct folders *f, struct folder *at)
{
    f->detached -= at->parent == FOLDER_DETACHED;
    f->count--;
    list_remove(&at->node);
    list_remove(&at->todo);
    free(at->name);
    free(at);
}

bool folders_place(struct folders *f, struct folder *at, int parent, const char *name)
{
    char *own = strdup(name);
    if (own == NULL) {
        return false;
    }
    f->detached -= at->parent == FOLDER_DETACHED;
    free(at->name);
    at->name = own;
    at->parent = parent;
    return true;
}

void folders_detach(struct folders *f, struct folder *at)
{
    f->detached += at->parent != FOLDER_DETACHED;
    at->parent = FOLDER_DETACHED;
}

/* From the end to the front. What was noted of moves that crossed each other may make a ring: each
 * step takes room, so there is an end. */
int folders_path(struct folders *f, const struct folder *at, const char *name, char out[PATH_MAX])
{
    size_t start = PATH_MAX - 1;
    const char *part = name;
    out[start] = '\0';
    for (;;) {
        const size_t len = strlen(part);
        const bool slash = len > 0 && out[start] != '\0' && part[len - 1] != '/';
        if (len + slash > start) {
            return -ENAMETOOLONG;
        }
        start -= slash;
        if (slash) {
            out[start] = '/';
        }
        start -= len;
        memcpy(out + start, part, len);
        if (at == NULL) {
            break;
        }
        part = at->name;
        if (at->parent == FOLDER_ROOT) {
            at = NULL;
        } else if (at->parent == FOLDER_DETACHED || (at = folders_find(f, at->parent)) == NULL) {
            return -ENOENT;
        }
    }
    memmove(out, out + start, PATH_MAX - start);
    return 0;
}
