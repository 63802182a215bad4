/*
 * watchdog: a thread that ends the process when a turn of JavaScript passes its CPU limit or memory
 * its ceiling: some code cannot be stopped from inside (one native call, a polynomial regexp, a
 * storm of microtasks). Another runtime, already warm, takes over.
 */
#ifndef SALLYPORT_RUNTIME_WATCHDOG_H
#define SALLYPORT_RUNTIME_WATCHDOG_H

#include "base/error.h"
#include "runtime/app.h"

struct watchdog;

#define WATCHDOG_LOAD_MS 5000u /* CPU time of the module's own code at the start */

/* Before confinement: opens /proc/self/statm. To be called on the thread that runs JavaScript,
 * before it meets the module: until watchdog_loaded the load has WATCHDOG_LOAD_MS in all. The
 * process ends with one of enum ipc_runtime_exit. */
struct watchdog *watchdog_start(const struct app_limits *limits, struct error *err);
/* Code is loaded once more: the limit of a load holds until watchdog_loaded. NULL is allowed. */
void watchdog_loading(struct watchdog *w);
/* From here on each turn has its limit; resident memory of this moment is "idle", but of a later
 * load at most one heap more than of the first. NULL is allowed. */
void watchdog_loaded(struct watchdog *w, const struct app_limits *limits);
void watchdog_stop(struct watchdog *w); /* NULL is allowed */

/* Whose request enters JavaScript now, for the log line; id lives as long as the turn. */
void watchdog_name(const char *id);

#endif
