#include "supervisor/agent_link.h"

#include "base/list.h"
#include "ipc/conversations.h"
#include "supervisor/agent_check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define QUEUE_MAX (8u * 1024u * 1024u) /* bytes that wait for an agent that does not read */

enum process_state { PROCESS_ASKED, PROCESS_RUNS };

struct process {
    struct list node;
    uint32_t number;
    enum process_state state;
    const struct agent_process_events *events; /* NULL: forgotten */
    void *arg;
};

struct call {
    struct list node;
    uint32_t seq;
    agent_reply_fn fn; /* NULL: forgotten */
    void *arg;
};

struct agent_link {
    struct loop *loop;
    struct ipc_channel *channel;
    const struct agent_events *events;
    void *arg;
    struct list processes;
    struct list calls;
    size_t process_count;
    size_t call_count;
    uint32_t last_process;
    uint32_t last_seq;
    bool is_ready;
    bool in_callback;
    bool ended;
    bool destroyed;        /* inside a callback: freed when it returns */
    const char *violation; /* of the frame that is looked at */
};

/* ---- the end ---- */

static void processes_lost(struct agent_link *l)
{
    while (!list_empty(&l->processes)) {
        struct process *p = LIST_ENTRY(l->processes.next, struct process, node);
        list_remove(&p->node);
        if (p->events != NULL && !l->destroyed) {
            p->events->ended(p->arg, p->number, AGENT_END_LOST, 0);
        }
        free(p);
    }
}

static void calls_lost(struct agent_link *l)
{
    while (!list_empty(&l->calls)) {
        struct call *c = LIST_ENTRY(l->calls.next, struct call, node);
        list_remove(&c->node);
        if (c->fn != NULL && !l->destroyed) {
            c->fn(c->arg, AGENT_REPLY_LOST, SPAN_LIT("the sandbox ended"));
        }
        free(c);
    }
}

static void link_free(struct agent_link *l)
{
    l->destroyed = true;
    processes_lost(l);
    calls_lost(l);
    ipc_channel_destroy(l->channel);
    free(l);
}

/* Callbacks may destroy the link: it is freed behind the last of them. */
static void callbacks_begin(struct agent_link *l)
{
    l->in_callback = true;
}

static void callbacks_end(struct agent_link *l)
{
    l->in_callback = false;
    if (l->destroyed) {
        link_free(l);
    }
}

/* why NULL: it went away. */
static void link_end(struct agent_link *l, const char *why)
{
    l->ended = true;
    processes_lost(l);
    calls_lost(l);
    if (l->destroyed) {
        return;
    }
    if (why == NULL) {
        l->events->gone(l->arg);
    } else {
        l->events->broken(l->arg, why);
    }
}

static void on_closed(void *arg, const char *why)
{
    struct agent_link *l = arg;
    char text[256];
    bool left = strncmp(why, IPC_GONE, sizeof IPC_GONE - 1) == 0;
    snprintf(text, sizeof text, "the agent inside broke its protocol: %s", why);
    callbacks_begin(l);
    link_end(l, left ? NULL : text);
    callbacks_end(l);
}

/* ---- what the agent says ---- */

static struct process *process_find(struct agent_link *l, uint32_t number)
{
    LIST_FOREACH(node, &l->processes)
    {
        struct process *p = LIST_ENTRY(node, struct process, node);
        if (p->number == number) {
            return p;
        }
    }
    return NULL;
}

/* Off the list before the callback, which may start others or end the link. */
static struct process process_take(struct agent_link *l, struct process *p)
{
    struct process copy = *p;
    list_remove(&p->node);
    l->process_count--;
    free(p);
    return copy;
}

static void on_started(struct agent_link *l, const struct agent_word *w)
{
    struct process *p = process_find(l, w->number);
    if (p == NULL || p->state != PROCESS_ASKED) {
        l->violation = "started: a process that was not asked for";
        return;
    }
    p->state = PROCESS_RUNS;
    if (p->events != NULL) {
        p->events->started(p->arg, p->number, (pid_t)w->value);
    }
}

static void on_refused(struct agent_link *l, const struct agent_word *w)
{
    struct process *p = process_find(l, w->number);
    if (p == NULL || p->state != PROCESS_ASKED) {
        l->violation = "refused: a process that was not asked for";
        return;
    }
    char clean[AGENT_SENTENCE_MAX * 4];
    struct process gone = process_take(l, p);
    if (gone.events != NULL) {
        gone.events->refused(gone.arg, gone.number, (int)w->value,
                             agent_check_clean(w->text, clean, sizeof clean));
    }
}

