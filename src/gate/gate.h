/*
 * gate: the framed protocol between the two doors, both ends. Byte layout: docs/gate-protocol.md.
 *
 * One gate is one AF_UNIX stream socket between one sidecar (GATE_INNER) and one runtime
 * (GATE_OUTER). Many streams share it; a stream is one HTTP exchange or one tunnel. The inner end
 * opens streams, with ids that only grow. Each direction of a stream has its own credit in bytes;
 * a sender that has none waits.
 *
 * Every frame is checked as hostile by the end that receives it: a frame that is too long, too
 * short, out of order, over credit or of an unknown type ends the gate with `closed`.
 *
 * Writes are gathered: a call to gate_send_* appends to the output, which leaves in one write at
 * the end of the loop's turn. Nothing here blocks.
 *
 * States of a stream, for each direction apart:
 *
 *     (none) --REQUEST/RESPONSE/TUNNEL/OPENED--> open --END or TRAILERS--> ended
 *        any --RESET (either end)--> gone; both ended --> gone
 *
 * A RESET that crosses frames of the other end is normal: frames for a stream that is gone are
 * dropped (their bytes are never credited back).
 */
#ifndef SALLYPORT_GATE_GATE_H
#define SALLYPORT_GATE_GATE_H

#include "base/error.h"
#include "base/span.h"
#include "loop/loop.h"

#define GATE_FRAME_MAX      (64u * 1024u)  /* payload bytes of one frame */
#define GATE_HEADERS_MAX    (60u * 1024u)  /* bytes of one encoded head */
#define GATE_HEADER_COUNT   256u           /* fields in one head */
#define GATE_CREDIT_INITIAL (256u * 1024u) /* bytes a stream may send before credit returns */
#define GATE_STREAMS_MAX    4096u          /* streams open at once on one gate */

enum gate_side { GATE_INNER, GATE_OUTER };

enum gate_reset {
    GATE_RESET_CANCEL,    /* the other side went away, or no longer wants the stream */
    GATE_RESET_DENIED,    /* a tunnel that a rule denied */
    GATE_RESET_UPSTREAM,  /* DNS, address, connect or protocol error upstream */
    GATE_RESET_INTERNAL,  /* out of memory, or a limit of ours */
    GATE_RESET_TRUNCATED, /* the body ended before its length: the client must see it */
    GATE_RESET_COUNT
};

struct gate_header {
    struct span name;  /* as it came; an RFC 9110 token */
    struct span value; /* no leading or trailing space, no control byte but HTAB */
};

/* Where the sandbox's connection came from and went to, as the inner door saw it. */
struct gate_peer {
    uint32_t conn;      /* the sandbox's connection, counted from 1; for the audit and CLOSE */
    uint8_t dest[16];   /* address it connected to, IPv4 as v4-mapped; never dialled */
    uint16_t dest_port; /* host order */
    bool tls;           /* came inside TLS that the inner door terminated (or a TLS tunnel) */
    bool proxy;         /* the client spoke to us as to a proxy (CONNECT, absolute form) */
    struct span sni;    /* as in the ClientHello, empty when there was none */
    struct span name;   /* the name that DNS gave for dest, empty when it gave none */
};

struct gate_request {
    struct gate_peer peer;
    uint8_t version;      /* 10, 11 or 20 */
    bool expect_continue; /* the client waits for 100 before it sends the body */
    bool end;             /* no body follows */
    int64_t length; /* Content-Length, or -1 when the body has none (chunked) or there is none */
    struct span method;
    struct span target;                /* origin form "/path?query", or "*" */
    struct span authority;             /* Host, :authority or the authority of the absolute form */
    const struct gate_header *headers; /* without Host and without hop-by-hop fields */
    size_t header_count;
};

struct gate_response {
    uint16_t status; /* 200..599; 1xx travel as GATE inform */
    bool close;      /* the inner door closes the connection after this response */
    bool end;        /* no body follows */
    int64_t length;  /* what Content-Length says, also for HEAD; -1: not known */
    const struct gate_header *headers; /* without hop-by-hop fields and Content-Length */
    size_t header_count;
};

