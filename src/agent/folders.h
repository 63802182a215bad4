/*
 * folders: the watched folders of one `watch` call, and what their paths are now. A folder is known
 * by its watch descriptor; its parent by that of the parent, so that a name or a place that changes
 * is changed in one place.
 */
#ifndef SALLYPORT_AGENT_FOLDERS_H
#define SALLYPORT_AGENT_FOLDERS_H

#include "base/list.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define FOLDERS_MAX     16384u /* watched at once by one call */
#define FOLDERS_BUCKETS 4096u

/* Instead of a parent. */
#define FOLDER_ROOT     0    /* watch descriptors begin at 1 */
#define FOLDER_DETACHED (-1) /* it was moved away, and it is not known where to */

struct folder {
    struct list node; /* of its bucket */
    struct list todo; /* of those that are to be listed; empty: it was */
    int wd;
    int parent;
    bool tell;   /* what is found in it at its listing is new */
    bool listed; /* the listing of its parent told of it */
    char *name;  /* of the root: its whole path */
};

struct folders {
    struct list buckets[FOLDERS_BUCKETS];
    size_t count;
    size_t detached;
};

void folders_init(struct folders *f);
/* All, one after another, beginning behind NULL. One that was returned may be dropped once the next
 * is known. */
struct folder *folders_next(struct folders *f, const struct folder *at);
struct folder *folders_find(struct folders *f, int wd);
struct folder *folders_child(struct folders *f, int parent, const char *name);
/* NULL: errno is ENOMEM, or EMFILE above FOLDERS_MAX. */
struct folder *folders_add(struct folders *f, int wd, int parent, const char *name);
/* It stands elsewhere now. false: memory is out. */
bool folders_place(struct folders *f, struct folder *at, int parent, const char *name);
void folders_detach(struct folders *f, struct folder *at);
void folders_drop(struct folders *f, struct folder *at);

/* The path of `name` (may be empty) in a folder. 0, -ENOENT: the folder is no longer below the
 * root, -ENAMETOOLONG. */
int folders_path(struct folders *f, const struct folder *at, const char *name, char out[PATH_MAX]);

#endif
