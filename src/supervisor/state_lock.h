/*
 * state_lock: one daemon a state folder. The lock ends with its holder, however that ends.
 */
#ifndef SALLYPORT_SUPERVISOR_STATE_LOCK_H
#define SALLYPORT_SUPERVISOR_STATE_LOCK_H

#include "base/error.h"

struct state_lock {
    int fd; /* -1: not held */
    char *path;
};

/* Makes the folder if it is not there. When another process has it, the sentence names its pid and
 * its control socket. */
int state_lock_take(struct state_lock *l, const char *state_dir, const char *socket,
                    struct error *err);
void state_lock_drop(struct state_lock *l); /* a zeroed one with fd -1 is allowed */

#endif
