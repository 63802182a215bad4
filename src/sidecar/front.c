/*
 * The front door: what it does otherwise than the inner door of a sandbox. Its clients are in the
 * world and speak plain HTTP/1.1 to the Worker's own fetch(); there is no name to judge, so no CA,
 * no DNS, no sniffing. It is confined alike: taken over, it holds a listener and a gate.
 *
 * syscalls: getsockname, accept4
 */
#include "base/clock.h"
#include "base/cleanup.h"
#include "sidecar/client.h"
#include "sidecar/front.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

static bool is_any(const struct sockaddr_storage *at, const uint8_t addr[16])
{
    static const uint8_t any[16];
    size_t from = at->ss_family == AF_INET ? 12 : 0;
    return memcmp(addr + from, any + from, sizeof any - from) == 0;
}

int sidecar_front_open(struct sidecar *s, struct error *err)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    uint8_t addr[16];
    uint16_t port;
    char host[46] = "localhost";
    if (getsockname(s->tcp_fd, (struct sockaddr *)&at, &len) < 0 ||
        !sidecar_address(&at, addr, &port)) {
        return error_set(err, errno, "front door: its listener is no TCP socket");
    }
    if (!is_any(&at, addr)) {
        sidecar_address_text(addr, host);
    }
    bool v6 = strchr(host, ':') != NULL;
    snprintf(s->authority, sizeof s->authority, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "",
             (unsigned)port);
    return 0;
}

struct span sidecar_front_date(struct sidecar *s)
{
    uint64_t now = clock_wall_ms() / 1000;
    if (now != s->date_s) {
        time_t at = (time_t)now;
        struct tm tm;
        gmtime_r(&at, &tm);
        strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        s->date_s = now;
    }
    return span_str(s->date);
}

void sidecar_front_make_room(struct sidecar *s)
{
    LIST_FOREACH_SAFE(pos, next, &s->clients)
    {
        struct client *c = LIST_ENTRY(pos, struct client, node);
        if (client_idle(c)) {
            client_cut(c); /* in order would hold the place until the client agrees */
            return;
        }
    }
}

/* A connection on which nothing came yet may have its request on the way. */
static void client_drain(struct client *c)
{
    c->keep = false;
    if (!client_idle(c)) {
        return;
    }
    if (c->served) {
        client_finish(c);
    } else {
        client_deadline(c, SIDECAR_DRAIN_MS);
    }
}

void sidecar_front_drain(struct sidecar *s)
{
    if (s->draining) {
        return;
    }
    sidecar_listen_empty(s);
    s->draining = true;
    loop_watch_cancel(s->tcp_watch);
    s->tcp_watch = NULL;
    close_fd(&s->tcp_fd);
    LIST_FOREACH_SAFE(pos, next, &s->clients)
    {
        client_drain(LIST_ENTRY(pos, struct client, node));
    }
    if (s->client_count == 0) {
        loop_stop(s->loop);
    }
}
