/*
 * The supervisor's first page: what it may do, and what it gives up before anything else.
 *
 * It may: spawn its siblings, serve one unix socket, keep secrets and the KV store.
 * It must never: parse a byte that came from a sandbox or an upstream; map the CA's key.
 */
#include "supervisor/supervisor.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "config/paths.h"
#include "isolate/guard.h"
#include "isolate/process.h"
#include "isolate/rlimits.h"
#include "supervisor/control.h"
#include "supervisor/dev_vars.h"
#include "supervisor/uids.h"
#include "supervisor/up.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(const struct error *err)
{
    dprintf(STDERR_FILENO, "sallyport: %s\n", err->text);
}

/* The values leave the spec: from here on only the table has them. */
static int secrets_take(struct supervisor *s, struct error *err)
{
    for (size_t i = 0; i < s->spec->secret_count; i++) {
        struct spec_secret *e = &s->spec->secrets[i];
        int rc = vault_put(&s->secrets, span_str(e->name), span_str(e->value), err);
        explicit_bzero(e->value, strlen(e->value));
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* What is opened later must never become descriptor 0, 1 or 2. */
static void standard_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = dup(fd);
    }
    close(fd);
}

static int harden(struct error *err)
{
    standard_descriptors();
    struct isolate_rlimits limits = ISOLATE_RLIMITS_KEEP;
    limits.core_bytes = 0;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write that is over a limit fails like one on a full disk */
    int rc = isolate_process_hide(err);
    return rc < 0 ? rc : isolate_rlimits_apply(&limits, err);
}

struct runtime_app supervisor_app(const struct spec *spec)
{
    return (struct runtime_app){.name = "app",
                                .json = span_str(spec->app),
                                .bundle_fd = spec->bundle_fd,
                                .map_fd = spec->map_fd};
}

int supervisor_open(struct supervisor *s, int spec_fd)
{
    static struct spec spec;
    struct error err;
    *s = (struct supervisor){.spec = &spec, .user_ns = -1, .net_ns = -1, .status = EXIT_OURS};
    log_open("sallyport", NULL);
    spec_json_wipe_on_free();
    spec_init(&spec);
    vault_init(&s->secrets);
    if (harden(&err) < 0 || spec_read(spec_fd, &spec, &err) < 0 || secrets_take(s, &err) < 0 ||
        events_open(spec.log, &s->events, &err) < 0 || (s->loop = loop_create(&err)) == NULL ||
        (s->store = store_sqlite_create(spec.state_dir, &err)) == NULL) {
        say(&err);
        supervisor_close(s);
        return EXIT_OURS;
    }
    s->app = supervisor_app(&spec);
    s->deploys = 1;
    if (spec.mode == SPEC_UP) {
        log_usual(LOG_INFO_); /* what the Worker's console says */
    }
    isolate_process_title("sallyport-supervisor %s", spec.mode == SPEC_UP ? "up" : spec.id);
    return 0;
}

void supervisor_close(struct supervisor *s)
{
    if (s->alarms != NULL) {
        alarms_stop(s->alarms);
    }
    control_close(s->control);
    dev_vars_close(s->dev_vars);
    loop_timer_cancel(s->warm);
    up_close(s->up);
    fleet_destroy(s->fleet);
    containers_close(s->containers);
    isolate_guard_stop(s->guard); /* of a start that failed */
    runtimes_destroy(s->runtimes);
    if (s->own_dir != NULL) {
        paths_remove_dir(s->own_dir); /* no runtime has it open any more */
        free(s->own_dir);
    }
    alarms_close(s->alarms);
    uids_close(s->uids);
    stdio_close(&s->stdio);
    for (size_t i = 0; i < sizeof s->signals / sizeof *s->signals; i++) {
        loop_signal_cancel(s->signals[i]);
    }
    close_fd(&s->user_ns);
    close_fd(&s->net_ns);
    events_close(s->events);
    if (s->store != NULL) {
        s->store->ops->close(s->store);
    }
    loop_destroy(s->loop);
    vault_free(&s->secrets);
    spec_free(s->spec);
}
