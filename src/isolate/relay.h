/*
 * relay: bytes from one descriptor to another, one direction, bounded memory.
 *
 * For descriptors that a sandbox must not hold: a socket on 0, 1 or 2 is relayed through a pipe.
 */
#ifndef SALLYPORT_ISOLATE_RELAY_H
#define SALLYPORT_ISOLATE_RELAY_H

#include "base/error.h"
#include "loop/loop.h"

struct isolate_relay;

/* Everything that came before the end was written (from ended, or to refuses more). Called once,
 * from the loop. */
typedef void (*isolate_relay_done_fn)(void *arg);

/* Both descriptors stay the caller's and open until isolate_relay_cancel, which gives them their
 * O_NONBLOCK flag back as it was. One turn moves at most 64 KiB. The process ignores SIGPIPE. */
int isolate_relay_start(struct loop *loop, int from, int to, isolate_relay_done_fn done, void *arg,
                        struct isolate_relay **out, struct error *err);
/* Moves what is there and can be taken now, up to 4 MiB: before a cancel that must lose nothing. */
void isolate_relay_flush(struct isolate_relay *r);
void isolate_relay_cancel(struct isolate_relay *r); /* NULL is allowed */

#endif
