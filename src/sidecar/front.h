/*
 * front: what the front door does its own way.
 */
#ifndef SALLYPORT_SIDECAR_FRONT_H
#define SALLYPORT_SIDECAR_FRONT_H

#include "sidecar/sidecar.h"

int sidecar_front_open(struct sidecar *s, struct error *err);
/* DRAIN: takes what waits in the listener, then accepts no more. Idle connections end now, the
 * others with the answer they are at; the loop stops with the last one. */
void sidecar_front_drain(struct sidecar *s);
/* No place for another client: the one that has been idle longest ends. */
void sidecar_front_make_room(struct sidecar *s);
struct span sidecar_front_date(struct sidecar *s); /* IMF-fixdate of now, lent */

#endif
