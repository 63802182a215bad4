/*
 * paths: where our files stand for this user.
 *
 * - state: $SALLYPORT_STATE, else /var/lib/sallyport (root), else $XDG_STATE_HOME/sallyport, else
 *   ~/.local/state/sallyport
 * - runtime: the folder of $SALLYPORT_SOCKET, else /run/sallyport (root), else
 *   $XDG_RUNTIME_DIR/sallyport, else ~/.local/state/sallyport/run
 * - cache: $XDG_CACHE_HOME/sallyport, else ~/.cache/sallyport
 *
 * An environment value that is not an absolute path is passed over, as XDG says.
 */
#ifndef SALLYPORT_CONFIG_PATHS_H
#define SALLYPORT_CONFIG_PATHS_H

#include "base/error.h"

#define PATHS_SOCKET_MAX 107u /* bytes of an AF_UNIX path without its NUL */

/* Each gives a clean absolute path in *out, to be freed. */
int paths_state_dir(char **out, struct error *err);
/* Where the state stands when this user is not root: private as well when he is. */
int paths_user_state_dir(char **out, struct error *err);
int paths_runtime_dir(char **out, struct error *err);
int paths_cache_dir(char **out, struct error *err);
/* The daemon's control socket: $SALLYPORT_SOCKET or `control.sock` in the runtime folder. */
int paths_control_socket(char **out, struct error *err);
/* The socket of one `run`: `run-ID.sock` in the runtime folder. */
int paths_run_socket(const char *id, char **out, struct error *err);

/* The absolute form of path against base (absolute), without `.`, `..`, doubled or trailing slash;
 * symbolic links are left alone. NULL when memory is out. */
char *paths_clean(const char *base, const char *path);

/* Where objects have their storage: those of one run are its own. NULL when memory is out. */
char *paths_objects_dir(const char *state_dir, const char *run_id /* NULL: the daemon's */);

/* Makes dir and its missing parents with mode 0700. */
int paths_make_dir(const char *dir, struct error *err);
/* Takes dir away with all that is in it, as far as that goes. No symbolic link is followed. */
void paths_remove_dir(const char *dir);

#endif
