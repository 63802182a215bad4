#include "supervisor/front.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "supervisor/backoff.h"
#include "supervisor/gate_pair.h"
#include "supervisor/sidecar_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct front {
    struct front_config config;
    const struct front_events *events;
    void *arg;
    struct sidecar_link *link; /* NULL: waits for its start */
    struct loop_timer *start;
    struct backoff backoff;
    struct gate_pair gate;
    struct runtime_link *runtime;
    bool begun; /* it was sent FRONT */
    bool stood; /* one was ready once */
    bool draining;
};

static void start_later(struct front *f);

/* The runtime first has its end: what the door sends waits there. */
static void gate_hand(struct front *f)
{
    if (f->runtime != NULL && !f->gate.outer_given && f->gate.outer >= 0) {
        f->gate.outer_given = runtime_link_front(f->runtime, f->gate.outer);
    }
    if (f->link == NULL || f->gate.inner < 0) {
        return;
    }
    if (f->begun) {
        sidecar_link_gate(f->link, f->gate.inner);
    } else {
        struct sidecar_front what = {.name = f->config.name,
                                     .listener = f->config.listener,
                                     .gate = f->gate.inner,
                                     .user_ns = f->config.user_ns,
                                     .net_ns = f->config.net_ns};
        f->begun = sidecar_link_front(f->link, &what);
    }
    close_fd(&f->gate.inner);
}

static void on_ready(void *arg, struct span nothing)
{
    struct front *f = arg;
    (void)nothing;
    f->stood = true;
    f->events->serving(f->arg);
}

static void on_ended(void *arg, const char *why)
{
    struct front *f = arg;
    char reason[ERROR_TEXT_BYTES];
    snprintf(reason, sizeof reason, "front door: %.900s", why);
    sidecar_link_destroy(f->link);
    f->link = NULL;
    gate_pair_close(&f->gate);
    if (f->draining) {
        f->events->drained(f->arg);
    } else if (!f->stood) {
        f->events->failed(f->arg, reason);
    } else {
        log_warn("%s: a new one takes its place", reason);
        start_later(f);
    }
}

static const struct sidecar_events sidecar_events = {on_ready, on_ended};

static int start(struct front *f, struct error *err)
{
    f->begun = false;
    int rc = gate_pair_open(&f->gate, "the front door", err);
    rc = rc < 0 ? rc
                : sidecar_link_start(f->config.loop, "front", &sidecar_events, f, &f->link, err);
    if (rc == 0) {
        gate_hand(f);
    }
    return rc;
}

static void start_now(void *arg)
{
    struct front *f = arg;
    struct error err;
    loop_timer_cancel(f->start);
    f->start = NULL;
    if (start(f, &err) < 0) {
        log_error("%s", err.text);
        start_later(f);
    }
}

static void start_later(struct front *f)
{
    uint64_t delay = backoff_delay_ms(&f->backoff, clock_monotonic_ms());
    f->start = loop_timer_start(f->config.loop, delay, 0, start_now, f);
}

int front_start(const struct front_config *config, const struct front_events *events, void *arg,
                struct front **out, struct error *err)
{
    cleanup_close int listener = config->listener;
    struct front *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return error_set(err, ENOMEM, "front door");
    }
    *f = (struct front){
        .config = *config, .events = events, .arg = arg, .gate = {.outer = -1, .inner = -1}};
    f->config.listener = steal_fd(&listener);
    f->backoff.started_ms = clock_monotonic_ms();
    int rc = start(f, err);
    if (rc < 0) {
        front_close(f);
        return rc;
    }
    *out = f;
    return 0;
}

void front_runtime(struct front *f, struct runtime_link *r)
{
    struct error err;
    f->runtime = r;
    if (r == NULL || f->draining) {
        return;
    }
    if ((f->gate.outer < 0 || f->gate.outer_given) && f->link != NULL &&
        gate_pair_open(&f->gate, "the front door", &err) < 0) {
        log_error("%s", err.text);
        return;
    }
    gate_hand(f);
}

void front_drain(struct front *f)
{
    if (f->draining) {
        return;
    }
    f->draining = true;
    close_fd(&f->config.listener);
    loop_timer_cancel(f->start);
    f->start = NULL;
    if (f->link == NULL || !sidecar_link_drain(f->link)) {
        f->events->drained(f->arg);
    }
}

void front_close(struct front *f)
{
    if (f == NULL) {
        return;
    }
    loop_timer_cancel(f->start);
    sidecar_link_destroy(f->link);
    gate_pair_close(&f->gate);
    close_fd(&f->config.listener);
    free(f);
}

pid_t front_pid(const struct front *f)
{
    return f != NULL ? sidecar_link_pid(f->link) : 0;
}
