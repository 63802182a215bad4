/*
 * landlock: file-system and network rights that a process gives up by itself.
 *
 * The kernel's ABI is asked at run time: rights that it does not know are left out, and
 * isolate_landlock_restrict says which ABI held. Call it before the first thread is made, or the
 * threads that exist stay free (the kernel restricts the calling thread and what it starts).
 */
#ifndef SALLYPORT_ISOLATE_LANDLOCK_H
#define SALLYPORT_ISOLATE_LANDLOCK_H

#include "base/error.h"

#include <stddef.h>

#define ISOLATE_LANDLOCK_READ    1u /* read files, list folders */
#define ISOLATE_LANDLOCK_WRITE   2u /* write, make, remove, rename below it */
#define ISOLATE_LANDLOCK_EXECUTE 4u

struct isolate_landlock_path {
    const char *path; /* one that does not exist is skipped: nothing is granted then */
    unsigned rights;
};

#define ISOLATE_LANDLOCK_NO_TCP      1u /* neither bind nor connect, ABI 4 */
#define ISOLATE_LANDLOCK_NO_TCP_BIND 2u /* connect stays, ABI 4 */
#define ISOLATE_LANDLOCK_SCOPED      4u /* no abstract socket of, no signal to others, ABI 6 */

/* 0 when the kernel has none, else its ABI. */
int isolate_landlock_abi(void);

/* Everything the file system offers is denied, except below the paths. Sets no_new_privs.
 * Returns the ABI that holds (> 0), 0 when the kernel has no Landlock (nothing holds then: the
 * caller decides), negative on failure. Descriptors that are open stay usable. */
int isolate_landlock_restrict(const struct isolate_landlock_path *paths, size_t count,
                              unsigned flags, struct error *err);

#endif
