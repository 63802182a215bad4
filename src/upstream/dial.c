/*
 * System calls: socket, setsockopt, connect, getsockopt, close.
 */
#include "upstream/dial.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct attempt {
    struct dial *dial;
    int fd; /* -1: not under way */
    struct loop_watch *watch;
};

struct dial {
    struct loop *loop;
    const struct dial_rules *rules;
    dial_fn fn;
    void *arg;
    uint16_t port; /* to dial; a resolve rule may change it */
    struct resolver_wait wait;
    struct loop_task task;    /* goes on, or tells, from the loop */
    struct loop_timer *limit; /* for all addresses together */
    struct loop_timer *next_timer;
    size_t count; /* vetted addresses, in the order of trial */
    size_t next;  /* the first that was not tried */
    size_t open;  /* attempts under way */
    uint8_t addrs[RESOLVER_ADDRS_MAX][16];
    struct attempt attempts[RESOLVER_ADDRS_MAX];
    enum upstream_failure failure;
    char why[DIAL_WHY_BYTES];
    struct url_host host;
};

static void dial_free(struct dial *d)
{
    resolver_forget(&d->wait);
    loop_task_cancel(&d->task);
    loop_timer_cancel(d->limit);
    loop_timer_cancel(d->next_timer);
    for (size_t i = 0; i < RESOLVER_ADDRS_MAX; i++) {
        loop_watch_cancel(d->attempts[i].watch);
        close_fd(&d->attempts[i].fd);
    }
    free(d);
}

void dial_cancel(struct dial *d)
{
    if (d != NULL) {
        dial_free(d);
    }
}

static void dial_finish(struct dial *d, int fd, const uint8_t *addr)
{
    char peer[UPSTREAM_PEER_MAX] = "";
    struct dial_result result = {.fd = fd, .failure = d->failure, .why = d->why, .peer = peer};
    if (addr != NULL) {
        struct url_host text;
        url_host_from_addr(addr, &text);
        snprintf(peer, sizeof peer, "%.46s:%u", text.text, (unsigned)d->port);
    }
    dial_fn fn = d->fn;
    void *arg = d->arg;
    struct error keep;
    snprintf(keep.text, sizeof keep.text, "%s", d->why);
    result.why = keep.text;
    dial_free(d);
    fn(arg, &result);
}

__attribute__((format(printf, 3, 4))) static void set_failure(struct dial *d,
                                                              enum upstream_failure failure,
                                                              const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    d->failure = failure;
    d->count = 0;
    vsnprintf(d->why, sizeof d->why, fmt, ap);
    va_end(ap);
}

/* The addresses that may be dialled, IPv6 and IPv4 in turn, IPv6 first. */
static void vet(struct dial *d, uint8_t (*addrs)[16], size_t count, bool any)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *kinds[2][RESOLVER_ADDRS_MAX];
    size_t n[2] = {0, 0};
    enum url_ip_class refused = URL_IP_PUBLIC;
    for (size_t i = 0; i < count; i++) {
        enum url_ip_class class = url_ip_class(addrs[i]);
        if (class != URL_IP_PUBLIC && !any) {
            refused = class;
            continue;
        }
        size_t kind = memcmp(addrs[i], mapped, sizeof mapped) == 0;
        kinds[kind][n[kind]++] = addrs[i];
    }
    d->count = 0;
    for (size_t i = 0; i < RESOLVER_ADDRS_MAX; i++) {
        for (size_t kind = 0; kind < 2; kind++) {
            if (i < n[kind]) {
                memcpy(d->addrs[d->count++], kinds[kind][i], 16);
            }
        }
    }
    if (d->count == 0) {
        set_failure(d, UPSTREAM_ADDRESS,
                    "%s: the address is %s, not public: allow it with "
                    "--allow-private or --resolve",
                    d->host.text, url_ip_class_name(refused));
    }
}

static void attempt_next(struct dial *d);

static void attempt_close(struct attempt *a)
{
    loop_watch_cancel(a->watch);
    a->watch = NULL;
    close_fd(&a->fd);
    a->dial->open--;
}

static void attempt_failed(struct dial *d, size_t i, int errnum)
{
    struct url_host text;
    url_host_from_addr(d->addrs[i], &text);
    d->failure = UPSTREAM_CONNECT;
    snprintf(d->why, sizeof d->why, "%s: connect to %.46s port %u: %s", d->host.text, text.text,
             (unsigned)d->port, strerror(errnum));
}

static void attempt_ready(void *arg, unsigned events)
{
    struct attempt *a = arg;
    struct dial *d = a->dial;
    size_t i = (size_t)(a - d->attempts);
    int errnum = 0;
    socklen_t len = sizeof errnum;
    (void)events;
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0) {
        errnum = errno;
    }
    if (errnum != 0) {
        attempt_close(a);
        attempt_failed(d, i, errnum);
        attempt_next(d);
        return;
    }
    uint8_t addr[16];
    memcpy(addr, d->addrs[i], sizeof addr);
    loop_watch_cancel(a->watch);
    a->watch = NULL;
    dial_finish(d, steal_fd(&a->fd), addr);
}

