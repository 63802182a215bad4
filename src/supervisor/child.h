/*
 * child: one of our own programs, started with four descriptors and watched by a pidfd.
 *
 * A child gets exactly descriptors 0, 1, 2 and 3 (its control channel), a scrubbed environment, no
 * blocked or ignored signal, and SIGKILL when this process dies.
 */
#ifndef SALLYPORT_SUPERVISOR_CHILD_H
#define SALLYPORT_SUPERVISOR_CHILD_H

#include "base/error.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <sys/types.h>

struct child;

struct child_spec {
    const char *program;      /* "sallyport-sidecar"; found beside this program, else in libexec */
    const char *id;           /* second word of its title; may be NULL */
    const char *const *words; /* further arguments, ends with NULL; may be NULL */
    const char *const *env;   /* `K=V` besides what every child may know; may be NULL */
    bool few_files;           /* the limit of open files as it was before it was raised */
    int fds[4];               /* lent; duplicated to 0..3 */
};

/* status as a shell has it: the exit status, or 128 + the signal. The last callback. */
typedef void (*child_ended_fn)(void *arg, int status);

int child_spawn(struct loop *loop, const struct child_spec *spec, child_ended_fn ended, void *arg,
                struct child **out, struct error *err);

pid_t child_pid(const struct child *c);
/* Nothing happens when it has ended. */
void child_signal(struct child *c, int signum);
/* Ends it (SIGKILL) if it runs, reaps it; no callback. NULL is allowed, also inside ended. */
void child_destroy(struct child *c);

/* As many open files as the hard limit allows, for this process and most of its children. */
void child_open_files_raise(void);

/* Path of a sibling program, to be freed; NULL when there is none. */
char *child_program_path(const char *program);

#endif
