#include "supervisor/sandbox.h"

#include "base/cleanup.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define OTHER_END_MS 2000u /* one of launcher and agent has ended: how long the other may take */

struct sandbox {
    struct loop *loop;
    const struct sandbox_events *events;
    void *arg;
    struct launcher_link *launcher;
    struct agent_link *agent;
    struct loop_timer *deadline;
    bool has_main;
    bool agent_ready;
    bool agent_over;
    bool launcher_up;
    bool launcher_over;
    bool told_started;
    bool failed; /* why and status say more than the launcher's end */
    int status;
    char why[ERROR_TEXT_BYTES];
    bool started; /* as the launcher's end said */
};

static void end_if_both(struct sandbox *s)
{
    if (s->agent_over && s->launcher_over) {
        loop_timer_cancel(s->deadline);
        s->deadline = NULL;
        s->events->ended(s->arg, s->started && !s->failed, s->status, s->why);
    }
}

static void on_deadline(void *arg)
{
    struct sandbox *s = arg;
    if (s->launcher_over) {
        s->agent_over = true; /* somebody inside passed its socket on: there is no end to hear */
        end_if_both(s);
    } else {
        launcher_link_signal(s->launcher, SIGKILL);
    }
}

static void other_end(struct sandbox *s)
{
    if (s->deadline == NULL) {
        s->deadline = loop_timer_start(s->loop, OTHER_END_MS, 0, on_deadline, s);
    }
    s->events->ending(s->arg);
    end_if_both(s);
}

/* With a main process the agent's first line is enough: it is said before the process runs, so that
 * whoever heard of the process finds the sandbox started. */
static void start_if_complete(struct sandbox *s)
{
    if (s->launcher_up && (s->has_main || s->agent_ready) && !s->told_started) {
        s->told_started = true;
        s->events->started(s->arg);
    }
}

static void fail(struct sandbox *s, int status, struct span why)
{
    if (!s->failed) {
        s->failed = true;
        s->status = status;
        snprintf(s->why, sizeof s->why, SPAN_FMT,
                 (int)(why.len < sizeof s->why ? why.len : sizeof s->why - 1), why.ptr);
    }
}

/* ---- launcher ---- */

static void on_sockets(void *arg, struct launcher_sockets *sockets)
{
    struct sandbox *s = arg;
    s->events->sockets(s->arg, sockets);
}

static void on_up(void *arg)
{
    struct sandbox *s = arg;
    s->launcher_up = true;
    start_if_complete(s);
}

static void on_launcher_ended(void *arg, bool started, int status, const char *why)
{
    struct sandbox *s = arg;
    s->launcher_over = true;
    s->started = started;
    if (!s->failed) {
        s->status = status;
        snprintf(s->why, sizeof s->why, "%s", why);
    }
    other_end(s);
}

static const struct launcher_events launcher_events = {on_sockets, on_up, on_launcher_ended};

/* ---- agent ---- */

static void on_ready(void *arg)
{
    struct sandbox *s = arg;
    s->agent_ready = true;
    start_if_complete(s);
}

static void on_gone(void *arg)
{
    struct sandbox *s = arg;
    s->agent_over = true;
    other_end(s);
}

static void on_broken(void *arg, const char *why)
{
    struct sandbox *s = arg;
    fail(s, EXIT_OURS, span_str(why));
    s->agent_over = true;
    launcher_link_signal(s->launcher, SIGKILL);
    s->events->ending(s->arg);
    end_if_both(s);
}

static const struct agent_events agent_events = {on_ready, on_gone, on_broken};

static void on_main_started(void *arg, uint32_t process, pid_t pid_inside)
{
    (void)arg;
    (void)process;
    (void)pid_inside;
}

/* The agent ends by itself now. */
static void on_main_refused(void *arg, uint32_t process, int status, struct span sentence)
{
    (void)process;
    fail(arg, status, sentence);
}

/* The agent passes its status on, and ends. */
static void on_main_ended(void *arg, uint32_t process, enum agent_end how, int number)
{
    (void)arg;
    (void)process;
    (void)how;
    (void)number;
}

static const struct agent_process_events main_events = {on_main_started, on_main_refused,
                                                        on_main_ended};

/* ---- start and end ---- */

static int links_start(struct sandbox *s, const struct sandbox_config *config, struct error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return error_set(err, errno, "socket for the agent");
    }
    cleanup_close int theirs = pair[1];
    int rc = agent_link_start(s->loop, pair[0], &agent_events, s, &s->agent, err);
    if (rc < 0) {
        return rc;
    }
    /* It waits in the socket until the agent is there. */
    if (config->main != NULL && agent_link_run(s->agent, config->main, &main_events, s, err) == 0) {
        return -1;
    }
    struct launcher_config launcher = {.id = config->id, .spec = config->spec, .agent = theirs};
    return launcher_link_start(s->loop, &launcher, &launcher_events, s, &s->launcher, err);
}

int sandbox_start(struct loop *loop, const struct sandbox_config *config,
                  const struct sandbox_events *events, void *arg, struct sandbox **out,
                  struct error *err)
{
    struct sandbox *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return error_set(err, ENOMEM, "start %s", config->id);
    }
    *s = (struct sandbox){
        .loop = loop, .events = events, .arg = arg, .has_main = config->main != NULL};
    int rc = links_start(s, config, err);
    if (rc < 0) {
        sandbox_destroy(s);
        return rc;
    }
    *out = s;
    return 0;
}

bool sandbox_go(struct sandbox *s, struct span certificate_pem)
{
    return launcher_link_go(s->launcher, certificate_pem);
}

void sandbox_signal(struct sandbox *s, int signum)
{
    if (!s->launcher_over) {
        launcher_link_signal(s->launcher, signum);
    }
}

pid_t sandbox_pid(const struct sandbox *s)
{
    return s != NULL ? launcher_link_pid(s->launcher) : 0;
}

struct agent_link *sandbox_agent(struct sandbox *s)
{
    return s->agent;
}

void sandbox_destroy(struct sandbox *s)
{
    if (s == NULL) {
        return;
    }
    loop_timer_cancel(s->deadline);
    agent_link_destroy(s->agent);
    launcher_link_destroy(s->launcher);
    free(s);
}
