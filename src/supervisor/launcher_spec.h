/*
 * launcher_spec: the launcher's JSON (launcher/spec.h) from what the CLI decided.
 */
#ifndef SALLYPORT_SUPERVISOR_LAUNCHER_SPEC_H
#define SALLYPORT_SUPERVISOR_LAUNCHER_SPEC_H

#include "config/spec.h"

#include <sys/types.h>

struct launcher_facts {
    const char *id;
    uid_t uid;       /* 0: as we are */
    struct span env; /* `K=V`, a NUL behind each: over the spec's */
};

/* Text to be freed; NULL when memory is out. */
char *launcher_spec_json(const struct spec *spec, const struct launcher_facts *facts);

#endif
