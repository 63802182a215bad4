/*
 * container: what code asks of sandboxes (docs/control.md, RUNTIME_CONTAINER).
 *
 * Each call is answered once, unless its runtime ends first: then nobody is left to answer, and a
 * process that was started for it and is not in the background is killed. Descriptors that a call
 * gives are made here and go to the runtime; no byte of them is read.
 */
#ifndef SALLYPORT_SUPERVISOR_CONTAINER_H
#define SALLYPORT_SUPERVISOR_CONTAINER_H

#include "supervisor/runtime_link.h"

struct supervisor;
struct containers;

int containers_open(struct supervisor *s, struct containers **out, struct error *err);
/* The sandboxes are gone: what is left of the calls goes. NULL is allowed. */
void containers_close(struct containers *all);

void containers_serve(struct containers *all, struct runtime_link *r,
                      const struct runtime_container *c);
/* r has ended. */
void containers_lost(struct containers *all, const struct runtime_link *r);

#endif
