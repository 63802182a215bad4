#include "supervisor/container.h"

#include "base/cleanup.h"
#include "supervisor/container_op.h"
#include "supervisor/container_start.h"
#include "supervisor/objects.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int containers_open(struct supervisor *s, struct containers **out, struct error *err)
{
    struct containers *all = calloc(1, sizeof *all);
    if (all == NULL) {
        return error_set(err, ENOMEM, "sandboxes");
    }
    all->s = s;
    list_init(&all->ops);
    *out = all;
    return 0;
}

void op_free(struct op *op)
{
    if (op->agent != NULL) {
        agent_link_forget(op->agent, op);
    }
    list_remove(&op->node);
    list_remove(&op->wait.node);
    list_remove(&op->task.node);
    loop_watch_cancel(op->watch);
    close_fd(&op->socket);
    agent_pipes_close(&op->pipes);
    free(op->bytes);
    free(op);
}

void containers_close(struct containers *all)
{
    if (all == NULL) {
        return;
    }
    while (!list_empty(&all->ops)) {
        op_free(LIST_ENTRY(all->ops.next, struct op, node));
    }
    free(all);
}

static void answer(struct op *op, bool ok, struct span payload, const int *fds, size_t fd_count)
{
    if (!op->answered && op->r != NULL) {
        runtime_link_container_done(op->r, span_str(op->call), ok, payload, fds, fd_count);
    }
    op->answered = true;
    agent_pipes_close(&op->pipes);
    loop_watch_cancel(op->watch);
    op->watch = NULL;
    close_fd(&op->socket);
    if (op->process == 0) {
        op_free(op);
    }
}

void op_ok(struct op *op, struct span payload, const int *fds, size_t fd_count)
{
    answer(op, true, payload, fds, fd_count);
}

void op_error(struct op *op, const char *why)
{
    answer(op, false, span_str(why), NULL, 0);
}

/* The sandbox ended: a process of it is told as lost, what is not answered has failed. */
static void on_lost(void *arg)
{
    struct op *op = arg;
    struct runtime_link *r = runtimes_active(op->all->s->runtimes);
    op->agent = NULL;
    if (op->process != 0 && op->answered && r != NULL) {
        runtime_link_process(r, span_str(op->id), op->process, agent_end_name(AGENT_END_LOST), 0);
    }
    op->process = 0;
    if (op->answered) {
        op_free(op);
    } else {
        op_error(op, "the sandbox ended");
    }
}

void op_bind(struct op *op, struct member *m)
{
    op->task.lost = on_lost;
    op->task.arg = op;
    list_append(&m->tasks, &op->task.node);
}

bool op_number(struct span text, uint32_t most, uint32_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || i > 9) {
            return false;
        }
        v = v * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *out = (uint32_t)v;
    return text.len > 0 && v >= 1 && v <= most;
}

static void on_running(void *arg, struct member *m, const char *why)
{
    struct op *op = arg;
    if (why != NULL) {
        op_error(op, why);
    } else {
        op->kind->go(op, m);
    }
}

/* Fields that are needed when the sandbox runs are kept until then. */
static bool fields_copy(struct op *op, const struct runtime_container *c)
{
    size_t total = 0;
    for (size_t i = 0; i < RUNTIME_CONTAINER_FIELDS; i++) {
        total += c->fields[i].len;
    }
    if (total > OP_BYTES_MAX || (op->bytes = malloc(total + 1)) == NULL) {
        return false;
    }
    char *at = op->bytes;
    for (size_t i = 0; i < RUNTIME_CONTAINER_FIELDS; i++) {
        struct span f = c->fields[i];
        if (f.len > 0) {
            memcpy(at, f.ptr, f.len);
        }
        op->fields[i] = span_of(at, f.len);
        at += f.len;
    }
    *at = 0;
    return true;
}

struct op *op_new(struct containers *all, struct span id)
{
    struct op *op = calloc(1, sizeof *op);
    if (op == NULL) {
        return NULL;
    }
    *op = (struct op){.all = all,
                      .wait = {.fn = on_running, .arg = op},
                      .pipes = {.inner = {-1, -1, -1}, .outer = {-1, -1, -1}},
                      .socket = -1};
    list_init(&op->wait.node);
    list_init(&op->task.node);
    memcpy(op->id, id.ptr, id.len);
    list_append(&all->ops, &op->node);
    return op;
}

