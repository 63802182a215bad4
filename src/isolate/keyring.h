/*
 * keyring: kernel keys of the session.
 */
#ifndef SALLYPORT_ISOLATE_KEYRING_H
#define SALLYPORT_ISOLATE_KEYRING_H

#include "base/error.h"

/* Joins a new, anonymous and empty session keyring: keys of the session that started us are out of
 * reach. 0 too when the kernel has no keys at all. */
int isolate_keyring_new_session(struct error *err);

#endif
