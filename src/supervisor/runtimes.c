#include "supervisor/runtimes.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "supervisor/backoff.h"

#include <errno.h>
#include <stdlib.h>

#define FACTS_MAX (1024u * 1024u)
#define SLOTS     3

struct slot {
    struct runtimes *owner;
    struct runtime_link *link; /* NULL: none, or waiting for its start */
    struct loop_timer *start;  /* a start that waits */
    struct backoff backoff;
    bool ready;
    struct buf facts;
};

struct runtimes {
    struct loop *loop;
    const struct runtime_app *app;
    const struct vault *secrets;
    const struct runtimes_events *events;
    void *arg;
    struct slot slots[SLOTS];
    struct slot *active;
    struct slot *spare;
    struct slot *trial;
    struct loop_timer *trial_late;
    runtimes_trial_fn trial_done; /* NULL: told, or there is none */
    void *trial_arg;
    bool warm;
    bool served; /* one was ready once */
    bool ending;
};

static void slot_start_later(struct slot *s);

static void trial_tell(struct runtimes *rs, bool ok, const char *why)
{
    runtimes_trial_fn done = rs->trial_done;
    rs->trial_done = NULL;
    loop_timer_cancel(rs->trial_late);
    rs->trial_late = NULL;
    if (done != NULL) {
        done(rs->trial_arg, ok, why);
    }
}

static void on_ready(void *arg, struct span facts)
{
    struct slot *s = arg;
    struct runtimes *rs = s->owner;
    s->ready = true;
    rs->served = true;
    buf_clear(&s->facts);
    buf_append_span(&s->facts, facts);
    if (s == rs->trial) {
        trial_tell(rs, true, "");
    } else if (s == rs->active) {
        rs->events->active(rs->arg, s->link, buf_span(&s->facts));
    }
}

static void on_state(void *arg, struct span call, struct span id, struct span state)
{
    struct slot *s = arg;
    s->owner->events->state(s->owner->arg, s->link, call, id, state);
}

static void on_kv(void *arg, const struct runtime_kv *kv)
{
    struct slot *s = arg;
    s->owner->events->kv(s->owner->arg, s->link, kv);
}

static void on_object(void *arg, const struct runtime_object_ask *o)
{
    struct slot *s = arg;
    s->owner->events->object(s->owner->arg, s->link, o);
}

static void on_container(void *arg, const struct runtime_container *c)
{
    struct slot *s = arg;
    s->owner->events->container(s->owner->arg, s->link, c);
}

static void on_alarm(void *arg, const struct runtime_alarm *a)
{
    struct slot *s = arg;
    s->owner->events->alarm(s->owner->arg, s->link, a);
}

static void on_event(void *arg, struct span id, struct span lines)
{
    struct slot *s = arg;
    s->owner->events->event(s->owner->arg, id, lines);
}

/* What code says while it is loaded the runtime that serves has said: a spare says it again. */
static void on_log(void *arg, struct span id, struct span level, struct span text)
{
    struct slot *s = arg;
    if (s != s->owner->spare || s->ready) {
        s->owner->events->log(s->owner->arg, id, level, text);
    }
}

static void swap(struct runtimes *rs)
{
    struct slot *was = rs->active;
    rs->active = rs->spare;
    rs->spare = was;
}

static void on_ended(void *arg, const char *why)
{
    struct slot *s = arg;
    struct runtimes *rs = s->owner;
    bool was_ready = s->ready;
    const struct runtime_link *link = s->link;
    char reason[ERROR_TEXT_BYTES];
    strncpy(reason, why, sizeof reason - 1);
    reason[sizeof reason - 1] = 0;
    runtime_link_destroy(s->link);
    s->link = NULL;
    s->ready = false;
    if (rs->ending) {
        return;
    }
    if (s == rs->trial) {
        trial_tell(rs, false, reason);
        return;
    }
    if (!rs->served) {
        rs->events->failed(rs->arg, reason);
        return;
    }
    bool active = s == rs->active;
    if (active && was_ready) {
        rs->events->lost(rs->arg, link, reason);
    }
    if (rs->ending) {
        return;
    }
    log_warn("the %s ended: %s", active ? "runtime" : "spare runtime", reason);
    if (active) {
        if (rs->spare->link != NULL || rs->spare->start != NULL) {
            swap(rs);
            if (rs->active->ready) {
                rs->events->active(rs->arg, rs->active->link, buf_span(&rs->active->facts));
            }
        }
    }
    if (s == rs->active || rs->warm) {
        slot_start_later(s);
    }
}

static const struct runtime_events slot_events = {
    .ready = on_ready,
    .state = on_state,
    .kv = on_kv,
    .object = on_object,
    .container = on_container,
    .alarm = on_alarm,
    .event = on_event,
    .log = on_log,
    .ended = on_ended,
};

static void secret_first(void *arg, struct span name, struct span value)
{
    runtime_link_secret(arg, name, value, true, NULL, NULL);
}

static int slot_start(struct slot *s, const struct runtime_app *app, struct error *err)
{
    struct runtimes *rs = s->owner;
    int rc = runtime_link_start(rs->loop, app->name, &slot_events, s, &s->link, err);
    if (rc == 0) {
        vault_each(rs->secrets, secret_first, s->link);
        runtime_link_begin(s->link, app);
    }
    return rc;
}

static void slot_end(struct slot *s)
{
    runtime_link_destroy(s->link);
    s->link = NULL;
    s->ready = false;
}

static void slot_start_now(void *arg)
{
    struct slot *s = arg;
    loop_timer_cancel(s->start);
    s->start = NULL;
    struct error err;
    if (slot_start(s, s->owner->app, &err) < 0) {
        log_error("%s", err.text);
        slot_start_later(s);
    }
}

