/*
 * settle: an answer to the supervisor that waits until the past is over.
 *
 * A rotated secret holds from the next read on, but a request that read the old value a moment ago
 * may still be on its way out. The answer waits until every exchange that was open at the change
 * has the head of its response (so its request is out), has ended, or SETTLE_MAX_MS have passed.
 */
#ifndef SALLYPORT_RUNTIME_SETTLE_H
#define SALLYPORT_RUNTIME_SETTLE_H

#include "runtime/runtime.h"

#define SETTLE_MAX_MS 2000u /* an upstream that thinks longer has its request already */

/* REPLY "ok" with payload null to seq, now or later. seq is lent. */
void settle_then_reply(struct runtime *rt, struct span seq);
/* Of a runtime that ends: what waits is dropped without an answer. */
void settle_drop(struct runtime *rt);

#endif
