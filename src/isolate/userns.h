/*
 * userns: user namespaces made, mapped and entered.
 *
 * None of these may be called with a second thread running (the kernel refuses).
 */
#ifndef SALLYPORT_ISOLATE_USERNS_H
#define SALLYPORT_ISOLATE_USERNS_H

#include "base/error.h"

#include <sys/types.h>

/* Moves the caller into a new user namespace in which it is uid 0 and gid 0 with all rights, and
 * into new namespaces of the further kinds in flags (CLONE_NEWNET, CLONE_NEWNS, …).
 * The process must be dumpable: else the kernel gives its uid_map to root. */
int isolate_userns_enter(int flags, struct error *err);

/* Makes one user + network namespace that nothing is in, and hands out a descriptor of each (given,
 * CLOEXEC). The network namespace has only a loopback that is down. uid and gid own it and are the
 * only ids mapped in it, to themselves; who is not root passes its own. Forks and reaps one child.
 */
int isolate_userns_make_empty(uid_t uid, gid_t gid, int *user_fd, int *net_fd, struct error *err);

/* Enters both, becomes the ids that are mapped there (no supplementary groups), drops every
 * capability and sets no_new_privs. The parent-death signal is cleared by it: call
 * isolate_process_die_with_parent afterwards. The descriptors stay open. */
int isolate_userns_join(int user_fd, int net_fd, struct error *err);

/* Root only: becomes uid/gid for good, without supplementary groups, dumpable again (the maps of a
 * namespace made later must be writable). Clears the parent-death signal. */
int isolate_userns_become(uid_t uid, gid_t gid, struct error *err);

/* Empties every capability set of the caller, the bounding set included. */
int isolate_userns_drop_capabilities(struct error *err);

#endif
