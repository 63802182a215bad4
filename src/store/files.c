#include "store/files.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int store_make_file(const char *path, struct error *err)
{
    cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? error_set(err, errno, "store %s", path) : 0;
}

int store_make_folder(const char *dir, struct error *err)
{
    cleanup_free char *path = strdup(dir);
    for (char *p = path; p != NULL && *p != '\0';) {
        p += 1 + strcspn(p + 1, "/");
        char old = *p;
        *p = '\0';
        struct stat st;
        int why = mkdir(path, 0700) < 0 ? errno : 0;
        if (why != 0 && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))) {
            return error_set(err, 0,
                             "store folder %s: %s: set XDG_STATE_HOME to a folder that you can "
                             "write",
                             path, strerror(why));
        }
        *p = old;
    }
    return path != NULL ? 0 : error_set(err, ENOMEM, "store folder %s", dir);
}
