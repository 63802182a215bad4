/*
 * env: the environment of a sandbox: PATH, HOME, TERM, LANG, USER, the trust variables, --env, and
 * nothing else.
 */
#ifndef SALLYPORT_LAUNCHER_ENV_H
#define SALLYPORT_LAUNCHER_ENV_H

#include "launcher/spec.h"
#include "launcher/view.h"

struct env_item {
    char *name;
    char *value;
};

struct env {
    struct env_item *items;
    size_t count;
};

/* false when memory is out. Values of TERM, LANG and the system's part of PATH come from the
 * caller's environment; --env of the spec wins over all. */
bool env_make(struct env *env, const struct spec *spec, const struct user *user);
void env_free(struct env *env);

#endif
