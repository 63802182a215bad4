/*
 * connect: joins descriptor 0, a stream socket, with a TCP port on loopback.
 */
#include "agent/files.h"
#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CHUNK (64u * 1024u)

static int dial(int port)
{
    const struct sockaddr_in v4 = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                                    .sin6_port = htons((uint16_t)port),
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct {
        int family;
        const void *at;
        socklen_t len;
    } places[] = {{AF_INET, &v4, sizeof v4}, {AF_INET6, &v6, sizeof v6}};
    int code = 0; /* of the first: there may be no IPv6 at all */
    for (size_t i = 0; i < 2; i++) {
        cleanup_close int fd = socket(places[i].family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, places[i].at, places[i].len) == 0) {
            const int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return steal_fd(&fd);
        }
        code = i == 0 ? errno : code;
    }
    errno = code;
    return -1;
}

/* One direction: what was read and not yet written. */
struct way {
    int from;
    int to;
    size_t at;
    size_t len;
    bool ended; /* its end was passed on */
    char chunk[CHUNK];
};

static bool again(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* false: the connection is of no more use. */
static bool way_move(struct way *w)
{
    if (w->len == 0) {
        const ssize_t n = recv(w->from, w->chunk, sizeof w->chunk, MSG_DONTWAIT);
        if (n < 0) {
            return again();
        }
        if (n == 0) {
            w->ended = true;
            return shutdown(w->to, SHUT_WR) == 0;
        }
        w->at = 0;
        w->len = (size_t)n;
    }
    const ssize_t n = send(w->to, w->chunk + w->at, w->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
        return again();
    }
    w->at += (size_t)n;
    w->len -= (size_t)n;
    return true;
}

static void join(int outer, int inner)
{
    static struct way ways[2];
    ways[0] = (struct way){.from = outer, .to = inner};
    ways[1] = (struct way){.from = inner, .to = outer};
    while (!ways[0].ended || !ways[1].ended) {
        /* Of one that is gone for good no more than HUP is heard; it is no use to wait for more. */
        struct pollfd fds[3] = {{.fd = -1}, {.fd = -1}, {.fd = ways[0].ended ? outer : -1}};
        for (size_t i = 0; i < 2; i++) {
            fds[i].fd = ways[i].ended ? -1 : ways[i].len > 0 ? ways[i].to : ways[i].from;
            fds[i].events = ways[i].len > 0 ? POLLOUT : POLLIN;
        }
        if (poll(fds, 3, -1) < 0) {
            continue;
        }
        if ((fds[2].revents & (POLLHUP | POLLERR)) != 0) {
            return;
        }
        for (size_t i = 0; i < 2; i++) {
            if (fds[i].fd >= 0 && fds[i].revents != 0 && !way_move(&ways[i])) {
                return;
            }
        }
    }
}

int files_connect(const char *port)
{
    char *end;
    const long number = strtol(port, &end, 10);
    if (*end != '\0' || number < 1 || number > 65535) {
        return files_fail(EINVAL, port);
    }
    cleanup_close int fd = dial((int)number);
    if (fd < 0) {
        return files_fail(errno, port);
    }
    /* Whoever asked waits for this byte, or for the line on 2. */
    if (write(STDOUT_FILENO, "+", 1) != 1) {
        return 1;
    }
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    join(STDIN_FILENO, fd);
    return 0;
}
