/*
 * The daemon, from its start to its end.
 *
 *     lock, listen -> runtime, front door -> serves -> SIGTERM -> answers -> ends sandboxes -> ends
 */
#include "supervisor/supervisor.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "isolate/rlimits.h"
#include "supervisor/child.h"
#include "supervisor/control.h"
#include "supervisor/uids.h"
#include "supervisor/up.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the end ---- */

static void end(struct up *up, int status)
{
    runtimes_kill(up->s->runtimes);
    up->s->status = status;
    loop_stop(up->s->loop);
}

static bool all_gone(const struct up *up)
{
    const struct fleet *f = up->s->fleet;
    return fleet_count(f, MEMBER_STARTING) + fleet_count(f, MEMBER_RUNNING) +
               fleet_count(f, MEMBER_ENDING) + fleet_count(f, MEMBER_QUEUED) ==
           0;
}

static void ask_to_end(void *arg, struct member *m)
{
    (void)arg;
    member_stop(m, SIGTERM, NULL);
}

static void kill_one(void *arg, struct member *m)
{
    (void)arg;
    member_stop(m, SIGKILL, NULL);
}

static void on_sandboxes_deadline(void *arg)
{
    struct up *up = arg;
    fleet_each(up->s->fleet, kill_one, up);
}

static void sandboxes_end(struct up *up)
{
    if (up->phase == UP_ENDS_SANDBOXES) {
        return;
    }
    up->phase = UP_ENDS_SANDBOXES;
    loop_timer_cancel(up->deadline);
    up->deadline = loop_timer_start(up->s->loop, UP_SANDBOXES_MS, 0, on_sandboxes_deadline, up);
    front_close(steal_ptr(&up->front));
    fleet_each(up->s->fleet, ask_to_end, up);
    if (all_gone(up)) {
        end(up, 0);
    }
}

static void on_answers_deadline(void *arg)
{
    log_warn("requests are open after %u s: they are cut", UP_OPEN_REQUESTS_MS / 1000);
    sandboxes_end(arg);
}

static void drain(struct up *up)
{
    struct supervisor *s = up->s;
    up->phase = UP_ANSWERS;
    crontab_close(steal_ptr(&up->crontab));
    child_signal(up->watch, SIGTERM);
    alarms_stop(s->alarms);
    up->deadline = loop_timer_start(s->loop, UP_OPEN_REQUESTS_MS, 0, on_answers_deadline, up);
    if (up->front != NULL) {
        front_drain(up->front);
    } else {
        sandboxes_end(up);
    }
}

static void on_signal(void *arg, int signum)
{
    struct up *up = arg;
    if (up->phase == UP_SERVES && up->said && signum != SIGQUIT) {
        drain(up);
    } else {
        end(up, 128 + signum); /* before it served, asked twice, or to be quick */
    }
}

/* ---- what the others tell ---- */

static void on_started(void *arg, struct member *m)
{
    (void)arg;
    (void)m;
}

static void on_ended(void *arg, struct member *m, bool started, int status, const char *why)
{
    struct supervisor *s = arg;
    if (!started) {
        events_log(s->events, fleet_source(s->fleet, span_str(m->id)), SPAN_LIT("error"),
                   span_str(why));
    } else if (why[0] != 0) {
        log_warn("%s: ended with status %d: %s", m->id, status, why);
    }
    if (s->up->phase == UP_ENDS_SANDBOXES && fleet_last(s->fleet, m)) {
        end(s->up, 0);
    }
}

static const struct fleet_events fleet_events = {on_started, on_ended};

static void say_if_serving(struct up *up)
{
    if (up->said || !up->runtime_ready || !up->front_ready) {
        return;
    }
    up->said = true;
    json_t *app = json_loads(up->s->spec->app, 0, NULL);
    const char *name = json_string_value(json_object_get(app, "name"));
    printf("sallyport: serving http://%s (app %s); control socket %s\n", up->address,
           name != NULL ? name : "app", up->s->spec->socket != NULL ? up->s->spec->socket : "none");
    fflush(stdout);
    json_decref(app);
    runtimes_warm(up->s->runtimes);
}

static void on_front_serving(void *arg)
{
    struct up *up = arg;
    up->front_ready = true;
    say_if_serving(up);
}

