/*
 * change: the setters of an instance by name and JSON arguments, on a policy. Pure.
 */
#ifndef SALLYPORT_RUNTIME_CHANGE_H
#define SALLYPORT_RUNTIME_CHANGE_H

#include "base/error.h"
#include "policy/policy.h"

/* Is it one of the methods of docs/control.md, RUNTIME_CALL? */
bool change_is_method(struct span method);

/* args is a JSON array. All or nothing; err's text is the message of the Error that a caller in
 * code sees. */
int change_apply(struct policy *p, struct span method, struct span args, struct error *err);

#endif
