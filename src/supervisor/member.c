/* One member's life, from the wish for a sandbox to its end. */
#include "supervisor/member.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "supervisor/launcher_spec.h"
#include "supervisor/objects.h"
#include "supervisor/supervisor.h"
#include "supervisor/uids.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define UID_RUN 2000000000u

static void wait_list_tell(struct list *waits, struct member *m, const char *why)
{
    /* Only those that wait now: one that is told may begin to wait anew. */
    struct list now;
    list_init(&now);
    while (!list_empty(waits)) {
        struct list *node = waits->next;
        list_remove(node);
        list_append(&now, node);
    }
    while (!list_empty(&now)) {
        struct member_wait *w = LIST_ENTRY(now.next, struct member_wait, node);
        list_remove(&w->node);
        w->fn(w->arg, m, why);
    }
}

void member_tasks_lost(struct member *m)
{
    while (!list_empty(&m->tasks)) {
        struct member_task *t = LIST_ENTRY(m->tasks.next, struct member_task, node);
        list_remove(&t->node);
        t->lost(t->arg);
    }
}

void member_start_free(struct member *m)
{
    free(steal_ptr(&m->options));
    free(steal_ptr(&m->env));
    m->env_len = 0;
    free(steal_ptr(&m->entrypoint));
    m->entrypoint_len = 0;
    free(steal_ptr(&m->command));
    m->command_len = 0;
}

