#include "tests/unit/js/fake_box.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* A session leaves its variables and its place to the next command, as the agent's do. */
static const char session_script[] =
    "S=\"$1\"; C=\"$2\"; D=\"$3\"; [ -f \"$S\" ] && { unset $(compgen -e | grep -v PATH); . "
    "\"$S\"; };"
    "[ -f \"$S.cwd\" ] && cd \"$(cat \"$S.cwd\")\"; [ -n \"$D\" ] && cd \"$D\";"
    "trap 'R=$?; export -p > \"$S\"; pwd > \"$S.cwd\"; exit $R' EXIT; eval \"$C\"";

/* -- a descriptor as a source ---------------------------------------------------------------- */

struct fd_source {
    struct source source;
    struct loop *loop;
    int fd;
    struct loop_watch *watch;
    source_ready_fn ready;
    void *arg;
};

static void fd_ready(void *arg, unsigned events)
{
    struct fd_source *s = arg;
    source_ready_fn ready = s->ready;
    (void)events;
    s->ready = NULL;
    loop_watch_set(s->watch, 0);
    if (ready != NULL) {
        ready(s->arg);
    }
}

static ssize_t fd_read(struct source *source, void *dst, size_t len)
{
    struct fd_source *s = (struct fd_source *)(void *)source;
    ssize_t n = read(s->fd, dst, len);
    return n >= 0 ? n : -errno;
}

static void fd_watch(struct source *source, source_ready_fn ready, void *arg)
{
    struct fd_source *s = (struct fd_source *)(void *)source;
    s->ready = ready;
    s->arg = arg;
    if (s->watch == NULL) {
        struct error err = {0};
        assert_int_equal(loop_watch_start(s->loop, s->fd, LOOP_READ, fd_ready, s, &s->watch, &err),
                         0);
    }
    loop_watch_set(s->watch, ready != NULL ? LOOP_READ : 0);
}

static void fd_close(struct source *source)
{
    struct fd_source *s = (struct fd_source *)(void *)source;
    loop_watch_cancel(s->watch);
    close(s->fd);
    free(s);
}

static const struct source_ops fd_ops = {fd_read, fd_watch, fd_close};

static struct source *source_of_fd(struct loop *loop, int fd)
{
    struct fd_source *s = calloc(1, sizeof *s);
    s->source = (struct source){&fd_ops, -1};
    s->loop = loop;
    s->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return &s->source;
}

/* -- answers --------------------------------------------------------------------------------- */

struct answer {
    struct loop_timer *timer;
    struct fake_boxes *boxes;
    struct fake_box *box;
    uint32_t call;
    bool ok;
    bool started; /* the sandbox did, by this */
    bool ended;   /* it did, by this */
    char value[1024];
    struct source *out;
    struct source *err;
};

static void answer_due(void *arg)
{
    struct answer *a = arg;
    struct js_version *v = a->boxes->host.version;
    if (a->started) {
        js_container_started(a->box->inst, true);
    }
    if (a->ended) {
        fake_box_end(a->box, 137, "");
    }
    struct js_container_result res = {a->ok, span_str(a->value), a->out, a->err};
    js_container_done(v, a->call, &res);
    loop_timer_cancel(a->timer);
    free(a);
}

static struct answer *answer(struct fake_boxes *b, struct fake_box *box, uint32_t call)
{
    struct answer *a = calloc(1, sizeof *a);
    a->boxes = b;
    a->box = box;
    a->call = call;
    a->ok = true;
    snprintf(a->value, sizeof a->value, "{}");
    a->timer = loop_timer_start(b->host.loop, 0, 0, answer_due, a);
    return a;
}

static void __attribute__((format(printf, 2, 3))) say(struct answer *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->value, sizeof a->value, fmt, ap);
    va_end(ap);
}

/* -- processes ------------------------------------------------------------------------------- */

static void process_gone(struct box_process *p)
{
    loop_watch_cancel(p->watch);
    loop_timer_cancel(p->timeout);
    close(p->pidfd);
    p->watch = NULL;
    p->timeout = NULL;
    p->ended = true;
    if (!p->background) {
        p->number = 0;
    }
}

