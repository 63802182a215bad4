/*
 * crontab: the app's cron triggers: scheduled() of the runtime that serves, at their times.
 */
#ifndef SALLYPORT_SUPERVISOR_CRONTAB_H
#define SALLYPORT_SUPERVISOR_CRONTAB_H

#include "base/error.h"
#include "config/spec.h"
#include "supervisor/runtime_link.h"

#define CRONTAB_MAX 64u /* expressions */

struct crontab;
struct supervisor;

/* One that cannot be read refuses all. */
int crontab_open(struct supervisor *s, const struct spec_strings *crons, struct crontab **out,
                 struct error *err);
void crontab_close(struct crontab *t); /* NULL is allowed */

/* Fires now; cron: the expression that the handler is told. */
void crontab_fire(struct runtime_link *r, struct span cron, int64_t scheduled_ms,
                  runtime_reply_fn fn, void *arg);

#endif
