/*
 * rights: SCM_RIGHTS on one sendmsg or recvmsg. Inside the room ipc only.
 */
#ifndef SALLYPORT_IPC_RIGHTS_H
#define SALLYPORT_IPC_RIGHTS_H

#include "ipc/channel.h"

#include <sys/socket.h>

union rights {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
};

/* Points m at r with these descriptors; with none m is left without control data. */
static inline void rights_attach(struct msghdr *m, union rights *r, const int *fds, size_t count)
{
    if (count == 0) {
        return;
    }
    memset(r, 0, sizeof *r);
    m->msg_control = r->room;
    m->msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
}

/* Room in m for at most `most` descriptors. */
static inline void rights_expect(struct msghdr *m, union rights *r, size_t most)
{
    if (most > 0) {
        m->msg_control = r->room;
        m->msg_controllen = CMSG_LEN(sizeof(int) * most); /* no padding that would hold one more */
    }
}

/* Copies what came to fds, which has room for IPC_FDS_MAX; returns how many. */
static inline size_t rights_take(struct msghdr *m, int *fds)
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n && count < IPC_FDS_MAX; i++) {
            memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        }
    }
    return count;
}

#endif
