/*
 * exec_frame: the frames of an exec that was upgraded (docs/control-api.md, Exec). Pure.
 */
#ifndef SALLYPORT_SUPERVISOR_EXEC_FRAME_H
#define SALLYPORT_SUPERVISOR_EXEC_FRAME_H

#include "base/buf.h"

#define EXEC_FRAME_HEAD 8u
#define EXEC_FRAME_MAX  65536u /* bytes of a payload */

enum exec_frame_type {
    EXEC_STDIN = 0,
    EXEC_STDOUT = 1,
    EXEC_STDERR = 2,
    EXEC_EXIT = 3,
    EXEC_CREDIT = 4,
    EXEC_RESIZE = 5,
    EXEC_SIGNAL = 6,
};

struct exec_frame {
    enum exec_frame_type type; /* STDIN, RESIZE or SIGNAL, with a payload of its size */
    struct span payload;       /* lent from the bytes */
};

/* The first frame of what a client sent. 1: *out is it, *size bytes long; 0: more bytes are needed;
 * -1: no frame that a client may send. */
int exec_frame_parse(struct span bytes, struct exec_frame *out, size_t *size);

void exec_frame_head(enum exec_frame_type type, size_t len, uint8_t out[EXEC_FRAME_HEAD]);

#endif
