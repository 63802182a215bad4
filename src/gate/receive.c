/*
 * What arrives. Every frame is held for hostile: the first that breaks a rule ends the gate.
 */
#include "gate/core.h"

#define DATA_PIECE 16384u /* of a frame that is not whole yet: one TLS record */

/* How a frame is handled. stream is NULL only for frames that open one or belong to none. */
typedef void (*frame_fn)(struct gate *g, struct stream *s, uint32_t id, struct span payload);

static void broken(struct gate *g, const char *why)
{
    gate_fail(g, why);
}

/* The stream that a frame of the inner door opens; NULL when it may not, and the gate is over. */
static struct stream *open_next(struct gate *g, uint32_t id)
{
    if (id <= g->last_stream) {
        broken(g, "protocol error: a stream was opened out of order");
        return NULL;
    }
    if (g->stream_count >= GATE_STREAMS_MAX) {
        broken(g, "protocol error: too many streams");
        return NULL;
    }
    struct stream *s = gate_stream_open(g, id);
    if (s == NULL) {
        broken(g, "gate: out of memory");
        return NULL;
    }
    s->head_received = true;
    return s;
}

static void on_request(struct gate *g, struct stream *none, uint32_t id, struct span payload)
{
    (void)none;
    struct gate_request req = {0};
    if (!wire_request_get(payload, &req, g->headers)) {
        broken(g, "protocol error: malformed REQUEST");
        return;
    }
    struct stream *s = open_next(g, id);
    if (s != NULL) {
        s->receive_ended = req.end;
        g->events->request(g->arg, id, &req);
    }
}

static void on_tunnel(struct gate *g, struct stream *none, uint32_t id, struct span payload)
{
    (void)none;
    struct gate_peer peer;
    if (!wire_tunnel_get(payload, &peer)) {
        broken(g, "protocol error: malformed TUNNEL");
    } else if (open_next(g, id) != NULL) {
        g->events->tunnel(g->arg, id, &peer);
    }
}

static void on_note(struct gate *g, struct stream *none, uint32_t id, struct span payload)
{
    (void)none;
    struct gate_peer peer;
    enum gate_note note;
    struct span detail;
    if (id != 0 || !wire_note_get(payload, &peer, &note, &detail)) {
        broken(g, "protocol error: malformed NOTE");
        return;
    }
    g->events->note(g->arg, &peer, note, detail);
}

static void on_response(struct gate *g, struct stream *s, uint32_t id, struct span payload)
{
    struct gate_response res = {0};
    if (!wire_response_get(payload, &res, g->headers) || s->head_received) {
        broken(g, "protocol error: malformed or second RESPONSE");
        return;
    }
    s->head_received = true;
    s->receive_ended = res.end;
    g->events->response(g->arg, id, &res);
    s = gate_stream_find(g, id);
    if (s != NULL) {
        gate_stream_settle(g, s);
    }
}

static void on_inform(struct gate *g, struct stream *s, uint32_t id, struct span payload)
{
    uint16_t status;
    if (!wire_u16_get(payload, &status) || status < 100 || status > 199 || s->head_received) {
        broken(g, "protocol error: malformed INFORM");
        return;
    }
    g->events->inform(g->arg, id, status);
}

static void on_opened(struct gate *g, struct stream *s, uint32_t id, struct span payload)
{
    if (payload.len != 0 || s->head_received) {
        broken(g, "protocol error: malformed OPENED");
        return;
    }
    s->head_received = true;
    g->events->opened(g->arg, id);
}

static void on_end(struct gate *g, struct stream *s, uint32_t id, struct span payload)
{
    size_t count;
    if (!wire_headers_get(payload, g->headers, &count) || !s->head_received || s->receive_ended) {
        broken(g, "protocol error: malformed or second END");
        return;
    }
    s->receive_ended = true;
    g->events->end(g->arg, id, g->headers, count);
    s = gate_stream_find(g, id);
    if (s != NULL) {
        gate_stream_settle(g, s);
    }
}

static void on_reset(struct gate *g, struct stream *s, uint32_t id, struct span payload)
{
    (void)s;
    uint8_t reason;
    if (!wire_u8_get(payload, &reason) || reason >= GATE_RESET_COUNT) {
        broken(g, "protocol error: malformed RESET");
        return;
    }
    g->events->reset(g->arg, id, (enum gate_reset)reason);
    s = gate_stream_find(g, id);
    if (s != NULL) {
        gate_stream_drop(g, s);
    }
}

static void on_credit(struct gate *g, struct stream *s, uint32_t id, struct span payload)
{
    uint32_t amount;
    if (!wire_u32_get(payload, &amount) || amount > GATE_CREDIT_INITIAL - s->may_send) {
        broken(g, "protocol error: malformed CREDIT, or more than was sent");
        return;
    }
    s->may_send += amount;
    if (!list_empty(&s->waiting) && buf_len(&g->out) < GATE_OUT_SOFT) {
        list_remove(&s->waiting);
        g->events->writable(g->arg, id);
    }
}

