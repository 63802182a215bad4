/*
 * bundle: the user's module and what it imports as one CommonJS script, made by esbuild; one that
 * uses top-level await is an async function in it (esbuild.c).
 *
 * esbuild is the system's (/usr/bin/esbuild, or ours beside the programs), never one that a
 * project carries; it runs without an environment and without plugins, and of the project's
 * tsconfig it is told what tsconfig.h names. The built-in modules stay external. Its output goes to
 * memfds; no file is written but the cache.
 *
 * The cache (one file a module under the user's cache folder) is used only while every file that
 * was read, and every folder in which a new file could have been found first, has the same inode,
 * size, mtime and ctime as before the bundle was made (docs/decisions/bundle-cache.md). With
 * `paths` or `baseUrl` those folders are not known, and nothing is kept.
 */
#ifndef SALLYPORT_CONFIG_BUNDLE_H
#define SALLYPORT_CONFIG_BUNDLE_H

#include "base/error.h"
#include "config/spec.h"

#define BUNDLE_BYTES_MAX (64u * 1024u * 1024u)

struct bundle {
    int script_fd;              /* sealed memfd with CLOEXEC, offset 0 */
    int map_fd;                 /* source map; its sources are relative to root, or absolute */
    struct spec_strings inputs; /* absolute paths of every file that decided what the script is */
    bool from_cache;
};

/* module and root (the folder of the configuration) are absolute, symbolic links resolved.
 * A syntax error or a missing import reads `file:line:column: message`. */
int bundle_make(const char *module, const char *root, struct bundle *out, struct error *err);
/* Two empty memfds: what a sandbox without a module has. */
int bundle_empty(struct bundle *out, struct error *err);
void bundle_free(struct bundle *b);

/* Path of the esbuild that would run; NULL when there is none. Static memory. */
const char *bundle_esbuild(void);

#endif
