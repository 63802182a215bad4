/* A gate fed with arbitrary bytes by the other door: the first byte chooses the side. */
#include "gate/core.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gate *gate;

static void data_fn(void *arg, uint32_t stream, struct span bytes)
{
    (void)arg;
    volatile char sink = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        sink = (char)(sink + bytes.ptr[i]);
    }
    gate_credit(gate, stream, bytes.len);
}

static void end_fn(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count)
{
    (void)arg;
    (void)trailers;
    (void)count;
    gate_send_end(gate, stream, NULL, 0);
}

static void reset_fn(void *arg, uint32_t stream, enum gate_reset reason)
{
    (void)arg;
    (void)stream;
    (void)reason;
}

static void writable_fn(void *arg, uint32_t stream)
{
    (void)arg;
    (void)stream;
}

static void closed_fn(void *arg, const char *why)
{
    (void)arg;
    (void)why;
}

static void request_fn(void *arg, uint32_t stream, const struct gate_request *req)
{
    (void)arg;
    struct gate_response res = {
        .status = 200, .length = -1, .headers = req->headers, .header_count = req->header_count};
    gate_send_response(gate, stream, &res);
    gate_send_data(gate, stream, req->target);
    if (req->method.len % 2 == 0) {
        gate_send_reset(gate, stream, GATE_RESET_CANCEL);
    }
}

static void tunnel_fn(void *arg, uint32_t stream, const struct gate_peer *peer)
{
    (void)arg;
    gate_send_opened(gate, stream);
    gate_send_data(gate, stream, peer->sni);
}

static void note_fn(void *arg, const struct gate_peer *peer, enum gate_note note,
                    struct span detail)
{
    (void)arg;
    (void)peer;
    (void)note;
    (void)detail;
}

static void response_fn(void *arg, uint32_t stream, const struct gate_response *res)
{
    (void)arg;
    (void)res;
    gate_send_data(gate, stream, SPAN_LIT("more"));
}

static void inform_fn(void *arg, uint32_t stream, uint16_t status)
{
    (void)arg;
    (void)stream;
    (void)status;
}

static void opened_fn(void *arg, uint32_t stream)
{
    (void)arg;
    (void)stream;
}

static const struct gate_events inner_events = {.data = data_fn,
                                                .end = end_fn,
                                                .reset = reset_fn,
                                                .writable = writable_fn,
                                                .closed = closed_fn,
                                                .response = response_fn,
                                                .inform = inform_fn,
                                                .opened = opened_fn};
static const struct gate_events outer_events = {.data = data_fn,
                                                .end = end_fn,
                                                .reset = reset_fn,
                                                .writable = writable_fn,
                                                .closed = closed_fn,
                                                .request = request_fn,
                                                .tunnel = tunnel_fn,
                                                .note = note_fn};

static void release(struct gate *g)
{
    for (size_t i = 0; i < GATE_BUCKETS; i++) {
        while (g->buckets[i] != NULL) {
            gate_stream_drop(g, g->buckets[i]);
        }
    }
    buf_free(&g->out);
    free(g->in);
    free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    /* No socket and no loop: what is queued stays in the output, which is dropped. */
    static struct list tasks;
    bool inner = data[0] % 2 == 0;
    struct gate *g = gate = calloc(1, sizeof *g);
    *g = (struct gate){.side = inner ? GATE_INNER : GATE_OUTER,
                       .fd = -1,
                       .events = inner ? &inner_events : &outer_events,
                       .in = malloc(GATE_IN_BYTES)};
    list_init(&g->waiting);
    list_init(&g->flush.node);
    list_init(&tasks);
    list_append(&tasks, &g->flush.node); /* counts as queued already */
    buf_init(&g->out, GATE_OUT_HARD);
    if (inner) {
        struct gate_request req = {.version = 11,
                                   .length = -1,
                                   .method = SPAN_LIT("GET"),
                                   .target = SPAN_LIT("/"),
                                   .authority = SPAN_LIT("a.test")};
        gate_send_request(g, &req);
        gate_send_tunnel(g, &req.peer);
    }
    data++;
    size--;
    while (size > 0 && g->why == NULL) {
        size_t n = GATE_IN_BYTES - g->in_len;
        n = size < n ? size : n;
        n = n > 977 ? 977 : n; /* frames arrive in pieces */
        memcpy(g->in + g->in_len, data, n);
        g->in_len += n;
        data += n;
        size -= n;
        gate_receive(g);
    }
    release(g);
    return 0;
}
