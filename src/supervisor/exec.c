#include "supervisor/exec.h"

#include "base/cleanup.h"
#include "isolate/pty.h"

#include <errno.h>
#include <signal.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

struct stream {
    struct exec *e;
    int number; /* 1 or 2 */
    int fd;     /* -1: its end was read */
    struct loop_watch *watch;
};

struct exec {
    struct loop *loop;
    const struct exec_events *events; /* NULL: the asker has gone */
    void *arg;
    struct member_task task;
    struct agent_link *agent; /* NULL: the process has ended */
    uint32_t process;
    struct stream streams[2];
    bool tty;

    int input; /* -1: none, or ended */
    bool input_end;
    struct buf waiting;
    struct loop_watch *input_watch;

    bool over; /* the process has ended, as: */
    enum agent_end how;
    int number;
    bool moved; /* output came since the timer looked last */
    struct loop_timer *timer;
};

static void stream_close(struct stream *s)
{
    loop_watch_cancel(s->watch);
    s->watch = NULL;
    close_fd(&s->fd);
}

static void input_close(struct exec *e)
{
    loop_watch_cancel(e->input_watch);
    e->input_watch = NULL;
    close_fd(&e->input);
    buf_clear(&e->waiting);
}

static void exec_free(struct exec *e)
{
    if (e->agent != NULL) {
        agent_link_forget(e->agent, e);
    }
    list_remove(&e->task.node);
    loop_timer_cancel(e->timer);
    stream_close(&e->streams[0]);
    stream_close(&e->streams[1]);
    input_close(e);
    buf_free(&e->waiting);
    free(e);
}

/* ---- the end ---- */

static bool output_open(const struct exec *e)
{
    return e->streams[0].fd >= 0 || e->streams[1].fd >= 0;
}

static void finish(struct exec *e)
{
    const struct exec_events *events = e->events;
    void *arg = e->arg;
    enum agent_end how = e->how;
    int number = e->number;
    exec_free(e);
    if (events != NULL) {
        events->ended(arg, how, number);
    }
}

/* A child that outlives the process may hold its output open for ever. */
static void on_linger(void *arg)
{
    struct exec *e = arg;
    bool stopped = e->events != NULL && !e->events->room(e->arg);
    if (e->moved || stopped) {
        e->moved = false;
        loop_timer_again(e->timer, EXEC_LINGER_MS);
        return;
    }
    finish(e);
}

static void end(struct exec *e, enum agent_end how, int number)
{
    e->over = true;
    e->agent = NULL;
    e->how = how;
    e->number = number;
    input_close(e);
    list_remove(&e->task.node);
    loop_timer_cancel(e->timer);
    e->timer = NULL;
    if (e->events == NULL || !output_open(e)) {
        finish(e);
        return;
    }
    e->moved = true;
    e->timer = loop_timer_start(e->loop, EXEC_LINGER_MS, 0, on_linger, e);
}

/* ---- output ---- */

/* false: its end was read. */
static bool stream_read(struct stream *s, char *bytes)
{
    ssize_t n = read(s->fd, bytes, EXEC_READ_BYTES);
    if (n > 0) {
        s->e->moved = true;
        s->e->events->output(s->e->arg, s->number, span_of(bytes, (size_t)n));
        return true;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR); /* EIO is the end of a terminal */
}

static void on_readable(void *arg, unsigned events)
{
    static char bytes[EXEC_READ_BYTES];
    struct stream *s = arg;
    struct exec *e = s->e;
    (void)events;
    if (!e->events->room(e->arg)) {
        loop_watch_set(e->streams[0].watch, 0);
        if (e->streams[1].watch != NULL) {
            loop_watch_set(e->streams[1].watch, 0);
        }
        return;
    }
    if (!stream_read(s, bytes)) {
        stream_close(s);
        if (e->over && !output_open(e)) {
            finish(e);
        }
    }
}

void exec_resume(struct exec *e)
{
    for (int i = 0; i < 2; i++) {
        if (e->streams[i].watch != NULL) {
            loop_watch_set(e->streams[i].watch, LOOP_READ);
        }
    }
}

/* ---- input ---- */

