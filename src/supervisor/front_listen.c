/* Where the Worker is served: the address of --listen and the socket on it. */
#include "supervisor/front.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG 4096

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool port_parse(const char *text, uint16_t *out)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    unsigned long port = strtoul(text, &end, 10);
    *out = htons((uint16_t)port);
    return *end == 0 && port <= 65535 && strlen(text) <= 5;
}

static bool parse(const char *text, union address *out)
{
    char host[FRONT_ADDRESS_MAX];
    const char *colon = strrchr(text, ':');
    uint16_t port;
    *out = (union address){0};
    if (colon == NULL || (size_t)(colon - text) >= sizeof host || !port_parse(colon + 1, &port)) {
        return false;
    }
    size_t len = (size_t)(colon - text);
    bool v6 = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(v6 ? len - 2 : len), v6 ? text + 1 : text);
    if (v6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = port;
        return inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = port;
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1;
}

static void address_write(const union address *a, char text[FRONT_ADDRESS_MAX])
{
    char host[INET6_ADDRSTRLEN];
    if (a->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof host);
        snprintf(text, FRONT_ADDRESS_MAX, "[%s]:%u", host, ntohs(a->v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof host);
        snprintf(text, FRONT_ADDRESS_MAX, "%s:%u", host, ntohs(a->v4.sin_port));
    }
}

static int bind_error(int code, const char *listen, struct error *err)
{
    switch (code) {
    case EADDRINUSE:
        return error_set(err, 0,
                         "listen on %s: the port is in use: end what has it (`ss -ltnp` shows it) "
                         "or choose another with --listen",
                         listen);
    case EADDRNOTAVAIL:
        return error_set(err, 0,
                         "listen on %s: no interface has that address: choose another with "
                         "--listen",
                         listen);
    case EACCES:
        return error_set(err, 0,
                         "listen on %s: ports below 1024 are root's: choose another with --listen",
                         listen);
    default:
        return error_set(err, code, "listen on %s", listen);
    }
}

int front_listen(const char *text, int *fd, char address[FRONT_ADDRESS_MAX], struct error *err)
{
    union address a;
    if (!parse(text, &a)) {
        return error_set(err, 0, "--listen %s: expected ADDR:PORT, as 127.0.0.1:8787 or [::1]:8787",
                         text);
    }
    const int on = 1;
    bool v6 = a.any.sa_family == AF_INET6;
    socklen_t len = v6 ? sizeof a.v6 : sizeof a.v4;
    cleanup_close int s = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0) {
        return error_set(err, errno, "listen on %s", text);
    }
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (v6) {
        setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (bind(s, &a.any, len) < 0 || listen(s, BACKLOG) < 0 || getsockname(s, &a.any, &len) < 0) {
        return bind_error(errno, text, err);
    }
    address_write(&a, address);
    *fd = steal_fd(&s);
    return 0;
}
