/*
 * watch: waits until a file changes that a Worker is made of.
 *
 * Folders are watched, not files: an editor that writes aside and renames makes a new file. What
 * counts is a file that was read, and one that the bundler might find instead of it.
 */
#ifndef SALLYPORT_CLI_WATCH_H
#define SALLYPORT_CLI_WATCH_H

#include "base/error.h"
#include "config/spec.h"

#define WATCH_FOLDERS_MAX 8192u
#define WATCH_QUIET_MS    50   /* a change is over when nothing happened for so long */
#define WATCH_BURST_MS    1000 /* but it is not waited for longer */

struct watch {
    int fd;
    struct spec_strings folders;
    int *ids;                  /* of the kernel, one a folder */
    struct spec_strings files; /* that count whatever they are called */
    bool broken;               /* the last reading failed: new folders count too */
};

int watch_open(struct watch *w, struct error *err);
void watch_close(struct watch *w);

/* Watches dir, or when it is gone the nearest folder above it. *added counts new ones. */
int watch_folder(struct watch *w, const char *dir, size_t *added, struct error *err);
/* Watches the folder of each file; the list replaces the one before. */
int watch_files(struct watch *w, const struct spec_strings *files, size_t *added,
                struct error *err);

/* Returns once something that counts has changed and come to rest. */
int watch_wait(struct watch *w, struct error *err);

#endif
