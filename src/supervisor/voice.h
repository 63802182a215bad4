/*
 * voice: what a child writes to its stderr, line by line, on ours.
 *
 * A sidecar never holds the user's terminal: its lines come through a pipe and are escaped, cut and
 * counted here, for a sidecar may have been taken over.
 */
#ifndef SALLYPORT_SUPERVISOR_VOICE_H
#define SALLYPORT_SUPERVISOR_VOICE_H

#include "base/error.h"
#include "loop/loop.h"

#define VOICE_LINE_MAX  2048u /* bytes of a line; the rest is dropped */
#define VOICE_LINES_MAX 100u  /* lines in VOICE_SPAN_MS; the rest is dropped, and said so */
#define VOICE_SPAN_MS   10000u

struct voice;

/* *write_fd (given, CLOEXEC) is the child's end. Ends by itself with the pipe; voice_close reads
 * what is left. */
int voice_open(struct loop *loop, struct voice **out, int *write_fd, struct error *err);
void voice_close(struct voice *v); /* NULL is allowed */

#endif
