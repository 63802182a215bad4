/*
 * dial: a name and a port to a connected socket. Private to this room.
 *
 *     RESOLVING --answer, vetted--> CONNECTING --first that connects--> done
 *
 * Every address is judged before it is dialled, and the judged bytes are what the kernel gets. A
 * second address is tried when the first fails, or beside it after 250 ms (RFC 8305 in small).
 */
#ifndef SALLYPORT_UPSTREAM_DIAL_H
#define SALLYPORT_UPSTREAM_DIAL_H

#include "upstream/resolver.h"

#include "proto/url/host.h"

#define DIAL_NEXT_MS   250u
#define DIAL_WHY_BYTES 400u

/* What decides where a host may be dialled; lent, lives as long as the dials. */
struct dial_rules {
    struct resolver *resolver;
    const struct hosts_file *hosts;
    const struct upstream_resolve *resolve;
    size_t resolve_count;
    bool (*allow_private)(void *arg, struct span host);
    void *arg;
    uint32_t connect_ms;
};

struct dial_result {
    int fd; /* given; -1: failed */
    enum upstream_failure failure;
    const char *why;  /* lent, one line */
    const char *peer; /* lent, "1.2.3.4:443" */
};

typedef void (*dial_fn)(void *arg, const struct dial_result *result);
struct dial;

/* fn is called once, from the loop. host is canonical and copied. */
struct dial *dial_start(struct loop *loop, const struct dial_rules *rules, struct span host,
                        uint16_t port, dial_fn fn, void *arg, struct error *err);
void dial_cancel(struct dial *d); /* NULL is allowed; not after fn was called */

#endif
