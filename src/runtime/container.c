#include "runtime/container.h"

#include "base/cleanup.h"
#include "runtime/container_args.h"
#include "runtime/control.h"
#include "runtime/fetch.h"
#include "runtime/pipe.h"
#include "runtime/process.h"

#include <stdio.h>
#include <stdlib.h>

/* A question that was sent, or refused here; a join is one. */
struct container_join {
    struct list node; /* in runtime.asks */
    struct runtime *rt;
    uint64_t question;
    struct instance *inst;   /* NULL: gone meanwhile */
    struct version *version; /* whose code asked; NULL: a join, or it is gone */
    uint32_t call;
    bool run;
    struct source *input; /* of run */
    container_joined_fn joined;
    void *arg;
    char *refused; /* why nothing was sent */
    struct loop_task tell;
};

static void ask_free(struct container_join *a)
{
    loop_task_cancel(&a->tell);
    list_remove(&a->node);
    a->rt->ask_count--;
    source_close(a->input);
    free(a->refused);
    free(a);
}

static void fail(struct container_join *a, struct span why)
{
    struct version *v = a->version;
    container_joined_fn joined = a->joined;
    void *arg = a->arg;
    uint32_t call = a->call;
    char *text = strndup(why.ptr, why.len); /* why may be the ask's own */
    struct span sentence = text != NULL ? span_str(text) : SPAN_LIT("out of memory");
    ask_free(a);
    if (joined != NULL) {
        joined(arg, -1, sentence);
    } else if (v != NULL) {
        js_container_done(v->js, call,
                          &(struct js_container_result){.ok = false, .value = sentence});
    }
    free(text);
}

static void tell_refused(void *arg)
{
    struct container_join *a = arg;
    fail(a, span_str(a->refused));
}

/* Nothing is called back from inside the question. */
static void refuse(struct container_join *a, const char *why)
{
    a->refused = strdup(why);
    if (a->refused != NULL) {
        loop_task_queue(&a->tell);
    }
}

static struct container_join *ask_new(struct instance *inst)
{
    struct runtime *rt = inst->rt;
    struct container_join *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    a->rt = rt;
    a->inst = inst;
    a->question = ++rt->questions;
    list_append(&rt->asks, &a->node);
    rt->ask_count++;
    loop_task_init(&a->tell, rt->loop, tell_refused, a);
    if (rt->ask_count > CONTAINER_ASKS_MAX) {
        refuse(a, "too many calls of sandboxes at once");
    }
    return a;
}

static void send(struct container_join *a, struct span op, const struct span *eight)
{
    char question[24];
    if (a->rt->control == NULL || a->refused != NULL) {
        return;
    }
    snprintf(question, sizeof question, "%llu", (unsigned long long)a->question);
    struct span fields[3 + CONTAINER_FIELDS] = {span_str(question), span_str(a->inst->id), op};
    for (size_t i = 0; i < CONTAINER_FIELDS; i++) {
        fields[3 + i] = eight[i];
    }
    if (!ipc_send(a->rt->control, RUNTIME_CONTAINER, fields, 3 + CONTAINER_FIELDS, NULL, 0)) {
        refuse(a, "too many calls of sandboxes at once");
    }
}

/* An object without lists of its own is open to the internet if its start says so. */
static int internet_said(struct instance *inst, int internet, struct error *err)
{
    if (internet < 0 || inst->kind != JS_CLASS_OBJECT) {
        return 0;
    }
    inst->started_internet = internet == 1;
    return instance_configure(inst, &inst->policy, inst->half != NULL ? inst->half->cls : NULL,
                              SPAN_LIT("{}"), err);
}

void container_ask(void *arg, const struct js_container *c)
{
    struct version *v = arg;
    struct error err;
    struct container_args args;
    bool input = c->input.kind != JS_BODY_NONE;
    bool is_run = span_eq(c->op, SPAN_LIT("run"));
    struct source *source = fetch_body(v, &c->input);
    struct container_join *a = ask_new(c->owner);
    if (a == NULL) {
        source_close(source);
        return; /* the promise stays open until its task ends */
    }
    a->version = v;
    a->call = c->call;
    a->run = is_run;
    a->input = source;
    if (container_args_parse(c->op, c->args, is_run && input, &args, &err) != 0) {
        refuse(a, err.text);
        return;
    }
    if (internet_said(c->owner, args.internet, &err) != 0) {
        refuse(a, err.text);
    } else {
        send(a, c->op, args.fields);
    }
    container_args_free(&args);
}

