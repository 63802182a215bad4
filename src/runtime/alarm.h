/*
 * alarm: the one time at which an object wants to be woken; the supervisor keeps it and fires it.
 */
#ifndef SALLYPORT_RUNTIME_ALARM_H
#define SALLYPORT_RUNTIME_ALARM_H

#include "runtime/instance.h"

/* js_host.alarm; arg is the version. Answered by js_alarm_done. */
void alarm_ask(void *arg, uint32_t call, void *owner, int64_t time_ms);
/* RUNTIME_ALARM_DONE */
void alarm_done(struct runtime *rt, const struct ipc_message *m);

#endif
