/*
 * etc: looked at once (to name the copy), copied only when that name is new.
 */
#include "launcher/etc.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "config/paths.h"
#include "launcher/etc_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Part of the name: another way of staging makes another folder. */
#define STAGE_VERSION 2u
#define DEPTH_MAX     16

#define INSTANCE(path, name)                                                                       \
    {                                                                                              \
        path, name                                                                                 \
    }
const struct etc_link etc_links[] = {
    INSTANCE("hosts", "hosts"),
    INSTANCE("hostname", "hostname"),
    INSTANCE("resolv.conf", "resolv.conf"),
    INSTANCE("passwd", "passwd"),
    INSTANCE("group", "group"),
    INSTANCE("ssl/certs/ca-certificates.crt", "bundle.pem"),
    INSTANCE("ssl/certs/ca-bundle.crt", "bundle.pem"),
    INSTANCE("ssl/cert.pem", "bundle.pem"),
    INSTANCE("ssl/ca-bundle.pem", "bundle.pem"),
    INSTANCE("pki/tls/certs/ca-bundle.crt", "bundle.pem"),
    INSTANCE("pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "bundle.pem"),
    INSTANCE("ssl/certs/java/cacerts", "java.p12"),
    INSTANCE("ssl/certs/adoptium/cacerts", "java.p12"),
    INSTANCE("pki/java/cacerts", "java.p12"),
    INSTANCE("cloudflare/certs/cloudflare-containers-ca.crt", "ca.pem"),
    {NULL, NULL},
};

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 32;
}

static uint64_t mix_name(uint64_t h, const char *name)
{
    for (; *name != '\0'; name++) {
        h = (h ^ (unsigned char)*name) * 1099511628211ull;
    }
    return h;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Names, kinds, sizes, modes and times of all below dir, which is given. A symbolic link cannot
 * change but by being replaced, which changes its number: it needs no look of its own. */
static int look(int dirfd, int depth, uint64_t *h)
{
    DIR *dir = fdopendir(dirfd);
    if (dir == NULL) {
        int code = errno;
        close(dirfd);
        return -code;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (is_dots(e->d_name)) {
            continue;
        }
        /* Order of a folder's entries may change: each entry is mixed alone, then added. */
        uint64_t one = mix_name(mix((unsigned)depth, e->d_ino), e->d_name);
        if (e->d_type != DT_LNK && fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            one = mix(one, st.st_mode);
            one = mix(one, (uint64_t)st.st_size);
            one = mix(one, (uint64_t)st.st_mtim.tv_sec << 30 ^ (uint64_t)st.st_mtim.tv_nsec);
            one = mix(one, (uint64_t)st.st_ctim.tv_sec << 30 ^ (uint64_t)st.st_ctim.tv_nsec);
            if (S_ISDIR(st.st_mode) && (st.st_mode & S_IROTH) != 0 && depth < DEPTH_MAX) {
                int sub = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (sub >= 0) {
                    (void)look(sub, depth + 1, h);
                }
            }
        }
        *h += mix(one, 1);
    }
    closedir(dir);
    return 0;
}

/* Copies into a folder of our own, then gives it its name in one step. */
static int build(const char *cache, const char *path, struct error *err)
{
    char *temp = NULL;
    if (asprintf(&temp, "%s/new-XXXXXX", cache) < 0) {
        return error_set(err, ENOMEM, "stage /etc");
    }
    cleanup_free char *owned = temp;
    if (mkdtemp(temp) == NULL) {
        return error_set(err, errno, "stage /etc: make a folder in %s", cache);
    }
    int rc = etc_copy_build(temp, err);
    if (rc == 0 && rename(temp, path) != 0) {
        /* Somebody else was faster: the same name holds the same copy. */
        if (errno != EEXIST && errno != ENOTEMPTY) {
            rc = error_set(err, errno, "stage /etc: rename to %s", path);
        } else {
            paths_remove_dir(temp);
        }
    } else if (rc < 0) {
        paths_remove_dir(temp);
    }
    return rc;
}

int etc_stage(const char *cache, char **path, struct error *err)
{
    uint64_t h = STAGE_VERSION;
    int fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, errno, "stage /etc");
    }
    int rc = look(fd, 0, &h);
    if (rc < 0) {
        return error_set(err, -rc, "stage /etc: read it");
    }
    char *name = NULL;
    if (asprintf(&name, "%s/etc-%016llx", cache, (unsigned long long)h) < 0) {
        return error_set(err, ENOMEM, "stage /etc");
    }
    struct stat st;
    if (lstat(name, &st) != 0) {
        log_info("staging a new copy of /etc");
        etc_copy_sweep(cache);
        rc = build(cache, name, err);
    } else if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
        rc = error_set(err, 0, "stage /etc: %s is not a folder of ours: remove it", name);
    } else {
        (void)utimensat(AT_FDCWD, name, NULL, 0); /* in use: the sweep leaves it */
    }
    if (rc < 0) {
        free(name);
        return rc;
    }
    *path = name;
    return 0;
}
