/* Which connections there are, who waits for one, and when one has been idle or silent too long. */
#include "upstream/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static struct list *bucket_of(struct upstream *up, bool secure, struct span host, uint16_t port)
{
    uint32_t h = 2166136261u ^ port ^ (secure ? 0x10000u : 0);
    for (size_t i = 0; i < host.len; i++) {
        h = (h ^ (uint8_t)host.ptr[i]) * 16777619u;
    }
    return &up->origins[h % ORIGIN_BUCKETS];
}

struct origin *pool_origin(struct upstream *up, bool secure, struct span host, uint16_t port)
{
    struct list *bucket = bucket_of(up, secure, host, port);
    LIST_FOREACH(pos, bucket)
    {
        struct origin *o = LIST_ENTRY(pos, struct origin, bucket);
        if (o->secure == secure && o->port == port &&
            span_eq(span_of(o->host, o->host_len), host)) {
            o->refs++;
            return o;
        }
    }
    struct origin *o = calloc(1, sizeof *o + host.len + 1);
    if (o == NULL) {
        return NULL;
    }
    o->up = up;
    o->secure = secure;
    o->port = port;
    o->refs = 1;
    o->host_len = host.len;
    memcpy(o->host, host.ptr, host.len);
    list_init(&o->idle);
    list_init(&o->waiting);
    list_append(bucket, &o->bucket);
    return o;
}

void pool_origin_put(struct origin *o)
{
    if (--o->refs == 0) {
        list_remove(&o->bucket);
        free(o);
    }
}

/* A connection on which nothing came since; a FIN or an alert says that it is stale. */
static bool looks_alive(const struct conn *c)
{
    char byte;
    ssize_t n = recv(tls_conn_fd(c->tls), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

struct conn *pool_take(struct origin *o, bool sure)
{
    while (!list_empty(&o->idle)) {
        struct conn *c = LIST_ENTRY(o->idle.prev, struct conn, node);
        if (!sure || looks_alive(c)) {
            list_remove(&c->node);
            return c;
        }
        conn_close(c, false);
    }
    return NULL;
}

bool pool_may_open(struct origin *o)
{
    struct upstream *up = o->up;
    if (o->open >= UPSTREAM_PER_ORIGIN_MAX) {
        return false;
    }
    if (up->open < UPSTREAM_CONNECTIONS_MAX) {
        return true;
    }
    LIST_FOREACH(pos, &up->conns)
    {
        struct conn *c = LIST_ENTRY(pos, struct conn, all);
        if (c->state == CONN_IDLE) {
            conn_close(c, false);
            return true;
        }
    }
    return false;
}

void pool_next(struct origin *o)
{
    o->refs++;
    while (!list_empty(&o->waiting)) {
        struct upstream_fetch *f = LIST_ENTRY(o->waiting.next, struct upstream_fetch, queue);
        struct error err;
        struct conn *c = pool_take(o, !f->idempotent);
        if (c == NULL && !pool_may_open(o)) {
            break;
        }
        list_remove(&f->queue);
        if (c != NULL) {
            fetch_attach(f, c);
        } else if (conn_open(o, f, &err) < 0) {
            fetch_fail(f, UPSTREAM_INTERNAL, err.text);
        }
    }
    pool_origin_put(o);
}

void pool_sweep_start(struct upstream *up)
{
    if (!up->sweeping) {
        up->sweeping = true;
        loop_timer_again(up->sweep, up->sweep_ms);
    }
}

static bool conn_expire(struct upstream *up, uint64_t now)
{
    LIST_FOREACH(pos, &up->conns)
    {
        struct conn *c = LIST_ENTRY(pos, struct conn, all);
        bool over = c->deadline_ms != 0 && now >= c->deadline_ms;
        if (over && c->state == CONN_TLS) {
            conn_lost(c, UPSTREAM_TIMEOUT, "the TLS handshake is not done in time");
            return true;
        }
        if (over && c->state == CONN_IDLE) {
            conn_close(c, false);
            return true;
        }
        if (c->state == CONN_IDLE) {
            buf_trim(&c->in);
        }
    }
    return false;
}

static bool fetch_expire(struct upstream *up, uint64_t now)
{
    LIST_FOREACH(pos, &up->fetches)
    {
        struct upstream_fetch *f = LIST_ENTRY(pos, struct upstream_fetch, node);
        if (f->deadline_ms == 0 || now < f->deadline_ms) {
            continue;
        }
        f->deadline_ms = 0;
        if (f->conn != NULL) {
            struct conn *c = f->conn;
            c->fetch = NULL;
            f->conn = NULL;
            conn_close(c, true);
        }
        char why[WHY_BYTES];
        snprintf(why, sizeof why, "%s: %s", f->origin->host,
                 f->state == FETCH_SENT ? "no response in time" : "no free connection in time");
        fetch_fail(f, UPSTREAM_TIMEOUT, why);
        return true;
    }
    return false;
}

void pool_sweep(void *arg)
{
    struct upstream *up = arg;
    uint64_t now = clock_monotonic_ms();
    /* Each end may change both lists: look anew after it. */
    while (conn_expire(up, now) || fetch_expire(up, now)) {
    }
    up->sweeping = !list_empty(&up->conns) || !list_empty(&up->fetches);
    if (up->sweeping) {
        loop_timer_again(up->sweep, up->sweep_ms);
    }
}
