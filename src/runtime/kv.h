/*
 * kv: what handlers keep in KV: asked of the supervisor, whose store it is.
 */
#ifndef SALLYPORT_RUNTIME_KV_H
#define SALLYPORT_RUNTIME_KV_H

#include "runtime/runtime.h"

/* js_host.kv; arg is the version. What does not fit into what waits for the supervisor fails. */
void kv_ask(void *arg, const struct js_kv *kv);
/* RUNTIME_KV_DONE */
void kv_done(struct runtime *rt, const struct ipc_message *m);
void kv_drop_all(struct runtime *rt); /* of a runtime that ends: nobody is answered */

#endif
