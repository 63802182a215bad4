/*
 * wire: the frames of docs/gate-protocol.md as bytes; no descriptor, no state.
 *
 * A decoder gets one whole payload and refuses what is short, long or out of range. Spans and
 * headers it fills are lent from the payload.
 */
#ifndef SALLYPORT_GATE_WIRE_H
#define SALLYPORT_GATE_WIRE_H

#include "base/buf.h"
#include "gate/gate.h"

#define WIRE_FRAME_BYTES 8u

enum wire_type {
    WIRE_REQUEST = 1, /* inner -> outer */
    WIRE_TUNNEL,      /* inner -> outer */
    WIRE_NOTE,        /* inner -> outer, stream 0 */
    WIRE_RESPONSE,    /* outer -> inner */
    WIRE_INFORM,      /* outer -> inner */
    WIRE_OPENED,      /* outer -> inner */
    WIRE_DATA,
    WIRE_END,
    WIRE_RESET,
    WIRE_CREDIT,
    WIRE_TYPE_END
};

struct wire_frame {
    uint32_t stream;
    uint32_t length; /* of the payload */
    uint8_t type;
};

void wire_frame_put(char *at, const struct wire_frame *frame);
/* bytes has WIRE_FRAME_BYTES. false: unknown type or longer than GATE_FRAME_MAX. */
bool wire_frame_get(const char *bytes, struct wire_frame *frame);

/* Append a payload. false: a field is too long, too many headers, or the buffer is full; what was
 * appended by then is the caller's to drop. */
bool wire_request_put(struct buf *b, const struct gate_request *req);
bool wire_peer_put(struct buf *b, const struct gate_peer *peer);
bool wire_note_put(struct buf *b, const struct gate_peer *peer, enum gate_note note,
                   struct span detail);
bool wire_response_put(struct buf *b, const struct gate_response *res);
bool wire_headers_put(struct buf *b, const struct gate_header *headers, size_t count);

/* headers has room for GATE_HEADER_COUNT. */
bool wire_request_get(struct span payload, struct gate_request *req, struct gate_header *headers);
bool wire_tunnel_get(struct span payload, struct gate_peer *peer);
bool wire_note_get(struct span payload, struct gate_peer *peer, enum gate_note *note,
                   struct span *detail);
bool wire_response_get(struct span payload, struct gate_response *res, struct gate_header *headers);
bool wire_headers_get(struct span payload, struct gate_header *headers, size_t *count);
bool wire_u8_get(struct span payload, uint8_t *value);
bool wire_u16_get(struct span payload, uint16_t *value);
bool wire_u32_get(struct span payload, uint32_t *value);

#endif
