/*
 * background: processes whose output stays here, and those who read it.
 *
 * Of each stream the last RING_MAX bytes are kept. A reader that is slower than the process misses
 * the oldest; it neither stops the process nor makes memory grow.
 */
#ifndef SALLYPORT_AGENT_BACKGROUND_H
#define SALLYPORT_AGENT_BACKGROUND_H

#include "agent/agent.h"

#include <poll.h>

#define BACKGROUND_READERS_MAX 256u
#define BACKGROUND_POLL_MAX    (2u * AGENT_BACKGROUND_MAX + 2u * BACKGROUND_READERS_MAX)

/* Makes its pipes: fds[1] and fds[2] are the inner ends, closed by background_started. command is
 * strings with a NUL behind each. NULL: too many. */
struct background *background_open(struct agent *a, uint32_t number, struct span label,
                                   struct span command, int fds[3]);
/* All take NULL: not one. */
void background_started(struct background *b, pid_t pid);
void background_drop(struct agent *a, struct background *b);
void background_ended(struct agent *a, struct background *b, const char *how, int number);

/* AGENT_PROCESSES, AGENT_LOGS, AGENT_FORGET */
void background_message(struct agent *a, struct ipc_message *msg);

/* Fills fds, at most BACKGROUND_POLL_MAX; background_ready does what can be done. */
size_t background_poll(struct agent *a, struct pollfd *fds);
void background_ready(struct agent *a, const struct pollfd *fds, size_t count);

#endif
