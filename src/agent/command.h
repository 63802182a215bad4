/*
 * command: the process that becomes the user's command.
 */
#ifndef SALLYPORT_AGENT_COMMAND_H
#define SALLYPORT_AGENT_COMMAND_H

#include <signal.h>
#include <stdbool.h>

/* Leads a new session, with the first of 0-2 that is one as its controlling terminal when tty,
 * takes no signal as blocked that is in `blocked`, and becomes argv, looked up in PATH. Returns
 * only when it cannot, with one line on stderr: 127 not found, 126 found but not executable. */
int agent_command_become(char **argv, bool tty, const sigset_t *blocked);

#endif
