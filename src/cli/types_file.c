#include "cli/types_file.h"
#include "base/cleanup.h"
#include "base/write.h"
#include "config/types.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define MARKER SPAN_LIT(TYPES_MARKER)

static int refuse(const char *path, const char *what, struct error *err)
{
    return error_set(err, 0, "types %s: %s: move it away, or name another file", path, what);
}

int types_file_look(const char *path, struct span text, enum types_state *out, struct error *err)
{
    struct stat st;
    *out = TYPES_ABSENT;
    if (lstat(path, &st) < 0) {
        return errno == ENOENT ? 0 : error_set(err, errno, "types %s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return refuse(path, "not a regular file", err);
    }
    struct buf there;
    int rc = config_read_file(path, TYPES_BYTES_MAX, &there, err);
    struct span had = buf_span(&there);
    if (rc == 0 && (had.len < MARKER.len || memcmp(had.ptr, MARKER.ptr, MARKER.len) != 0)) {
        rc = refuse(path, "was not written by `sallyport types`", err);
    }
    *out = span_eq(had, text) ? TYPES_FRESH : TYPES_STALE;
    buf_free(&there);
    return rc;
}

/* mkostemp gives 0600; a file that others are to read has what their umask leaves. */
static int set_mode(int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(fd, 0666 & ~mask) < 0 ? -errno : 0;
}

int types_file_put(const char *path, struct span text, struct error *err)
{
    cleanup_free char *aside = NULL;
    if (asprintf(&aside, "%s.XXXXXX", path) < 0) {
        aside = NULL;
        return error_set(err, ENOMEM, "types %s", path);
    }
    cleanup_close int fd = mkostemp(aside, O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, errno, "types %s: write beside it", path);
    }
    int rc = write_all(fd, text);
    rc = rc < 0 ? rc : set_mode(fd);
    rc = rc == 0 && rename(aside, path) < 0 ? -errno : rc;
    if (rc < 0) {
        unlink(aside);
        return error_set(err, -rc, "types %s", path);
    }
    return 0;
}
