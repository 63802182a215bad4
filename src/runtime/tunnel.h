/*
 * tunnel: bytes that are not opened here: TLS of a class that does not intercept it, judged by its
 * server name, and raw TCP that allowedTcp names.
 */
#ifndef SALLYPORT_RUNTIME_TUNNEL_H
#define SALLYPORT_RUNTIME_TUNNEL_H

#include "runtime/door.h"
#include "runtime/flow.h"
#include "runtime/instance.h"

struct tunnel;

/* The gate's events; each may free the tunnel. */
void tunnel_open(struct door *door, uint32_t stream, const struct gate_peer *peer);
void tunnel_data(struct tunnel *t, struct span bytes);
void tunnel_end(struct tunnel *t);
void tunnel_writable(struct tunnel *t);
void tunnel_cut(struct tunnel *t, const char *error);

#endif
