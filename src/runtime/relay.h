/*
 * relay: moves the bytes of a source into a stream of the gate, as credit allows.
 *
 * A source that is `direct` is read straight into the gate's output; any other may call into the
 * gate while it is read, so its bytes take one copy.
 */
#ifndef SALLYPORT_RUNTIME_RELAY_H
#define SALLYPORT_RUNTIME_RELAY_H

#include "base/source.h"
#include "gate/gate.h"

struct relay {
    struct gate *gate;
    uint32_t stream;
    bool direct;
    bool lent;             /* the source is never closed here, only left alone */
    bool running;          /* inside relay_pump */
    struct source *source; /* kept; closed at the end and by relay_stop */
    uint64_t bytes;        /* that went through */
    /* Last callback, the source is closed. 0: it ended; negative: it broke. Called from within
     * relay_pump, and relay_start. */
    void (*done)(void *arg, int result);
    void *arg;
    /* Trailers of the source when it ended; may be NULL. */
    size_t (*trailers)(struct source *source, const struct gate_header **out);
};

/* The fields but running and bytes are filled. Starts to move at once. */
void relay_start(struct relay *r);
void relay_pump(struct relay *r); /* the gate's `writable` */
void relay_stop(struct relay *r); /* closes the source without a callback; may be done twice */

#endif
