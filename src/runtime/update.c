#include "runtime/update.h"

#include "base/cleanup.h"
#include "runtime/change.h"
#include "runtime/control.h"

#include <stdlib.h>

struct update {
    struct list node; /* in instance.updates */
    struct instance *inst;
    uint64_t id;             /* `call` of RUNTIME_STATE; 0 until it was sent */
    struct policy *next;     /* what is being saved */
    const struct half *half; /* whose class `next` was made for */
    char *seq;               /* from the control API; NULL: from code */
    struct version *version; /* whose code asked; NULL: the control API, or it is gone */
    uint32_t call;
    char *method;
    char *args;
    char *facts; /* NULL: none */
    struct loop_task start;
};

static char *copy(struct span s)
{
    return s.ptr != NULL ? strndup(s.ptr, s.len) : NULL;
}

static void update_free(struct update *u)
{
    loop_task_cancel(&u->start);
    list_remove(&u->node);
    policy_free(u->next);
    free(u->seq);
    free(u->method);
    free(u->args);
    free(u->facts);
    free(u);
}

static void start_next(struct instance *inst)
{
    if (!list_empty(&inst->updates)) {
        struct update *u = LIST_ENTRY(inst->updates.next, struct update, node);
        loop_task_queue(&u->start);
    }
}

/* why NULL: it holds. */
static void finish(struct update *u, const char *why)
{
    struct instance *inst = u->inst;
    struct runtime *rt = inst->rt;
    char *seq = steal_ptr(&u->seq);
    uint32_t call = u->call;
    struct version *version = u->version;
    update_free(u);
    start_next(inst);
    if (seq != NULL) {
        control_reply(rt, span_str(seq), why == NULL,
                      why == NULL ? SPAN_LIT("null") : span_str(why));
    } else if (version != NULL) {
        js_policy_done(version->js, call, why);
    }
    free(seq);
}

/* The code was replaced while the change was being saved: what was saved, on the new class. */
static int rebase(struct update *u, struct error *err)
{
    struct buf state;
    buf_init(&state, POLICY_STATE_MAX);
    struct policy *next = policy_clone(u->inst->policy);
    int rc = next != NULL ? policy_state_save(u->next, &state, err)
                          : error_set(err, 0, "%s: out of memory", u->method);
    rc = rc == 0 ? policy_state_load(next, buf_span(&state), err) : rc;
    buf_free(&state);
    policy_free(rc == 0 ? u->next : next);
    u->next = rc == 0 ? next : u->next;
    return rc;
}

static void hold(struct update *u)
{
    struct error err;
    if (u->half != u->inst->half && rebase(u, &err) != 0) {
        finish(u, err.text);
        return;
    }
    policy_free(u->inst->policy);
    u->inst->policy = steal_ptr(&u->next);
    finish(u, NULL);
}

static int prepare(struct update *u, struct buf *state, struct error *err)
{
    u->next = policy_clone(u->inst->policy);
    if (u->next == NULL) {
        return error_set(err, 0, "%s: out of memory", u->method);
    }
    const struct half *half = u->half = u->inst->half;
    /* Properties of an object in replaced code say nothing of the new one's. */
    bool newest = half != NULL && half->version == u->version && u->facts != NULL;
    if (newest && instance_configure(u->inst, &u->next, half->cls, span_str(u->facts), err) != 0) {
        return -1;
    }
    if (change_apply(u->next, span_str(u->method), span_str(u->args), err) != 0) {
        return -1;
    }
    return policy_state_save(u->next, state, err);
}

static void start(void *arg)
{
    static uint64_t last;
    struct update *u = arg;
    struct error err;
    struct buf state;
    buf_init(&state, POLICY_STATE_MAX);
    bool ok = prepare(u, &state, &err) == 0;
    if (ok && u->inst->rt->control == NULL) {
        buf_free(&state);
        hold(u);
        return;
    }
    if (ok) {
        u->id = ++last;
        ok = control_state(u->inst, u->id, buf_span(&state));
        if (!ok) {
            error_set(&err, 0, "the change could not be saved");
        }
    }
    buf_free(&state);
    if (!ok) {
        finish(u, err.text);
    }
}

static struct update *update_new(struct instance *inst, struct span method, struct span args)
{
    struct update *u = calloc(1, sizeof *u);
    if (u == NULL) {
        return NULL;
    }
    u->inst = inst;
    u->method = copy(method);
    u->args = copy(args);
    list_init(&u->node);
    loop_task_init(&u->start, inst->rt->loop, start, u);
    if (u->method == NULL || u->args == NULL) {
        update_free(u);
        return NULL;
    }
    return u;
}

static void enqueue(struct update *u)
{
    bool first = list_empty(&u->inst->updates);
    list_append(&u->inst->updates, &u->node);
    if (first) {
        loop_task_queue(&u->start);
    }
}

void update_from_call(struct instance *inst, struct span seq, struct span method, struct span args)
{
    struct update *u = update_new(inst, method, args);
    if (u == NULL || (u->seq = copy(seq)) == NULL) {
        if (u != NULL) {
            update_free(u);
        }
        control_reply(inst->rt, seq, false, SPAN_LIT("out of memory"));
        return;
    }
    enqueue(u);
}

void update_from_code(void *arg, uint32_t call, void *owner, struct span method, struct span args,
                      struct span facts)
{
    struct instance *inst = owner;
    struct update *u = update_new(inst, method, args);
    if (u == NULL) {
        return; /* the promise stays open until its task ends */
    }
    u->version = arg;
    u->call = call;
    u->facts = copy(facts);
    enqueue(u);
}

void update_from_inside(struct instance *inst, struct span method)
{
    struct update *u = update_new(inst, method, SPAN_LIT("[]"));
    if (u != NULL) {
        enqueue(u);
    }
}

static struct update *find(const struct runtime *rt, uint64_t id)
{
    LIST_FOREACH(i, &rt->instances)
    {
        struct instance *inst = LIST_ENTRY(i, struct instance, node);
        if (!list_empty(&inst->updates)) {
            struct update *u = LIST_ENTRY(inst->updates.next, struct update, node);
            if (u->id == id) {
                return u;
            }
        }
    }
    return NULL;
}

void update_saved(struct runtime *rt, struct span call, bool ok, struct span why)
{
    uint64_t id = control_number(call);
    struct update *u = id != 0 ? find(rt, id) : NULL;
    if (u == NULL) {
        return;
    }
    if (ok) {
        hold(u);
        return;
    }
    struct error err;
    error_set(&err, 0, SPAN_FMT, SPAN_ARG(why));
    finish(u, err.text);
}

void update_version_gone(struct instance *inst, const struct version *v)
{
    LIST_FOREACH(node, &inst->updates)
    {
        struct update *u = LIST_ENTRY(node, struct update, node);
        u->version = u->version == v ? NULL : u->version;
        /* Its memory may be another half's soon. */
        u->half = u->half != NULL && u->half->version == v ? NULL : u->half;
    }
}

void update_drop_all(struct instance *inst)
{
    while (!list_empty(&inst->updates)) {
        struct update *u = LIST_ENTRY(inst->updates.next, struct update, node);
        if (u->seq != NULL) {
            control_reply(inst->rt, span_str(u->seq), false, SPAN_LIT("the instance is gone"));
        }
        update_free(u);
    }
}
