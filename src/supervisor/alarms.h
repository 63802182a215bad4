/*
 * alarms: one an object, fired at its time in the runtime that serves, the earliest first.
 *
 * Under `up` they stand in the store, and the row of one that fires goes when it has run: after a
 * kill of everything it is fired again. One that fails is tried again after 2 s, 4 s, … 64 s.
 */
#ifndef SALLYPORT_SUPERVISOR_ALARMS_H
#define SALLYPORT_SUPERVISOR_ALARMS_H

#include "base/error.h"
#include "base/span.h"
#include "supervisor/runtime_link.h"

#define ALARMS_MAX         100000u
#define ALARMS_RETRIES_MAX 6u
#define ALARMS_RETRY_MS    2000u /* before the first retry; doubled each time */
#define ALARMS_AT_ONCE     64u   /* that run at the same time */

struct alarms;
struct supervisor;

/* Brings back those that are stored (`up`). */
int alarms_open(struct supervisor *s, struct alarms **out, struct error *err);
void alarms_close(struct alarms *a); /* NULL is allowed; what is stored stays */

/* RUNTIME_ALARM: carried out and answered. */
void alarms_serve(struct alarms *a, struct runtime_link *r, const struct runtime_alarm *what);
/* The object is gone for good: its row in the store is the caller's. */
void alarms_forget(struct alarms *a, struct span id);
/* A runtime serves (again): those that are due are fired. */
void alarms_go(struct alarms *a);
/* No more is fired. */
void alarms_stop(struct alarms *a);

#endif
