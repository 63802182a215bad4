#include "gate/core.h"

static void queued(struct gate *g)
{
    loop_task_queue(&g->flush);
}

size_t gate_frame_begin(struct gate *g)
{
    static const char blank[WIRE_FRAME_BYTES];
    size_t at = buf_len(&g->out);
    /* A gate whose other end stops reading is ended here: nothing can be taken back from out. */
    if (g->why == NULL && !buf_append(&g->out, blank, sizeof blank)) {
        gate_fail(g, "the other door does not read");
    }
    return at;
}

bool gate_frame_end(struct gate *g, size_t begun, uint32_t stream, enum wire_type type, bool fits)
{
    if (g->why != NULL) {
        return false;
    }
    size_t length = buf_len(&g->out) - begun - WIRE_FRAME_BYTES;
    if (!fits || length > GATE_FRAME_MAX) {
        g->out.end = g->out.start + begun;
        return false;
    }
    struct wire_frame frame = {stream, (uint32_t)length, (uint8_t)type};
    wire_frame_put(g->out.mem + g->out.start + begun, &frame);
    queued(g);
    return true;
}

static uint32_t open_next(struct gate *g)
{
    if (g->why != NULL || g->stream_count >= GATE_STREAMS_MAX || g->last_stream == UINT32_MAX) {
        return 0;
    }
    struct stream *s = gate_stream_open(g, g->last_stream + 1);
    if (s == NULL) {
        return 0;
    }
    s->head_sent = true;
    return s->id;
}

uint32_t gate_send_request(struct gate *g, const struct gate_request *req)
{
    uint32_t id = open_next(g);
    if (id == 0) {
        return 0;
    }
    size_t begun = gate_frame_begin(g);
    bool fits = g->why == NULL && wire_request_put(&g->out, req) &&
                buf_len(&g->out) - begun <= GATE_HEADERS_MAX;
    struct stream *s = gate_stream_find(g, id);
    if (!gate_frame_end(g, begun, id, WIRE_REQUEST, fits)) {
        /* The id was never on the wire: the next stream takes it. */
        gate_stream_drop(g, s);
        g->last_stream--;
        return 0;
    }
    s->send_ended = req->end;
    return id;
}

uint32_t gate_send_tunnel(struct gate *g, const struct gate_peer *peer)
{
    uint32_t id = open_next(g);
    if (id == 0) {
        return 0;
    }
    size_t begun = gate_frame_begin(g);
    bool fits = g->why == NULL && wire_peer_put(&g->out, peer);
    if (!gate_frame_end(g, begun, id, WIRE_TUNNEL, fits)) {
        gate_stream_drop(g, gate_stream_find(g, id));
        g->last_stream--;
        return 0;
    }
    return id;
}

void gate_send_note(struct gate *g, const struct gate_peer *peer, enum gate_note note,
                    struct span detail)
{
    size_t begun = gate_frame_begin(g);
    gate_frame_end(g, begun, 0, WIRE_NOTE,
                   g->why == NULL && wire_note_put(&g->out, peer, note, detail));
}

bool gate_send_response(struct gate *g, uint32_t stream, const struct gate_response *res)
{
    struct stream *s = gate_stream_find(g, stream);
    if (s == NULL || s->head_sent) {
        return false;
    }
    size_t begun = gate_frame_begin(g);
    bool fits = g->why == NULL && wire_response_put(&g->out, res) &&
                buf_len(&g->out) - begun <= GATE_HEADERS_MAX;
    if (!gate_frame_end(g, begun, stream, WIRE_RESPONSE, fits)) {
        return false;
    }
    s->head_sent = true;
    s->send_ended = res->end;
    gate_stream_settle(g, s);
    return true;
}

void gate_send_inform(struct gate *g, uint32_t stream, uint16_t status)
{
    struct stream *s = gate_stream_find(g, stream);
    if (s == NULL || s->head_sent) {
        return;
    }
    uint8_t le[2] = {(uint8_t)(status & 0xff), (uint8_t)(status >> 8)};
    size_t begun = gate_frame_begin(g);
    gate_frame_end(g, begun, stream, WIRE_INFORM, g->why == NULL && buf_append(&g->out, le, 2));
}

void gate_send_opened(struct gate *g, uint32_t stream)
{
    struct stream *s = gate_stream_find(g, stream);
    if (s != NULL && !s->head_sent) {
        size_t begun = gate_frame_begin(g);
        s->head_sent = gate_frame_end(g, begun, stream, WIRE_OPENED, true);
    }
}

