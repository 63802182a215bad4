#include "launcher/etc_copy.h"

#include "base/cleanup.h"
#include "config/paths.h"
#include "launcher/etc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX  (8ll * 1024 * 1024)
#define TOTAL_MAX (128ll * 1024 * 1024)
#define DEPTH_MAX 16

/* Below /etc, never shown although everybody may read them: who the machine is, and where package
 * managers keep passwords. Everything that not everybody may read is left out anyway. */
static const char *const left_out[] = {"machine-id", "apt/auth.conf", "apt/auth.conf.d",
                                       "shadow*",    "gshadow*",      "*.lock",
                                       "sallyport",  "mtab~*",        NULL};

struct copy {
    long long bytes;
};

static bool is_left_out(const char *path)
{
    for (size_t i = 0; left_out[i] != NULL; i++) {
        if (fnmatch(left_out[i], path, FNM_PATHNAME) == 0) {
            return true;
        }
    }
    for (size_t i = 0; etc_links[i].path != NULL; i++) {
        if (strcmp(etc_links[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static int copy_file(int from, int to, const char *name, const struct stat *st, struct copy *c)
{
    if (st->st_size > FILE_MAX || c->bytes + st->st_size > TOTAL_MAX) {
        return 0; /* nothing that a program needs from /etc is that large */
    }
    cleanup_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (in < 0) {
        return 0; /* gone, or not ours to read */
    }
    cleanup_close int out =
        openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st->st_mode & 0555);
    if (out < 0) {
        return -errno;
    }
    off_t left = st->st_size;
    while (left > 0) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : 0;
        }
        left -= n;
        c->bytes += n;
    }
    return 0;
}

static int copy_link(int from, int to, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
    if (n <= 0) {
        return 0;
    }
    target[n] = '\0';
    return symlinkat(target, to, name) == 0 ? 0 : -errno;
}

static int copy_folder(int from, int to, const char *path, int depth, struct copy *c);

static int copy_entry(int from, int to, const char *name, const char *path, int depth,
                      struct copy *c)
{
    struct stat st;
    if (is_left_out(path) || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0;
    }
    if (S_ISLNK(st.st_mode)) {
        return copy_link(from, to, name);
    }
    if (S_ISREG(st.st_mode) && (st.st_mode & S_IROTH) != 0) {
        return copy_file(from, to, name, &st, c);
    }
    const mode_t open_to_all = S_IROTH | S_IXOTH;
    if (!S_ISDIR(st.st_mode) || (st.st_mode & open_to_all) != open_to_all || depth >= DEPTH_MAX) {
        return 0;
    }
    int sub = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0) {
        return 0;
    }
    if (mkdirat(to, name, 0755) != 0) {
        int code = errno;
        close(sub);
        return -code;
    }
    cleanup_close int into = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (into < 0) {
        int code = errno;
        close(sub);
        return -code;
    }
    return copy_folder(sub, into, path, depth + 1, c);
}

/* from is given; depth is bounded, so this recursion is too. */
static int copy_folder(int from, int to, const char *path, int depth, struct copy *c)
{
    DIR *dir = fdopendir(from);
    if (dir == NULL) {
        int code = errno;
        close(from);
        return -code;
    }
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(dir)) != NULL;) {
        char below[PATH_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            snprintf(below, sizeof(below), "%s%s%s", path, path[0] != '\0' ? "/" : "", e->d_name) >=
                (int)sizeof(below)) {
            continue;
        }
        rc = copy_entry(from, to, e->d_name, below, depth, c);
    }
    closedir(dir);
    return rc;
}

/* Makes the folders above path, then the link; a name that the copy made there gives way. */
static int add_link(int root, const struct etc_link *link)
{
    char path[256];
    char target[256];
    snprintf(path, sizeof(path), "%s", link->path);
    snprintf(target, sizeof(target), "%s/%s", ETC_INSTANCE_DIR, link->target);
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdirat(root, path, 0755) != 0 && errno != EEXIST) {
            return -errno;
        }
        *slash = '/';
    }
    (void)unlinkat(root, path, 0);
    return symlinkat(target, root, path) == 0 ? 0 : -errno;
}

static int add_nsswitch(int root)
{
    static const char text[] = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
                               "networks: files\nprotocols: files\nservices: files\n"
                               "ethers: files\nrpc: files\n";
    (void)unlinkat(root, "nsswitch.conf", 0);
    cleanup_close int fd =
        openat(root, "nsswitch.conf", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    return fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1 ? 0 : -errno;
}

int etc_copy_build(const char *into, struct error *err)
{
    cleanup_close int root = open(into, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int from = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || from < 0) {
        int code = errno;
        close_fd(&from);
        return error_set(err, code, "stage /etc");
    }
    struct copy c = {0};
    int rc = copy_folder(from, root, "", 0, &c);
    for (size_t i = 0; rc == 0 && etc_links[i].path != NULL; i++) {
        rc = add_link(root, &etc_links[i]);
    }
    if (rc == 0) {
        rc = add_nsswitch(root);
    }
    if (rc == 0 && fchmod(root, 0755) != 0) {
        rc = -errno;
    }
    return rc == 0 ? 0 : error_set(err, -rc, "stage /etc in %s", into);
}

void etc_copy_sweep(const char *cache)
{
    DIR *dir = opendir(cache);
    const time_t now = time(NULL);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        const bool half = strncmp(e->d_name, "new-", 4) == 0;
        struct stat st;
        char path[PATH_MAX];
        if ((!half && strncmp(e->d_name, "etc-", 4) != 0) ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            now - st.st_mtim.tv_sec < (half ? 1 : 30) * 86400 ||
            snprintf(path, sizeof(path), "%s/%s", cache, e->d_name) >= (int)sizeof(path)) {
            continue;
        }
        paths_remove_dir(path);
    }
    if (dir != NULL) {
        closedir(dir);
    }
}
