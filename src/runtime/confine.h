/*
 * confine: what the runtime gives up once its module is loaded.
 *
 * What stays: the descriptors it has, dialling out, memory that is not executable, threads. What
 * goes: every file but those of the objects' storage, exec, new privileges, other processes,
 * listening.
 */
#ifndef SALLYPORT_RUNTIME_CONFINE_H
#define SALLYPORT_RUNTIME_CONFINE_H

#include "base/error.h"

struct runtime;

/* First thing in main: what costs nothing and needs nothing: no dump, no core, many descriptors,
 * and to be scheduled in batches, beside the sidecar. */
int confine_early(struct error *err);

/* Once the app is known and before the first thread: what is kept of the file system is the folder
 * of the objects' storage, and on the way into confinement what the engine reads at its start.
 * Where that cannot be held, runtime.storage_refused says why and nothing changes. */
int confine_files(struct runtime *rt, struct error *err);

/* After the load. On every thread; cannot be undone. */
int confine(struct runtime *rt, struct error *err);

#endif
