/*
 * storage: each object's own database, a file below the app's objects_dir, opened in this process.
 */
#ifndef SALLYPORT_RUNTIME_STORAGE_H
#define SALLYPORT_RUNTIME_STORAGE_H

#include "runtime/instance.h"
#include "store/object.h"

/* js_host.storage; owner is the instance. */
struct object_db *storage_open(void *arg, void *owner, struct span *why);

#endif
