#include "supervisor/supervisor.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "isolate/guard.h"
#include "isolate/userns.h"
#include "supervisor/control.h"
#include "supervisor/control_routes.h"
#include "supervisor/dev_vars.h"
#include "supervisor/kv.h"
#include "supervisor/launcher_spec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Started by root, each instance becomes an unprivileged uid of its own; our pid is ours alone. */
#define UID_FIRST 2000000000u
#define UID_EMPTY (UID_FIRST - 1) /* owns the namespace that all sidecars enter */

/* A command that is over sooner needs no spare runtime. */
#define WARM_AFTER_MS 100u

/* ---- the end ---- */

static void stop(void *arg)
{
    struct supervisor *s = arg;
    loop_stop(s->loop);
}

/* The terminal first: the line must not be written in raw mode. */
static void fail(struct supervisor *s, int status, const char *why)
{
    stdio_close(&s->stdio);
    dprintf(STDERR_FILENO, "sallyport: %s\n", why);
    s->status = status;
    loop_stop(s->loop);
}

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

static void warm(void *arg)
{
    struct supervisor *s = arg;
    runtimes_warm(s->runtimes);
}

/* The command has the processor first. */
static void on_instance_started(void *arg, struct instance *i)
{
    struct supervisor *s = arg;
    (void)i;
    s->warm = loop_timer_start(s->loop, WARM_AFTER_MS, 0, warm, s);
}

static void on_instance_ended(void *arg, struct instance *i, bool started, int status,
                              const char *why)
{
    struct supervisor *s = arg;
    (void)i;
    control_instance_ended(s);
    runtimes_kill(s->runtimes);
    if (!started) {
        fail(s, status, why);
        return;
    }
    s->status = status;
    stdio_finish(&s->stdio, stop, s);
}

static const struct instance_events instance_events = {on_instance_started, on_instance_ended};

/* ---- what the runtimes say ---- */

static void on_active(void *arg, struct runtime_link *r, struct span app_facts)
{
    struct supervisor *s = arg;
    (void)app_facts;
    if (s->instance != NULL) {
        instance_runtime(s->instance, r);
    }
}

/* A runtime that does not outlive the start of the instance would not the next time either. */
static void on_lost(void *arg, const char *why)
{
    struct supervisor *s = arg;
    events_log(s->events, span_str(s->spec->id), SPAN_LIT("error"), span_str(why));
    if (s->instance != NULL && instance_phase(s->instance) == INSTANCE_STARTING) {
        char reason[ERROR_TEXT_BYTES];
        snprintf(reason, sizeof reason, "start the instance: %s", why);
        runtimes_kill(s->runtimes);
        instance_destroy(s->instance);
        s->instance = NULL;
        fail(s, EXIT_OURS, reason);
    } else if (s->instance != NULL) {
        instance_runtime(s->instance, NULL);
    }
}

static void on_failed(void *arg, const char *why)
{
    struct supervisor *s = arg;
    instance_destroy(s->instance);
    s->instance = NULL;
    fail(s, EXIT_OURS, why);
}

static void on_state(void *arg, struct runtime_link *r, struct span call, struct span id,
                     struct span state)
{
    struct supervisor *s = arg;
    struct error err = {0};
    bool ours = s->instance != NULL && span_eq(id, span_str(instance_id(s->instance)));
    if (!ours || !instance_state_set(s->instance, state)) {
        error_set(&err, 0, ours ? "the instance's state: too large" : "no such instance");
    } else if (s->spec->keep_state) {
        s->store->ops->state_put(s->store, instance_id(s->instance), state, &err);
    }
    runtime_link_state_done(r, call, err.text[0] == 0, span_str(err.text));
}

static void on_kv(void *arg, struct runtime_link *r, const struct runtime_kv *kv)
{
    struct supervisor *s = arg;
    kv_serve(s->store, r, kv);
}

static void on_event(void *arg, struct span id, struct span lines)
{
    struct supervisor *s = arg;
    events_egress(s->events, id, lines);
}

static void on_log(void *arg, struct span id, struct span level, struct span text)
{
    struct supervisor *s = arg;
    events_log(s->events, id, level, text);
    if (span_eq(level, SPAN_LIT("error"))) {
        log_error(SPAN_FMT, SPAN_ARG(text));
    } else {
        log_info(SPAN_FMT, SPAN_ARG(text));
    }
}

static const struct runtimes_events runtimes_events = {
    .active = on_active,
    .lost = on_lost,
    .failed = on_failed,
    .state = on_state,
    .kv = on_kv,
    .event = on_event,
    .log = on_log,
};

/* ---- signals ---- */

static void on_signal(void *arg, int signum)
{
    struct supervisor *s = arg;
    if (s->instance != NULL && instance_phase(s->instance) == INSTANCE_RUNNING) {
        instance_signal(s->instance, signum);
    } else {
        s->status = 128 + signum;
        loop_stop(s->loop);
    }
}

static void on_stop_signal(void *arg, int signum)
{
    struct supervisor *s = arg;
    (void)signum;
    stdio_suspend(&s->stdio);
    raise(SIGSTOP);
    stdio_resume(&s->stdio);
}