enum gate_note {
    GATE_NOTE_CA_REJECTED, /* the client ended the handshake because it does not trust the CA */
    GATE_NOTE_TLS_FAILED,  /* the handshake failed for another reason */
    GATE_NOTE_BAD_REQUEST, /* the inner door answered 400, 413 or 431 by itself */
    GATE_NOTE_COUNT
};

struct gate;

/* What arrives. Every span and pointer is lent until the callback returns. A side implements its
 * own half and leaves the other half NULL: a frame of a NULL callback is a protocol error. */
struct gate_events {
    /* both */
    void (*data)(void *arg, uint32_t stream, struct span bytes);
    void (*end)(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count);
    void (*reset)(void *arg, uint32_t stream, enum gate_reset reason);
    void (*writable)(void *arg, uint32_t stream); /* credit or room came back after a short send */
    void (*closed)(void *arg, const char *why); /* last callback; the gate may be destroyed in it */
    /* outer door */
    void (*request)(void *arg, uint32_t stream, const struct gate_request *req);
    void (*tunnel)(void *arg, uint32_t stream, const struct gate_peer *peer);
    void (*note)(void *arg, const struct gate_peer *peer, enum gate_note note, struct span detail);
    /* inner door */
    void (*response)(void *arg, uint32_t stream, const struct gate_response *res);
    void (*inform)(void *arg, uint32_t stream, uint16_t status); /* 100: send the body now */
    void (*opened)(void *arg, uint32_t stream);                  /* the tunnel is connected */
};

/* What the owner keeps beside a stream; NULL for a stream that is gone. A stream is gone, and its
 * id worth nothing, once both directions have ended or either end has reset it. */
void gate_stream_bind(struct gate *g, uint32_t stream, void *ctx);
void *gate_stream_ctx(const struct gate *g, uint32_t stream);

/* Takes fd (given), sets it non-blocking and starts to read. */
struct gate *gate_create(struct loop *loop, enum gate_side side, int fd,
                         const struct gate_events *events, void *arg, struct error *err);
/* No callback is made after it. */
void gate_destroy(struct gate *g);

/* Inner door. The id of the new stream, or 0 when the gate is closed, full, or the head is larger
 * than GATE_HEADERS_MAX. */
uint32_t gate_send_request(struct gate *g, const struct gate_request *req);
uint32_t gate_send_tunnel(struct gate *g, const struct gate_peer *peer);
void gate_send_note(struct gate *g, const struct gate_peer *peer, enum gate_note note,
                    struct span detail);

/* Outer door. false: the gate is closed, the stream is gone, or the head does not fit. */
bool gate_send_response(struct gate *g, uint32_t stream, const struct gate_response *res);
void gate_send_inform(struct gate *g, uint32_t stream, uint16_t status);
void gate_send_opened(struct gate *g, uint32_t stream);

/* Bytes of a body or tunnel. gate_send_room says how many may be sent now (credit and output);
 * when it is 0, `writable` is called once there is room again. gate_send_reserve lends a place of
 * *room bytes inside the output so that a body can be decrypted straight into it; the next call on
 * this gate must be gate_send_commit, with 0 when nothing was written. */
size_t gate_send_room(struct gate *g, uint32_t stream);
void *gate_send_reserve(struct gate *g, uint32_t stream, size_t *room);
void gate_send_commit(struct gate *g, uint32_t stream, size_t len);
/* Copies; returns how much was taken (at most gate_send_room). */
size_t gate_send_data(struct gate *g, uint32_t stream, struct span bytes);
void gate_send_end(struct gate *g, uint32_t stream, const struct gate_header *trailers,
                   size_t count);
void gate_send_reset(struct gate *g, uint32_t stream, enum gate_reset reason);

/* The receiver has done with len bytes of the stream's data: the other end may send as much again.
 * Small amounts are gathered into quarters of GATE_CREDIT_INITIAL. */
void gate_credit(struct gate *g, uint32_t stream, size_t len);

#endif
