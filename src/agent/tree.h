/*
 * tree: a folder and all that lies below it, one entry after another. No symlink is followed but
 * the root itself, and only when asked for.
 */
#ifndef SALLYPORT_AGENT_TREE_H
#define SALLYPORT_AGENT_TREE_H

#include <stdbool.h>
#include <sys/stat.h>

#define TREE_DEPTH_MAX 256 /* folders in folders */
#define TREE_SKIP      1   /* of a folder: do not go in */

struct tree_entry {
    int dir;          /* the folder that it stands in */
    const char *name; /* in it */
    const char *path; /* from the root on; empty for the root */
    struct stat st;
    bool leaving; /* a folder, for the second time: behind all that is in it */
};

/* Negative: an errno value that ends the walk. All is lent. */
typedef int (*tree_fn)(void *arg, const struct tree_entry *e);

/* 0, or -errno of the walk or of fn. The root is told of like any entry. */
int tree_walk(const char *root, bool follow_root, tree_fn fn, void *arg);

#endif