struct container_join *container_join(struct instance *inst, uint16_t port,
                                      container_joined_fn joined, void *arg)
{
    char text[8];
    struct container_join *a = ask_new(inst);
    if (a == NULL) {
        return NULL;
    }
    a->joined = joined;
    a->arg = arg;
    snprintf(text, sizeof text, "%u", (unsigned)port);
    struct span eight[CONTAINER_FIELDS];
    for (size_t i = 0; i < CONTAINER_FIELDS; i++) {
        eight[i] = span_of("", 0);
    }
    eight[0] = span_str(text);
    send(a, SPAN_LIT("connect"), eight);
    return a;
}

void container_join_cancel(struct container_join *j)
{
    if (j != NULL) {
        ask_free(j);
    }
}

/* ---- the answers ---- */

static struct container_join *find(const struct runtime *rt, uint64_t question)
{
    LIST_FOREACH(node, &rt->asks)
    {
        struct container_join *a = LIST_ENTRY(node, struct container_join, node);
        if (a->question == question) {
            return a;
        }
    }
    return NULL;
}

/* The outer ends in the order 0 (if input was sent), 1, 2. Negative: what was made is closed. */
static int take_pipes(struct container_join *a, struct ipc_message *m,
                      struct js_container_result *res, struct error *err)
{
    size_t i = 0;
    struct process *p =
        a->run && a->inst != NULL ? process_add(a->inst, a->version, m->fields[2]) : NULL;
    if (a->input != NULL && i < m->fd_count) {
        struct pump_spec spec = {.loop = a->rt->loop,
                                 .pumps = &a->rt->pumps,
                                 .tag = p,
                                 .fd = steal_fd(&m->fds[i++]),
                                 .source = steal_ptr(&a->input)};
        if (pump_start(&spec, err) != 0) {
            return -1;
        }
    }
    struct source **const out[] = {&res->out, &res->err};
    for (size_t k = 0; k < 2 && i < m->fd_count; k++) {
        *out[k] = pipe_source(a->rt->loop, steal_fd(&m->fds[i++]), err);
        if (*out[k] == NULL) {
            source_close(res->out);
            return -1;
        }
        process_output(p, k, *out[k]);
    }
    return 0;
}

void container_done(struct runtime *rt, struct ipc_message *m)
{
    struct container_join *a = find(rt, control_number(m->fields[0]));
    if (a == NULL) {
        return;
    }
    if (!span_eq(m->fields[1], SPAN_LIT("ok"))) {
        fail(a, m->fields[2]);
        return;
    }
    if (a->joined != NULL) {
        container_joined_fn joined = a->joined;
        void *arg = a->arg;
        int fd = m->fd_count > 0 ? steal_fd(&m->fds[0]) : -1;
        ask_free(a);
        joined(arg, fd, SPAN_LIT("no socket came"));
        return;
    }
    struct error err;
    struct js_container_result res = {.ok = true, .value = m->fields[2]};
    if (take_pipes(a, m, &res, &err) != 0) {
        fail(a, span_str(err.text));
        return;
    }
    struct version *v = a->version;
    uint32_t call = a->call;
    ask_free(a);
    if (v != NULL) {
        js_container_done(v->js, call, &res);
    } else {
        source_close(res.out);
        source_close(res.err);
    }
}

/* ---- what goes ---- */

void container_forget(struct instance *inst)
{
    LIST_FOREACH(node, &inst->rt->asks)
    {
        struct container_join *a = LIST_ENTRY(node, struct container_join, node);
        a->inst = a->inst == inst ? NULL : a->inst;
    }
    process_forget_all(inst);
}

void container_version_gone(struct runtime *rt, const struct version *v)
{
    LIST_FOREACH(node, &rt->asks)
    {
        struct container_join *a = LIST_ENTRY(node, struct container_join, node);
        a->version = a->version == v ? NULL : a->version;
    }
}

void container_drop_all(struct runtime *rt)
{
    while (!list_empty(&rt->asks)) {
        ask_free(LIST_ENTRY(rt->asks.next, struct container_join, node));
    }
    pump_stop(&rt->pumps, NULL);
}
