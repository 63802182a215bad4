/*
 * update: a change of an instance's policy, all or nothing, that answers only once it holds.
 *
 * The change is made on a copy, the copy's state is saved by the supervisor, and only then does the
 * copy take the policy's place. Changes of one instance are made one after the other.
 */
#ifndef SALLYPORT_RUNTIME_UPDATE_H
#define SALLYPORT_RUNTIME_UPDATE_H

#include "runtime/instance.h"

/* From the control API: answered by RUNTIME_REPLY to seq. */
void update_from_call(struct instance *inst, struct span seq, struct span method, struct span args);
/* js_host.policy_set, arg is the version: answered by js_policy_done. */
void update_from_code(void *arg, uint32_t call, void *owner, struct span method, struct span args,
                      struct span facts);
/* The runtime's own; nobody is told. */
void update_from_inside(struct instance *inst, struct span method);
/* RUNTIME_STATE_DONE. */
void update_saved(struct runtime *rt, struct span call, bool ok, struct span why);
/* Nobody is to be told any more of changes that this version asked for. */
void update_version_gone(struct instance *inst, const struct version *v);
/* The instance goes: its changes are answered with an error. */
void update_drop_all(struct instance *inst);

#endif
