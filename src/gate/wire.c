#include "gate/wire.h"

#include <endian.h>

enum { PEER_TLS = 1, PEER_PROXY = 2, PEER_FLAGS = 3 };
enum { REQUEST_END = 1, REQUEST_EXPECT = 2, REQUEST_FLAGS = 3 };
enum { RESPONSE_END = 1, RESPONSE_CLOSE = 2, RESPONSE_FLAGS = 3 };

/* What is left to read; `bad` sticks, so that a decoder checks once, at its end. */
struct reader {
    struct span left;
    bool bad;
};

static struct span take(struct reader *r, size_t len)
{
    if (r->bad || r->left.len < len) {
        r->bad = true;
        return span_of("", 0);
    }
    struct span out = span_of(r->left.ptr, len);
    r->left = span_of(r->left.ptr + len, r->left.len - len);
    return out;
}

static uint8_t take_u8(struct reader *r)
{
    struct span s = take(r, 1);
    return s.len == 1 ? (uint8_t)s.ptr[0] : 0;
}

static uint16_t take_u16(struct reader *r)
{
    uint16_t v = 0;
    struct span s = take(r, sizeof v);
    memcpy(&v, s.ptr, s.len);
    return le16toh(v);
}

static uint32_t take_u32(struct reader *r)
{
    uint32_t v = 0;
    struct span s = take(r, sizeof v);
    memcpy(&v, s.ptr, s.len);
    return le32toh(v);
}

static int64_t take_i64(struct reader *r)
{
    uint64_t v = 0;
    struct span s = take(r, sizeof v);
    memcpy(&v, s.ptr, s.len);
    return (int64_t)le64toh(v);
}

static bool done(const struct reader *r)
{
    return !r->bad && r->left.len == 0;
}

static bool put_u8(struct buf *b, uint8_t v)
{
    return buf_append(b, &v, 1);
}

static bool put_u16(struct buf *b, size_t v)
{
    uint16_t le = htole16((uint16_t)v);
    return v <= UINT16_MAX && buf_append(b, &le, sizeof le);
}

static bool put_u32(struct buf *b, uint32_t v)
{
    v = htole32(v);
    return buf_append(b, &v, sizeof v);
}

static bool put_i64(struct buf *b, int64_t v)
{
    uint64_t le = htole64((uint64_t)v);
    return buf_append(b, &le, sizeof le);
}

void wire_frame_put(char *at, const struct wire_frame *frame)
{
    uint32_t words[2] = {htole32(frame->stream),
                         htole32(frame->length | ((uint32_t)frame->type << 24))};
    memcpy(at, words, sizeof words);
}

bool wire_frame_get(const char *bytes, struct wire_frame *frame)
{
    uint32_t words[2];
    memcpy(words, bytes, sizeof words);
    uint32_t second = le32toh(words[1]);
    *frame = (struct wire_frame){le32toh(words[0]), second & 0xffffffu, (uint8_t)(second >> 24)};
    return frame->type >= WIRE_REQUEST && frame->type < WIRE_TYPE_END &&
           frame->length <= GATE_FRAME_MAX;
}