static int signals_open(struct supervisor *s, struct error *err)
{
    static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    size_t n = sizeof forwarded / sizeof *forwarded;
    for (size_t i = 0; i < n; i++) {
        int rc = loop_signal_start(s->loop, forwarded[i], on_signal, s, &s->signals[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    return loop_signal_start(s->loop, SIGTSTP, on_stop_signal, s, &s->signals[n], err);
}

/* ---- the start: launcher, sidecar and runtime work at the same time ---- */

/* The command, as the agent is told: it waits for the agent in its socket. */
static int command_make(struct supervisor *s, struct buf *argv, struct agent_run *run,
                        struct error *err)
{
    for (size_t i = 0; i < s->spec->argv.count; i++) {
        const char *word = s->spec->argv.items[i];
        if (!buf_append(argv, word, strlen(word) + 1)) {
            return error_set(err, E2BIG, "start the command");
        }
    }
    *run = (struct agent_run){
        .is_main = true,
        .flags = s->stdio.tty ? SPAN_LIT("it") : SPAN_LIT("i"),
        .argv = buf_span(argv),
        .fds = {s->stdio.fds[0], s->stdio.fds[1], s->stdio.fds[2]},
        .fd_count = 3,
    };
    return 0;
}

static int instance_begin(struct supervisor *s, struct error *err)
{
    struct launcher_facts facts = {.uid = getuid() == 0 ? UID_FIRST + (uid_t)getpid() : 0};
    struct agent_run run;
    struct buf argv;
    cleanup_free char *json = launcher_spec_json(s->spec, &facts);
    if (json == NULL) {
        return error_set(err, ENOMEM, "start the sandbox");
    }
    buf_init(&argv, AGENT_WORDS_MAX);
    int rc = command_make(s, &argv, &run, err);
    struct instance_config config = {
        .id = s->spec->id,
        .class_name = s->spec->class_name != NULL ? s->spec->class_name : "",
        .options = span_str(s->spec->options),
        .launcher_spec = span_str(json),
        .main = &run,
        .user_ns = -1,
        .net_ns = -1,
    };
    if (rc == 0) {
        rc = instance_start(s->loop, &config, &instance_events, s, &s->instance, err);
    }
    buf_free(&argv);
    return rc;
}

/* Ends the sandbox by its first process: with that the kernel has ended all of it before we hear,
 * and the last look (guard_close) finds what a racing one made meanwhile. */
static void on_guard(void *arg, const char *why)
{
    struct supervisor *s = arg;
    if (s->guard_said[0] == '\0') {
        snprintf(s->guard_said, sizeof s->guard_said, "%s", why);
    }
    if (s->instance != NULL) {
        instance_signal(s->instance, SIGKILL);
    }
}

static void guard_close(struct supervisor *s)
{
    isolate_guard_stop(s->guard);
    s->guard = NULL;
    if (s->guard_said[0] != '\0') {
        fail(s, EXIT_OURS, s->guard_said);
    }
}

static bool git_is_lifted(const struct spec *spec, const char *root)
{
    const size_t len = strlen(root);
    for (size_t i = 0; i < spec->writable.count; i++) {
        const char *path = spec->writable.items[i];
        if (strncmp(path, root, len) == 0 && strcmp(path + len, "/.git") == 0) {
            return true;
        }
    }
    return false;
}

/* Before the launcher is told anything: what is there now is not the sandbox's. */
static int guard_open(struct supervisor *s, struct error *err)
{
    size_t count = 0;
    cleanup_free const char **roots = calloc(s->spec->bind_count + 1, sizeof *roots);
    if (roots == NULL) {
        return error_set(err, ENOMEM, "guard");
    }
    for (size_t i = 0; i < s->spec->bind_count; i++) {
        const struct spec_bind *b = &s->spec->binds[i];
        if (!b->read_only && !git_is_lifted(s->spec, b->source)) {
            roots[count++] = b->source;
        }
    }
    return isolate_guard_start(s->loop, roots, count, on_guard, s, &s->guard, err);
}

/* What an earlier run of the same name set holds for this one from its first instruction. */
static int state_load(struct supervisor *s, struct error *err)
{
    struct buf state;
    buf_init(&state, STORE_STATE_MAX);
    int rc = s->store->ops->state_get(s->store, s->spec->id, &state, err);
    if (rc == 1) {
        instance_state_set(s->instance, buf_span(&state));
        buf_free(&state);
    }
    return rc < 0 ? rc : 0;
}

/* The runtime first: to load the engine takes longest. */
static int programs_start(struct supervisor *s, struct error *err)
{
    int rc = runtimes_start(s->loop, &s->app, &s->secrets, &runtimes_events, s, &s->runtimes, err);
    if (rc < 0 || (rc = stdio_open(&s->stdio, s->loop, err)) < 0 || (rc = guard_open(s, err)) < 0 ||
        (rc = instance_begin(s, err)) < 0) {
        return rc;
    }
    stdio_handed(&s->stdio);
    return s->spec->keep_state ? state_load(s, err) : 0;
}

static int begin(struct supervisor *s, struct error *err)
{
    uid_t uid = getuid() == 0 ? UID_EMPTY : getuid();
    gid_t gid = getuid() == 0 ? UID_EMPTY : getgid();
    int rc;
    if ((rc = signals_open(s, err)) < 0 || (rc = control_open(s, &s->control, err)) < 0 ||
        (rc = programs_start(s, err)) < 0 ||
        (rc = isolate_userns_make_empty(uid, gid, &s->user_ns, &s->net_ns, err)) < 0) {
        return rc;
    }
    instance_namespaces(s->instance, s->user_ns, s->net_ns);
    if (s->spec->dev_vars != NULL &&
        dev_vars_watch(s->loop, s->spec, &s->secrets, on_dev_vars, s, &s->dev_vars, err) < 0) {
        log_warn("%s: changes of it are not seen", err->text);
    }
    return 0;
}

int supervisor_run(struct supervisor *s)
{
    struct error err;
    if (begin(s, &err) < 0) {
        fail(s, EXIT_OURS, err.text);
        return EXIT_OURS;
    }
    loop_run(s->loop);
    guard_close(s);
    return s->status;
}
