/* What each call of a sandbox does. */
#include "supervisor/container_op.h"
#include "supervisor/supervisor.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#define CONNECT_MS   "10000" /* to loopback: an answer comes at once, or the sandbox is stuck */
#define SENTENCE_MAX 512u

/* ---- processes ---- */

static void on_started(void *arg, uint32_t process, pid_t pid)
{
    struct op *op = arg;
    char payload[64];
    int fds[3];
    size_t count = 0;
    for (int i = 0; i < 3; i++) {
        if (op->pipes.outer[i] >= 0) {
            fds[count++] = op->pipes.outer[i];
        }
    }
    snprintf(payload, sizeof payload, "{\"process\":%u,\"pid\":%d}", process, (int)pid);
    op_ok(op, span_str(payload), fds, count);
}

static void on_refused(void *arg, uint32_t process, int status, struct span sentence)
{
    struct op *op = arg;
    char why[ERROR_TEXT_BYTES];
    (void)process;
    snprintf(why, sizeof why, "%d: " SPAN_FMT, status,
             (int)(sentence.len < 900 ? sentence.len : 900), sentence.ptr);
    op->process = 0;
    op->agent = NULL;
    op_error(op, why);
}

static void on_ended(void *arg, uint32_t process, enum agent_end how, int number)
{
    struct op *op = arg;
    struct runtime_link *r = runtimes_active(op->all->s->runtimes);
    op->process = 0;
    op->agent = NULL;
    if (!op->answered) {
        op_error(op, "the sandbox ended");
        return;
    }
    if (r != NULL) {
        runtime_link_process(r, span_str(op->id), process, agent_end_name(how), number);
    }
    op_free(op);
}

static const struct agent_process_events run_events = {on_started, on_refused, on_ended};

static void agent_run(struct op *op, struct member *m, const struct agent_run *run,
                      const struct agent_process_events *events)
{
    struct error err;
    struct agent_link *agent = instance_agent(m->instance);
    op->process = agent != NULL ? agent_link_run(agent, run, events, op, &err) : 0;
    if (op->process == 0) {
        op_error(op, agent != NULL ? err.text : "the sandbox is ending");
        return;
    }
    op->agent = agent;
    op_bind(op, m);
    agent_pipes_handed(&op->pipes);
}

static void run(struct op *op, struct member *m)
{
    const struct span *f = op->fields;
    struct error err;
    if (agent_pipes_open(&op->pipes, f[0], &err) < 0) {
        op_error(op, err.text);
        return;
    }
    struct agent_run what = {.flags = f[0],
                             .timeout_ms = f[1],
                             .session = f[2],
                             .label = f[3],
                             .cwd = f[4],
                             .env = f[5],
                             .argv = f[6],
                             .fd_count = op->pipes.count};
    memcpy(what.fds, op->pipes.inner, sizeof what.fds);
    agent_run(op, m, &what, &run_events);
}

static void start(struct op *op, struct member *m)
{
    (void)m;
    op_ok(op, SPAN_LIT("{}"), NULL, 0);
}

static void send_signal(struct op *op, struct member *m)
{
    struct error err;
    uint32_t process;
    uint32_t number;
    struct agent_link *agent = instance_agent(m->instance);
    if (!op_number(op->fields[0], UINT32_MAX, &process) || !op_number(op->fields[1], 64, &number)) {
        op_error(op, "signal: expected a process and 1 to 64");
    } else if (agent != NULL && agent_link_signal(agent, process, (int)number, &err) < 0) {
        op_error(op, err.text);
    } else {
        op_ok(op, SPAN_LIT("{}"), NULL, 0);
    }
}

/* ---- connect ---- */

/* What stands in the pipe, one printable line. */
static void line_read(int fd, char *out, size_t size, const char *otherwise)
{
    ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
    size_t len = n > 0 ? (size_t)n : 0;
    for (size_t i = 0; i < len; i++) {
        if (out[i] == '\n') {
            len = i;
        } else if ((unsigned char)out[i] < 0x20 || (unsigned char)out[i] > 0x7e) {
            out[i] = '?';
        }
    }
    out[len] = 0;
    if (len == 0) {
        snprintf(out, size, "%s", otherwise);
    }
}

