#include "supervisor/gate_pair.h"

#include "base/cleanup.h"

#include <errno.h>
#include <sys/socket.h>

#define GATE_BUFFER (1024 * 1024) /* bytes that the kernel may hold in one direction */

void gate_pair_close(struct gate_pair *g)
{
    if (g->outer >= 0) {
        shutdown(g->outer, SHUT_RDWR);
    }
    close_fd(&g->outer);
    close_fd(&g->inner);
}

int gate_pair_open(struct gate_pair *g, const char *whose, struct error *err)
{
    gate_pair_close(g);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        return error_set(err, errno, "gate of %s", whose);
    }
    for (int end = 0; end < 2; end++) {
        int bytes = GATE_BUFFER;
        if (setsockopt(pair[end], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0) {
            setsockopt(pair[end], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        }
    }
    *g = (struct gate_pair){.outer = pair[0], .inner = pair[1]};
    return 0;
}
