/*
 * deploy: a new version of the app's code in the place of the one that serves, all or nothing.
 *
 * The new code is loaded; every object that is in use, or has a sandbox, is constructed in it and
 * its policy made for it; only then do all of them go over at once. Objects that nobody uses are
 * let go. On any error the old version serves on as if nothing had been.
 */
#ifndef SALLYPORT_RUNTIME_DEPLOY_H
#define SALLYPORT_RUNTIME_DEPLOY_H

#include "runtime/runtime.h"

/* app is the JSON of RUNTIME_START. */
int deploy(struct runtime *rt, struct span app, const struct version_code *code, struct error *err);

#endif
