#include "supervisor/supervisor.h"

#include "base/cleanup.h"
#include "isolate/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A command that is over sooner needs no spare runtime. */
#define WARM_AFTER_MS 100u

/* ---- the end ---- */

static void stop(void *arg)
{
    struct supervisor *s = arg;
    loop_stop(s->loop);
}

static void warm(void *arg)
{
    struct supervisor *s = arg;
    runtimes_warm(s->runtimes);
}

/* The command has the processor first. */
static void on_started(void *arg, struct member *m)
{
    struct supervisor *s = arg;
    (void)m;
    s->warm = loop_timer_start(s->loop, WARM_AFTER_MS, 0, warm, s);
}

static void on_ended(void *arg, struct member *m, bool started, int status, const char *why)
{
    struct supervisor *s = arg;
    (void)m;
    runtimes_kill(s->runtimes);
    if (!started) {
        supervisor_fail(s, status, why);
        return;
    }
    s->status = status;
    stdio_finish(&s->stdio, stop, s);
}

static const struct fleet_events fleet_events = {on_started, on_ended};

static struct member *the_member(const struct supervisor *s)
{
    return s->fleet != NULL ? fleet_find(s->fleet, span_str(s->spec->id)) : NULL;
}

/* ---- signals ---- */

static void on_signal(void *arg, int signum)
{
    struct supervisor *s = arg;
    struct member *m = the_member(s);
    if (m != NULL && (m->state == MEMBER_RUNNING || m->state == MEMBER_ENDING)) {
        instance_signal(m->instance, signum);
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

/* ---- the start ---- */

/* Why a start has failed, on_ended says. */
static void on_running(void *arg, struct member *m, const char *why)
{
    (void)arg;
    (void)m;
    (void)why;
}

static int begin_with(struct supervisor *s, const struct agent_run *run, struct error *err)
{
    struct member_ident ident = {.id = span_str(s->spec->id),
                                 .class_name = span_str(s->spec->class_name),
                                 .name = SPAN_LIT("")};
    struct member *m = fleet_open(s->fleet, &ident, err);
    if (m == NULL) {
        return -1;
    }
    struct member_start how = {.main = run};
    s->main = (struct member_wait){.fn = on_running, .arg = s};
    list_init(&s->main.node);
    member_start(m, &how, &s->main);
    return 0;
}

/* The command, as the agent is told: it waits for the agent in its socket. */
static int command_begin(struct supervisor *s, struct error *err)
{
    struct buf argv;
    int rc = 0;
    buf_init(&argv, AGENT_WORDS_MAX);
    for (size_t i = 0; rc == 0 && i < s->spec->argv.count; i++) {
        const char *word = s->spec->argv.items[i];
        if (!buf_append(&argv, word, strlen(word) + 1)) {
            rc = error_set(err, E2BIG, "start the command");
        }
    }
    struct agent_run run = {
        .is_main = true,
        .flags = s->stdio.tty ? SPAN_LIT("it") : SPAN_LIT("i"),
        .argv = buf_span(&argv),
        .fds = {s->stdio.fds[0], s->stdio.fds[1], s->stdio.fds[2]},
        .fd_count = 3,
    };
    rc = rc < 0 ? rc : begin_with(s, &run, err);
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
    struct member *m = the_member(s);
    if (m != NULL && m->instance != NULL) {
        instance_signal(m->instance, SIGKILL);
    }
}

static void guard_close(struct supervisor *s)
{
    isolate_guard_stop(s->guard);
    s->guard = NULL;
    if (s->guard_said[0] != '\0') {
        supervisor_fail(s, EXIT_OURS, s->guard_said);
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

/* Launcher, sidecar and runtime work at the same time; the runtime first, for it takes longest. */
static int begin(struct supervisor *s, struct error *err)
{
    int rc;
    if ((rc = signals_open(s, err)) < 0 || (rc = supervisor_serve(s, &fleet_events, err)) < 0 ||
        (rc = stdio_open(&s->stdio, s->loop, err)) < 0 || (rc = guard_open(s, err)) < 0 ||
        (rc = command_begin(s, err)) < 0) {
        return rc;
    }
    stdio_handed(&s->stdio);
    return supervisor_namespaces(s, err);
}

int supervisor_run(struct supervisor *s)
{
    struct error err;
    if (begin(s, &err) < 0) {
        supervisor_fail(s, EXIT_OURS, err.text);
        return s->status;
    }
    loop_run(s->loop);
    guard_close(s);
    return s->status;
}
