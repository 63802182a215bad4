/*
 * gate_pair: the socket between two doors, before it is handed to them.
 */
#ifndef SALLYPORT_SUPERVISOR_GATE_PAIR_H
#define SALLYPORT_SUPERVISOR_GATE_PAIR_H

#include "base/error.h"

#include <stdbool.h>

struct gate_pair {
    int outer;        /* the runtime's end; a copy stays here, to shut the gate down. -1: none */
    int inner;        /* the inner door's end, until it is handed over */
    bool outer_given; /* a runtime has had it: the next one needs a new gate */
};

/* The old gate is shut down before there is a new one. */
int gate_pair_open(struct gate_pair *g, const char *whose, struct error *err);
void gate_pair_close(struct gate_pair *g);

#endif
