/*
 * protect: what a sandbox sees of a bind as empty, and what it may not change there.
 *
 * A file is protected by a mount over it. Each folder between the bind's root and the file becomes
 * a mount point too (of itself): else renaming the folder would leave the protection behind. All of
 * it exists in this process's mount namespace only; nothing is created in the folder.
 */
#ifndef SALLYPORT_LAUNCHER_PROTECT_H
#define SALLYPORT_LAUNCHER_PROTECT_H

#include "base/error.h"
#include "launcher/binds.h"
#include "launcher/spec.h"

#define PROTECT_MAX 4096u /* protected paths of one sandbox */

enum protect_kind { PROTECT_MASK, PROTECT_READONLY };

struct protect_item {
    struct bind *bind;
    char *rel; /* below the bind's root, not empty */
    enum protect_kind kind;
};

struct protect {
    struct protect_item *items; /* sorted: a folder before what is in it */
    size_t count;
};

/* Looks through the roots of the binds and the paths of the spec. */
int protect_collect(const struct spec *spec, struct binds *binds, struct protect *out,
                    struct error *err);
/* Puts the mounts over the attached clones of the binds. empty_fd is an empty file (O_PATH) of this
 * mount namespace. */
int protect_apply(const struct protect *p, int empty_fd, struct error *err);
void protect_free(struct protect *p);

#endif
