/* What `run` and `up` have in common: the runtimes and what they ask of this process. */
#include "supervisor/supervisor.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "config/paths.h"
#include "isolate/userns.h"
#include "supervisor/control.h"
#include "supervisor/dev_vars.h"
#include "supervisor/kv.h"
#include "supervisor/objects.h"
#include "supervisor/uids.h"
#include "supervisor/up.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define UID_EMPTY (2000000000u - 1) /* owns the namespaces that all sidecars enter */

void supervisor_fail(struct supervisor *s, int status, const char *why)
{
    /* The terminal first: the line must not be written in raw mode. */
    stdio_close(&s->stdio);
    dprintf(STDERR_FILENO, "sallyport: %s\n", why);
    s->status = status;
    loop_stop(s->loop);
}

static void on_active(void *arg, struct runtime_link *r, struct span app_facts)
{
    struct supervisor *s = arg;
    (void)app_facts;
    fleet_runtime(s->fleet, r);
    alarms_go(s->alarms);
    if (s->up != NULL) {
        up_runtime(s->up, r);
    }
}

static void starting_fail(void *arg, struct member *m)
{
    bool *any = arg;
    *any = *any || m->state == MEMBER_STARTING || m->state == MEMBER_QUEUED;
}

/* A runtime that does not outlive the start of the one instance would not the next time either. */
static void on_lost(void *arg, const struct runtime_link *r, const char *why)
{
    struct supervisor *s = arg;
    bool starting = false;
    events_log(
        s->events,
        (struct events_source){span_str(s->spec->id != NULL ? s->spec->id : ""), SPAN_LIT("")},
        SPAN_LIT("error"), span_str(why));
    containers_lost(s->containers, r);
    if (s->spec->mode == SPEC_RUN) {
        fleet_each(s->fleet, starting_fail, &starting);
    }
    if (starting) {
        char reason[ERROR_TEXT_BYTES];
        snprintf(reason, sizeof reason, "start the instance: %.900s", why);
        runtimes_kill(s->runtimes);
        supervisor_fail(s, EXIT_OURS, reason);
        return;
    }
    fleet_runtime(s->fleet, NULL);
    if (s->up != NULL) {
        up_runtime(s->up, NULL);
    }
}

static void on_failed(void *arg, const char *why)
{
    supervisor_fail(arg, EXIT_OURS, why);
}

static void on_state(void *arg, struct runtime_link *r, struct span call, struct span id,
                     struct span state)
{
    objects_state_serve(arg, r, call, id, state);
}

static void on_kv(void *arg, struct runtime_link *r, const struct runtime_kv *kv)
{
    struct supervisor *s = arg;
    kv_serve(s->store, r, kv);
}

static void on_object(void *arg, struct runtime_link *r, const struct runtime_object_ask *o)
{
    objects_serve(arg, r, o);
}

static void on_container(void *arg, struct runtime_link *r, const struct runtime_container *c)
{
    struct supervisor *s = arg;
    containers_serve(s->containers, r, c);
}

static void on_alarm(void *arg, struct runtime_link *r, const struct runtime_alarm *a)
{
    struct supervisor *s = arg;
    alarms_serve(s->alarms, r, a);
}

static void on_event(void *arg, struct span id, struct span lines)
{
    struct supervisor *s = arg;
    events_egress(s->events, id, lines);
}

static void on_log(void *arg, struct span id, struct span level, struct span text)
{
    struct supervisor *s = arg;
    events_log(s->events, fleet_source(s->fleet, id), level, text);
    if (span_eq(level, SPAN_LIT("error"))) {
        log_error(SPAN_FMT, SPAN_ARG(text));
    } else if (span_eq(level, SPAN_LIT("debug"))) {
        log_debug(SPAN_FMT, SPAN_ARG(text));
    } else {
        log_info(SPAN_FMT,
                 SPAN_ARG(text)); /* a warning too: the terminal of a run is its command's */
    }
}

static const struct runtimes_events runtimes_events = {
    .active = on_active,
    .lost = on_lost,
    .failed = on_failed,
    .state = on_state,
    .kv = on_kv,
    .object = on_object,
    .container = on_container,
    .alarm = on_alarm,
    .event = on_event,
    .log = on_log,
};

/* ---- .dev.vars ---- */

static void on_rotated(void *arg, bool ok, struct span sentence)
{
    (void)arg;
    if (!ok) {
        log_error(".dev.vars: " SPAN_FMT, SPAN_ARG(sentence));
    }
}

static void on_dev_vars(void *arg, struct span name, struct span value, bool put)
{
    struct supervisor *s = arg;
    struct error err;
    if (runtimes_secret(s->runtimes, name, value, put, on_rotated, s, &err) < 0) {
        log_error(".dev.vars: %s", err.text);
    }
}

void supervisor_dev_vars_watch(struct supervisor *s)
{
    struct error err;
    if (s->spec->dev_vars != NULL &&
        dev_vars_watch(s->loop, s->spec, &s->secrets, on_dev_vars, s, &s->dev_vars, &err) < 0) {
        log_warn("%s: changes of it are not seen", err.text);
    }
}

void supervisor_dev_vars_move(struct supervisor *s, char *path)
{
    struct dev_vars *was = steal_ptr(&s->dev_vars);
    free(s->spec->dev_vars);
    s->spec->dev_vars = path;
    supervisor_dev_vars_watch(s);
    if (path == NULL || s->dev_vars != NULL) {
        dev_vars_replace(was, s->dev_vars);
    }
    dev_vars_close(was);
}

/* Last of a start: nothing waits for it but the sidecars, which are busy with themselves. */
int supervisor_namespaces(struct supervisor *s, struct error *err)
{
    uid_t uid = getuid() == 0 ? UID_EMPTY : getuid();
    gid_t gid = getuid() == 0 ? UID_EMPTY : getgid();
    int rc = isolate_userns_make_empty(uid, gid, &s->user_ns, &s->net_ns, err);
    if (rc < 0) {
        return rc;
    }
    fleet_namespaces(s->fleet);
    supervisor_dev_vars_watch(s);
    return 0;
}

/* The runtime may make files below it, not the folder itself: it must be there before it starts. A
 * `run` goes on without: then its objects have no storage, and say so when it is used. */
static int objects_folder(struct supervisor *s, struct error *err)
{
    const struct spec *spec = s->spec;
    const bool daemon = spec->mode == SPEC_UP;
    if (!daemon && spec->config == NULL) {
        return 0;
    }
    cleanup_free char *dir = paths_objects_dir(spec->state_dir, spec->id);
    if (dir == NULL) {
        return error_set(err, ENOMEM, "state folder %s", spec->state_dir);
    }
    int rc = paths_make_dir(dir, err);
    if (!daemon && !spec->keep_state) {
        *strrchr(dir, '/') = 0;
        s->own_dir = steal_ptr(&dir);
    }
    return daemon ? rc : 0;
}

int supervisor_serve(struct supervisor *s, const struct fleet_events *events, struct error *err)
{
    int rc;
    if ((rc = fleet_create(s, events, &s->fleet, err)) < 0 ||
        (rc = containers_open(s, &s->containers, err)) < 0 ||
        (rc = alarms_open(s, &s->alarms, err)) < 0 ||
        (rc = control_open(s, &s->control, err)) < 0 || (rc = objects_folder(s, err)) < 0) {
        return rc;
    }
    return runtimes_start(s->loop, &s->app, &s->secrets, &runtimes_events, s, &s->runtimes, err);
}
