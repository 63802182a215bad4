/*
 * System calls of c-ares, for the filter of the process that uses it: socket, setsockopt, fcntl,
 * connect, sendto, recvfrom, read, write (TCP), getsockname, close; open and read only in create.
 */
#include "upstream/resolver.h"

#include "base/clock.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

#define SOCKETS_MAX 64 /* of c-ares at once: one UDP socket a server, TCP when truncated */

struct watch {
    struct resolver *resolver;
    int fd; /* -1: free place */
    struct loop_watch *handle;
};

/*
 *     PENDING --c-ares answers--> DONE --TTL--> (asked again) PENDING
 *        └--time limit: those who wait get TIMEOUT, the query goes on
 */
struct entry {
    struct list node; /* least recently asked first */
    struct resolver *resolver;
    struct list waiters;
    struct loop_task deliver;
    struct loop_timer *limit;
    bool pending;
    bool late; /* the limit passed while pending */
    uint64_t expires_ms;
    struct resolver_answer answer;
    uint8_t addrs[RESOLVER_ADDRS_MAX][16];
    uint32_t hash;
    size_t len;
    char name[];
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    uint32_t limit_ms;
    struct loop_timer *timer;
    bool destroying;
    size_t count;
    size_t pending;
    struct list entries;
    struct watch watches[SOCKETS_MAX];
};

static void timer_set(struct resolver *r)
{
    struct timeval tv;
    if (r->pending == 0) {
        loop_timer_again(r->timer, UINT32_MAX);
        return;
    }
    struct timeval *wait = ares_timeout(r->channel, NULL, &tv);
    uint64_t ms = wait != NULL ? (uint64_t)wait->tv_sec * 1000 + (uint64_t)wait->tv_usec / 1000 + 1
                               : UINT32_MAX;
    loop_timer_again(r->timer, ms);
}

static void timer_fired(void *arg)
{
    struct resolver *r = arg;
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    timer_set(r);
}

static void socket_ready(void *arg, unsigned events)
{
    struct watch *w = arg;
    struct resolver *r = w->resolver;
    ares_socket_t rd = (events & LOOP_READ) != 0 ? w->fd : ARES_SOCKET_BAD;
    ares_socket_t wr = (events & LOOP_WRITE) != 0 ? w->fd : ARES_SOCKET_BAD;
    ares_process_fd(r->channel, rd, wr);
    timer_set(r);
}

/* c-ares says what it waits for on a socket; nothing means that it is about to close it. */
static void socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *r = arg;
    struct watch *w = NULL;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (r->watches[i].fd == fd) {
            w = &r->watches[i];
            break;
        }
        if (w == NULL && r->watches[i].fd < 0) {
            w = &r->watches[i];
        }
    }
    if (w == NULL) {
        return; /* more sockets than places: those queries run into their time limit */
    }
    unsigned want = (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0);
    if (want == 0) {
        if (w->fd >= 0) {
            loop_watch_cancel(w->handle);
            w->fd = -1;
        }
    } else if (w->fd >= 0) {
        loop_watch_set(w->handle, want);
    } else if (loop_watch_start(r->loop, fd, want, socket_ready, w, &w->handle, NULL) == 0) {
        w->fd = fd;
    }
}

static int channel_open(struct resolver *r, const char *servers, struct error *err)
{
    /* Three rounds of t, 2t and 4t. "b": the name servers only, /etc/hosts is read by us. */
    char lookups[] = "b";
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = (int)(r->limit_ms / 7 + 1),
        .tries = 3,
        .lookups = lookups,
        .sock_state_cb = socket_state,
        .sock_state_cb_data = r,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB;
    int rc = ares_library_init(ARES_LIB_INIT_ALL);
    if (rc == ARES_SUCCESS) {
        rc = ares_init_options(&r->channel, &options, mask);
    }
    if (rc != ARES_SUCCESS) {
        return error_set(err, 0, "resolver: %s", ares_strerror(rc));
    }
    if (servers != NULL) {
        rc = ares_set_servers_ports_csv(r->channel, servers);
        if (rc != ARES_SUCCESS) {
            ares_destroy(r->channel);
            r->channel = NULL;
            return error_set(err, 0, "resolver: name servers %s: %s", servers, ares_strerror(rc));
        }
    }
    return 0;
}

