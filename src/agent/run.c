/*
 * run: AGENT_RUN, from its fields to a process.
 */
#include "agent/agent.h"
#include "agent/background.h"
#include "agent/child.h"
#include "agent/files.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "ipc/conversations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* One RUN on its way to a process. */
struct run {
    uint32_t number;
    bool flags[128];
    struct child child;
    struct words overlay;
    const struct session *session;
    struct span command; /* for people */
    int status;          /* of a refusal */
    char why[AGENT_WHY_BYTES];
};

static bool refuse(struct run *r, const char *why)
{
    r->status = CHILD_FAILED;
    snprintf(r->why, sizeof r->why, "%s", why);
    return false;
}

static bool read_flags(struct run *r, struct span flags)
{
    for (size_t i = 0; i < flags.len; i++) {
        const unsigned char c = (unsigned char)flags.ptr[i];
        if (c == 0 || c >= 128 || strchr("mtsfbi", c) == NULL) {
            return refuse(r, "run: a flag that is not known");
        }
        r->flags[c] = true;
    }
    return true;
}

/* The session's cwd may be gone meanwhile: then the sandbox's own takes its place. */
static bool read_place(struct agent *a, struct run *r, struct span cwd)
{
    const char *place = r->flags['s'] || r->flags['f'] ? r->session->cwd : a->cwd;
    struct stat st;
    if (stat(place, &st) != 0 || !S_ISDIR(st.st_mode)) {
        place = a->cwd;
    }
    if (cwd.len > 0 && cwd.ptr[0] == '/') {
        r->child.cwd = strndup(cwd.ptr, cwd.len);
    } else if (cwd.len > 0) {
        if (asprintf(&r->child.cwd, "%s/" SPAN_FMT, place, SPAN_ARG(cwd)) < 0) {
            r->child.cwd = NULL;
        }
    } else {
        r->child.cwd = strdup(place);
    }
    return r->child.cwd != NULL || refuse(r, "run: out of memory");
}

static bool read_words(struct agent *a, struct run *r, struct span env, struct span argv)
{
    struct words said;
    const bool of_session = r->flags['s'];
    if (!words_split(&r->overlay, env) ||
        !words_copy(&r->child.env, words_items(of_session ? &r->session->env : &a->env)) ||
        !words_lay_all(&r->child.env, &r->overlay) || !words_split(&said, argv)) {
        return refuse(r, "run: the command or its environment is too long");
    }
    if (said.count == 0 || (of_session && said.count != 1)) {
        words_free(&said);
        return refuse(r, "run: no command");
    }
    if (!of_session) {
        r->child.argv = said;
        return true;
    }
    const bool ok = shell_words(a, words_items(&said)[0], !r->flags['b'], &r->child.argv);
    words_free(&said);
    return ok || refuse(r, "run: out of memory");
}

/* The inner ends stay the message's: closed once the process has them. */
static bool read_descriptors(struct agent *a, struct run *r, const struct ipc_message *msg)
{
    const size_t want = r->flags['b'] ? 0 : r->flags['i'] ? 3 : 2;
    if (msg->fd_count != want) {
        return refuse(r, "run: not as many descriptors as the flags say");
    }
    for (int i = 0; i < 3; i++) {
        r->child.fds[i] = a->null_fd;
    }
    for (size_t i = 0; i < want; i++) {
        r->child.fds[3 - want + i] = msg->fds[i];
    }
    r->child.terminal = r->flags['t'];
    return true;
}

static bool read_message(struct agent *a, struct run *r, const struct ipc_message *msg)
{
    const struct span *f = msg->fields;
    r->number = number_read(f[0]);
    r->command = f[7];
    if (a->process_count >= AGENT_PROCESSES_MAX) {
        return refuse(r, "run: too many processes at once");
    }
    if (a->ending != 0) {
        return refuse(r, "run: the sandbox is ending");
    }
    r->session = session_take(a, f[3]);
    if (r->session == NULL) {
        return refuse(r, SESSION_TOO_MANY);
    }
    return read_flags(r, f[1]) && read_place(a, r, f[5]) && read_words(a, r, f[6], f[7]) &&
           read_descriptors(a, r, msg);
}

static struct process *process_make(struct run *r, const struct ipc_message *msg)
{
    struct process *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    const uint32_t timeout = number_read(msg->fields[2]);
    p->number = r->number;
    p->is_main = r->flags['m'];
    p->deadline_ms = timeout > 0 ? clock_monotonic_ms() + timeout : 0;
    p->own_cwd = msg->fields[5].len > 0;
    p->overlay = r->overlay;
    r->overlay = (struct words){0};
    if (r->flags['s'] && !r->flags['b']) {
        p->session = strdup(r->session->name);
    }
    return p;
}

static bool start(struct agent *a, struct run *r, const struct ipc_message *msg)
{
    struct background *b = NULL;
    if (r->flags['b'] &&
        (b = background_open(a, r->number, msg->fields[4], r->command, r->child.fds)) == NULL) {
        return refuse(r, "run: too many background processes");
    }
    struct process *p = process_make(r, msg);
    if (p == NULL) {
        background_drop(a, b);
        return refuse(r, "run: out of memory");
    }
    if (r->flags['f']) {
        p->pid = child_fork(&r->child, files_call);
        if (p->pid < 0) {
            p->pid = 0;
            refuse(r, strerror(errno));
        }
    } else {
        p->pid = child_start(&r->child, &r->status, r->why, sizeof r->why);
    }
    if (p->pid == 0) {
        background_drop(a, b);
        words_free(&p->overlay);
        free(p->session);
        free(p);
        return false;
    }
    p->background = b;
    background_started(b, p->pid);
    list_append(&a->processes, &p->node);
    a->process_count++;
    return true;
}

void run_message(struct agent *a, struct ipc_message *msg)
{
    struct run r = {0};
    const bool started = read_message(a, &r, msg) && start(a, &r, msg);
    for (size_t i = 0; i < msg->fd_count; i++) {
        close_fd(&msg->fds[i]);
    }
    if (started) {
        say_started(a, r.number, process_by_number(a, r.number)->pid);
    } else {
        say_refused(a, r.number, r.status, r.why);
    }
    words_free(&r.child.argv);
    words_free(&r.child.env);
    words_free(&r.overlay);
    free(r.child.cwd);
    if (!started && r.flags['m']) {
        agent_exit(r.status);
    }
}
