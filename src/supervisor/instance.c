#include "supervisor/instance.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "isolate/secretmem.h"
#include "supervisor/backoff.h"
#include "supervisor/gate_pair.h"
#include "supervisor/pem.h"
#include "supervisor/sidecar_link.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define KEY_BYTES       32u /* a P-256 scalar */
#define CERTIFICATE_MAX 4096u
#define FACTS_MAX       (256u * 1024u)
#define END_DEADLINE_MS 250u

struct instance {
    struct loop *loop;
    const struct instance_events *events;
    void *arg;
    struct instance_config config;
    enum instance_phase phase;

    struct sandbox *sandbox;
    struct launcher_sockets sockets;

    struct sidecar_link *sidecar;
    struct loop_timer *sidecar_start; /* a start that waits */
    struct backoff sidecar_backoff;
    bool sidecar_begun;   /* it was sent START */
    bool sidecar_ready;   /* it serves, with `told_intercept` */
    bool told_intercept;  /* what the sidecar was told last */
    bool intercept_https; /* what the class says */
    int key_memory;
    struct buf certificate;

    struct runtime_link *runtime;
    bool added; /* the runtime has the instance */
    struct buf facts;
    struct buf state;

    bool end_started; /* what is told once it has ended */
    int end_status;
    char end_why[ERROR_TEXT_BYTES];
    struct loop_timer *end_deadline;

    struct gate_pair gate;
};

static void sidecar_later(struct instance *i);

static void instance_told(struct instance *i)
{
    loop_timer_cancel(i->end_deadline);
    i->end_deadline = NULL;
    if (i->runtime != NULL) {
        runtime_link_forget(i->runtime, i);
        i->runtime = NULL;
    }
    i->events->ended(i->arg, i, i->end_started, i->end_status, i->end_why);
}

static void on_end_heard(void *arg, enum runtime_reply reply, struct span payload)
{
    (void)reply;
    (void)payload;
    instance_told(arg);
}

static void on_end_deadline(void *arg)
{
    instance_told(arg);
}

/* The runtime's answer comes behind the events of the last requests. One that was given the gate
 * has to hear of the end, also when the start has failed. */
static void instance_end(struct instance *i, bool started, int status, const char *why)
{
    if (i->phase == INSTANCE_ENDED) {
        return;
    }
    i->phase = INSTANCE_ENDED;
    i->end_started = started;
    i->end_status = status;
    snprintf(i->end_why, sizeof i->end_why, "%s", why);
    sidecar_link_kill(i->sidecar);
    loop_timer_cancel(i->sidecar_start);
    i->sidecar_start = NULL;
    if (i->runtime == NULL || !i->gate.outer_given) {
        instance_told(i);
        return;
    }
    runtime_link_forget(i->runtime, i);
    i->end_deadline = loop_timer_start(i->loop, END_DEADLINE_MS, 0, on_end_deadline, i);
    runtime_link_ended(i->runtime, span_str(i->config.id), status, span_str(i->end_why),
                       on_end_heard, i);
}

/* ---- go ---- */

static void go_if_complete(struct instance *i)
{
    bool complete = i->phase == INSTANCE_STARTING && i->sidecar_ready && i->added &&
                    i->told_intercept == i->intercept_https && i->sandbox != NULL;
    if (!complete) {
        return;
    }
    struct buf pem;
    buf_init(&pem, 4 * CERTIFICATE_MAX);
    bool ok = pem_write(&pem, "CERTIFICATE", buf_span(&i->certificate)) &&
              sandbox_go(i->sandbox, buf_span(&pem));
    buf_free(&pem);
    if (ok) {
        i->phase = INSTANCE_GO;
    }
}

/* ---- sidecar ---- */

static bool sidecar_begin(struct instance *i)
{
    struct sidecar_start start = {
        .id = i->config.id,
        .intercept_https = i->intercept_https,
        .certificate_der = buf_span(&i->certificate),
        .tcp = i->sockets.tcp,
        .dns_udp = i->sockets.dns_udp,
        .dns_tcp = i->sockets.dns_tcp,
        .gate = i->gate.inner,
        .key_memory = i->key_memory,
        .user_ns = i->config.user_ns,
        .net_ns = i->config.net_ns,
    };
    i->told_intercept = i->intercept_https;
    return sidecar_link_begin(i->sidecar, &start);
}

/* Gives the sidecar its end of the gate: with START when all that START needs is there. */
static void sidecar_hand(struct instance *i)
{
    if (i->sidecar == NULL || i->gate.inner < 0) {
        return;
    }
    if (i->sidecar_begun) {
        sidecar_link_gate(i->sidecar, i->gate.inner);
    } else if (i->sockets.tcp >= 0 && i->config.user_ns >= 0) {
        i->sidecar_begun = sidecar_begin(i);
    } else {
        return;
    }
    close_fd(&i->gate.inner);
}

