#include "gate/core.h"

#include <stdlib.h>

struct stream *gate_stream_find(const struct gate *g, uint32_t id)
{
    struct stream *s = g->buckets[id % GATE_BUCKETS];
    while (s != NULL && s->id != id) {
        s = s->next;
    }
    return s;
}

struct stream *gate_stream_open(struct gate *g, uint32_t id)
{
    struct stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    struct stream **bucket = &g->buckets[id % GATE_BUCKETS];
    s->id = id;
    s->next = *bucket;
    s->may_send = s->may_receive = GATE_CREDIT_INITIAL;
    list_init(&s->waiting);
    *bucket = s;
    g->stream_count++;
    g->last_stream = id;
    return s;
}

void gate_stream_drop(struct gate *g, struct stream *s)
{
    struct stream **at = &g->buckets[s->id % GATE_BUCKETS];
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    list_remove(&s->waiting);
    g->stream_count--;
    free(s);
}

void gate_stream_settle(struct gate *g, struct stream *s)
{
    if (s->send_ended && s->receive_ended) {
        gate_stream_drop(g, s);
    }
}

void gate_stream_bind(struct gate *g, uint32_t stream, void *ctx)
{
    struct stream *s = gate_stream_find(g, stream);
    if (s != NULL) {
        s->ctx = ctx;
    }
}

void *gate_stream_ctx(const struct gate *g, uint32_t stream)
{
    const struct stream *s = gate_stream_find(g, stream);
    return s != NULL ? s->ctx : NULL;
}
