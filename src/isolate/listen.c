#include "isolate/listen.h"

#include "base/cleanup.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif

#define BACKLOG 4096

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

static int bind_any(int fd, bool ipv6, uint16_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int rc = ipv6 ? bind(fd, (const struct sockaddr *)&v6, sizeof(v6))
                  : bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
    return rc == 0 ? 0 : -errno;
}

/* Transparent, all of them: a socket that answers from an address which is not assigned to an
 * interface has to be, for IPv6. */
static int open_one(bool ipv6, int type, uint16_t port, struct error *err)
{
    cleanup_close int fd =
        socket(ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_set(err, errno, "listen on port %u: make a socket", port);
    }
    int rc = ipv6 ? set_int(fd, SOL_IPV6, IPV6_V6ONLY, 0) : 0;
    if (rc == 0) {
        rc = set_int(fd, SOL_IP, IP_TRANSPARENT, 1);
    }
    if (rc == 0 && ipv6) {
        rc = set_int(fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
    }
    if (rc == 0 && type == SOCK_DGRAM) {
        rc = ipv6 ? set_int(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1) : set_int(fd, SOL_IP, IP_PKTINFO, 1);
    }
    if (rc == 0) {
        rc = bind_any(fd, ipv6, port);
    }
    if (rc == 0 && type == SOCK_STREAM && listen(fd, BACKLOG) != 0) {
        rc = -errno;
    }
    return rc == 0 ? steal_fd(&fd) : error_set(err, -rc, "listen on port %u", port);
}

int isolate_listen_open(bool ipv6, struct isolate_sockets *out, struct error *err)
{
    *out = (struct isolate_sockets){.tcp = -1, .dns_udp = -1, .dns_tcp = -1};
    out->tcp = open_one(ipv6, SOCK_STREAM, ISOLATE_LISTEN_PORT, err);
    int rc = out->tcp;
    if (rc >= 0) {
        rc = out->dns_udp = open_one(ipv6, SOCK_DGRAM, ISOLATE_LISTEN_DNS, err);
    }
    if (rc >= 0) {
        rc = out->dns_tcp = open_one(ipv6, SOCK_STREAM, ISOLATE_LISTEN_DNS, err);
    }
    if (rc < 0) {
        isolate_listen_close(out);
        return rc;
    }
    return 0;
}

void isolate_listen_close(struct isolate_sockets *s)
{
    close_fd(&s->tcp);
    close_fd(&s->dns_udp);
    close_fd(&s->dns_tcp);
}
