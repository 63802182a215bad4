/*
 * exec_frame: the frames of an exec that was upgraded (docs/control-api.md, Exec). Pure.
 */
#ifndef SALLYPORT_PROTO_EXEC_FRAME_H
#define SALLYPORT_PROTO_EXEC_FRAME_H

#include "base/buf.h"

#define EXEC_FRAME_HEAD   8u
#define EXEC_FRAME_MAX    65536u /* bytes of a payload */
#define EXEC_CREDIT_START 65536u /* bytes of STDIN that may be sent uncredited */

enum exec_frame_type {
    EXEC_STDIN = 0,
    EXEC_STDOUT = 1,
    EXEC_STDERR = 2,
    EXEC_EXIT = 3, /* u8 enum exec_how, u8 number, a sentence or nothing */
    EXEC_CREDIT = 4,
    EXEC_RESIZE = 5,
    EXEC_SIGNAL = 6,
};

enum exec_how { EXEC_HOW_EXIT = 0, EXEC_HOW_SIGNAL = 1, EXEC_HOW_TIMEOUT = 2, EXEC_HOW_LOST = 3 };

enum exec_end { EXEC_CLIENT, EXEC_SERVER };

struct exec_frame {
    enum exec_frame_type type; /* one of its sender's, with a payload of its size */
    struct span payload;       /* lent from the bytes */
};

/* The first frame of what `from` sent. 1: *out is it, *size bytes long; 0: more bytes are needed;
 * -1: no frame that it may send. */
int exec_frame_parse(struct span bytes, enum exec_end from, struct exec_frame *out, size_t *size);

void exec_frame_head(enum exec_frame_type type, size_t len, uint8_t out[EXEC_FRAME_HEAD]);

#endif
