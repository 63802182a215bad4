/*
 * front: what clients of ours ask the Worker itself: a gate of a front door, whose streams the
 * Worker's own fetch() serves. Front doors come and go; each has a gate of its own until it ends.
 */
#ifndef SALLYPORT_RUNTIME_FRONT_H
#define SALLYPORT_RUNTIME_FRONT_H

#include "runtime/runtime.h"

/* Serves fd (given) until its other end goes. */
int front_open(struct runtime *rt, int fd, struct error *err);
void front_close_all(struct runtime *rt);

#endif
