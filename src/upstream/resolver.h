/*
 * resolver: names to addresses by c-ares on the loop, with a short cache. Private to this room.
 *
 * No search domain is ever added and no alias file read: the name that was judged is the name that
 * is asked for. Addresses come back unjudged; dial.h vets them.
 */
#ifndef SALLYPORT_UPSTREAM_RESOLVER_H
#define SALLYPORT_UPSTREAM_RESOLVER_H

#include "upstream/upstream.h"

#define RESOLVER_ADDRS_MAX 16u    /* addresses of one name that are looked at */
#define RESOLVER_CACHE_MAX 1024u  /* names */
#define RESOLVER_TTL_MAX   30000u /* ms that an answer is kept at most */
#define RESOLVER_PENDING   256u   /* names asked for at once */

struct resolver;

struct resolver_answer {
    bool ok;
    enum upstream_failure failure; /* when not ok */
    const char *why;               /* when not ok; static */
    size_t count;                  /* when ok: 1 or more */
    uint8_t (*addrs)[16];          /* lent until the callback returns */
};

/* Stands inside the object that waits. */
struct resolver_wait {
    struct list node;
    void (*fn)(void *arg, const struct resolver_answer *answer);
    void *arg;
};

/* servers: as ares_set_servers_ports_csv takes them, NULL: those of the system. */
struct resolver *resolver_create(struct loop *loop, const char *servers, uint32_t limit_ms,
                                 struct error *err);
void resolver_destroy(struct resolver *r); /* NULL is allowed; nobody waits any more */

/* w->fn is called once, from the loop, never from inside. */
int resolver_ask(struct resolver *r, struct span name, struct resolver_wait *w, struct error *err);
void resolver_forget(struct resolver_wait *w); /* allowed at any time after ask */

/* /etc/hosts as it stood at the start. */
struct hosts_file;
struct hosts_file *hosts_file_read(const char *path); /* NULL: no file, no entries, or no memory */
void hosts_file_free(struct hosts_file *h);
size_t hosts_file_find(const struct hosts_file *h, struct span name,
                       uint8_t addrs[RESOLVER_ADDRS_MAX][16]);

#endif
