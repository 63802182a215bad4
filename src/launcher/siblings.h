/*
 * siblings: our other programs, beside this one or in the libexec folder.
 */
#ifndef SALLYPORT_LAUNCHER_SIBLINGS_H
#define SALLYPORT_LAUNCHER_SIBLINGS_H

#include "base/error.h"

/* The path (given) of a program of ours that can be run. */
int siblings_find(const char *name, char **path, struct error *err);

#endif
