/*
 * door: one gate and the streams that are open on it: the requests of one sandbox, or, at the
 * front, those of clients to the Worker itself. Whose a stream is, the descriptor says.
 */
#ifndef SALLYPORT_RUNTIME_DOOR_H
#define SALLYPORT_RUNTIME_DOOR_H

#include "base/error.h"
#include "base/list.h"
#include "gate/gate.h"

struct instance;
struct runtime;

struct door {
    struct list node; /* in runtime.doors while it has a gate */
    struct runtime *rt;
    struct instance *inst; /* whose sandbox it is; NULL: the front */
    struct gate *gate;     /* NULL while there is none */
    struct list flows;     /* struct flow.node */
    uint32_t flow_count;
    /* The other end of the gate went away, and the door is closed; may free it. NULL: nothing. */
    void (*gone)(struct door *d);
};

/* inst NULL: a front. */
void door_init(struct door *d, struct runtime *rt, struct instance *inst);
/* Serves fd (given) from now on; the flows of the gate before it end. */
int door_open(struct door *d, int fd, struct error *err);
/* Flows end without an answer; allowed at any time. */
void door_close(struct door *d);

#endif
