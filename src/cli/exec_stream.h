/*
 * exec_stream: the frames of `exec` after its upgrade (docs/control-api.md, Exec) against our own
 * descriptors 0, 1 and 2.
 *
 * Nothing is read from the socket while what came before waits to be written, and nothing from the
 * input that was not credited: memory stays flat whichever end is slow.
 */
#ifndef SALLYPORT_CLI_EXEC_STREAM_H
#define SALLYPORT_CLI_EXEC_STREAM_H

#include "cli/client.h"

#include <termios.h>

/* The terminal on descriptor 0 in raw mode, and back. */
struct exec_terminal {
    bool on; /* raw; `before` counts */
    struct termios before;
};

/* Window size of our terminal, 24 x 80 where there is none. */
void exec_window(unsigned short *rows, unsigned short *columns);

/* Blocks the signals that are passed on, so that none is lost before exec_stream_run. */
void exec_block_signals(void);

/* Runs to the end. *status is that of the process, 128+n for signal n; 141 when nobody reads our
 * output any more, 129 when our terminal hung up. With tty a terminal on descriptor 0 is raw
 * meanwhile. A negative result is a failure of ours or of the sandbox. */
int exec_stream_run(struct client *c, bool tty, int *status, struct error *err);

#endif
