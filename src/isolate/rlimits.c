#include "isolate/rlimits.h"

#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>

int isolate_rlimits_apply(const struct isolate_rlimits *limits, struct error *err)
{
    const struct {
        __rlimit_resource_t resource;
        const char *name;
        uint64_t value;
    } table[] = {
        {RLIMIT_NOFILE, "open files", limits->nofile},
        {RLIMIT_NPROC, "processes", limits->nproc},
        {RLIMIT_CORE, "core size", limits->core_bytes},
        {RLIMIT_FSIZE, "file size", limits->file_bytes},
        {RLIMIT_AS, "address space", limits->as_bytes},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].value == ISOLATE_RLIMIT_KEEP) {
            continue;
        }
        struct rlimit now;
        if (getrlimit(table[i].resource, &now) != 0) {
            return error_set(err, errno, "limit %s", table[i].name);
        }
        rlim_t value = table[i].value < now.rlim_max ? table[i].value : now.rlim_max;
        struct rlimit both = {.rlim_cur = value, .rlim_max = value};
        if (setrlimit(table[i].resource, &both) != 0) {
            return error_set(err, errno, "limit %s", table[i].name);
        }
    }
    return 0;
}