static void on_front_failed(void *arg, const char *why)
{
    struct up *up = arg;
    runtimes_kill(up->s->runtimes);
    supervisor_fail(up->s, EXIT_OURS, why);
}

static void on_front_drained(void *arg)
{
    sandboxes_end(arg);
}

static const struct front_events front_events = {on_front_serving, on_front_failed,
                                                 on_front_drained};

void up_runtime(struct up *up, struct runtime_link *r)
{
    if (up->front != NULL) {
        front_runtime(up->front, r);
    }
    up->runtime_ready = up->runtime_ready || r != NULL;
    say_if_serving(up);
}

/* ---- --watch ---- */

static void on_watch_ended(void *arg, int status)
{
    struct up *up = arg;
    child_destroy(steal_ptr(&up->watch));
    if (up->phase == UP_SERVES) {
        log_error("--watch: ended with status %d: changes are not deployed any more", status);
    }
}

static int watch_start(struct up *up, struct error *err)
{
    const struct spec *spec = up->s->spec;
    cleanup_free char *socket = NULL;
    cleanup_close int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (!spec->watch) {
        return 0;
    }
    if (spec->config == NULL || spec->socket == NULL) {
        return error_set(err, 0, "--watch: there is no configuration to watch: give one with -c");
    }
    if (asprintf(&socket, "SALLYPORT_SOCKET=%s", spec->socket) < 0) {
        socket = NULL;
        return error_set(err, ENOMEM, "--watch");
    }
    const char *const words[] = {"deploy", "--follow", "-c", spec->config, NULL};
    const char *const env[] = {socket, NULL};
    struct child_spec child = {.program = "sallyport",
                               .words = words,
                               .env = env,
                               .fds = {nothing, STDERR_FILENO, STDERR_FILENO, nothing}};
    return child_spawn(up->s->loop, &child, on_watch_ended, up, &up->watch, err);
}

/* ---- the start ---- */

static int signals_open(struct up *up, struct error *err)
{
    static const int ends[] = {SIGTERM, SIGINT, SIGQUIT};
    struct supervisor *s = up->s;
    signal(SIGHUP, SIG_IGN); /* the terminal it was started from may go */
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int rc = loop_signal_start(s->loop, ends[i], on_signal, up, &s->signals[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int front_open(struct up *up, int listener, struct error *err)
{
    struct supervisor *s = up->s;
    struct front_config config = {.loop = s->loop,
                                  .name = "front",
                                  .listener = listener,
                                  .user_ns = s->user_ns,
                                  .net_ns = s->net_ns};
    return front_start(&config, &front_events, up, &up->front, err);
}

static int begin(struct up *up, struct error *err)
{
    struct supervisor *s = up->s;
    const struct spec *spec = s->spec;
    cleanup_close int listener = -1;
    int rc;
    child_open_files_raise();
    if ((rc = state_lock_take(&up->lock, spec->state_dir, spec->socket, err)) < 0 ||
        (rc = front_listen(spec->listen, &listener, up->address, err)) < 0 ||
        (rc = getuid() == 0 ? uids_open(UIDS_FILE, &s->uids, err) : 0) < 0 ||
        (rc = signals_open(up, err)) < 0 ||
        (rc = crontab_open(s, &spec->crons, &up->crontab, err)) < 0 ||
        (rc = supervisor_serve(s, &fleet_events, err)) < 0 ||
        (rc = supervisor_namespaces(s, err)) < 0) {
        return rc;
    }
    rc = front_open(up, steal_fd(&listener), err);
    return rc < 0 ? rc : watch_start(up, err);
}

int supervisor_up(struct supervisor *s)
{
    static struct up up;
    struct error err;
    up = (struct up){.s = s, .lock = {.fd = -1}};
    s->up = &up;
    if (begin(&up, &err) < 0) {
        supervisor_fail(s, EXIT_OURS, err.text);
        return s->status;
    }
    loop_run(s->loop);
    return s->status;
}

void up_close(struct up *up)
{
    if (up == NULL) {
        return;
    }
    loop_timer_cancel(up->deadline);
    child_destroy(up->watch);
    crontab_close(up->crontab);
    front_close(up->front);
    state_lock_drop(&up->lock);
}