static void on_writable(void *arg, unsigned events)
{
    struct exec *e = arg;
    struct span s = buf_span(&e->waiting);
    (void)events;
    ssize_t n = s.len > 0 ? write(e->input, s.ptr, s.len) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        /* Nobody reads any more: what comes is taken and dropped, as a closed pipe would. */
        size_t dropped = s.len;
        input_close(e);
        if (e->events != NULL && dropped > 0) {
            e->events->taken(e->arg, dropped);
        }
        return;
    }
    if (n > 0) {
        buf_consume(&e->waiting, (size_t)n);
        e->events->taken(e->arg, (size_t)n);
    }
    if (buf_len(&e->waiting) > 0) {
        return;
    }
    loop_watch_set(e->input_watch, 0);
    if (e->input_end && !e->tty) {
        input_close(e);
    }
}

bool exec_input(struct exec *e, struct span bytes)
{
    if (e->input < 0) {
        if (!e->over) {
            e->events->taken(e->arg, bytes.len);
        }
        return true; /* the process closed it, or has ended */
    }
    if (e->input_end || !buf_append_span(&e->waiting, bytes)) {
        return false;
    }
    loop_watch_set(e->input_watch, LOOP_WRITE);
    return true;
}

/* On a terminal the end of the input is a character, which a program may ask to read otherwise. */
void exec_input_end(struct exec *e)
{
    if (e->input < 0 || e->input_end) {
        return;
    }
    if (e->tty) {
        (void)buf_append(&e->waiting, "\x04", 1);
    }
    e->input_end = true;
    loop_watch_set(e->input_watch, LOOP_WRITE);
}

/* ---- the process ---- */

static void on_started(void *arg, uint32_t process, pid_t pid)
{
    struct exec *e = arg;
    (void)process;
    (void)pid;
    exec_resume(e); /* not before: nobody was ready for output */
    if (e->events != NULL) {
        e->events->started(e->arg);
    }
}

static void on_refused(void *arg, uint32_t process, int status, struct span sentence)
{
    struct exec *e = arg;
    const struct exec_events *events = e->events;
    void *owner = e->arg;
    char why[ERROR_TEXT_BYTES];
    size_t len = sentence.len < sizeof why - 1 ? sentence.len : sizeof why - 1;
    memcpy(why, sentence.ptr, len);
    why[len] = 0;
    (void)process;
    e->agent = NULL;
    exec_free(e);
    if (events != NULL) {
        events->refused(owner, status, why);
    }
}

static void on_ended(void *arg, uint32_t process, enum agent_end how, int number)
{
    (void)process;
    end(arg, how, number);
}

static const struct agent_process_events process_events = {on_started, on_refused, on_ended};

static void on_lost(void *arg)
{
    end(arg, AGENT_END_LOST, 0);
}

void exec_signal(struct exec *e, int signum)
{
    struct error err;
    if (e->agent != NULL) {
        (void)agent_link_signal(e->agent, e->process, signum, &err);
    }
}

void exec_resize(struct exec *e, uint16_t rows, uint16_t columns)
{
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    if (e->tty && e->streams[0].fd >= 0) {
        (void)ioctl(e->streams[0].fd, TIOCSWINSZ, &size);
    }
}

static void on_hangup_deadline(void *arg)
{
    exec_signal(arg, SIGKILL);
}

void exec_hang_up(struct exec *e)
{
    e->events = NULL;
    if (e->over) {
        exec_free(e);
        return;
    }
    stream_close(&e->streams[0]);
    stream_close(&e->streams[1]);
    input_close(e);
    exec_signal(e, SIGHUP);
    e->timer = loop_timer_start(e->loop, EXEC_HANGUP_MS, 0, on_hangup_deadline, e);
}

/* ---- the start ---- */

static int watch(struct exec *e, int at, int fd, struct error *err)
{
    struct stream *s = &e->streams[at];
    *s = (struct stream){.e = e, .number = at + 1, .fd = fd};
    return loop_watch_start(e->loop, fd, 0, on_readable, s, &s->watch, err);
}

static int watch_input(struct exec *e, int fd, struct error *err)
{
    e->input = fd;
    return loop_watch_start(e->loop, fd, 0, on_writable, e, &e->input_watch, err);
}

