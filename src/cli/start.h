/*
 * start: becoming, or running, the supervisor.
 */
#ifndef SALLYPORT_CLI_START_H
#define SALLYPORT_CLI_START_H

#include "base/error.h"
#include "cli/run_options.h"
#include "config/spec.h"

#include <sys/types.h>

/* Becomes the supervisor of `up`, or of `run` with that command; says on standard error what there
 * is to note. Returns only on failure, which it has told: the exit status. */
int start_from_options(const struct run_options *o, int argc, char **argv);

/* The spec goes into a memfd, the environment loses all but what a supervisor needs. Returns only
 * on failure. */
int start_become_supervisor(struct spec *s, struct error *err);

/* Runs it as a child whose standard output is read from *out. The caller reads to the end, then
 * calls start_wait. */
int start_run_supervisor(struct spec *s, int *out, pid_t *pid, struct error *err);
int start_wait(pid_t pid); /* its exit status, 128+n for a signal */

/* Path of a program of ours: beside this one, else in the libexec folder. *out is given. */
int start_find_program(const char *name, char **out, struct error *err);

#endif