static void on_exited(struct agent_link *l, const struct agent_word *w)
{
    struct process *p = process_find(l, w->number);
    if (p == NULL || p->state != PROCESS_RUNS) {
        l->violation = "exited: a process that does not run";
        return;
    }
    struct process gone = process_take(l, p);
    if (gone.events != NULL) {
        gone.events->ended(gone.arg, gone.number, w->how, (int)w->value);
    }
}

static void on_reply(struct agent_link *l, const struct agent_word *w)
{
    LIST_FOREACH(node, &l->calls)
    {
        struct call *c = LIST_ENTRY(node, struct call, node);
        if (c->seq != w->number) {
            continue;
        }
        char clean[AGENT_SENTENCE_MAX * 4];
        struct call gone = *c;
        list_remove(&c->node);
        l->call_count--;
        free(c);
        if (gone.fn != NULL) {
            gone.fn(gone.arg, w->ok ? AGENT_REPLY_OK : AGENT_REPLY_ERROR,
                    w->ok ? w->text : agent_check_clean(w->text, clean, sizeof clean));
        }
        return;
    }
    l->violation = "reply: to a call that is not open";
}

static void dispatch(struct agent_link *l, const struct agent_word *w)
{
    if (!l->is_ready && w->type != AGENT_READY) {
        l->violation = "ready: not the first word";
        return;
    }
    switch (w->type) {
    case AGENT_READY:
        if (l->is_ready) {
            l->violation = "ready: said twice";
            return;
        }
        l->is_ready = true;
        l->events->ready(l->arg);
        break;
    case AGENT_STARTED:
        on_started(l, w);
        break;
    case AGENT_REFUSED:
        on_refused(l, w);
        break;
    case AGENT_EXITED:
        on_exited(l, w);
        break;
    default: /* the rules let nothing else pass */
        on_reply(l, w);
        break;
    }
}

static void on_message(void *arg, struct ipc_message *msg)
{
    struct agent_link *l = arg;
    struct agent_word w;
    if (l->ended || l->destroyed) {
        return;
    }
    callbacks_begin(l);
    l->violation = agent_check_word(msg, &w);
    if (l->violation == NULL) {
        dispatch(l, &w);
    }
    if (l->violation != NULL && !l->destroyed) {
        char why[256];
        snprintf(why, sizeof why, "the agent inside broke its protocol: %s", l->violation);
        link_end(l, why);
    }
    callbacks_end(l);
}

int agent_link_start(struct loop *loop, int fd, const struct agent_events *events, void *arg,
                     struct agent_link **out, struct error *err)
{
    struct agent_link *l = calloc(1, sizeof *l);
    if (l == NULL) {
        close(fd);
        return error_set(err, ENOMEM, "link to the agent");
    }
    *l = (struct agent_link){.loop = loop, .events = events, .arg = arg};
    list_init(&l->processes);
    list_init(&l->calls);
    l->channel = ipc_channel_create(loop, fd, ipc_agent_says, on_message, on_closed, l, err);
    if (l->channel == NULL) {
        free(l);
        return -1;
    }
    ipc_channel_limit(l->channel, AGENT_BODY_MAX, QUEUE_MAX);
    *out = l;
    return 0;
}

void agent_link_destroy(struct agent_link *l)
{
    if (l == NULL || l->destroyed) {
        return;
    }
    if (l->in_callback) {
        l->destroyed = true;
        return;
    }
    link_free(l);
}

void agent_link_forget(struct agent_link *l, const void *arg)
{
    LIST_FOREACH(node, &l->processes)
    {
        struct process *p = LIST_ENTRY(node, struct process, node);
        p->events = p->arg == arg ? NULL : p->events;
    }
    LIST_FOREACH(node, &l->calls)
    {
        struct call *c = LIST_ENTRY(node, struct call, node);
        c->fn = c->arg == arg ? NULL : c->fn;
    }
}

/* ---- what is asked of it ---- */

static int link_send(struct agent_link *l, uint16_t type, const struct span *fields, size_t count,
                     const int *fds, size_t fd_count, struct error *err)
{
    if (l->ended || l->destroyed) {
        return error_set(err, EPIPE, "the sandbox has ended");
    }
    if (!ipc_send(l->channel, type, fields, count, fds, fd_count)) {
        return error_set(err, 0, "the agent inside does not read what it is sent");
    }
    return 0;
}