/* true: it was answered, with the socket. */
static bool joined(struct op *op)
{
    char byte;
    if (op->answered || read(op->pipes.outer[1], &byte, 1) != 1) {
        return false;
    }
    int fd = steal_fd(&op->socket);
    op_ok(op, SPAN_LIT("{}"), &fd, 1); /* the op stays: its process runs */
    close(fd);
    return true;
}

static void connect_ready(void *arg, unsigned events)
{
    struct op *op = arg;
    (void)events;
    if (!joined(op)) {
        loop_watch_cancel(op->watch); /* the end of the process says why */
        op->watch = NULL;
    }
}

static void connect_started(void *arg, uint32_t process, pid_t pid)
{
    (void)arg;
    (void)process;
    (void)pid;
}

static void connect_ended(void *arg, uint32_t process, enum agent_end how, int number)
{
    struct op *op = arg;
    char why[SENTENCE_MAX];
    (void)process;
    (void)number;
    op->agent = NULL;
    if (op->answered || joined(op)) {
        op_free(op);
        return;
    }
    line_read(op->pipes.outer[2], why, sizeof why,
              how == AGENT_END_LOST ? "the sandbox ended" : "nothing listens on that port");
    op->process = 0;
    op_error(op, why);
}

static const struct agent_process_events connect_events = {connect_started, on_refused,
                                                           connect_ended};

static void join(struct op *op, struct member *m)
{
    struct error err;
    uint32_t port;
    char words[32] = "connect";
    int pair[2];
    if (!op_number(op->fields[0], 65535, &port)) {
        op_error(op, "connect: expected a port, 1 to 65535");
        return;
    }
    int len = snprintf(words + sizeof "connect", sizeof words - sizeof "connect", "%u", port);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        op_error(op, "connect: no descriptor is left");
        return;
    }
    op->socket = pair[0];
    cleanup_close int inner = pair[1];
    if (agent_pipes_open(&op->pipes, SPAN_LIT(""), &err) < 0 ||
        loop_watch_start(op->all->s->loop, op->pipes.outer[1], LOOP_READ, connect_ready, op,
                         &op->watch, &err) < 0) {
        op_error(op, err.text);
        return;
    }
    struct agent_run what = {
        .flags = SPAN_LIT("fi"),
        .timeout_ms = SPAN_LIT(""),
        .argv = span_of(words, sizeof "connect" + (size_t)len + 1),
        .fds = {inner, op->pipes.inner[0], op->pipes.inner[1]},
        .fd_count = 3,
    };
    op->task.foreign = true; /* a request under way: code does not see its end */
    agent_run(op, m, &what, &connect_events);
}

/* ---- questions to the agent ---- */

static void on_reply(void *arg, enum agent_reply reply, struct span payload)
{
    struct op *op = arg;
    char why[ERROR_TEXT_BYTES];
    op->agent = NULL;
    if (reply == AGENT_REPLY_OK) {
        op_ok(op, payload, NULL, 0);
        return;
    }
    snprintf(why, sizeof why, SPAN_FMT, (int)(payload.len < 900 ? payload.len : 900), payload.ptr);
    op_error(op, reply == AGENT_REPLY_LOST ? "the sandbox ended" : why);
}

/* rc of an agent_link call that answers by on_reply. */
static void asked(struct op *op, struct member *m, int rc, const struct error *err)
{
    if (rc < 0) {
        op_error(op, err->text);
        return;
    }
    op->agent = instance_agent(m->instance);
    op_bind(op, m);
}

static struct agent_link *agent_of(struct op *op, struct member *m)
{
    struct agent_link *agent = instance_agent(m->instance);
    if (agent == NULL) {
        op_error(op, "the sandbox is ending");
    }
    return agent;
}

static void session(struct op *op, struct member *m)
{
    struct error err;
    const struct span *f = op->fields;
    struct agent_session_call call = {.op = f[0], .name = f[1], .cwd = f[2], .env = f[3]};
    struct agent_link *agent = agent_of(op, m);
    if (agent != NULL) {
        asked(op, m, agent_link_session(agent, &call, on_reply, op, &err), &err);
    }
}

