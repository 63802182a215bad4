/* DNS over TCP (RFC 7766): several questions a connection, few connections, little time. */
#include "base/clock.h"
#include "sidecar/sidecar.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_MS 10000u
#define OUT_MAX (64u * 1024u) /* answers that wait: a client that does not read is cut */

struct dns_client {
    struct list node;
    struct sidecar *s;
    struct tls_conn *conn;
    struct buf in;
    uint64_t deadline_ms;
};

static void dns_client_free(struct dns_client *d)
{
    d->s->dns_client_count--;
    list_remove(&d->node);
    tls_conn_destroy(d->conn);
    buf_free(&d->in);
    free(d);
}

/* false: d is gone. */
static bool answer_all(struct dns_client *d)
{
    for (;;) {
        uint8_t out[2 + DNS_ANSWER_MAX];
        struct span message;
        int used = dns_tcp_frame(buf_span(&d->in), &message);
        if (used == 0) {
            return true;
        }
        size_t len = used > 0 ? sidecar_dns_answer(d->s, message, out + 2) : 0;
        out[0] = (uint8_t)(len >> 8);
        out[1] = (uint8_t)len;
        if (len == 0 || tls_conn_pending(d->conn) > OUT_MAX ||
            tls_conn_write(d->conn, out, len + 2) != (ssize_t)(len + 2)) {
            dns_client_free(d);
            return false;
        }
        buf_consume(&d->in, (size_t)used);
        d->deadline_ms = clock_monotonic_ms() + IDLE_MS;
    }
}

static void readable(void *arg)
{
    struct dns_client *d = arg;
    for (;;) {
        char *to = buf_reserve(&d->in, 1024);
        ssize_t n = to != NULL ? tls_conn_read(d->conn, to, 1024) : -ENOMEM;
        if (n == -EAGAIN) {
            return;
        }
        if (n == 0) {
            tls_conn_finish(d->conn);
            return;
        }
        if (n < 0) {
            dns_client_free(d);
            return;
        }
        buf_commit(&d->in, (size_t)n);
        if (!answer_all(d)) {
            return;
        }
    }
}

static void closed(void *arg, enum tls_failure failure, const char *why)
{
    (void)failure;
    (void)why;
    dns_client_free(arg);
}

static const struct tls_conn_events events = {.readable = readable, .closed = closed};

static void dns_client_open(struct sidecar *s, int fd)
{
    struct dns_client *d = calloc(1, sizeof *d);
    if (d == NULL) {
        close(fd);
        return;
    }
    d->conn = tls_conn_create(s->loop, fd, &events, d, NULL);
    if (d->conn == NULL) {
        free(d);
        return;
    }
    d->s = s;
    d->deadline_ms = clock_monotonic_ms() + IDLE_MS;
    buf_init(&d->in, 2 * (DNS_QUERY_MAX + 2));
    list_append(&s->dns_clients, &d->node);
    s->dns_client_count++;
    sidecar_tick_start(s);
}

void sidecar_dns_tcp(void *arg, unsigned events_ready)
{
    struct sidecar *s = arg;
    (void)events_ready;
    for (int i = 0; i < SIDECAR_ACCEPT_BURST; i++) {
        if (s->dns_client_count >= SIDECAR_DNS_TCP_MAX) {
            loop_watch_set(s->dns_tcp_watch, 0);
            return;
        }
        int fd = accept4(s->dns_tcp_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                loop_watch_set(s->dns_tcp_watch, 0);
                sidecar_tick_start(s);
            }
            return;
        }
        dns_client_open(s, fd);
    }
}

void sidecar_dns_tcp_tick(struct sidecar *s, uint64_t now_ms)
{
    LIST_FOREACH_SAFE(pos, next, &s->dns_clients)
    {
        struct dns_client *d = LIST_ENTRY(pos, struct dns_client, node);
        if (now_ms >= d->deadline_ms) {
            dns_client_free(d);
        }
    }
    if (s->dns_client_count < SIDECAR_DNS_TCP_MAX) {
        loop_watch_set(s->dns_tcp_watch, LOOP_READ);
    }
}

void sidecar_dns_tcp_close(struct sidecar *s)
{
    while (!list_empty(&s->dns_clients)) {
        dns_client_free(LIST_ENTRY(s->dns_clients.next, struct dns_client, node));
    }
}
