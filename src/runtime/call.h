/*
 * call: methods of an instance called from outside (RUNTIME_CALL), and what handlers keep in KV.
 */
#ifndef SALLYPORT_RUNTIME_CALL_H
#define SALLYPORT_RUNTIME_CALL_H

#include "runtime/instance.h"

struct call_spec { /* lent for the call */
    struct span seq;
    struct span method;
    struct span args; /* JSON array */
};

/* Answered by RUNTIME_REPLY. */
void call_start(struct instance *inst, const struct call_spec *spec);
/* The instance of a task that is a call; NULL: it is none. */
struct instance *call_instance(const struct runtime *rt, uint32_t task);
/* Ends the calls of an instance; each is answered with an error. */
void call_drop_all(struct instance *inst);

/* js_host.call_done, js_host.kv */
void call_done(void *arg, uint32_t task, struct span result, struct span error);
void call_kv(void *arg, const struct js_kv *kv);
/* RUNTIME_KV_DONE */
void call_kv_done(struct runtime *rt, struct span call, struct span ok, struct span payload,
                  struct span metadata);

#endif