static void processes(struct op *op, struct member *m)
{
    struct error err;
    struct agent_link *agent = agent_of(op, m);
    if (agent != NULL) {
        asked(op, m, agent_link_processes(agent, on_reply, op, &err), &err);
    }
}

static void forget(struct op *op, struct member *m)
{
    struct error err;
    uint32_t process;
    struct agent_link *agent = agent_of(op, m);
    if (agent == NULL) {
        return;
    }
    if (!op_number(op->fields[0], UINT32_MAX, &process)) {
        op_error(op, "forget: expected a process");
        return;
    }
    asked(op, m, agent_link_process_forget(agent, process, on_reply, op, &err), &err);
}

static void on_logs(void *arg, enum agent_reply reply, struct span payload)
{
    struct op *op = arg;
    if (reply != AGENT_REPLY_OK) {
        on_reply(op, reply, payload);
        return;
    }
    const int fds[2] = {op->pipes.outer[1], op->pipes.outer[2]};
    op->agent = NULL;
    op_ok(op, SPAN_LIT("{}"), fds, 2);
}

static void logs(struct op *op, struct member *m)
{
    struct error err;
    uint32_t process;
    bool follow = span_eq(op->fields[1], SPAN_LIT("follow"));
    struct agent_link *agent = agent_of(op, m);
    if (agent == NULL) {
        return;
    }
    if (!op_number(op->fields[0], UINT32_MAX, &process)) {
        op_error(op, "logs: expected a process");
        return;
    }
    int rc = agent_pipes_open(&op->pipes, SPAN_LIT(""), &err);
    rc = rc < 0 ? rc : agent_link_logs(agent, process, follow, op->pipes.inner, on_logs, op, &err);
    asked(op, m, rc, &err);
    if (rc >= 0) {
        agent_pipes_handed(&op->pipes);
    }
}

/* ---- the end ---- */

static void on_gone(void *arg, struct member *m, const char *why)
{
    struct op *op = arg;
    (void)m;
    (void)why;
    op_ok(op, SPAN_LIT("{}"), NULL, 0);
}

static void end(struct op *op, struct member *m, int signum)
{
    if (m == NULL) {
        op_ok(op, SPAN_LIT("{}"), NULL, 0);
        return;
    }
    op->wait.fn = on_gone;
    member_stop(m, signum, &op->wait);
}

static void stop(struct op *op, struct member *m)
{
    uint32_t number = SIGTERM;
    if (op->fields[0].len > 0 && !op_number(op->fields[0], 64, &number)) {
        op_error(op, "stop: expected a signal, 1 to 64");
        return;
    }
    end(op, m, (int)number);
}

static void destroy(struct op *op, struct member *m)
{
    end(op, m, SIGKILL);
}

/* Whether nothing runs in it but what code began. */
static void idle(struct op *op, struct member *m)
{
    bool busy = m != NULL && op->all->s->spec->mode == SPEC_RUN;
    for (struct list *n = m != NULL ? m->tasks.next : NULL; m != NULL && n != &m->tasks;
         n = n->next) {
        busy = busy || LIST_ENTRY(n, struct member_task, node)->foreign;
    }
    op_ok(op, busy ? SPAN_LIT("{\"idle\":false}") : SPAN_LIT("{\"idle\":true}"), NULL, 0);
}

const struct op_kind op_kinds[] = {
    {.name = "start", .starts = true, .go = start},
    {.name = "run", .starts = true, .go = run},
    {.name = "connect", .starts = true, .go = join},
    {.name = "session", .starts = true, .go = session},
    {.name = "signal", .go = send_signal},
    {.name = "processes", .starts = true, .go = processes},
    {.name = "forget", .go = forget},
    {.name = "logs", .go = logs},
    {.name = "stop", .any = stop},
    {.name = "destroy", .any = destroy},
    {.name = "idle", .any = idle},
    {0},
};
