#include "supervisor/state_lock.h"

#include "base/cleanup.h"
#include "config/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define NAME       "daemon.lock"
#define TRIES_MOST 8 /* each lost to one that ended and took the file away meanwhile */

/* `PID SOCKET\n`, printable bytes only. */
static int held_by_another(int fd, const char *state_dir, struct error *err)
{
    char who[512];
    ssize_t n = pread(fd, who, sizeof who - 1, 0);
    who[n > 0 ? n : 0] = 0;
    who[strcspn(who, "\n")] = 0;
    for (char *p = who; *p != 0; p++) {
        *p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
    }
    char *space = strchr(who, ' ');
    if (space == NULL) {
        return error_set(err, 0,
                         "state folder %s: another `sallyport up` has it: choose another --state",
                         state_dir);
    }
    *space = 0;
    return error_set(err, 0,
                     "state folder %s: process %s has it, with the control socket %s: stop that "
                     "`sallyport up`, or choose another --state and SALLYPORT_SOCKET",
                     state_dir, who, space + 1);
}

/* 1: held; 0: the file was taken away between our open and our lock. */
static int try_once(struct state_lock *l, const char *state_dir, struct error *err)
{
    struct stat mine;
    struct stat there;
    cleanup_close int fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(err, errno, "state folder %s: open %s", state_dir, NAME);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        return errno == EWOULDBLOCK ? held_by_another(fd, state_dir, err)
                                    : error_set(err, errno, "lock %s", l->path);
    }
    if (fstat(fd, &mine) < 0 || stat(l->path, &there) < 0 || mine.st_ino != there.st_ino ||
        mine.st_dev != there.st_dev) {
        return 0;
    }
    l->fd = steal_fd(&fd);
    return 1;
}

int state_lock_take(struct state_lock *l, const char *state_dir, const char *socket,
                    struct error *err)
{
    *l = (struct state_lock){.fd = -1};
    int rc = paths_make_dir(state_dir, err);
    if (rc < 0) {
        return error_prefix(err, "state folder %s", state_dir);
    }
    if (asprintf(&l->path, "%s/%s", state_dir, NAME) < 0) {
        l->path = NULL;
        return error_set(err, ENOMEM, "state folder %s", state_dir);
    }
    for (int i = 0; rc == 0 && i < TRIES_MOST; i++) {
        rc = try_once(l, state_dir, err);
    }
    if (rc <= 0) {
        free(steal_ptr(&l->path));
        return rc < 0 ? rc : error_set(err, 0, "state folder %s: cannot be locked", state_dir);
    }
    /* What it says is for people; a full disk does not keep us from holding the lock. */
    if (ftruncate(l->fd, 0) == 0) {
        dprintf(l->fd, "%d %s\n", getpid(), socket != NULL ? socket : "-");
    }
    return 0;
}

void state_lock_drop(struct state_lock *l)
{
    if (l->fd >= 0) {
        unlink(l->path);
        close_fd(&l->fd);
    }
    free(steal_ptr(&l->path));
}
