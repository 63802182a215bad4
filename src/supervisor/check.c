#include "supervisor/supervisor.h"

#include "base/cleanup.h"
#include "supervisor/kv.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

/* What `check` works through: one URL after the other, in their order. */
struct check {
    struct supervisor *s;
    struct runtime_link *runtime;
    int gate; /* the inner door's end, on which nobody speaks */
    size_t next;
};

static void check_fail(struct check *c, struct span why)
{
    dprintf(STDERR_FILENO, "sallyport: " SPAN_FMT "\n", SPAN_ARG(why));
    c->s->status = EXIT_OURS;
    loop_stop(c->s->loop);
}

/* Of a runtime that went away, on_end tells the reason. */
static void on_refused(struct check *c, enum runtime_reply reply, struct span why)
{
    if (reply != RUNTIME_REPLY_LOST) {
        check_fail(c, why);
    }
}

static void on_decision(void *arg, enum runtime_reply reply, struct span payload);

static void check_next(struct check *c)
{
    const struct spec *spec = c->s->spec;
    if (c->next == spec->check_urls.count) {
        c->s->status = fflush(stdout) == 0 ? 0 : EXIT_OURS;
        loop_stop(c->s->loop);
        return;
    }
    const char *url = spec->check_urls.items[c->next++];
    const char *method = spec->check_method != NULL ? spec->check_method : "GET";
    runtime_link_check(c->runtime, span_str(spec->id), span_str(method), span_str(url), on_decision,
                       c);
}

static void on_decision(void *arg, enum runtime_reply reply, struct span payload)
{
    struct check *c = arg;
    if (reply != RUNTIME_REPLY_OK) {
        on_refused(c, reply, payload);
        return;
    }
    fwrite(payload.ptr, 1, payload.len, stdout);
    fputc('\n', stdout);
    check_next(c);
}

static void on_added(void *arg, enum runtime_reply reply, struct span payload)
{
    struct check *c = arg;
    if (reply == RUNTIME_REPLY_OK) {
        check_next(c);
    } else {
        on_refused(c, reply, payload);
    }
}

/* The instance has a gate that nobody speaks on: nothing can be sent. */
static void on_active(void *arg, struct runtime_link *r, struct span app_facts)
{
    struct check *c = arg;
    const struct spec *spec = c->s->spec;
    int pair[2];
    (void)app_facts;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        check_fail(c, SPAN_LIT("socket: no descriptor is left"));
        return;
    }
    c->runtime = r;
    struct runtime_instance add = {
        .id = span_str(spec->id),
        .class_name = span_str(spec->class_name != NULL ? spec->class_name : ""),
        .options = span_str(spec->options),
        .state = SPAN_LIT(""),
        .gate = pair[0],
    };
    runtime_link_add(r, &add, on_added, c);
    close(pair[0]);
    close_fd(&c->gate);
    c->gate = pair[1];
}

static void on_end(void *arg, const char *why)
{
    struct check *c = arg;
    runtimes_kill(c->s->runtimes);
    check_fail(c, span_str(why));
}

static void on_lost(void *arg, const struct runtime_link *r, const char *why)
{
    (void)r;
    on_end(arg, why);
}

static void on_object(void *arg, struct runtime_link *r, const struct runtime_object_ask *o)
{
    (void)arg;
    runtime_link_object_done(r, o->call, NULL, SPAN_LIT("check has no objects"));
}

static void on_container(void *arg, struct runtime_link *r, const struct runtime_container *o)
{
    (void)arg;
    runtime_link_container_done(r, o->call, false, SPAN_LIT("check has no sandbox"), NULL, 0);
}

static void on_alarm(void *arg, struct runtime_link *r, const struct runtime_alarm *a)
{
    (void)arg;
    runtime_link_alarm_done(r, a->call, false, SPAN_LIT("check has no alarms"));
}

static void on_state(void *arg, struct runtime_link *r, struct span call, struct span id,
                     struct span state)
{
    (void)arg;
    (void)id;
    (void)state;
    runtime_link_state_done(r, call, false, SPAN_LIT("check changes nothing"));
}

static void on_kv(void *arg, struct runtime_link *r, const struct runtime_kv *kv)
{
    struct check *c = arg;
    kv_serve(c->s->store, r, kv);
}

static void on_nothing(void *arg, struct span id, struct span lines)
{
    (void)arg;
    (void)id;
    (void)lines;
}

static void on_log(void *arg, struct span id, struct span level, struct span text)
{
    (void)arg;
    (void)id;
    dprintf(STDERR_FILENO, SPAN_FMT ": " SPAN_FMT "\n", SPAN_ARG(level), SPAN_ARG(text));
}

static const struct runtimes_events check_events = {
    .active = on_active,
    .lost = on_lost,
    .failed = on_end,
    .state = on_state,
    .kv = on_kv,
    .object = on_object,
    .container = on_container,
    .alarm = on_alarm,
    .event = on_nothing,
    .log = on_log,
};

int supervisor_check(struct supervisor *s)
{
    struct check c = {.s = s, .gate = -1};
    struct error err;
    if (runtimes_start(s->loop, &s->app, &s->secrets, &check_events, &c, &s->runtimes, &err) < 0) {
        dprintf(STDERR_FILENO, "sallyport: %s\n", err.text);
        return EXIT_OURS;
    }
    loop_run(s->loop);
    close_fd(&c.gate);
    return s->status;
}
