/*
 * bubblewrap: the command line that turns a view into a sandbox.
 */
#ifndef SALLYPORT_LAUNCHER_BUBBLEWRAP_H
#define SALLYPORT_LAUNCHER_BUBBLEWRAP_H

#include "launcher/view.h"

struct bubblewrap {
    int args_fd;   /* the options, NUL separated, so that the command line stays short and
                      the environment out of /proc/PID/cmdline */
    int filter_fd; /* BPF */
    int report_fd; /* the start report: becomes descriptor 2, and gets the child's pid */
    char *program; /* its path */
};

/* Everything that does not need the CA. report_fd is lent. */
int bubblewrap_prepare(struct bubblewrap *b, const struct view *v, int report_fd,
                       struct error *err);
/* Becomes it; returns only on failure. agent_fd, the agent's socket, goes in; descriptors that
 * neither needs are closed by then. */
int bubblewrap_become(struct bubblewrap *b, int agent_fd, struct error *err);

#endif