static void slot_start_later(struct slot *s)
{
    uint64_t delay = backoff_delay_ms(&s->backoff, clock_monotonic_ms());
    s->start = loop_timer_start(s->owner->loop, delay, 0, slot_start_now, s);
}

int runtimes_start(struct loop *loop, const struct runtime_app *app, const struct vault *secrets,
                   const struct runtimes_events *events, void *arg, struct runtimes **out,
                   struct error *err)
{
    struct runtimes *rs = calloc(1, sizeof *rs);
    if (rs == NULL) {
        return error_set(err, ENOMEM, "start the runtime");
    }
    *rs = (struct runtimes){
        .loop = loop, .app = app, .secrets = secrets, .events = events, .arg = arg};
    for (int i = 0; i < SLOTS; i++) {
        rs->slots[i].owner = rs;
        buf_init(&rs->slots[i].facts, FACTS_MAX);
    }
    rs->active = &rs->slots[0];
    rs->spare = &rs->slots[1];
    rs->trial = &rs->slots[2];
    rs->active->backoff.started_ms = clock_monotonic_ms();
    int rc = slot_start(rs->active, app, err);
    if (rc < 0) {
        runtimes_destroy(rs);
        return rc;
    }
    *out = rs;
    return 0;
}

void runtimes_kill(struct runtimes *rs)
{
    if (rs == NULL) {
        return;
    }
    rs->ending = true;
    loop_timer_cancel(rs->trial_late);
    rs->trial_late = NULL;
    for (int i = 0; i < SLOTS; i++) {
        runtime_link_kill(rs->slots[i].link);
        loop_timer_cancel(rs->slots[i].start);
        rs->slots[i].start = NULL;
    }
}

void runtimes_destroy(struct runtimes *rs)
{
    if (rs == NULL) {
        return;
    }
    trial_tell(rs, false, "the daemon ends");
    for (int i = 0; i < SLOTS; i++) {
        runtime_link_destroy(rs->slots[i].link);
        loop_timer_cancel(rs->slots[i].start);
        buf_free(&rs->slots[i].facts);
    }
    free(rs);
}

void runtimes_warm(struct runtimes *rs)
{
    rs->warm = true;
    if (!rs->ending && rs->spare->link == NULL && rs->spare->start == NULL) {
        slot_start_later(rs->spare);
    }
}

/* ---- code on trial ---- */

static void on_trial_late(void *arg)
{
    struct runtimes *rs = arg;
    slot_end(rs->trial);
    trial_tell(rs, false, "the module did not load within 30 s: leave the work to its handlers");
}

int runtimes_try(struct runtimes *rs, const struct runtime_app *app, runtimes_trial_fn done,
                 void *arg, struct error *err)
{
    if (rs->ending || rs->trial->link != NULL) {
        return error_set(err, 0, "another deploy is under way");
    }
    int rc = slot_start(rs->trial, app, err);
    if (rc == 0) {
        rs->trial_done = done;
        rs->trial_arg = arg;
        rs->trial_late = loop_timer_start(rs->loop, RUNTIMES_TRIAL_MS, 0, on_trial_late, rs);
    }
    return rc;
}

void runtimes_trial_keep(struct runtimes *rs)
{
    struct slot *was = rs->spare;
    if (rs->ending) {
        return;
    }
    loop_timer_cancel(was->start);
    was->start = NULL;
    slot_end(was);
    rs->spare = rs->trial;
    rs->trial = was;
    rs->spare->backoff = (struct backoff){.started_ms = clock_monotonic_ms()};
    if (rs->spare->link == NULL && rs->warm) {
        slot_start_later(rs->spare);
    }
}

void runtimes_trial_drop(struct runtimes *rs)
{
    rs->trial_done = NULL;
    loop_timer_cancel(rs->trial_late);
    rs->trial_late = NULL;
    slot_end(rs->trial);
}

struct span runtimes_facts(const struct runtimes *rs)
{
    return buf_span(&rs->active->facts);
}

void runtimes_facts_set(struct runtimes *rs, struct span facts)
{
    buf_clear(&rs->active->facts);
    buf_append_span(&rs->active->facts, facts);
}

struct runtime_link *runtimes_active(struct runtimes *rs)
{
    return rs->active->ready ? rs->active->link : NULL;
}

/* One rotation: lives until each runtime that was asked has answered or ended. */
struct rotation {
    runtimes_secret_fn done;
    void *arg;
    unsigned open;
    bool ok;
    char sentence[ERROR_TEXT_BYTES];
};

static void rotation_step(void *arg, enum runtime_reply reply, struct span payload)
{
    struct rotation *r = arg;
    if (reply == RUNTIME_REPLY_ERROR) {
        size_t len = payload.len < sizeof r->sentence - 1 ? payload.len : sizeof r->sentence - 1;
        memcpy(r->sentence, payload.ptr, len);
        r->sentence[len] = 0;
        r->ok = false;
    }
    if (--r->open == 0) {
        r->done(r->arg, r->ok, span_str(r->sentence));
        free(r);
    }
}

int runtimes_secret(struct runtimes *rs, struct span name, struct span value, bool put,
                    runtimes_secret_fn done, void *arg, struct error *err)
{
    struct rotation *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, ENOMEM, "hand out a secret");
    }
    *r = (struct rotation){.done = done, .arg = arg, .open = 1, .ok = true};
    for (int i = 0; i < SLOTS; i++) {
        if (rs->slots[i].link != NULL) {
            r->open++;
            runtime_link_secret(rs->slots[i].link, name, value, put, rotation_step, r);
        }
    }
    rotation_step(r, RUNTIME_REPLY_OK, (struct span){0});
    return 0;
}
