/*
 * netns: one batch of rtnetlink messages, one answer for each.
 */
#include "isolate/netns.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LO_INDEX 1u /* the loopback of a new namespace is always its first interface */

/* Messages gathered for one send. Our own and few: a fixed place holds them. */
struct batch {
    char mem[1024];
    size_t len;
    unsigned count;
};

static void *batch_take(struct batch *b, size_t len)
{
    void *at = b->mem + b->len;
    size_t step = NLMSG_ALIGN(len);
    if (b->len + step > sizeof(b->mem)) {
        abort();
    }
    memset(at, 0, step);
    b->len += step;
    return at;
}

static struct nlmsghdr *batch_message(struct batch *b, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *h = batch_take(b, sizeof(*h));
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    h->nlmsg_seq = ++b->count;
    return h;
}

static void batch_attribute(struct batch *b, uint16_t type, const void *value, uint16_t len)
{
    struct rtattr *a = batch_take(b, sizeof(*a) + len);
    a->rta_type = type;
    a->rta_len = (uint16_t)(sizeof(*a) + len);
    memcpy(a + 1, value, len);
}

static void batch_end(struct batch *b, struct nlmsghdr *h)
{
    h->nlmsg_len = (uint32_t)((size_t)(b->mem + b->len - (char *)h));
}

static void add_link_up(struct batch *b)
{
    struct nlmsghdr *h = batch_message(b, RTM_NEWLINK, 0);
    struct ifinfomsg *m = batch_take(b, sizeof(*m));
    m->ifi_index = (int)LO_INDEX;
    m->ifi_flags = IFF_UP;
    m->ifi_change = IFF_UP;
    batch_end(b, h);
}

static void add_address(struct batch *b, int family, const void *addr, uint16_t len)
{
    struct nlmsghdr *h = batch_message(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    struct ifaddrmsg *m = batch_take(b, sizeof(*m));
    m->ifa_family = (uint8_t)family;
    m->ifa_prefixlen = (uint8_t)(len * 8);
    m->ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
    m->ifa_scope = RT_SCOPE_UNIVERSE;
    m->ifa_index = LO_INDEX;
    batch_attribute(b, IFA_LOCAL, addr, len);
    batch_attribute(b, IFA_ADDRESS, addr, len);
    batch_end(b, h);
}

static void add_local_default(struct batch *b, int family, const void *source, uint16_t len)
{
    struct nlmsghdr *h = batch_message(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    struct rtmsg *m = batch_take(b, sizeof(*m));
    uint32_t oif = LO_INDEX;
    m->rtm_family = (uint8_t)family;
    m->rtm_table = RT_TABLE_LOCAL;
    m->rtm_protocol = RTPROT_STATIC;
    m->rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    m->rtm_type = RTN_LOCAL;
    batch_attribute(b, RTA_OIF, &oif, sizeof(oif));
    batch_attribute(b, RTA_PREFSRC, source, len);
    batch_end(b, h);
}

static const char *step_name(unsigned seq)
{
    static const char *const names[] = {"",
                                        "raise lo",
                                        "add " ISOLATE_NETNS_ADDRESS4,
                                        "route IPv4",
                                        "add " ISOLATE_NETNS_ADDRESS6,
                                        "route IPv6"};
    return seq < sizeof(names) / sizeof(names[0]) ? names[seq] : "?";
}

/* Reads until each message had its answer. */
static int batch_answers(int fd, unsigned count, struct error *err)
{
    unsigned seen = 0;
    char mem[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
    while (seen < count) {
        ssize_t n = recv(fd, mem, sizeof(mem), 0);
        if (n < 0) {
            return error_set(err, errno, "network namespace: read from rtnetlink");
        }
        size_t rest = (size_t)n;
        for (struct nlmsghdr *h = (void *)mem; NLMSG_OK(h, rest); h = NLMSG_NEXT(h, rest)) {
            if (h->nlmsg_type != NLMSG_ERROR) {
                continue;
            }
            const struct nlmsgerr *e = NLMSG_DATA(h);
            if (e->error != 0) {
                return error_set(err, -e->error, "network namespace: %s", step_name(h->nlmsg_seq));
            }
            seen++;
        }
    }
    return 0;
}

static int set_sysctl(const char *path, const char *value, struct error *err)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, errno, "network namespace: open %s", path);
    }
    if (write(fd, value, strlen(value)) < 0) {
        return error_set(err, errno, "network namespace: write %s to %s", value, path);
    }
    return 0;
}

int isolate_netns_setup(bool *ipv6, struct error *err)
{
    int rc = set_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", err);
    if (rc < 0) {
        return rc;
    }
    /* A kernel without IPv6 has no such file; one started with ipv6.disable=1 neither. */
    rc = set_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0", err);
    *ipv6 = rc == 0;
    if (rc < 0 && rc != -ENOENT) {
        return rc;
    }
    if (*ipv6 && (rc = set_sysctl("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0", err)) < 0) {
        return rc;
    }

    cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) {
        return error_set(err, errno, "network namespace: open rtnetlink");
    }
    struct in_addr v4;
    struct in6_addr v6;
    inet_pton(AF_INET, ISOLATE_NETNS_ADDRESS4, &v4);
    inet_pton(AF_INET6, ISOLATE_NETNS_ADDRESS6, &v6);
    struct batch b = {.len = 0};
    add_link_up(&b);
    add_address(&b, AF_INET, &v4, sizeof(v4));
    add_local_default(&b, AF_INET, &v4, sizeof(v4));
    if (*ipv6) {
        add_address(&b, AF_INET6, &v6, sizeof(v6));
        add_local_default(&b, AF_INET6, &v6, sizeof(v6));
    }
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (sendto(fd, b.mem, b.len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
        return error_set(err, errno, "network namespace: write to rtnetlink");
    }
    return batch_answers(fd, b.count, err);
}