static void on_exit_of(void *arg, unsigned events)
{
    struct box_process *p = arg;
    struct js_instance *inst = p->box->inst;
    uint32_t number = p->number;
    (void)events;
    waitpid(p->pid, &p->status, 0);
    const char *how = p->killed_late ? "timeout" : WIFEXITED(p->status) ? "exit" : "signal";
    int value = WIFEXITED(p->status) ? WEXITSTATUS(p->status) : WTERMSIG(p->status);
    process_gone(p);
    js_process_ended(inst, number, span_str(how), (uint32_t)value);
}

/* To its group, or before it has made one. */
static void signal_to(const struct box_process *p, int number)
{
    if (kill(-p->pid, number) < 0) {
        kill(p->pid, number);
    }
}

static void on_timeout_of(void *arg)
{
    struct box_process *p = arg;
    p->killed_late = true;
    signal_to(p, SIGKILL);
}

static struct box_process *process_of(struct fake_box *box, uint32_t number)
{
    for (size_t i = 0; i < BOX_PROCESSES; i++) {
        if (box->processes[i].number == number) {
            return &box->processes[i];
        }
    }
    return NULL;
}

struct spawn {
    const char **argv;
    json_t *start; /* what the sandbox was started with */
    json_t *args;
    int fds[3]; /* the inner ends */
};

static void set_env(json_t *env)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(env, key, value)
    {
        if (json_is_null(value)) {
            unsetenv(key);
        } else {
            setenv(key, json_string_value(value), 1);
        }
    }
}

static void child(const struct spawn *s)
{
    setsid();
    for (int i = 0; i < 3; i++) {
        dup2(s->fds[i], i);
    }
    syscall(SYS_close_range, 3u, ~0u, 0);
    set_env(json_object_get(s->start, "env"));
    set_env(json_object_get(s->args, "env"));
    const char *cwd = json_string_value(json_object_get(s->args, "cwd"));
    if (cwd != NULL && chdir(cwd) < 0) {
        _exit(125);
    }
    signal(SIGPIPE, SIG_DFL);
    execvp(s->argv[0], (char **)(uintptr_t)s->argv);
    _exit(127);
}

static void argv_of(struct fake_boxes *b, json_t *args, const char **argv, char *state)
{
    static char script[512];
    const char *command = json_string_value(json_object_get(args, "command"));
    const char *session = json_string_value(json_object_get(args, "session"));
    size_t n = 0;
    if (command != NULL) {
        sprintf(state, "%s/session-%s", b->dir, session != NULL ? session : "default");
        const char *cwd = json_string_value(json_object_get(args, "cwd"));
        const char *fixed[] = {"/bin/bash", "-c",    session_script,         "bash",
                               state,       command, cwd != NULL ? cwd : "", NULL};
        memcpy(argv, fixed, sizeof fixed);
        return;
    }
    json_t *list = json_object_get(args, "argv");
    if (list == NULL) {
        const char *dir = getenv("TEST_SOURCE_DIR");
        snprintf(script, sizeof script, "%s/box_files.py", dir != NULL ? dir : "tests/unit/js");
        argv[n++] = "/usr/bin/python3";
        argv[n++] = script;
        list = json_object_get(args, "file");
    }
    assert_true(json_array_size(list) != 0 && json_array_size(list) < 24);
    for (size_t i = 0; i < json_array_size(list); i++) {
        argv[n++] = json_string_value(json_array_get(list, i));
    }
    argv[n] = NULL;
}

/* -- input of a process: bytes or a source of the room's, into a pipe ------------------------- */

struct feed {
    struct source *source;
    int fd;
};

static void feed_more(void *arg)
{
    struct feed *f = arg;
    char chunk[4096];
    for (;;) {
        ssize_t n = source_read(f->source, chunk, sizeof chunk);
        if (n == -EAGAIN) {
            source_watch(f->source, feed_more, f);
            return;
        }
        if (n <= 0 || write(f->fd, chunk, (size_t)n) != n) {
            close(f->fd);
            source_close(f->source);
            free(f);
            return;
        }
    }
}

