/*
 * child: one process of the sandbox, from vfork to exec.
 *
 * It leads a session and a process group of its own, has descriptors 0, 1, 2 and no other, no
 * signal blocked, ignored or caught.
 */
#ifndef SALLYPORT_AGENT_CHILD_H
#define SALLYPORT_AGENT_CHILD_H

#include "agent/words.h"

#include <stdbool.h>
#include <sys/types.h>

#define CHILD_FAILED         125
#define CHILD_NOT_EXECUTABLE 126
#define CHILD_NOT_FOUND      127

struct child {
    struct words argv; /* at least one; argv[0] is looked up in env's PATH */
    struct words env;
    char *cwd;
    int fds[3];    /* above 2 */
    bool terminal; /* the first of the three that is a terminal becomes the controlling one */
};

/* The pid, or 0: then why (one sentence) and status say what stood against it. */
pid_t child_start(struct child *c, int *status, char *why, size_t why_size);

/* Of this process: the output of many background processes is many descriptors. Each child has what
 * this process had before. */
bool child_open_files_raise(void);

/* The same for a process that runs `work` instead of a program. */
pid_t child_fork(struct child *c, int (*work)(char **argv));

#endif
