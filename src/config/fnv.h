/* fnv: FNV-1a, 64 bits, to name files and to notice torn ones. Not a defence. Inside config. */
#ifndef SALLYPORT_CONFIG_FNV_H
#define SALLYPORT_CONFIG_FNV_H

#include "base/span.h"

#define FNV_START 0xcbf29ce484222325u

static inline uint64_t fnv_add(uint64_t hash, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    }
    return hash;
}

/* With its NUL, so that two strings are not the same as their concatenation. */
static inline uint64_t fnv_add_str(uint64_t hash, const char *s)
{
    return fnv_add(hash, span_of(s, strlen(s) + 1));
}

#endif