enum frame_scope { OPENS, BELONGS, STANDS_ALONE };

/* Who may send what. DATA is not here: it is passed on piece by piece. */
static const struct {
    frame_fn fn;
    enum frame_scope scope;
    bool from_inner;
    bool from_outer;
} frames[WIRE_TYPE_END] = {
    [WIRE_REQUEST] = {on_request, OPENS, true, false},
    [WIRE_TUNNEL] = {on_tunnel, OPENS, true, false},
    [WIRE_NOTE] = {on_note, STANDS_ALONE, true, false},
    [WIRE_RESPONSE] = {on_response, BELONGS, false, true},
    [WIRE_INFORM] = {on_inform, BELONGS, false, true},
    [WIRE_OPENED] = {on_opened, BELONGS, false, true},
    [WIRE_END] = {on_end, BELONGS, true, true},
    [WIRE_RESET] = {on_reset, BELONGS, true, true},
    [WIRE_CREDIT] = {on_credit, BELONGS, true, true},
};

/* What the owner of this end has no callback for may not be said to it. */
static bool is_heard(const struct gate_events *e, uint8_t type)
{
    switch (type) {
    case WIRE_REQUEST:
        return e->request != NULL;
    case WIRE_TUNNEL:
        return e->tunnel != NULL;
    case WIRE_NOTE:
        return e->note != NULL;
    case WIRE_RESPONSE:
        return e->response != NULL;
    case WIRE_INFORM:
        return e->inform != NULL;
    case WIRE_OPENED:
        return e->opened != NULL;
    default:
        return true;
    }
}

/* true: the frame was begun (or refused); its payload follows in g->in. */
static void data_begin(struct gate *g, const struct wire_frame *frame)
{
    struct stream *s = gate_stream_find(g, frame->stream);
    if (frame->length == 0 || frame->stream > g->last_stream) {
        broken(g, "protocol error: DATA that is empty or of no stream");
        return;
    }
    if (s != NULL) {
        if (!s->head_received || s->receive_ended) {
            broken(g, "protocol error: DATA before the head or after the end");
            return;
        }
        if (frame->length > s->may_receive) {
            broken(g, "protocol error: DATA over credit");
            return;
        }
        s->may_receive -= frame->length;
    }
    g->data_stream = frame->stream;
    g->data_left = frame->length;
}

static void whole_frame(struct gate *g, const struct wire_frame *frame, struct span payload)
{
    bool from_inner = g->side == GATE_OUTER;
    if (!(from_inner ? frames[frame->type].from_inner : frames[frame->type].from_outer)) {
        broken(g, "protocol error: a frame of the wrong direction");
        return;
    }
    if (!is_heard(g->events, frame->type)) {
        broken(g, "protocol error: a frame that this end does not take");
        return;
    }
    struct stream *s = NULL;
    if (frames[frame->type].scope == BELONGS) {
        s = gate_stream_find(g, frame->stream);
        if (frame->stream == 0 || frame->stream > g->last_stream) {
            broken(g, "protocol error: a frame of no stream");
            return;
        }
        if (s == NULL) {
            return; /* it crossed our RESET */
        }
    }
    frames[frame->type].fn(g, s, frame->stream, payload);
}

/* Consumes from `in`; 0 when more bytes are needed. */
static size_t step(struct gate *g, struct span in)
{
    if (g->data_left > 0) {
        size_t n = in.len < g->data_left ? in.len : g->data_left;
        if (n < g->data_left) {
            /* The rest is on its way. A tail of a few bytes by itself would become a TLS record and
             * a send of its own. */
            n -= n % DATA_PIECE;
        }
        g->data_left -= n;
        if (n > 0 && gate_stream_find(g, g->data_stream) != NULL) {
            g->events->data(g->arg, g->data_stream, span_of(in.ptr, n));
        }
        return n;
    }
    struct wire_frame frame;
    if (in.len < WIRE_FRAME_BYTES) {
        return 0;
    }
    if (!wire_frame_get(in.ptr, &frame)) {
        broken(g, "protocol error: a frame of unknown type or too long");
        return 0;
    }
    if (frame.type == WIRE_DATA) {
        data_begin(g, &frame);
        return WIRE_FRAME_BYTES;
    }
    if (in.len - WIRE_FRAME_BYTES < frame.length) {
        return 0;
    }
    whole_frame(g, &frame, span_of(in.ptr + WIRE_FRAME_BYTES, frame.length));
    return WIRE_FRAME_BYTES + frame.length;
}

void gate_receive(struct gate *g)
{
    size_t at = 0;
    while (g->why == NULL && at < g->in_len) {
        size_t n = step(g, span_of(g->in + at, g->in_len - at));
        if (n == 0) {
            break;
        }
        at += n;
    }
    memmove(g->in, g->in + at, g->in_len - at);
    g->in_len -= at;
}