static int input_of(const struct js_body *input)
{
    int ends[2];
    if (input->kind == JS_BODY_NONE) {
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 1024 * 1024);
    struct feed *f = calloc(1, sizeof *f);
    f->fd = ends[1];
    f->source = input->kind == JS_BODY_BYTES ? source_from_bytes(input->bytes) : input->source;
    if (input->kind == JS_BODY_BYTES) {
        feed_more(f);
    } else {
        source_watch(f->source, feed_more, f);
    }
    return ends[0];
}

static int log_file(struct fake_boxes *b, uint32_t number, const char *name, int flags)
{
    char path[128];
    snprintf(path, sizeof path, "%s/log-%u-%s", b->dir, number, name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void run(struct fake_boxes *b, struct fake_box *box, const struct js_container *c,
                json_t *args, struct answer *a)
{
    struct box_process *p = process_of(box, 0);
    const char *argv[32];
    char state[256];
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    assert_non_null(p);
    argv_of(b, args, argv, state);
    const char *label = json_string_value(json_object_get(args, "label"));
    memset(p, 0, sizeof *p);
    p->box = box;
    p->number = ++box->last_process;
    p->background = json_is_true(json_object_get(args, "background"));
    snprintf(p->label, sizeof p->label, "%s", label != NULL ? label : "");
    if (p->background) {
        out[1] = log_file(b, p->number, "out", O_CREAT | O_WRONLY | O_APPEND);
        err[1] = log_file(b, p->number, "err", O_CREAT | O_WRONLY | O_APPEND);
    } else {
        assert_int_equal(pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
        a->out = source_of_fd(b->host.loop, out[0]);
        a->err = source_of_fd(b->host.loop, err[0]);
    }
    json_t *start_args = json_loads(box->start_args, 0, NULL);
    struct spawn s = {argv, start_args, args, {input_of(&c->input), out[1], err[1]}};
    p->pid = fork();
    if (p->pid == 0) {
        child(&s);
    }
    json_decref(start_args);
    close(s.fds[0]);
    close(out[1]);
    close(err[1]);
    struct error e = {0};
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    assert_int_equal(
        loop_watch_start(b->host.loop, p->pidfd, LOOP_READ, on_exit_of, p, &p->watch, &e), 0);
    json_int_t timeout = json_integer_value(json_object_get(args, "timeout_ms"));
    if (timeout != 0) {
        p->timeout = loop_timer_start(b->host.loop, (uint64_t)timeout, 0, on_timeout_of, p);
    }
    say(a, "{\"process\":%u,\"pid\":%d}", p->number, p->pid);
}

/* A reader of a log, at once or until the process ends: tail does the following. */
static struct source *log_source(struct fake_boxes *b, const struct box_process *p,
                                 const char *name, bool follow)
{
    char path[128];
    char pid[32];
    int ends[2];
    snprintf(path, sizeof path, "%s/log-%u-%s", b->dir, p->number, name);
    if (!follow || p->ended) {
        return source_of_fd(b->host.loop, log_file(b, p->number, name, O_RDONLY));
    }
    snprintf(pid, sizeof pid, "--pid=%d", p->pid);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    if (fork() == 0) {
        dup2(ends[1], 1);
        execl("/usr/bin/tail", "tail", "-c", "+1", "-s", "0.02", "-f", pid, path, NULL);
        _exit(127);
    }
    close(ends[1]);
    return source_of_fd(b->host.loop, ends[0]);
}

static void list(struct fake_box *box, struct answer *a)
{
    size_t at = (size_t)snprintf(a->value, sizeof a->value, "[");
    for (size_t i = 0; i < BOX_PROCESSES; i++) {
        const struct box_process *p = &box->processes[i];
        if (p->number != 0 && p->background) {
            at += (size_t)snprintf(
                a->value + at, sizeof a->value - at,
                "%s{\"process\":%u,\"pid\":%d,\"label\":\"%s\",\"running\":%s,\"how\":\"exit\","
                "\"number\":%d}",
                at > 1 ? "," : "", p->number, p->pid, p->label, p->ended ? "false" : "true",
                WEXITSTATUS(p->status));
        }
    }
    snprintf(a->value + at, sizeof a->value - at, "]");
}

static void end_processes(struct fake_box *box)
{
    for (size_t i = 0; i < BOX_PROCESSES; i++) {
        struct box_process *p = &box->processes[i];
        if (p->number != 0 && !p->ended) {
            signal_to(p, SIGKILL);
            waitpid(p->pid, NULL, 0);
            process_gone(p);
        }
        p->number = 0;
    }
}

void fake_box_end(struct fake_box *box, int status, const char *why)
{
    end_processes(box);
    box->running = false;
    js_container_ended(box->inst, status, span_str(why));
}

static bool start(struct fake_boxes *b, struct fake_box *box, struct answer *a)
{
    if (b->start_error != NULL) {
        a->ok = false;
        say(a, "%s", b->start_error);
        return false;
    }
    if (!box->running) {
        box->running = true;
        box->starts++;
        a->started = true;
    }
    return true;
}

static void session(struct fake_boxes *b, json_t *args, struct answer *a)
{
    char path[256];
    const char *op = json_string_value(json_object_get(args, "op"));
    const char *name = json_string_value(json_object_get(args, "name"));
    const char *cwd = json_string_value(json_object_get(args, "cwd"));
    snprintf(path, sizeof path, "%s/session-%s", b->dir, name != NULL ? name : "default");
    if (strcmp(op, "delete") == 0) {
        if (unlink(path) != 0) {
            a->ok = false;
            say(a, "session: not found");
        }
        return;
    }
    if (strcmp(op, "create") == 0 && access(path, F_OK) == 0) {
        a->ok = false;
        say(a, "session: there is one of this name");
        return;
    }
    FILE *f = fopen(path, "a");
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(args, "env"), key, value)
    {
        if (json_is_null(value)) {
            fprintf(f, "unset %s\n", key);
        } else {
            fprintf(f, "export %s=\"%s\"\n", key, json_string_value(value));
        }
    }
    if (cwd != NULL) {
        fprintf(f, "cd '%s'\n", cwd);
    }
    fclose(f);
}

static void container(void *arg, const struct js_container *c)
{
    struct fake_boxes *b = arg;
    struct fake_box *box = c->owner;
    json_t *args = json_loadb(c->args.ptr, c->args.len, 0, NULL);
    struct answer *a = answer(b, box, c->call);
    assert_non_null(args);
    snprintf(box->last_op, sizeof box->last_op, SPAN_FMT, SPAN_ARG(c->op));
    snprintf(box->last_args, sizeof box->last_args, SPAN_FMT, SPAN_ARG(c->args));
    uint32_t number = (uint32_t)json_integer_value(json_object_get(args, "process"));
    struct box_process *p = number != 0 ? process_of(box, number) : NULL;
    if (span_eq(c->op, SPAN_LIT("start"))) {
        snprintf(box->start_args, sizeof box->start_args, SPAN_FMT, SPAN_ARG(c->args));
        start(b, box, a);
    } else if (span_eq(c->op, SPAN_LIT("run"))) {
        if (start(b, box, a)) {
            run(b, box, c, args, a);
        }
    } else if (span_eq(c->op, SPAN_LIT("signal"))) {
        if (p != NULL && !p->ended) {
            signal_to(p, (int)json_integer_value(json_object_get(args, "signal")));
        }
    } else if (span_eq(c->op, SPAN_LIT("session"))) {
        session(b, args, a);
    } else if (span_eq(c->op, SPAN_LIT("processes"))) {
        list(box, a);
    } else if (span_eq(c->op, SPAN_LIT("logs"))) {
        bool follow = json_is_true(json_object_get(args, "follow"));
        assert_non_null(p);
        a->out = log_source(b, p, "out", follow);
        a->err = log_source(b, p, "err", follow);
    } else if (span_eq(c->op, SPAN_LIT("forget"))) {
        assert_non_null(p);
        p->number = 0;
    } else if (span_eq(c->op, SPAN_LIT("idle"))) {
        say(a, "{\"idle\":%s}", b->busy ? "false" : "true");
    } else if (box->running) { /* stop, destroy */
        a->ended = true;
    }
    json_decref(args);
}

/* -- the rest of the table -------------------------------------------------------------------- */

static void on_object(void *arg, uint32_t call, struct span class_name, struct span id,
                      struct span name);

static struct object_db *no_storage(void *arg, void *owner, struct span *why)
{
    (void)arg;
    (void)owner;
    *why = SPAN_LIT("no storage in this test");
    return NULL;
}

/* A request to a port inside: refused until the server is there. */
static bool fetch_of_box(void *arg, const struct js_fetch *f)
{
    struct fake_boxes *b = arg;
    if (f->sandbox != NULL) {
        b->port_asked++;
        bool there = b->port == f->port && b->port_asked > b->port_ready_after;
        b->host.fail = there ? NULL : "the container is not listening on that port";
    }
    return fake_host_table.fetch(arg, f);
}

const struct js_host *fake_boxes_start(struct fake_boxes *b)
{
    static struct js_host table;
    struct error err = {0};
    b->host.loop = loop_create(&err);
    b->host.answer = true;
    b->host.status = 200;
    b->host.response_body = "from inside";
    strcpy(b->dir, "/tmp/sallyport-box-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    signal(SIGPIPE, SIG_IGN);
    table = fake_host_table;
    table.container = container;
    table.object = on_object;
    table.storage = no_storage;
    table.fetch = fetch_of_box;
    return &table;
}

struct fake_box *fake_box_create(struct fake_boxes *b, const char *class_name, const char *id)
{
    struct fake_box *box = &b->boxes[b->box_count++];
    struct error err = {0};
    struct buf facts;
    assert_true(b->box_count <= BOXES);
    buf_init(&facts, 4096);
    snprintf(box->id, sizeof box->id, "%s", id);
    struct js_instance_spec spec = {.id = span_str(box->id),
                                    .class_name = span_str(class_name),
                                    .task = 40 + (uint32_t)b->box_count,
                                    .owner = box};
    box->inst = js_instance_create(b->host.version, &spec, &facts, &err);
    buf_free(&facts);
    if (box->inst == NULL) {
        fail_msg("%s", err.text);
    }
    return box;
}

struct wish {
    struct loop_timer *timer;
    struct fake_boxes *boxes;
    uint32_t call;
    char id[65];
    char class_name[64];
};

static void wish_due(void *arg)
{
    struct wish *w = arg;
    struct fake_box *box = fake_box_create(w->boxes, w->class_name, w->id);
    js_object_done(w->boxes->host.version, w->call, box->inst, span_of("", 0));
    loop_timer_cancel(w->timer);
    free(w);
}

static void on_object(void *arg, uint32_t call, struct span class_name, struct span id,
                      struct span name)
{
    struct wish *w = calloc(1, sizeof *w);
    (void)name;
    w->boxes = arg;
    w->call = call;
    snprintf(w->id, sizeof w->id, SPAN_FMT, SPAN_ARG(id));
    snprintf(w->class_name, sizeof w->class_name, SPAN_FMT, SPAN_ARG(class_name));
    w->timer = loop_timer_start(w->boxes->host.loop, 0, 0, wish_due, w);
}

void fake_boxes_stop(struct fake_boxes *b)
{
    char command[128];
    for (size_t i = 0; i < b->box_count; i++) {
        end_processes(&b->boxes[i]);
        js_instance_destroy(b->boxes[i].inst);
    }
    b->box_count = 0;
    snprintf(command, sizeof command, "rm -rf %s", b->dir);
    assert_int_equal(system(command), 0);
}
