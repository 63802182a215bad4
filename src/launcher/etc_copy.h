/*
 * etc_copy: the slow half of etc.h, done once per change of /etc.
 */
#ifndef SALLYPORT_LAUNCHER_ETC_COPY_H
#define SALLYPORT_LAUNCHER_ETC_COPY_H

#include "base/error.h"

/* Fills the empty folder with what a sandbox may see of /etc, and the links of etc_links. */
int etc_copy_build(const char *into, struct error *err);
/* Removes copies in cache that were not used for a month, and half-built ones of a day ago. A
 * sandbox that runs longer than that with an old copy loses its /etc. */
void etc_copy_sweep(const char *cache);

#endif