uint32_t agent_link_run(struct agent_link *l, const struct agent_run *run,
                        const struct agent_process_events *events, void *arg, struct error *err)
{
    char number[16];
    char flags[16];
    if (agent_check_run(run, err) < 0) {
        return 0;
    }
    if (l->process_count >= AGENT_PROCESSES_MAX || l->last_process == UINT32_MAX) {
        error_set(err, 0, "too many processes at once: %u run already", AGENT_PROCESSES_MAX);
        return 0;
    }
    struct process *p = calloc(1, sizeof *p);
    if (p == NULL) {
        error_set(err, ENOMEM, "run");
        return 0;
    }
    snprintf(number, sizeof number, "%u", l->last_process + 1);
    snprintf(flags, sizeof flags, SPAN_FMT "%s", SPAN_ARG(run->flags), run->is_main ? "m" : "");
    const struct span fields[] = {
        span_str(number),
        span_str(flags),
        run->timeout_ms.len > 0 ? run->timeout_ms : SPAN_LIT("0"),
        run->session,
        run->label,
        run->cwd,
        run->env,
        run->argv,
    };
    if (link_send(l, AGENT_RUN, fields, 8, run->fds, run->fd_count, err) < 0) {
        free(p);
        return 0;
    }
    *p = (struct process){.number = ++l->last_process, .events = events, .arg = arg};
    list_append(&l->processes, &p->node);
    l->process_count++;
    return p->number;
}

int agent_link_signal(struct agent_link *l, uint32_t process, int signum, struct error *err)
{
    char number[16];
    char signal[16];
    if (signum < 1 || signum >= NSIG) {
        return error_set(err, 0, "signal %d: no such signal", signum);
    }
    if (process_find(l, process) == NULL) {
        return 0;
    }
    snprintf(number, sizeof number, "%u", process);
    snprintf(signal, sizeof signal, "%d", signum);
    const struct span fields[] = {span_str(number), span_str(signal)};
    return link_send(l, AGENT_SIGNAL, fields, 2, NULL, 0, err);
}

/* fields[0] is filled with the number of the call. */
static int ask(struct agent_link *l, uint16_t type, struct span *fields, size_t count,
               const int *fds, agent_reply_fn fn, void *arg, struct error *err)
{
    char seq[16];
    if (l->call_count >= AGENT_CALLS_MAX || l->last_seq == UINT32_MAX) {
        return error_set(err, 0, "too many calls wait for the agent inside");
    }
    struct call *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return error_set(err, ENOMEM, "ask the agent");
    }
    snprintf(seq, sizeof seq, "%u", l->last_seq + 1);
    fields[0] = span_str(seq);
    int rc = link_send(l, type, fields, count, fds, fds != NULL ? 2 : 0, err);
    fields[0] = span_of(NULL, 0);
    if (rc < 0) {
        free(c);
        return rc;
    }
    *c = (struct call){.seq = ++l->last_seq, .fn = fn, .arg = arg};
    list_append(&l->calls, &c->node);
    l->call_count++;
    return 0;
}

int agent_link_session(struct agent_link *l, const struct agent_session_call *call,
                       agent_reply_fn fn, void *arg, struct error *err)
{
    struct span f[5] = {{0}, call->op, call->name, call->cwd, call->env};
    int rc = agent_check_session(call, err);
    return rc < 0 ? rc : ask(l, AGENT_SESSION, f, 5, NULL, fn, arg, err);
}

int agent_link_processes(struct agent_link *l, agent_reply_fn fn, void *arg, struct error *err)
{
    struct span f[1] = {{0}};
    return ask(l, AGENT_PROCESSES, f, 1, NULL, fn, arg, err);
}

int agent_link_logs(struct agent_link *l, uint32_t process, bool follow, const int fds[2],
                    agent_reply_fn fn, void *arg, struct error *err)
{
    char number[16];
    snprintf(number, sizeof number, "%u", process);
    struct span f[3] = {{0}, span_str(number), follow ? SPAN_LIT("follow") : SPAN_LIT("")};
    return ask(l, AGENT_LOGS, f, 3, fds, fn, arg, err);
}

int agent_link_process_forget(struct agent_link *l, uint32_t process, agent_reply_fn fn, void *arg,
                              struct error *err)
{
    char number[16];
    snprintf(number, sizeof number, "%u", process);
    struct span f[2] = {{0}, span_str(number)};
    return ask(l, AGENT_FORGET, f, 2, NULL, fn, arg, err);
}
