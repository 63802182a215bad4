/*
 * glob: patterns of paths. `*` is anything but a slash, `**` anything, `?` one character but a
 * slash; all else is itself.
 */
#ifndef SALLYPORT_AGENT_GLOB_H
#define SALLYPORT_AGENT_GLOB_H

#include <stdbool.h>

#define GLOB_BYTES_MAX 1024u /* of a pattern; a longer one matches nothing */

/* Whether the pattern is one or more whole components of the path, wherever they stand: `src` is in
 * `/a/src/b`, `*.ts` in `/a/b.ts`. Time: product of the lengths; no backtracking. */
bool glob_in_path(const char *pattern, const char *path);

#endif