static size_t room_of(struct gate *g, struct stream *s)
{
    if (g->why != NULL || s == NULL || !s->head_sent || s->send_ended) {
        return 0;
    }
    if (s->may_send == 0 || buf_len(&g->out) >= GATE_OUT_SOFT) {
        if (list_empty(&s->waiting)) {
            list_append(&g->waiting, &s->waiting);
        }
        return 0;
    }
    return s->may_send < GATE_FRAME_MAX ? s->may_send : GATE_FRAME_MAX;
}

size_t gate_send_room(struct gate *g, uint32_t stream)
{
    return room_of(g, gate_stream_find(g, stream));
}

void *gate_send_reserve(struct gate *g, uint32_t stream, size_t *room)
{
    *room = room_of(g, gate_stream_find(g, stream));
    if (*room == 0) {
        return NULL;
    }
    char *at = buf_reserve(&g->out, WIRE_FRAME_BYTES + *room);
    if (at == NULL) {
        gate_fail(g, "gate: out of memory");
        *room = 0;
        return NULL;
    }
    return at + WIRE_FRAME_BYTES;
}

void gate_send_commit(struct gate *g, uint32_t stream, size_t len)
{
    struct stream *s = gate_stream_find(g, stream);
    if (len == 0 || s == NULL || g->why != NULL) {
        return;
    }
    struct wire_frame frame = {stream, (uint32_t)len, WIRE_DATA};
    wire_frame_put(g->out.mem + g->out.end, &frame);
    buf_commit(&g->out, WIRE_FRAME_BYTES + len);
    s->may_send -= (uint32_t)len;
    queued(g);
}

size_t gate_send_data(struct gate *g, uint32_t stream, struct span bytes)
{
    size_t taken = 0;
    while (taken < bytes.len) {
        size_t room;
        void *at = gate_send_reserve(g, stream, &room);
        if (at == NULL) {
            break;
        }
        size_t n = bytes.len - taken < room ? bytes.len - taken : room;
        memcpy(at, bytes.ptr + taken, n);
        gate_send_commit(g, stream, n);
        taken += n;
    }
    return taken;
}

void gate_send_end(struct gate *g, uint32_t stream, const struct gate_header *trailers,
                   size_t count)
{
    struct stream *s = gate_stream_find(g, stream);
    if (s == NULL || !s->head_sent || s->send_ended) {
        return;
    }
    size_t begun = gate_frame_begin(g);
    bool fits = g->why == NULL && wire_headers_put(&g->out, trailers, count);
    if (!gate_frame_end(g, begun, stream, WIRE_END, fits)) {
        /* Trailers that do not fit are a message that cannot be completed honestly. */
        gate_send_reset(g, stream, GATE_RESET_TRUNCATED);
        return;
    }
    s->send_ended = true;
    gate_stream_settle(g, s);
}

void gate_send_reset(struct gate *g, uint32_t stream, enum gate_reset reason)
{
    struct stream *s = gate_stream_find(g, stream);
    if (s == NULL) {
        return;
    }
    uint8_t byte = (uint8_t)reason;
    size_t begun = gate_frame_begin(g);
    gate_frame_end(g, begun, stream, WIRE_RESET, g->why == NULL && buf_append(&g->out, &byte, 1));
    gate_stream_drop(g, s);
}

void gate_credit(struct gate *g, uint32_t stream, size_t len)
{
    struct stream *s = gate_stream_find(g, stream);
    if (s == NULL || s->receive_ended) {
        return;
    }
    /* Never more than what came: the receiver's memory stays bounded whatever the caller says. */
    size_t most = GATE_CREDIT_INITIAL - s->may_receive - s->owed;
    s->owed += (uint32_t)(len < most ? len : most);
    if (s->owed < GATE_CREDIT_INITIAL / 4) {
        return;
    }
    uint8_t le[4] = {(uint8_t)s->owed, (uint8_t)(s->owed >> 8), (uint8_t)(s->owed >> 16),
                     (uint8_t)(s->owed >> 24)};
    size_t begun = gate_frame_begin(g);
    if (gate_frame_end(g, begun, stream, WIRE_CREDIT,
                       g->why == NULL && buf_append(&g->out, le, sizeof le))) {
        s->may_receive += s->owed;
        s->owed = 0;
    }
}
