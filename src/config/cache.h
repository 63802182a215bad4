/*
 * cache: bundles that were made before, one file a module, written aside and renamed into place.
 * Inside config only.
 *
 *     "sallyport bundle 1 MANIFEST SCRIPT MAP CHECKSUM\n" | manifest JSON | script | map
 *
 * with three lengths in decimal and the checksum of what follows in hex. The manifest lists what
 * decided the script: files that were read, and the folders in which another file could have been
 * found first. A bundle is true while each has the inode, size, mtime and ctime of that time. A
 * cache file that is not ours, is cut or has another checksum counts as absent.
 */
#ifndef SALLYPORT_CONFIG_CACHE_H
#define SALLYPORT_CONFIG_CACHE_H

#include "base/buf.h"
#include "config/spec.h"

struct cache_entry {
    struct buf file; /* the whole cache file; the spans point into it */
    struct span script;
    struct span map;
    struct spec_strings inputs;
};

/* Whether one was found and is still true. What cannot be used is made anew, so nothing here is an
 * error. */
bool cache_find(const char *module, const char *root, struct cache_entry *out);
void cache_entry_free(struct cache_entry *e);

/* What a bundle depends on. All lists of absolute paths. */
struct cache_sources {
    struct spec_strings files;
    struct spec_strings folders;
};

/* Adds to s->folders those that lead from the files to root, and to s->files every package.json in
 * them. */
bool cache_complete(const char *root, struct cache_sources *s);

/* began_ns: wall clock before the bundler started. When a source changed just
 * before it nothing is kept: its stamps could hide a second change. */
void cache_keep(const char *module, const char *root, const struct cache_sources *sources,
                struct span script, struct span map, uint64_t began_ns);

#endif
