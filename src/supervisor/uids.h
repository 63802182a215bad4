/*
 * uids: a user id of its own for each sandbox that root starts, in no other's use on this host.
 *
 * Ids are claimed as byte locks of one file, which the kernel drops when its holder ends, however
 * it ends: neither a daemon that was killed nor another daemon beside this one is in the way.
 */
#ifndef SALLYPORT_SUPERVISOR_UIDS_H
#define SALLYPORT_SUPERVISOR_UIDS_H

#include "base/error.h"

#include <sys/types.h>

#define UIDS_FIRST 2004194304u /* above 2000000000 + the largest pid, which a `run` takes */
#define UIDS_COUNT 1048576u
#define UIDS_FILE  "/run/sallyport/uids"

struct uids;

/* path: of the file of locks, made if it is not there (its folder too). */
int uids_open(const char *path, struct uids **out, struct error *err);
void uids_close(struct uids *u); /* NULL is allowed; drops all */

/* An id that nobody has; one that was dropped is taken again as late as possible. */
int uids_take(struct uids *u, uid_t *out, struct error *err);
void uids_drop(struct uids *u, uid_t uid); /* 0 is allowed */

#endif
