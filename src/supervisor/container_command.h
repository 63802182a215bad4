/*
 * container_command: a process in the background of a sandbox that the app's code did not ask for.
 *
 * The agent keeps its output as that of code's own, and code finds it under the id COMMAND_ID.
 */
#ifndef SALLYPORT_SUPERVISOR_CONTAINER_COMMAND_H
#define SALLYPORT_SUPERVISOR_CONTAINER_COMMAND_H

#include "supervisor/container.h"
#include "supervisor/fleet.h"

#define COMMAND_ID "command"

/* why is NULL: it runs; else status is 125 to 127. why is lent. */
typedef void (*command_told_fn)(void *arg, int status, const char *why);

/* m runs; argv: words, a NUL behind each. told is called once, later. What ran is remembered as the
 * member's command. */
int container_command(struct containers *all, struct member *m, struct span argv,
                      command_told_fn told, void *arg, struct error *err);

#endif
