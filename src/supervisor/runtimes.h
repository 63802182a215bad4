/*
 * runtimes: the runtime that serves, and the warm spare that takes its place.
 *
 *     start -> (active told) -> the active one ends -> the spare is active (told) -> a new spare
 *
 * Code that is to be deployed is loaded by a runtime of its own first, on trial: it may loop, or
 * eat memory, and only that process ends. When the deploy is done it is the spare.
 *
 *     try -> loaded -> (the serving one takes the code) -> keep: the spare
 *        └─ failed, too late                     └─ drop
 *
 * Every one of them, in whatever state, has the secrets of the moment.
 */
#ifndef SALLYPORT_SUPERVISOR_RUNTIMES_H
#define SALLYPORT_SUPERVISOR_RUNTIMES_H

#include "supervisor/runtime_link.h"
#include "supervisor/vault.h"

struct runtimes;

struct runtimes_events {
    /* This one serves from now on: the instances are to be added to it. */
    void (*active)(void *arg, struct runtime_link *r, struct span app_facts);
    /* The one that served (r: to tell it from others, no more) has ended. Another follows by
     * `active`, at once when a spare is warm. */
    void (*lost)(void *arg, const struct runtime_link *r, const char *why);
    /* The very first did not get ready: the app cannot be loaded. */
    void (*failed)(void *arg, const char *why);
    /* As runtime_events has them, with the one that asks. */
    void (*state)(void *arg, struct runtime_link *r, struct span call, struct span id,
                  struct span state);
    void (*kv)(void *arg, struct runtime_link *r, const struct runtime_kv *kv);
    void (*object)(void *arg, struct runtime_link *r, const struct runtime_object_ask *o);
    void (*container)(void *arg, struct runtime_link *r, const struct runtime_container *c);
    void (*alarm)(void *arg, struct runtime_link *r, const struct runtime_alarm *a);
    void (*event)(void *arg, struct span id, struct span lines);
    void (*log)(void *arg, struct span id, struct span level, struct span text);
};

/* app and secrets are kept by pointer: what app says when a runtime starts is what it gets. */
int runtimes_start(struct loop *loop, const struct runtime_app *app, const struct vault *secrets,
                   const struct runtimes_events *events, void *arg, struct runtimes **out,
                   struct error *err);
/* Kills them without waiting; none follows and nothing more is told. NULL is allowed. */
void runtimes_kill(struct runtimes *rs);
void runtimes_destroy(struct runtimes *rs); /* NULL is allowed */

/* From now on a spare is kept. */
void runtimes_warm(struct runtimes *rs);

#define RUNTIMES_TRIAL_MS 30000u /* that a runtime on trial may take to be ready */

/* ok false: why is the sentence. Told once, by runtimes_destroy at the latest, unless
 * runtimes_trial_drop comes first. */
typedef void (*runtimes_trial_fn)(void *arg, bool ok, const char *why);
/* One at a time. app is lent until it is told; done comes from the loop. */
int runtimes_try(struct runtimes *rs, const struct runtime_app *app, runtimes_trial_fn done,
                 void *arg, struct error *err);
/* What runtimes_start was given says from now on what the one on trial was started with: it is the
 * spare. Without one, or when it has ended since, a new spare is started. */
void runtimes_trial_keep(struct runtimes *rs);
void runtimes_trial_drop(struct runtimes *rs); /* it ends; also when there is none */

/* App facts of what serves: as it gave them when it was ready, or after a deploy. */
struct span runtimes_facts(const struct runtimes *rs);
void runtimes_facts_set(struct runtimes *rs, struct span facts);
/* The one that serves; NULL while it is being replaced. */
struct runtime_link *runtimes_active(struct runtimes *rs);

/* The secret was put into (or taken out of) the table: tells every runtime. done is called once
 * each has taken it or ended, also from inside; ok is false with the sentence of one that refused.
 */
typedef void (*runtimes_secret_fn)(void *arg, bool ok, struct span sentence);
int runtimes_secret(struct runtimes *rs, struct span name, struct span value, bool put,
                    runtimes_secret_fn done, void *arg, struct error *err);

#endif
