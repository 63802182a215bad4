/* The network namespace: everything TCP arrives at the listener with the address it wanted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "child.h"
#include "isolate/listen.h"
#include "isolate/netns.h"
#include "isolate/nft.h"
#include "isolate/userns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool ipv6;
static struct isolate_sockets sockets;

static void airlock(void)
{
    struct error err;
    CHECK_OK(isolate_userns_enter(CLONE_NEWNET, &err));
    CHECK_OK(isolate_netns_setup(&ipv6, &err));
    CHECK_OK(isolate_nft_install(ipv6, &err));
    CHECK_OK(isolate_listen_open(ipv6, &sockets, &err));
}

/* -1 with errno, or the connected socket. */
static int dial(const char *host, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const int is4 = inet_pton(AF_INET, host, &v4.sin_addr);
    CHECK(is4 || inet_pton(AF_INET6, host, &v6.sin6_addr));
    int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    int rc = is4 ? connect(fd, (const struct sockaddr *)&v4, sizeof(v4))
                 : connect(fd, (const struct sockaddr *)&v6, sizeof(v6));
    if (rc != 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

static int take(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    CHECK(poll(&p, 1, 5000) == 1);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void captured(const char *host, uint16_t port, const char *seen)
{
    int client = dial(host, port);
    CHECK(client >= 0);
    int fd = take(sockets.tcp);
    struct sockaddr_in6 to;
    struct sockaddr_in6 from;
    socklen_t len = sizeof(to);
    char text[INET6_ADDRSTRLEN];
    CHECK(getsockname(fd, (struct sockaddr *)&to, &len) == 0 && to.sin6_family == AF_INET6);
    CHECK(strcmp(inet_ntop(AF_INET6, &to.sin6_addr, text, sizeof(text)), seen) == 0);
    CHECK(ntohs(to.sin6_port) == port);
    len = sizeof(from);
    CHECK(getpeername(fd, (struct sockaddr *)&from, &len) == 0);
    inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof(text));
    CHECK(strcmp(text, strchr(host, ':') ? "fd00:5a11::1" : "::ffff:198.18.0.1") == 0);
    char byte = 0;
    CHECK(write(client, "x", 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'x');
    CHECK(write(fd, "y", 1) == 1 && read(client, &byte, 1) == 1 && byte == 'y');
    close(fd);
    close(client);
}

static void capture_body(void)
{
    airlock();
    captured("93.184.216.34", 80, "::ffff:93.184.216.34");
    captured("93.184.216.34", 443, "::ffff:93.184.216.34");
    captured("8.8.8.8", 65535, "::ffff:8.8.8.8");
    captured("10.0.0.1", 1, "::ffff:10.0.0.1");
    captured("169.254.169.254", 80, "::ffff:169.254.169.254");
    captured("198.18.0.1", 8080, "::ffff:198.18.0.1");
    if (ipv6) {
        captured("2606:4700::1111", 443, "2606:4700::1111");
        captured("fd00:5a11::7", 22, "fd00:5a11::7");
    }
}

static void refused_body(void)
{
    airlock();
    CHECK(dial("127.0.0.1", ISOLATE_LISTEN_PORT) < 0 && errno == ECONNREFUSED);
    CHECK(dial("127.9.9.9", ISOLATE_LISTEN_PORT) < 0 && errno == ECONNREFUSED);
    CHECK(!ipv6 || (dial("::1", ISOLATE_LISTEN_PORT) < 0 && errno == ECONNREFUSED));
    CHECK(dial("127.0.0.1", 8080) < 0 && errno == ECONNREFUSED);
    /* UDP but DNS: refused at once, so that QUIC falls back. */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(443)};
    inet_pton(AF_INET, "1.1.1.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    char byte;
    CHECK(connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0);
    CHECK(send(fd, "x", 1, 0) == 1);
    CHECK(recv(fd, &byte, 1, 0) < 0 && errno == ECONNREFUSED);
    CHECK(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) < 0);
}

static void servers_inside_body(void)
{
    airlock();
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)};
    CHECK(bind(listener, (const struct sockaddr *)&at, sizeof(at)) == 0);
    CHECK(listen(listener, 1) == 0);
    int client = dial("127.0.0.1", 80);
    CHECK(client >= 0);
    close(take(listener));
    /* The same server is not reached by another address: that is the outside. */
    close(client);
    CHECK(dial("198.18.0.9", 80) >= 0);
    close(take(sockets.tcp));
}

static void dns_body(void)
{
    airlock();
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    inet_pton(AF_INET, ISOLATE_NETNS_RESOLVER, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 && send(fd, "ask", 3, 0) == 3);

    char data[16];
    char control[128] __attribute__((aligned(8)));
    struct sockaddr_in6 from;
    struct iovec iov = {data, sizeof(data)};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = sizeof(from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct pollfd p = {.fd = sockets.dns_udp, .events = POLLIN};
    CHECK(poll(&p, 1, 5000) == 1);
    CHECK(recvmsg(sockets.dns_udp, &msg, 0) == 3);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    CHECK(c != NULL && c->cmsg_level == (ipv6 ? SOL_IPV6 : SOL_IP));
    iov.iov_len = 3;
    /* Answering with the same control message answers from the address that was asked. */
    CHECK(sendmsg(sockets.dns_udp, &msg, 0) == 3);
    CHECK(recv(fd, data, sizeof(data), 0) == 3);

    int tcp = dial(ISOLATE_NETNS_RESOLVER, 53);
    CHECK(tcp >= 0);
    close(take(sockets.dns_tcp));
}

static void never_itself_body(void)
{
    airlock();
    for (int i = 0; i < 20000; i++) {
        int client = dial("93.184.216.34", 40000);
        CHECK(client >= 0);
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        CHECK(getsockname(client, (struct sockaddr *)&from, &len) == 0);
        CHECK(from.sin_addr.s_addr == inet_addr(ISOLATE_NETNS_ADDRESS4));
        struct linger hard = {1, 0};
        int fd = take(sockets.tcp);
        CHECK(setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0);
        close(client);
        close(fd);
    }
}

#define BOTH(name)                                                                                 \
    static void name##_as_is(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        assert_int_equal(child_run(name##_body), 0);                                               \
    }                                                                                              \
    static void name##_ordinary(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        assert_int_equal(child_run_ordinary(name##_body), 0);                                      \
    }
BOTH(capture)
BOTH(refused)
BOTH(servers_inside)
BOTH(dns)
BOTH(never_itself)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capture_as_is),
        cmocka_unit_test(capture_ordinary),
        cmocka_unit_test(refused_as_is),
        cmocka_unit_test(refused_ordinary),
        cmocka_unit_test(servers_inside_as_is),
        cmocka_unit_test(servers_inside_ordinary),
        cmocka_unit_test(dns_as_is),
        cmocka_unit_test(dns_ordinary),
        cmocka_unit_test(never_itself_as_is),
        cmocka_unit_test(never_itself_ordinary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
