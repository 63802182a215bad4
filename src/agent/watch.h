/*
 * watch: what one `watch` call holds, shared between its two files.
 */
#ifndef SALLYPORT_AGENT_WATCH_H
#define SALLYPORT_AGENT_WATCH_H

#include "agent/folders.h"
#include "base/buf.h"

#include <stdint.h>

#define WATCH_OUT_BYTES (1024u * 1024u) /* of lines that nobody took yet */

struct watch {
    int fd; /* inotify */
    const char *root;
    bool recursive;
    bool counts; /* tells how many events there were when it is asked, nothing else */
    uint64_t count;
    uint64_t until;  /* one that counts ends then; monotonic */
    char **patterns; /* ends with NULL */
    bool include;    /* what the patterns say is in, not out */
    struct folders folders;
    struct list todo; /* struct folder.todo */
    struct buf out;
};

/* ---- what is told (watch.c) ---- */

/* One event, when the patterns let it through. */
void watch_tell(struct watch *w, const char *event, const char *path, bool folder);
/* Whether a folder is of interest, as a place where something may happen. */
bool watch_enters(const struct watch *w, const char *path);
/* A last line: `error` or `stopped`. Ends this process. */
_Noreturn void watch_end(struct watch *w, const char *how, const char *why);

/* ---- what is watched (watch_tree.c) ---- */

/* 0 or -errno: the root cannot be watched. What is below it is listed, too. */
int watch_open(struct watch *w);
/* Reads and works off what is there at the call, once. */
void watch_read(struct watch *w);
/* There was time enough to learn where folders were moved to: the rest is out. */
void watch_forget_lost(struct watch *w);

#endif
