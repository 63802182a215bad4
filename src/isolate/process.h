/*
 * process: what a process is to others: its title, who may look into it, when it dies.
 */
#ifndef SALLYPORT_ISOLATE_PROCESS_H
#define SALLYPORT_ISOLATE_PROCESS_H

#include "base/error.h"

#include <sys/types.h>

/* First call of main: remembers where argv stands. Moves the environment, so that the title has
 * room and /proc/PID/environ shows nothing more. */
void isolate_process_title_init(int argc, char **argv);
/* What ps shows, e.g. "sallyport-sidecar ID"; cut where the room ends. */
void isolate_process_title(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* No core dump, no ptrace and no /proc/PID/{environ,mem,fd} for others of the same uid. Lost at an
 * exec and at a change of uid. */
int isolate_process_hide(struct error *err);
int isolate_process_no_new_privs(struct error *err);

/* SIGKILL when the parent dies. parent is who it must be (getpid() of the parent, known before the
 * fork; 0: whoever it is now): -ESRCH when it has gone already. Lost at a change of uid. The parent
 * is a thread: the one that forked must live as long as the process. */
int isolate_process_die_with_parent(pid_t parent, struct error *err);

/* Every signal to its default, none blocked, umask 022. */
void isolate_process_reset_signals(void);

#endif
