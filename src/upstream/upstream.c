#include "upstream/internal.h"

#include <stdlib.h>

#define DNS_MS     10000u
#define CONNECT_MS 10000u
#define TLS_MS     10000u
#define HEAD_MS    300000u
#define IDLE_MS    30000u
#define SWEEP_MS   1000u

static const char *const failure_names[] = {
    [UPSTREAM_DNS] = "dns",
    [UPSTREAM_ADDRESS] = "address",
    [UPSTREAM_CONNECT] = "connect",
    [UPSTREAM_PROTOCOL] = "protocol",
    [UPSTREAM_CERTIFICATE] = "certificate",
    [UPSTREAM_TIMEOUT] = "timeout",
    [UPSTREAM_INTERNAL] = "internal",
    [UPSTREAM_CANCELLED] = "cancelled",
};
_Static_assert(sizeof failure_names / sizeof failure_names[0] == UPSTREAM_FAILURE_COUNT,
               "a failure without a name");

const char *upstream_failure_name(enum upstream_failure f)
{
    return failure_names[f];
}

static uint32_t or_default(uint32_t ms, uint32_t otherwise)
{
    return ms != 0 ? ms : otherwise;
}

static int copy_rules(struct upstream *up, const struct upstream_config *config, struct error *err)
{
    size_t n = config->resolve_count;
    up->resolve = calloc(n > 0 ? n : 1, sizeof *up->resolve);
    for (size_t i = 0; up->resolve != NULL && i < n; i++) {
        const struct upstream_resolve *from = &config->resolve[i];
        char *host = strndup(from->host.ptr, from->host.len);
        if (host == NULL) {
            return error_set(err, 0, "upstream: out of memory");
        }
        up->resolve[i] = *from;
        up->resolve[i].host.ptr = host;
        up->rules.resolve_count = i + 1;
    }
    if (up->resolve == NULL) {
        return error_set(err, 0, "upstream: out of memory");
    }
    up->rules.resolve = up->resolve;
    up->rules.allow_private = config->allow_private;
    up->rules.arg = config->arg;
    up->rules.connect_ms = or_default(config->connect_ms, CONNECT_MS);
    return 0;
}

/* The sweep looks at all limits; it must be finer than the shortest of them. */
static void set_limits(struct upstream *up, const struct upstream_config *config)
{
    up->tls_ms = or_default(config->tls_ms, TLS_MS);
    up->head_ms = or_default(config->head_ms, HEAD_MS);
    up->idle_ms = or_default(config->idle_ms, IDLE_MS);
    uint32_t least = up->tls_ms < up->head_ms ? up->tls_ms : up->head_ms;
    least = up->idle_ms < least ? up->idle_ms : least;
    up->sweep_ms = least / 4 + 1 < SWEEP_MS ? least / 4 + 1 : SWEEP_MS;
}

struct upstream *upstream_create(struct loop *loop, struct tls_client *tls,
                                 const struct upstream_config *config, struct error *err)
{
    struct upstream *up = calloc(1, sizeof *up);
    if (up == NULL) {
        error_set(err, 0, "upstream: out of memory");
        return NULL;
    }
    up->loop = loop;
    up->tls = tls;
    list_init(&up->conns);
    list_init(&up->fetches);
    list_init(&up->free);
    for (size_t i = 0; i < ORIGIN_BUCKETS; i++) {
        list_init(&up->origins[i]);
    }
    set_limits(up, config);
    up->sweep = loop_timer_start(loop, UINT32_MAX, 0, pool_sweep, up);
    if (up->sweep == NULL) {
        error_set(err, 0, "upstream: out of memory");
        upstream_destroy(up);
        return NULL;
    }
    if (copy_rules(up, config, err) < 0) {
        upstream_destroy(up);
        return NULL;
    }
    up->resolver =
        resolver_create(loop, config->dns_servers, or_default(config->dns_ms, DNS_MS), err);
    if (up->resolver == NULL) {
        upstream_destroy(up);
        return NULL;
    }
    up->hosts = hosts_file_read("/etc/hosts");
    up->rules.resolver = up->resolver;
    up->rules.hosts = up->hosts;
    return up;
}

void upstream_destroy(struct upstream *up)
{
    if (up == NULL) {
        return;
    }
    while (!list_empty(&up->conns)) {
        conn_close(LIST_ENTRY(up->conns.next, struct conn, all), false);
    }
    while (!list_empty(&up->free)) {
        struct upstream_fetch *f = LIST_ENTRY(up->free.next, struct upstream_fetch, node);
        list_remove(&f->node);
        buf_free(&f->out);
        free(f);
    }
    loop_timer_cancel(up->sweep);
    resolver_destroy(up->resolver);
    hosts_file_free(up->hosts);
    for (size_t i = 0; i < up->rules.resolve_count; i++) {
        free((void *)(uintptr_t)up->resolve[i].host.ptr);
    }
    free(up->resolve);
    free(up);
}
