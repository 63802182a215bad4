/*
 * etc: the staged copy of /etc that every sandbox of this user sees.
 *
 * Only what anybody on this machine may read, without devices, sockets, credentials of package
 * managers and the machine's identity. What differs per instance (hosts, resolv.conf, passwd, the
 * bundles) is a link into ETC_INSTANCE_DIR. Kept in the cache folder under a name made from
 * everything that was looked at: a changed source makes another folder.
 */
#ifndef SALLYPORT_LAUNCHER_ETC_H
#define SALLYPORT_LAUNCHER_ETC_H

#include "base/error.h"

#define ETC_INSTANCE_DIR "/run/sallyport" /* inside: read-only, one per instance */

/* The path of the staged folder (given), built when it is not there. cache is an existing folder
 * of ours. Several processes may do it at once. */
int etc_stage(const char *cache, char **path, struct error *err);

/* Paths below /etc that are links into ETC_INSTANCE_DIR, with the name there; ends with NULL. */
struct etc_link {
    const char *path;   /* without "/etc/" */
    const char *target; /* name in ETC_INSTANCE_DIR */
};
extern const struct etc_link etc_links[];

#endif
