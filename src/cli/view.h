/*
 * view: which folders the sandbox sees, and which it must not be given.
 */
#ifndef SALLYPORT_CLI_VIEW_H
#define SALLYPORT_CLI_VIEW_H

#include "cli/run_options.h"

/* Fills binds, home, masks, writable and cwd of s, whose private_paths are set. secret_files: real
 * paths that no bind may hold. */
int view_fill(const struct run_options *o, const struct spec_strings *secret_files, struct spec *s,
              struct error *err);

/* Whether path is dir or stands below it. Both clean and absolute. */
bool view_is_below(const char *path, const char *dir);

#endif