static struct op *op_create(struct containers *all, struct runtime_link *r,
                            const struct runtime_container *c)
{
    struct op *op = op_new(all, c->id);
    if (op == NULL) {
        return NULL;
    }
    op->r = r;
    memcpy(op->call, c->call.ptr, c->call.len);
    if (!fields_copy(op, c)) {
        op_free(op);
        return NULL;
    }
    return op;
}

static struct member *member_of(struct op *op, struct error *err)
{
    struct supervisor *s = op->all->s;
    struct member *m = fleet_find(s->fleet, span_str(op->id));
    struct object o;
    if (m != NULL) {
        return m;
    }
    int rc = objects_find(s, span_str(op->id), &o, NULL, err);
    if (rc == 0 && s->spec->mode == SPEC_RUN) {
        error_set(err, 0, "a `run` has one sandbox, the one of its command: use `sallyport up`");
    } else if (rc == 0) {
        error_set(err, 0, "no such object");
    }
    struct member_ident ident = object_ident(&o);
    return rc > 0 ? fleet_open(s->fleet, &ident, err) : NULL;
}

static void start(struct op *op);

/* The sandbox before has ended. */
static void on_left(void *arg, struct member *m, const char *why)
{
    (void)m;
    (void)why;
    start(arg);
}

static void start(struct op *op)
{
    struct error err;
    struct member *m = member_of(op, &err);
    struct container_start how;
    if (m == NULL) {
        op_error(op, err.text);
        return;
    }
    if (m->state == MEMBER_ENDING) {
        op->wait.fn = on_left;
        list_append(&m->leaving, &op->wait.node);
        return;
    }
    bool says = strcmp(op->kind->name, "start") == 0;
    if (container_start_parse(says ? op->fields[0] : SPAN_LIT(""), op->all->s->spec->options, &how,
                              &err) < 0) {
        op_error(op, err.text);
        return;
    }
    op->wait.fn = on_running;
    member_start(m, &how.start, &op->wait);
    container_start_free(&how);
}

static const struct op_kind *kind_of(struct span name)
{
    for (const struct op_kind *k = op_kinds; k->name != NULL; k++) {
        if (span_eq(span_str(k->name), name)) {
            return k;
        }
    }
    return NULL;
}

void containers_serve(struct containers *all, struct runtime_link *r,
                      const struct runtime_container *c)
{
    const struct op_kind *kind = kind_of(c->op);
    struct op *op = c->call.len <= OP_CALL_MAX && c->id.len <= INSTANCE_ID_MAX && kind != NULL
                        ? op_create(all, r, c)
                        : NULL;
    if (op == NULL) {
        runtime_link_container_done(r, c->call, false,
                                    kind == NULL ? SPAN_LIT("no such call of a sandbox")
                                                 : SPAN_LIT("the call is too large"),
                                    NULL, 0);
        return;
    }
    op->kind = kind;
    struct member *m = fleet_find(all->s->fleet, c->id);
    if (kind->any != NULL) {
        kind->any(op, m);
    } else if (m != NULL && m->state == MEMBER_RUNNING) {
        kind->go(op, m);
    } else if (kind->starts) {
        start(op);
    } else {
        op_error(op, "the sandbox does not run");
    }
}

static bool in_background(const struct op *op)
{
    return op->fields[0].len > 0 && memchr(op->fields[0].ptr, 'b', op->fields[0].len) != NULL;
}

void containers_lost(struct containers *all, const struct runtime_link *r)
{
    struct error err;
    LIST_FOREACH_SAFE(node, next, &all->ops)
    {
        struct op *op = LIST_ENTRY(node, struct op, node);
        if (op->r != r) {
            continue;
        }
        op->r = NULL;
        if (op->process != 0 && !in_background(op) && op->agent != NULL) {
            agent_link_signal(op->agent, op->process, SIGKILL, &err);
        }
    }
}
