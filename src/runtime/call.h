/*
 * call: entries into the Worker from the supervisor's side: a method of an instance (RUNTIME_CALL),
 * an alarm or a scheduled event (RUNTIME_FIRE). Each is answered by RUNTIME_REPLY.
 */
#ifndef SALLYPORT_RUNTIME_CALL_H
#define SALLYPORT_RUNTIME_CALL_H

#include "runtime/instance.h"

struct call;

struct call_spec { /* lent for the call */
    struct span seq;
    struct span method;
    struct span args; /* JSON array */
};

void call_start(struct instance *inst, const struct call_spec *spec);
/* alarm() of the instance; detail is JSON. */
void call_alarm(struct instance *inst, struct span seq, struct span detail);
/* scheduled() of the Worker. */
void call_scheduled(struct runtime *rt, struct span seq, struct span detail);

/* NULL: it is the Worker's own. */
struct instance *call_instance(const struct call *c);
/* Ends one, answered with an error that says why. */
void call_stop(struct runtime *rt, uint32_t task, const char *why);
void call_stop_all(struct instance *inst, const char *why);

/* js_host.call_done; arg is the version. */
void call_done(void *arg, uint32_t task, struct span result, struct span error);

#endif
