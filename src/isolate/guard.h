/*
 * guard: names that must not appear in a folder which a sandbox may write.
 *
 * A file that exists is protected by a mount over it (launcher/protect.h); a name that does not
 * exist cannot be. `.git/commondir` is such a name: git takes configuration and hooks, and so
 * programs to run, from the folder that it names, and a repository does not have it. This watches
 * for it from outside, removes it at once and tells; the caller ends the sandbox.
 */
#ifndef SALLYPORT_ISOLATE_GUARD_H
#define SALLYPORT_ISOLATE_GUARD_H

#include "base/error.h"
#include "loop/loop.h"

#include <stddef.h>

#define ISOLATE_GUARD_FOLDERS_MAX 256u /* repositories and submodules of one sandbox */

struct isolate_guard;

/* why is one sentence that names the file. From the loop; may come again. */
typedef void (*isolate_guard_fn)(void *arg, const char *why);

/* roots: folders, each perhaps with a `.git` folder and submodules in it, looked at now. Nothing to
 * watch: *out is NULL and 0 returned. */
int isolate_guard_start(struct loop *loop, const char *const *roots, size_t count,
                        isolate_guard_fn fn, void *arg, struct isolate_guard **out,
                        struct error *err);
/* Looks once more and stops. NULL is allowed. */
void isolate_guard_stop(struct isolate_guard *g);

#endif
