#include "launcher/siblings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int siblings_find(const char *name, char **path, struct error *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0) {
        return error_set(err, errno, "find %s: read /proc/self/exe", name);
    }
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    const char *const folders[] = {self, SALLYPORT_LIBEXECDIR};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (asprintf(path, "%s/%s", folders[i], name) < 0) {
            *path = NULL;
            return error_set(err, ENOMEM, "find %s", name);
        }
        if (access(*path, X_OK) == 0) {
            return 0;
        }
        free(*path);
        *path = NULL;
    }
    return error_set(err, ENOENT, "find %s beside this program or in " SALLYPORT_LIBEXECDIR, name);
}
