/* follow: deploys whenever what a Worker is made of changes; never ends by itself. */
#ifndef SALLYPORT_CLI_FOLLOW_H
#define SALLYPORT_CLI_FOLLOW_H

#include "base/error.h"

/* path: as given to --config. A module that cannot be read or loaded is told and waited for. When
 * the daemon is our parent, it has deployed what is there already. Returns only with a failure that
 * goes on: no daemon, no watch. */
int follow(const char *path, struct error *err);

#endif
