/*
 * rlimits: ceilings of a process, soft and hard at once.
 */
#ifndef SALLYPORT_ISOLATE_RLIMITS_H
#define SALLYPORT_ISOLATE_RLIMITS_H

#include "base/error.h"

#include <stdint.h>

#define ISOLATE_RLIMIT_KEEP UINT64_MAX /* leave it as it is */

struct isolate_rlimits {
    uint64_t nofile;     /* descriptors; lowered to the hard limit when that is less */
    uint64_t nproc;      /* processes of this uid, threads included */
    uint64_t core_bytes; /* 0: no core file */
    uint64_t file_bytes; /* largest file; 0: none can grow */
    uint64_t as_bytes;   /* address space */
};

#define ISOLATE_RLIMITS_KEEP                                                                       \
    {                                                                                              \
        .nofile = ISOLATE_RLIMIT_KEEP, .nproc = ISOLATE_RLIMIT_KEEP,                               \
        .core_bytes = ISOLATE_RLIMIT_KEEP, .file_bytes = ISOLATE_RLIMIT_KEEP,                      \
        .as_bytes = ISOLATE_RLIMIT_KEEP                                                            \
    }

int isolate_rlimits_apply(const struct isolate_rlimits *limits, struct error *err);

#endif