bool wire_headers_put(struct buf *b, const struct gate_header *headers, size_t count)
{
    if (count > GATE_HEADER_COUNT || !put_u16(b, count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct gate_header *h = &headers[i];
        if (!put_u16(b, h->name.len) || !put_u16(b, h->value.len) || !buf_append_span(b, h->name) ||
            !buf_append_span(b, h->value)) {
            return false;
        }
    }
    return true;
}

static void take_headers(struct reader *r, struct gate_header *headers, size_t *count)
{
    *count = take_u16(r);
    if (*count > GATE_HEADER_COUNT) {
        r->bad = true;
    }
    for (size_t i = 0; !r->bad && i < *count; i++) {
        size_t name = take_u16(r);
        size_t value = take_u16(r);
        headers[i].name = take(r, name);
        headers[i].value = take(r, value);
        r->bad = r->bad || name == 0;
    }
}

bool wire_headers_get(struct span payload, struct gate_header *headers, size_t *count)
{
    struct reader r = {payload, false};
    take_headers(&r, headers, count);
    return done(&r);
}

bool wire_peer_put(struct buf *b, const struct gate_peer *peer)
{
    uint8_t flags = (uint8_t)((peer->tls ? PEER_TLS : 0) | (peer->proxy ? PEER_PROXY : 0));
    return put_u32(b, peer->conn) && buf_append(b, peer->dest, sizeof peer->dest) &&
           put_u16(b, peer->dest_port) && put_u8(b, flags) && put_u16(b, peer->sni.len) &&
           put_u16(b, peer->name.len) && buf_append_span(b, peer->sni) &&
           buf_append_span(b, peer->name);
}

static void take_peer(struct reader *r, struct gate_peer *peer)
{
    *peer = (struct gate_peer){.conn = take_u32(r)};
    struct span dest = take(r, sizeof peer->dest);
    memcpy(peer->dest, dest.ptr, dest.len);
    peer->dest_port = take_u16(r);
    uint8_t flags = take_u8(r);
    peer->tls = (flags & PEER_TLS) != 0;
    peer->proxy = (flags & PEER_PROXY) != 0;
    size_t sni = take_u16(r);
    size_t name = take_u16(r);
    peer->sni = take(r, sni);
    peer->name = take(r, name);
    r->bad = r->bad || (flags & ~PEER_FLAGS) != 0;
}

bool wire_tunnel_get(struct span payload, struct gate_peer *peer)
{
    struct reader r = {payload, false};
    take_peer(&r, peer);
    return done(&r);
}

bool wire_request_put(struct buf *b, const struct gate_request *req)
{
    uint8_t flags =
        (uint8_t)((req->end ? REQUEST_END : 0) | (req->expect_continue ? REQUEST_EXPECT : 0));
    return wire_peer_put(b, &req->peer) && put_u8(b, req->version) && put_u8(b, flags) &&
           put_i64(b, req->length) && put_u16(b, req->method.len) && put_u16(b, req->target.len) &&
           put_u16(b, req->authority.len) && buf_append_span(b, req->method) &&
           buf_append_span(b, req->target) && buf_append_span(b, req->authority) &&
           wire_headers_put(b, req->headers, req->header_count);
}

bool wire_request_get(struct span payload, struct gate_request *req, struct gate_header *headers)
{
    struct reader r = {payload, false};
    take_peer(&r, &req->peer);
    req->version = take_u8(&r);
    uint8_t flags = take_u8(&r);
    req->end = (flags & REQUEST_END) != 0;
    req->expect_continue = (flags & REQUEST_EXPECT) != 0;
    req->length = take_i64(&r);
    size_t method = take_u16(&r);
    size_t target = take_u16(&r);
    size_t authority = take_u16(&r);
    req->method = take(&r, method);
    req->target = take(&r, target);
    req->authority = take(&r, authority);
    take_headers(&r, headers, &req->header_count);
    req->headers = headers;
    bool version = req->version == 10 || req->version == 11 || req->version == 20;
    return done(&r) && version && (flags & ~REQUEST_FLAGS) == 0 && req->length >= -1 &&
           method > 0 && target > 0 && !(req->end && req->length > 0);
}

bool wire_note_put(struct buf *b, const struct gate_peer *peer, enum gate_note note,
                   struct span detail)
{
    return wire_peer_put(b, peer) && put_u8(b, (uint8_t)note) && put_u16(b, detail.len) &&
           buf_append_span(b, detail);
}

bool wire_note_get(struct span payload, struct gate_peer *peer, enum gate_note *note,
                   struct span *detail)
{
    struct reader r = {payload, false};
    take_peer(&r, peer);
    uint8_t which = take_u8(&r);
    size_t len = take_u16(&r);
    *detail = take(&r, len);
    *note = (enum gate_note)which;
    return done(&r) && which < GATE_NOTE_COUNT;
}

bool wire_response_put(struct buf *b, const struct gate_response *res)
{
    uint8_t flags = (uint8_t)((res->end ? RESPONSE_END : 0) | (res->close ? RESPONSE_CLOSE : 0));
    return put_u16(b, res->status) && put_u8(b, flags) && put_i64(b, res->length) &&
           wire_headers_put(b, res->headers, res->header_count);
}

bool wire_response_get(struct span payload, struct gate_response *res, struct gate_header *headers)
{
    struct reader r = {payload, false};
    res->status = take_u16(&r);
    uint8_t flags = take_u8(&r);
    res->end = (flags & RESPONSE_END) != 0;
    res->close = (flags & RESPONSE_CLOSE) != 0;
    res->length = take_i64(&r);
    take_headers(&r, headers, &res->header_count);
    res->headers = headers;
    return done(&r) && (flags & ~RESPONSE_FLAGS) == 0 && res->length >= -1 && res->status >= 200 &&
           res->status <= 599;
}

bool wire_u8_get(struct span payload, uint8_t *value)
{
    struct reader r = {payload, false};
    *value = take_u8(&r);
    return done(&r);
}

bool wire_u16_get(struct span payload, uint16_t *value)
{
    struct reader r = {payload, false};
    *value = take_u16(&r);
    return done(&r);
}

bool wire_u32_get(struct span payload, uint32_t *value)
{
    struct reader r = {payload, false};
    *value = take_u32(&r);
    return done(&r);
}
