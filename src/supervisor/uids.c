#include "supervisor/uids.h"

#include "base/cleanup.h"
#include "config/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TRIES_MOST 65536u

struct uids {
    int fd;
    uint32_t next; /* where the search goes on */
    /* A lock of ours is no obstacle to ourselves. */
    uint8_t ours[UIDS_COUNT / 8];
};

int uids_open(const char *path, struct uids **out, struct error *err)
{
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL && slash != dir) {
        *slash = 0;
        int rc = paths_make_dir(dir, err);
        if (rc < 0) {
            return rc;
        }
    }
    struct uids *u = calloc(1, sizeof *u);
    if (u == NULL) {
        return error_set(err, ENOMEM, "user ids");
    }
    u->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (u->fd < 0) {
        int rc = error_set(err, errno, "user ids of sandboxes: open %s", path);
        free(u);
        return rc;
    }
    *out = u;
    return 0;
}

void uids_close(struct uids *u)
{
    if (u != NULL) {
        close_fd(&u->fd);
        free(u);
    }
}

static int lock_set(struct uids *u, uint32_t at, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1};
    return fcntl(u->fd, F_OFD_SETLK, &lock);
}

int uids_take(struct uids *u, uid_t *out, struct error *err)
{
    for (uint32_t tries = 0; tries < TRIES_MOST; tries++) {
        uint32_t at = u->next;
        u->next = (at + 1) % UIDS_COUNT;
        bool ours = (u->ours[at / 8] & (1u << at % 8)) != 0;
        if (ours || lock_set(u, at, F_WRLCK) < 0) {
            continue;
        }
        u->ours[at / 8] |= (uint8_t)(1u << at % 8);
        *out = UIDS_FIRST + at;
        return 0;
    }
    return error_set(err, 0, "user ids of sandboxes: none of %u is free", TRIES_MOST);
}

void uids_drop(struct uids *u, uid_t uid)
{
    if (uid < UIDS_FIRST || uid - UIDS_FIRST >= UIDS_COUNT) {
        return;
    }
    uint32_t at = uid - UIDS_FIRST;
    u->ours[at / 8] &= (uint8_t) ~(1u << at % 8);
    lock_set(u, at, F_UNLCK);
}