static void time_now(char out[40])
{
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(out, 40, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Nothing of a sandbox is left: forgotten, unless somebody wished for it meanwhile. */
static void member_rest(struct member *m)
{
    m->state = MEMBER_STOPPED;
    uids_drop(m->fleet->s->uids, m->uid);
    m->uid = 0;
    m->told_running = m->ran = false;
    loop_timer_cancel(m->deadline);
    m->deadline = NULL;
    member_start_free(m);
}

static void member_settle(struct member *m)
{
    struct fleet *f = m->fleet;
    if (m->held > 0) {
        return; /* who holds it settles it */
    }
    if (m->state != MEMBER_STOPPED) {
        fleet_queue_go(f);
        return;
    }
    if (!list_empty(&m->waiting) && !f->draining) {
        m->state = MEMBER_QUEUED;
        list_append(&f->queue, &m->queue);
    } else {
        m->held++;
        wait_list_tell(&m->waiting, m, "the daemon is ending");
        member_free(m);
    }
    fleet_queue_go(f);
}

static void member_release(struct member *m)
{
    m->held--;
    member_settle(m);
}

/* ---- its end ---- */

static void on_ended(void *arg, struct instance *i, bool started, int status, const char *why)
{
    struct member *m = arg;
    char reason[ERROR_TEXT_BYTES];
    snprintf(reason, sizeof reason, "%s", why);
    bool failed = m->state == MEMBER_STARTING;
    m->held++;
    m->instance = NULL;
    instance_destroy(i);
    m->fleet->starting -= failed ? 1 : 0;
    member_tasks_lost(m);
    member_rest(m);
    if (failed) {
        wait_list_tell(&m->waiting, m, started ? "the sandbox ended while it started" : reason);
    }
    wait_list_tell(&m->leaving, m, NULL);
    m->fleet->events->ended(m->fleet->s, m, started, status, reason);
    member_release(m);
}

static void on_deadline(void *arg)
{
    struct member *m = arg;
    instance_signal(m->instance, SIGKILL);
}

void member_stop(struct member *m, int signum, struct member_wait *wait)
{
    m->held++;
    switch (m->state) {
    case MEMBER_STOPPED:
        break;
    case MEMBER_QUEUED:
        list_remove(&m->queue);
        member_rest(m);
        wait_list_tell(&m->waiting, m, "the sandbox was stopped before it started");
        break;
    case MEMBER_STARTING:
    case MEMBER_RUNNING:
    case MEMBER_ENDING:
        if (wait != NULL) {
            list_append(&m->leaving, &wait->node);
        }
        if (m->state == MEMBER_STARTING) {
            signum = SIGKILL; /* nothing of it could hear another */
        } else {
            m->state = MEMBER_ENDING;
        }
        if (m->deadline == NULL && signum != SIGKILL) {
            m->deadline = loop_timer_start(m->fleet->s->loop, FLEET_STOP_MS, 0, on_deadline, m);
        }
        instance_signal(m->instance, signum);
        member_release(m);
        return;
    }
    if (wait != NULL) {
        wait->fn(wait->arg, m, NULL);
    }
    member_release(m);
}

/* ---- its start ---- */

/* The runtime that serves hears it once, and a successor once more. */
static void running_tell(struct member *m)
{
    struct runtime_link *r = runtimes_active(m->fleet->s->runtimes);
    if (m->state == MEMBER_RUNNING && r != NULL && !m->told_running) {
        m->told_running = runtime_link_started(r, span_str(m->id), m->ran);
        m->ran = m->told_running;
    }
}

static void on_started(void *arg, struct instance *i)
{
    struct member *m = arg;
    struct fleet *f = m->fleet;
    (void)i;
    if (m->state != MEMBER_STARTING) {
        return;
    }
    m->held++;
    m->state = MEMBER_RUNNING;
    f->starting--;
    running_tell(m);
    f->events->started(f->s, m);
    wait_list_tell(&m->waiting, m, NULL);
    member_release(m);
}

/* Who wishes for it from now on gets the next one. */
static void on_ending(void *arg, struct instance *i)
{
    struct member *m = arg;
    (void)i;
    if (m->state == MEMBER_RUNNING) {
        m->state = MEMBER_ENDING;
    }
}

static const struct instance_events instance_events = {on_started, on_ending, on_ended};

void member_runtime(struct member *m, struct runtime_link *r)
{
    if (m->instance == NULL) {
        return;
    }
    m->held++;
    m->told_running = false;
    instance_runtime(m->instance, r);
    running_tell(m);
    member_release(m);
}

/* What was set at run time holds for this sandbox from its first instruction. */
static int state_load(struct member *m, struct error *err)
{
    struct buf state;
    buf_init(&state, STORE_STATE_MAX);
    int rc = objects_state(m->fleet->s, span_str(m->id), &state, err);
    if (rc >= 0 && !instance_state_set(m->instance, buf_span(&state))) {
        rc = error_set(err, ENOMEM, "state of %s", m->id);
    }
    buf_free(&state);
    return rc;
}

/* A `run` that root started has a uid of its own: its pid is its alone. */
static int uid_take(struct member *m, struct error *err)
{
    struct supervisor *s = m->fleet->s;
    if (getuid() != 0) {
        return 0;
    }
    if (s->uids == NULL) {
        m->uid = UID_RUN + (uid_t)getpid();
        return 0;
    }
    return uids_take(s->uids, &m->uid, err);
}

static int instance_make(struct member *m, const struct agent_run *main, struct error *err)
{
    struct supervisor *s = m->fleet->s;
    struct agent_run entrypoint = {
        .is_main = true, .flags = SPAN_LIT("b"), .argv = span_of(m->entrypoint, m->entrypoint_len)};
    int rc = uid_take(m, err);
    if (rc < 0) {
        return rc;
    }
    struct launcher_facts facts = {.id = m->id, .uid = m->uid, .env = span_of(m->env, m->env_len)};
    cleanup_free char *json = launcher_spec_json(s->spec, &facts);
    if (json == NULL) {
        return error_set(err, ENOMEM, "start the sandbox");
    }
    struct instance_config config = {
        .id = m->id,
        .class_name = m->class_name,
        .name = m->name,
        .options = span_str(m->options != NULL ? m->options : s->spec->options),
        .launcher_spec = span_str(json),
        .main = main == NULL && m->entrypoint_len > 0 ? &entrypoint : main,
        .user_ns = s->user_ns,
        .net_ns = s->net_ns,
    };
    rc = instance_start(s->loop, &config, &instance_events, m, &m->instance, err);
    return rc < 0 ? rc : state_load(m, err);
}

void member_begin(struct member *m, const struct agent_run *main)
{
    struct fleet *f = m->fleet;
    struct error err;
    m->state = MEMBER_STARTING;
    f->starting++;
    time_now(m->started);
    if (instance_make(m, main, &err) < 0) {
        m->held++;
        instance_destroy(steal_ptr(&m->instance));
        f->starting--;
        member_rest(m);
        wait_list_tell(&m->waiting, m, err.text);
        wait_list_tell(&m->leaving, m, NULL);
        f->events->ended(f->s, m, false, EXIT_OURS, err.text);
        member_release(m);
        return;
    }
    struct runtime_link *r = runtimes_active(f->s->runtimes);
    if (r != NULL) {
        instance_runtime(m->instance, r);
    }
}

static bool bytes_copy(struct span from, char **to, size_t *len)
{
    if (from.len > 0) {
        *to = malloc(from.len);
        if (*to == NULL) {
            return false;
        }
        memcpy(*to, from.ptr, from.len);
        *len = from.len;
    }
    return true;
}

static bool start_copy(struct member *m, const struct member_start *how)
{
    if (how->options != NULL && (m->options = strdup(how->options)) == NULL) {
        return false;
    }
    return bytes_copy(how->env, &m->env, &m->env_len) &&
           bytes_copy(how->entrypoint, &m->entrypoint, &m->entrypoint_len);
}

void member_start(struct member *m, const struct member_start *how, struct member_wait *wait)
{
    switch (m->state) {
    case MEMBER_RUNNING:
        wait->fn(wait->arg, m, NULL);
        return;
    case MEMBER_QUEUED:
    case MEMBER_STARTING:
    case MEMBER_ENDING:
        list_append(&m->waiting, &wait->node);
        return;
    case MEMBER_STOPPED:
        break;
    }
    if (how != NULL && !start_copy(m, how)) {
        member_start_free(m);
        wait->fn(wait->arg, m, "out of memory");
        member_settle(m);
        return;
    }
    list_append(&m->waiting, &wait->node);
    m->state = MEMBER_QUEUED;
    if (how != NULL && how->main != NULL) {
        member_begin(m, how->main);
        return;
    }
    list_append(&m->fleet->queue, &m->queue);
    fleet_queue_go(m->fleet);
}