struct resolver *resolver_create(struct loop *loop, const char *servers, uint32_t limit_ms,
                                 struct error *err)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (r == NULL) {
        error_set(err, 0, "resolver: out of memory");
        return NULL;
    }
    r->loop = loop;
    r->limit_ms = limit_ms;
    list_init(&r->entries);
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        r->watches[i] = (struct watch){.resolver = r, .fd = -1};
    }
    r->timer = loop_timer_start(loop, UINT32_MAX, 0, timer_fired, r);
    if (r->timer == NULL || channel_open(r, servers, err) < 0) {
        loop_timer_cancel(r->timer);
        free(r);
        return NULL;
    }
    return r;
}

static void entry_free(struct entry *e)
{
    loop_task_cancel(&e->deliver);
    loop_timer_cancel(e->limit);
    list_remove(&e->node);
    e->resolver->count--;
    free(e);
}

void resolver_destroy(struct resolver *r)
{
    if (r == NULL) {
        return;
    }
    r->destroying = true;
    ares_destroy(r->channel);
    while (!list_empty(&r->entries)) {
        entry_free(LIST_ENTRY(r->entries.next, struct entry, node));
    }
    loop_timer_cancel(r->timer);
    free(r);
}

static void deliver(void *arg)
{
    struct entry *e = arg;
    struct list batch;
    list_init(&batch);
    /* Who asks again from a callback is answered in the next round. */
    while (!list_empty(&e->waiters)) {
        struct list *node = e->waiters.next;
        list_remove(node);
        list_append(&batch, node);
    }
    /* Copied: a callback that asks for another name may push this entry out of the cache. */
    struct resolver_answer answer = e->answer;
    uint8_t addrs[RESOLVER_ADDRS_MAX][16];
    memcpy(addrs, e->addrs, sizeof addrs);
    answer.addrs = addrs;
    static const struct resolver_answer timeout = {.failure = UPSTREAM_TIMEOUT,
                                                   .why = "the name servers do not answer in time"};
    if (e->pending) {
        answer = timeout;
    }
    while (!list_empty(&batch)) {
        struct resolver_wait *w = LIST_ENTRY(batch.next, struct resolver_wait, node);
        list_remove(&w->node);
        w->fn(w->arg, &answer);
    }
}

static void limit_passed(void *arg)
{
    struct entry *e = arg;
    e->late = true;
    loop_task_queue(&e->deliver);
}

static void answer_fail(struct entry *e, enum upstream_failure failure, const char *why)
{
    e->answer = (struct resolver_answer){.failure = failure, .why = why};
    e->expires_ms = 0;
}

static void answer_status(struct entry *e, int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
        answer_fail(e, UPSTREAM_DNS, "no such host");
        break;
    case ARES_ENODATA:
        answer_fail(e, UPSTREAM_DNS, "the host has no address");
        break;
    case ARES_ETIMEOUT:
        answer_fail(e, UPSTREAM_TIMEOUT, "the name servers do not answer in time");
        break;
    case ARES_ECONNREFUSED:
        answer_fail(e, UPSTREAM_DNS, "the name servers cannot be reached");
        break;
    case ARES_ENOMEM:
        answer_fail(e, UPSTREAM_INTERNAL, "out of memory");
        break;
    default:
        answer_fail(e, UPSTREAM_DNS, ares_strerror(status));
    }
}

static bool node_addr(const struct ares_addrinfo_node *n, uint8_t out[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (n->ai_family == AF_INET) {
        const struct sockaddr_in *sa = (const void *)n->ai_addr;
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + 12, &sa->sin_addr, 4);
        return true;
    }
    if (n->ai_family == AF_INET6) {
        const struct sockaddr_in6 *sa = (const void *)n->ai_addr;
        memcpy(out, &sa->sin6_addr, 16);
        return true;
    }
    return false;
}

