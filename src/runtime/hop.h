/*
 * hop: one request of a fetch on its way, and what comes back; a fetch that follows redirects makes
 * several. Private to fetch.c and hop.c.
 */
#ifndef SALLYPORT_RUNTIME_HOP_H
#define SALLYPORT_RUNTIME_HOP_H

#include "proto/url/url.h"
#include "runtime/container.h"
#include "runtime/fetch.h"

struct fetch {
    uint32_t id;
    uint32_t task;
    struct version *version;
    struct instance *inst;     /* whose rules it takes along; NULL: none */
    struct upstream_fetch *up; /* NULL once the head is there */
    bool counted;              /* its exchange knows that it waits for it */
    struct url url;            /* holds nothing while it is that of the sandbox's own request */
    struct url_host host;
    uint16_t port;
    bool secure;
    enum js_redirect redirect;
    unsigned redirects;

    /* The request, to be sent again: kept only when redirects are followed. */
    struct gate_header *again; /* [again_count] holds the method */
    size_t again_count;
    struct buf log; /* the changes: what the handler added */
    struct buf bytes;
    bool has_bytes;
    bool has_stream;

    /* To a server inside a sandbox: the hop waits for its socket. */
    bool inside;
    struct instance *sandbox; /* NULL: it is gone */
    uint16_t sandbox_port;
    struct container_join *join;
    struct gate_header *held; /* [held_count] holds method and target */
    size_t held_count;
    struct source *held_body;

    /* The response. */
    uint16_t status;
    int64_t length;
    bool is_head; /* what was asked last */
    bool empty;   /* its body is there and has no byte */
    struct gate_header *headers;
    size_t header_count;
    struct source *body;
    char peer[UPSTREAM_PEER_MAX];
};

struct hop_request { /* what one hop sends */
    struct span method;
    struct span target;
    struct fields fields;
    struct source *body;
    bool expect;
};

static inline void hop_request_init(struct hop_request *r)
{
    r->method = r->target = (struct span){NULL, 0};
    r->fields.count = 0;
    r->body = NULL;
    r->expect = false;
}

/* The exchange whose handler it is; NULL: none. */
static inline struct exchange *fetch_exchange(const struct fetch *f)
{
    return task_object(f->version->rt, f->task, TASK_EXCHANGE);
}

/* Sends one hop to where the fetch's host, port and secure say; r->body is given. */
int hop_send(struct fetch *f, struct hop_request *r, struct error *err);
/* Host, port and secure out of the fetch's URL. */
bool hop_destination(struct fetch *f);
/* It waits no more for an answer. */
void hop_over(struct fetch *f);

/* The whole fetch goes. */
void hop_end(struct fetch *f);

#endif