static void on_sidecar_ready(void *arg, struct span certificate)
{
    struct instance *i = arg;
    if (i->phase == INSTANCE_ENDED || !i->sidecar_begun) {
        return;
    }
    bool first = buf_len(&i->certificate) == 0;
    if (first) {
        buf_append_span(&i->certificate, certificate);
    }
    if (certificate.len == 0 || !span_eq(buf_span(&i->certificate), certificate)) {
        /* Ours is the one that the sandbox trusts: this sidecar is of no use, or lies. */
        log_error("sidecar of %s: gives another certificate than its predecessor", i->config.id);
        sidecar_link_destroy(i->sidecar);
        i->sidecar = NULL;
        sidecar_later(i);
        return;
    }
    i->sidecar_ready = true;
    go_if_complete(i);
}

/* Before the command runs there is nothing to keep alive: the start has failed. */
static void instance_fail(struct instance *i, const char *why)
{
    sandbox_destroy(i->sandbox);
    i->sandbox = NULL;
    instance_end(i, false, 125, why);
}

static void on_sidecar_ended(void *arg, const char *why)
{
    struct instance *i = arg;
    char reason[ERROR_TEXT_BYTES];
    snprintf(reason, sizeof reason, "sidecar: %.900s", why);
    sidecar_link_destroy(i->sidecar);
    i->sidecar = NULL;
    if (i->phase == INSTANCE_ENDED) {
        return;
    }
    if (i->phase == INSTANCE_STARTING) {
        instance_fail(i, reason);
        return;
    }
    log_warn("%s: %s: a new one takes its place", i->config.id, reason);
    sidecar_later(i);
}

static const struct sidecar_events sidecar_events = {on_sidecar_ready, on_sidecar_ended};

static int sidecar_open(struct instance *i, struct error *err)
{
    i->sidecar_begun = false;
    i->sidecar_ready = false;
    return sidecar_link_start(i->loop, i->config.id, &sidecar_events, i, &i->sidecar, err);
}

static void sidecar_again(void *arg)
{
    struct instance *i = arg;
    struct error err;
    loop_timer_cancel(i->sidecar_start);
    i->sidecar_start = NULL;
    if ((i->gate.inner < 0 && gate_pair_open(&i->gate, i->config.id, &err) < 0) ||
        sidecar_open(i, &err) < 0) {
        log_error("%s", err.text);
        sidecar_later(i);
        return;
    }
    if (i->runtime != NULL && !i->gate.outer_given) {
        i->gate.outer_given = runtime_link_gate(i->runtime, span_str(i->config.id), i->gate.outer);
    }
    sidecar_hand(i);
}

/* The old gate is shut down now: what its sidecar sent last is not heard any more. */
static void sidecar_later(struct instance *i)
{
    gate_pair_close(&i->gate);
    uint64_t delay = backoff_delay_ms(&i->sidecar_backoff, clock_monotonic_ms());
    i->sidecar_start = loop_timer_start(i->loop, delay, 0, sidecar_again, i);
}

/* ---- runtime ---- */

static void facts_take(struct instance *i, struct span facts)
{
    buf_clear(&i->facts);
    buf_append_span(&i->facts, facts);
    /* Bytes are compared, not parsed: inside a JSON string the quotes would be escaped. */
    static const char off[] = "\"intercept_https\":false";
    i->intercept_https = memmem(facts.ptr, facts.len, off, sizeof off - 1) == NULL;
    if (i->sidecar_begun && i->sidecar != NULL && i->told_intercept != i->intercept_https) {
        i->told_intercept = i->intercept_https;
        i->sidecar_ready = false; /* it says so again once it holds */
        sidecar_link_intercept(i->sidecar, i->intercept_https);
    }
}

static void on_added(void *arg, enum runtime_reply reply, struct span payload)
{
    struct instance *i = arg;
    if (reply == RUNTIME_REPLY_LOST) {
        return; /* instance_runtime tells of the next */
    }
    if (reply == RUNTIME_REPLY_OK) {
        i->added = true;
        facts_take(i, payload);
        go_if_complete(i);
        return;
    }
    char reason[ERROR_TEXT_BYTES];
    snprintf(reason, sizeof reason, SPAN_FMT, (int)(payload.len < 1000 ? payload.len : 1000),
             payload.ptr);
    instance_fail(i, reason);
}

void instance_runtime(struct instance *i, struct runtime_link *r)
{
    struct error err;
    if (i->phase == INSTANCE_ENDED) {
        return; /* the one that it waits for answers, or is LOST */
    }
    i->runtime = r;
    i->added = false;
    if (r == NULL) {
        return;
    }
    if ((i->gate.outer < 0 || i->gate.outer_given) &&
        gate_pair_open(&i->gate, i->config.id, &err) < 0) {
        instance_fail(i, err.text);
        return;
    }
    struct runtime_instance add = {
        .id = span_str(i->config.id),
        .class_name = span_str(i->config.class_name),
        .name = span_str(i->config.name),
        .options = i->config.options,
        .state = buf_span(&i->state),
        .gate = i->gate.outer,
    };
    i->gate.outer_given = true;
    sidecar_hand(i);
    runtime_link_add(r, &add, on_added, i);
}

