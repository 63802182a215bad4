/*
 * kv: what a runtime or the control API asks of the store's KV namespaces.
 */
#ifndef SALLYPORT_SUPERVISOR_KV_H
#define SALLYPORT_SUPERVISOR_KV_H

#include "store/store.h"
#include "supervisor/runtime_link.h"

#define KV_OPTIONS_MAX 8192u /* bytes of a call's options */

/* Carries out what a runtime asked (docs/control.md, RUNTIME_KV) and answers it. */
void kv_serve(struct store *store, struct runtime_link *r, const struct runtime_kv *kv);

/* The page as {"keys":[…],"list_complete","cursor"?}: text to be freed; NULL with err set. */
char *kv_list_json(struct store *store, const struct store_query *q, struct error *err);

/* expiration (seconds since 1970) or ttl (seconds from now), 0: not given; both: ttl wins.
 * Negative when it is too near: err says so. */
int kv_expiry(int64_t expiration_s, int64_t ttl_s, int64_t *out, struct error *err);

#endif
