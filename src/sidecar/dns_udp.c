/*
 * DNS over UDP. The answer leaves from the address that was asked, whichever that was: the control
 * message of the question goes back with it.
 *
 * syscalls: recvmsg, sendmsg
 */
#include "sidecar/sidecar.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define BURST 64

union pktinfo {
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
};

/* The address part of what came, as what is to be sent. The interface is the kernel's choice. */
static size_t source_set(struct msghdr *in, union pktinfo *out)
{
    struct msghdr to = {.msg_control = out, .msg_controllen = sizeof *out};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(in); c != NULL; c = CMSG_NXTHDR(in, c)) {
        struct cmsghdr *reply = CMSG_FIRSTHDR(&to);
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            info.ipi6_ifindex = 0;
            *reply = (struct cmsghdr){CMSG_LEN(sizeof info), IPPROTO_IPV6, IPV6_PKTINFO};
            memcpy(CMSG_DATA(reply), &info, sizeof info);
            return CMSG_SPACE(sizeof info);
        }
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo asked;
            memcpy(&asked, CMSG_DATA(c), sizeof asked);
            struct in_pktinfo info = {.ipi_spec_dst = asked.ipi_addr};
            *reply = (struct cmsghdr){CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO};
            memcpy(CMSG_DATA(reply), &info, sizeof info);
            return CMSG_SPACE(sizeof info);
        }
    }
    return 0;
}

void sidecar_dns_udp(void *arg, unsigned events)
{
    struct sidecar *s = arg;
    (void)events;
    for (int i = 0; i < BURST; i++) {
        uint8_t query[DNS_QUERY_MAX];
        uint8_t answer[DNS_ANSWER_MAX];
        union pktinfo asked;
        union pktinfo source = {{0}};
        struct sockaddr_storage from;
        struct iovec iov = {query, sizeof query};
        struct msghdr msg = {
            .msg_name = &from,
            .msg_namelen = sizeof from,
            .msg_iov = &iov,
            .msg_iovlen = 1,
            .msg_control = &asked,
            .msg_controllen = sizeof asked,
        };
        ssize_t n = recvmsg(s->dns_udp_fd, &msg, MSG_DONTWAIT);
        if (n < 0) {
            return;
        }
        iov = (struct iovec){answer, sidecar_dns_answer(s, span_of(query, (size_t)n), answer)};
        if (iov.iov_len == 0 || (msg.msg_flags & MSG_TRUNC) != 0) {
            continue;
        }
        size_t control = source_set(&msg, &source);
        msg.msg_control = control > 0 ? &source : NULL;
        msg.msg_controllen = control;
        msg.msg_flags = 0;
        (void)sendmsg(s->dns_udp_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}
