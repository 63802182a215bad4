/*
 * watchdog: a thread that ends the process when a turn of JavaScript passes its CPU limit or memory
 * its ceiling: some code cannot be stopped from inside (one native call, a polynomial regexp, a
 * storm of microtasks). Another runtime, already warm, takes over.
 */
#ifndef SALLYPORT_RUNTIME_WATCHDOG_H
#define SALLYPORT_RUNTIME_WATCHDOG_H

#include "base/error.h"
#include "runtime/app.h"

#define WATCHDOG_EXIT 86 /* exit status of a process that it ended */

struct watchdog;

/* Before confinement: opens /proc/self/statm. Resident memory of this moment is "idle". To be
 * called on the thread that runs JavaScript. */
struct watchdog *watchdog_start(const struct app_limits *limits, struct error *err);
void watchdog_stop(struct watchdog *w); /* NULL is allowed */

/* Whose request enters JavaScript now, for the log line; id lives as long as the turn. */
void watchdog_name(const char *id);

#endif