static void answer_take(struct entry *e, const struct ares_addrinfo *info)
{
    uint64_t ttl_ms = RESOLVER_TTL_MAX;
    size_t n = 0;
    for (const struct ares_addrinfo_node *a = info->nodes; a != NULL; a = a->ai_next) {
        uint64_t ms = a->ai_ttl > 0 ? (uint64_t)a->ai_ttl * 1000 : 0;
        ttl_ms = ms < ttl_ms ? ms : ttl_ms;
        if (n < RESOLVER_ADDRS_MAX && node_addr(a, e->addrs[n])) {
            n++;
        }
    }
    if (n == 0) {
        answer_status(e, ARES_ENODATA);
        return;
    }
    e->answer = (struct resolver_answer){.ok = true, .count = n, .addrs = e->addrs};
    e->expires_ms = clock_monotonic_ms() + ttl_ms;
}

static void answered(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct entry *e = arg;
    (void)timeouts;
    if (e->resolver->destroying) {
        ares_freeaddrinfo(info);
        return;
    }
    e->pending = false;
    e->resolver->pending--;
    loop_timer_cancel(e->limit);
    e->limit = NULL;
    if (status == ARES_SUCCESS && info != NULL) {
        answer_take(e, info);
    } else {
        answer_status(e, status);
    }
    ares_freeaddrinfo(info);
    loop_task_queue(&e->deliver);
}

static uint32_t hash_name(struct span name)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (uint8_t)name.ptr[i]) * 16777619u;
    }
    return h;
}

static struct entry *entry_find(struct resolver *r, struct span name, uint32_t hash)
{
    LIST_FOREACH(pos, &r->entries)
    {
        struct entry *e = LIST_ENTRY(pos, struct entry, node);
        if (e->hash == hash && span_eq(span_of(e->name, e->len), name)) {
            return e;
        }
    }
    return NULL;
}

static bool make_room(struct resolver *r)
{
    if (r->count < RESOLVER_CACHE_MAX) {
        return true;
    }
    LIST_FOREACH(pos, &r->entries)
    {
        struct entry *e = LIST_ENTRY(pos, struct entry, node);
        if (!e->pending && list_empty(&e->waiters)) {
            entry_free(e);
            return true;
        }
    }
    return false;
}

static struct entry *entry_add(struct resolver *r, struct span name, uint32_t hash)
{
    struct entry *e = make_room(r) ? calloc(1, sizeof *e + name.len + 1) : NULL;
    if (e == NULL) {
        return NULL;
    }
    e->resolver = r;
    e->hash = hash;
    e->len = name.len;
    memcpy(e->name, name.ptr, name.len);
    list_init(&e->waiters);
    list_init(&e->node);
    loop_task_init(&e->deliver, r->loop, deliver, e);
    r->count++;
    return e;
}

static bool query_start(struct entry *e)
{
    struct resolver *r = e->resolver;
    if (r->pending >= RESOLVER_PENDING) {
        return false;
    }
    e->limit = loop_timer_start(r->loop, r->limit_ms, 0, limit_passed, e);
    if (e->limit == NULL) {
        return false;
    }
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT};
    e->pending = true;
    e->late = false;
    r->pending++;
    ares_getaddrinfo(r->channel, e->name, NULL, &hints, answered, e);
    timer_set(r);
    return true;
}

int resolver_ask(struct resolver *r, struct span name, struct resolver_wait *w, struct error *err)
{
    uint32_t hash = hash_name(name);
    struct entry *e = entry_find(r, name, hash);
    list_init(&w->node);
    if (e == NULL) {
        e = entry_add(r, name, hash);
    }
    if (e == NULL) {
        return error_set(err, 0, "resolver: too many names at once, or out of memory");
    }
    list_remove(&e->node);
    list_append(&r->entries, &e->node);
    bool fresh = e->answer.ok && clock_monotonic_ms() < e->expires_ms;
    /* An answer on its way out in this turn is as fresh as one can be. */
    bool leaving = !list_empty(&e->deliver.node);
    if (!e->pending && !fresh && !leaving && !query_start(e)) {
        return error_set(err, 0, "resolver: too many names at once, or out of memory");
    }
    list_append(&e->waiters, &w->node);
    if (!e->pending || e->late) {
        loop_task_queue(&e->deliver);
    }
    return 0;
}

void resolver_forget(struct resolver_wait *w)
{
    list_remove(&w->node);
}