/* What the agent gets stands in inner; closed by the caller. */
static int pipes_make(struct exec *e, const struct exec_spec *spec, struct agent_pipes *p,
                      struct error *err)
{
    int rc = agent_pipes_open(p, spec->input ? SPAN_LIT("i") : SPAN_LIT(""), err);
    if (rc < 0) {
        return rc;
    }
    if (p->outer[0] >= 0) {
        rc = watch_input(e, steal_fd(&p->outer[0]), err);
    }
    rc = rc < 0 ? rc : watch(e, 0, steal_fd(&p->outer[1]), err);
    return rc < 0 ? rc : watch(e, 1, steal_fd(&p->outer[2]), err);
}

static int terminal_make(struct exec *e, const struct exec_spec *spec, struct agent_pipes *p,
                         struct error *err)
{
    struct isolate_pty pty;
    int rc = isolate_pty_open(-1, &pty, err);
    if (rc < 0) {
        return rc;
    }
    cleanup_close int outer = pty.outer;
    p->count = 3;
    p->inner[0] = pty.inner;
    p->inner[1] = fcntl(pty.inner, F_DUPFD_CLOEXEC, 3);
    p->inner[2] = fcntl(pty.inner, F_DUPFD_CLOEXEC, 3);
    cleanup_close int input = fcntl(outer, F_DUPFD_CLOEXEC, 3);
    if (p->inner[1] < 0 || p->inner[2] < 0 || input < 0 ||
        fcntl(outer, F_SETFL, fcntl(outer, F_GETFL) | O_NONBLOCK) < 0) {
        return error_set(err, errno, "make a terminal");
    }
    rc = watch_input(e, steal_fd(&input), err);
    rc = rc < 0 ? rc : watch(e, 0, steal_fd(&outer), err);
    if (rc == 0) {
        exec_resize(e, spec->rows, spec->columns);
    }
    return rc;
}

static int run(struct exec *e, struct member *m, const struct exec_spec *spec,
               const struct agent_pipes *p, struct error *err)
{
    char flags[4];
    size_t count = 0;
    if (spec->tty) {
        flags[count++] = 't';
    }
    if (spec->tty || spec->input) {
        flags[count++] = 'i';
    }
    if (spec->flags.len > 0) {
        flags[count++] = 's';
    }
    struct agent_run what = {.flags = span_of(flags, count),
                             .timeout_ms = spec->timeout_ms,
                             .session = spec->session,
                             .cwd = spec->cwd,
                             .env = spec->env,
                             .argv = spec->argv,
                             .fd_count = p->count};
    memcpy(what.fds, p->inner, sizeof what.fds);
    struct agent_link *agent = instance_agent(m->instance);
    if (agent == NULL) {
        return error_set(err, 0, "the sandbox is ending");
    }
    e->process = agent_link_run(agent, &what, &process_events, e, err);
    if (e->process == 0) {
        return -1;
    }
    e->agent = agent;
    list_append(&m->tasks, &e->task.node);
    return 0;
}

int exec_start(struct loop *loop, struct member *m, const struct exec_spec *spec,
               const struct exec_events *events, void *arg, struct exec **out, struct error *err)
{
    struct agent_pipes p = {.inner = {-1, -1, -1}, .outer = {-1, -1, -1}};
    struct exec *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return error_set(err, ENOMEM, "start a process");
    }
    *e = (struct exec){.loop = loop,
                       .events = events,
                       .arg = arg,
                       .task = {.lost = on_lost, .arg = e, .foreign = true},
                       .streams = {{.fd = -1}, {.fd = -1}},
                       .tty = spec->tty,
                       .input = -1};
    list_init(&e->task.node);
    buf_init(&e->waiting, EXEC_INPUT_MAX + 1);
    int rc = spec->tty ? terminal_make(e, spec, &p, err) : pipes_make(e, spec, &p, err);
    rc = rc < 0 ? rc : run(e, m, spec, &p, err);
    agent_pipes_close(&p);
    if (rc < 0) {
        exec_free(e);
        return rc;
    }
    *out = e;
    return 0;
}