static int connect_start(const uint8_t addr[16], uint16_t port, int *fd)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v4 = memcmp(addr, mapped, sizeof mapped) == 0;
    memcpy(&v4.sin_addr, addr + 12, 4);
    memcpy(&v6.sin6_addr, addr, 16);
    int s = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0) {
        return -errno;
    }
    /* A peer that vanished without a word is noticed within two minutes. */
    int on = 1, idle = 60, every = 15, probes = 4;
    (void)setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(s, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(s, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    (void)setsockopt(s, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    int rc = is_v4 ? connect(s, (const struct sockaddr *)&v4, sizeof v4)
                   : connect(s, (const struct sockaddr *)&v6, sizeof v6);
    if (rc < 0 && errno != EINPROGRESS) {
        rc = -errno;
        close(s);
        return rc;
    }
    *fd = s;
    return 0;
}

/* Starts the next address. With none left and none under way the last failure is told. */
static void attempt_next(struct dial *d)
{
    while (d->next < d->count) {
        size_t i = d->next++;
        struct attempt *a = &d->attempts[i];
        int rc = connect_start(d->addrs[i], d->port, &a->fd);
        if (rc == 0) {
            d->open++;
            if (loop_watch_start(d->loop, a->fd, LOOP_WRITE, attempt_ready, a, &a->watch, NULL) <
                0) {
                attempt_close(a);
                rc = -ENOMEM;
            }
        }
        if (rc == 0) {
            loop_timer_again(d->next_timer, DIAL_NEXT_MS);
            return;
        }
        attempt_failed(d, i, -rc);
    }
    if (d->open == 0) {
        loop_task_queue(&d->task);
    }
}

static void next_passed(void *arg)
{
    struct dial *d = arg;
    if (d->next < d->count) {
        attempt_next(d);
    }
}

static void limit_passed(void *arg)
{
    struct dial *d = arg;
    set_failure(d, UPSTREAM_TIMEOUT, "%s: connect to port %u: no answer in time", d->host.text,
                (unsigned)d->port);
    dial_finish(d, -1, NULL);
}

static void connect_all(struct dial *d)
{
    d->limit = loop_timer_start(d->loop, d->rules->connect_ms, 0, limit_passed, d);
    d->next_timer = loop_timer_start(d->loop, UINT32_MAX, 0, next_passed, d);
    if (d->limit == NULL || d->next_timer == NULL) {
        set_failure(d, UPSTREAM_INTERNAL, "out of memory");
    }
    attempt_next(d);
}

/* The addresses are known (count > 0), or there is something to tell. */
static void task_run(void *arg)
{
    struct dial *d = arg;
    if (d->next == 0 && d->count > 0) {
        connect_all(d);
    } else {
        dial_finish(d, -1, NULL);
    }
}

static bool private_allowed(const struct dial *d)
{
    return d->rules->allow_private != NULL &&
           d->rules->allow_private(d->rules->arg, url_host_span(&d->host));
}

static void resolved(void *arg, const struct resolver_answer *answer)
{
    struct dial *d = arg;
    if (!answer->ok) {
        set_failure(d, answer->failure, "%s: %s", d->host.text, answer->why);
        dial_finish(d, -1, NULL);
        return;
    }
    vet(d, answer->addrs, answer->count, private_allowed(d));
    task_run(d);
}

/* Where the addresses come from: a rule, the literal itself, /etc/hosts, the name servers. */
static int find_addresses(struct dial *d, struct error *err)
{
    uint8_t addrs[RESOLVER_ADDRS_MAX][16];
    struct span host = url_host_span(&d->host);
    size_t n = 0;
    for (size_t i = 0; i < d->rules->resolve_count && n < RESOLVER_ADDRS_MAX; i++) {
        const struct upstream_resolve *r = &d->rules->resolve[i];
        if (r->port == d->port && span_eq(r->host, host)) {
            memcpy(addrs[0], r->addr, 16);
            vet(d, addrs, 1, true);
            d->port = r->dial_port;
            return 0;
        }
    }
    bool any = private_allowed(d);
    if (!any && url_host_is_metadata(&d->host)) {
        set_failure(d, UPSTREAM_ADDRESS, "%s: a metadata service: allow it with --allow-private",
                    d->host.text);
        return 0;
    }
    if (d->host.kind != URL_HOST_DOMAIN) {
        memcpy(addrs[n++], d->host.addr, 16);
    } else {
        n = hosts_file_find(d->rules->hosts, host, addrs);
    }
    if (n > 0) {
        vet(d, addrs, n, any);
        return 0;
    }
    return resolver_ask(d->rules->resolver, host, &d->wait, err) < 0 ? -1 : 1;
}

struct dial *dial_start(struct loop *loop, const struct dial_rules *rules, struct span host,
                        uint16_t port, dial_fn fn, void *arg, struct error *err)
{
    struct dial *d = calloc(1, sizeof *d);
    if (d == NULL) {
        error_set(err, 0, "dial: out of memory");
        return NULL;
    }
    d->loop = loop;
    d->rules = rules;
    d->fn = fn;
    d->arg = arg;
    d->port = port;
    list_init(&d->wait.node);
    d->wait.fn = resolved;
    d->wait.arg = d;
    loop_task_init(&d->task, loop, task_run, d);
    for (size_t i = 0; i < RESOLVER_ADDRS_MAX; i++) {
        d->attempts[i] = (struct attempt){.dial = d, .fd = -1};
    }
    /* The canonical form of a canonical host is itself; anything else is no host of ours. */
    if (!url_host_canonical(host, &d->host) || !span_eq(url_host_span(&d->host), host)) {
        error_set(err, 0, "dial: not a canonical host");
        dial_free(d);
        return NULL;
    }
    int rc = find_addresses(d, err);
    if (rc < 0) {
        dial_free(d);
        return NULL;
    }
    if (rc == 0) {
        loop_task_queue(&d->task);
    }
    return d;
}
