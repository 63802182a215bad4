/*
 * kv: what handlers keep in KV: asked of the supervisor, whose store it is.
 */
#ifndef SALLYPORT_RUNTIME_KV_H
#define SALLYPORT_RUNTIME_KV_H

#include "runtime/runtime.h"

/* js_host.kv; arg is the version. */
void kv_ask(void *arg, const struct js_kv *kv);
/* RUNTIME_KV_DONE */
void kv_done(struct runtime *rt, const struct ipc_message *m);

#endif