bool instance_state_set(struct instance *i, struct span state)
{
    struct buf next;
    buf_init(&next, INSTANCE_STATE_MAX);
    if (!buf_append_span(&next, state)) {
        buf_free(&next);
        return false;
    }
    buf_free(&i->state);
    i->state = next;
    return true;
}

struct span instance_state(const struct instance *i)
{
    return buf_span(&i->state);
}

/* ---- sandbox ---- */

static void on_sockets(void *arg, struct launcher_sockets *s)
{
    struct instance *i = arg;
    i->sockets = (struct launcher_sockets){steal_fd(&s->tcp), steal_fd(&s->dns_udp),
                                           steal_fd(&s->dns_tcp), steal_fd(&s->netns)};
    sidecar_hand(i);
}

static void on_started(void *arg)
{
    struct instance *i = arg;
    if (i->phase == INSTANCE_GO) {
        i->phase = INSTANCE_RUNNING;
        i->events->started(i->arg, i);
    }
}

static void on_ending(void *arg)
{
    struct instance *i = arg;
    if (i->phase == INSTANCE_RUNNING) {
        i->events->ending(i->arg, i);
    }
}

static void on_sandbox_ended(void *arg, bool started, int status, const char *why)
{
    struct instance *i = arg;
    instance_end(i, started, status, why);
}

static const struct sandbox_events sandbox_events = {on_sockets, on_started, on_ending,
                                                     on_sandbox_ended};

/* ---- start and end ---- */

int instance_start(struct loop *loop, const struct instance_config *config,
                   const struct instance_events *events, void *arg, struct instance **out,
                   struct error *err)
{
    struct instance *i = calloc(1, sizeof *i);
    if (i == NULL) {
        return error_set(err, ENOMEM, "start %s", config->id);
    }
    *i = (struct instance){.loop = loop,
                           .events = events,
                           .arg = arg,
                           .config = *config,
                           .sockets = {-1, -1, -1, -1},
                           .intercept_https = true,
                           .gate = {.outer = -1, .inner = -1}};
    i->sidecar_backoff.started_ms = clock_monotonic_ms();
    buf_init(&i->certificate, CERTIFICATE_MAX);
    buf_init(&i->facts, FACTS_MAX);
    buf_init(&i->state, INSTANCE_STATE_MAX);
    /* Never mapped here: only the sidecars see what it holds. */
    i->key_memory = isolate_secretmem_create(KEY_BYTES, NULL, err);
    struct sandbox_config sandbox = {
        .id = config->id, .spec = config->launcher_spec, .main = config->main};
    int rc = i->key_memory < 0 ? i->key_memory : 0;
    if (rc < 0 || (rc = gate_pair_open(&i->gate, i->config.id, err)) < 0 ||
        (rc = sandbox_start(loop, &sandbox, &sandbox_events, i, &i->sandbox, err)) < 0 ||
        (rc = sidecar_open(i, err)) < 0) {
        instance_destroy(i);
        return rc;
    }
    *out = i;
    return 0;
}

void instance_namespaces(struct instance *i, int user_ns, int net_ns)
{
    i->config.user_ns = user_ns;
    i->config.net_ns = net_ns;
    sidecar_hand(i);
}

void instance_destroy(struct instance *i)
{
    if (i == NULL) {
        return;
    }
    if (i->runtime != NULL) {
        runtime_link_forget(i->runtime, i);
    }
    loop_timer_cancel(i->sidecar_start);
    loop_timer_cancel(i->end_deadline);
    sandbox_destroy(i->sandbox);
    sidecar_link_destroy(i->sidecar);
    gate_pair_close(&i->gate);
    close_fd(&i->key_memory);
    close_fd(&i->sockets.tcp);
    close_fd(&i->sockets.dns_udp);
    close_fd(&i->sockets.dns_tcp);
    close_fd(&i->sockets.netns);
    buf_free(&i->certificate);
    buf_free(&i->facts);
    buf_free(&i->state);
    free(i);
}

void instance_signal(struct instance *i, int signum)
{
    if (i->sandbox != NULL && i->phase != INSTANCE_ENDED) {
        sandbox_signal(i->sandbox, signum);
    }
}

struct agent_link *instance_agent(struct instance *i)
{
    return i->sandbox != NULL && i->phase != INSTANCE_ENDED ? sandbox_agent(i->sandbox) : NULL;
}

const char *instance_id(const struct instance *i)
{
    return i->config.id;
}

const char *instance_class(const struct instance *i)
{
    return i->config.class_name;
}

enum instance_phase instance_phase(const struct instance *i)
{
    return i->phase;
}

pid_t instance_pid(const struct instance *i)
{
    return i->phase == INSTANCE_ENDED ? 0 : sandbox_pid(i->sandbox);
}

pid_t instance_sidecar_pid(const struct instance *i)
{
    return sidecar_link_pid(i->sidecar);
}

struct span instance_facts(const struct instance *i)
{
    return buf_span(&i->facts);
}

struct span instance_certificate(const struct instance *i)
{
    return buf_span(&i->certificate);
}
