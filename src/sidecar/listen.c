/*
 * The listener, and the tick that ends what takes too long.
 *
 * syscalls: accept4
 */
#include "base/clock.h"
#include "sidecar/client.h"
#include "sidecar/front.h"

#include <errno.h>
#include <sys/socket.h>

#define TICK_MS 1000u

static void tick(void *arg)
{
    struct sidecar *s = arg;
    uint64_t now = clock_monotonic_ms();
    LIST_FOREACH_SAFE(pos, next, &s->clients)
    {
        client_tick(LIST_ENTRY(pos, struct client, node), now);
    }
    if (!s->front) {
        sidecar_dns_tcp_tick(s, now);
    }
    sidecar_listen_resume(s);
    if (s->client_count == 0 && s->dns_client_count == 0) {
        loop_timer_cancel(s->tick);
        s->tick = NULL;
    }
}

void sidecar_tick_start(struct sidecar *s)
{
    if (s->tick == NULL) {
        s->tick = loop_timer_start(s->loop, TICK_MS, TICK_MS, tick, s);
    }
}

/* false: nobody waits, or there is no place. */
static bool accept_one(struct sidecar *s)
{
    if (s->client_count >= SIDECAR_CLIENTS_MAX) {
        loop_watch_set(s->tcp_watch, 0);
        if (s->front) {
            sidecar_front_make_room(s);
        }
        return false;
    }
    int fd = accept4(s->tcp_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            /* Until a descriptor comes back; the tick looks as well. */
            loop_watch_set(s->tcp_watch, 0);
            sidecar_tick_start(s);
        }
        return errno == ECONNABORTED;
    }
    sidecar_tick_start(s);
    client_accept(s, fd);
    return true;
}

static void tcp_ready(void *arg, unsigned events)
{
    (void)events;
    for (int i = 0; i < SIDECAR_ACCEPT_BURST && accept_one(arg); i++) {
    }
}

void sidecar_listen_empty(struct sidecar *s)
{
    while (accept_one(s)) {
    }
}

void sidecar_listen_resume(struct sidecar *s)
{
    if (s->tcp_watch != NULL && s->client_count < SIDECAR_CLIENTS_MAX) {
        loop_watch_set(s->tcp_watch, LOOP_READ);
    }
}

int sidecar_listen(struct sidecar *s, struct error *err)
{
    int rc = loop_watch_start(s->loop, s->tcp_fd, LOOP_READ, tcp_ready, s, &s->tcp_watch, err);
    if (rc == 0 && !s->front) {
        rc = loop_watch_start(s->loop, s->dns_udp_fd, LOOP_READ, sidecar_dns_udp, s,
                              &s->dns_udp_watch, err);
    }
    if (rc == 0 && !s->front) {
        rc = loop_watch_start(s->loop, s->dns_tcp_fd, LOOP_READ, sidecar_dns_tcp, s,
                              &s->dns_tcp_watch, err);
    }
    return rc;
}
