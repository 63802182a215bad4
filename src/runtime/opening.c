/*
 * Objects that somebody uses and that are not here: what is stored of them is asked for, they are
 * made, and whoever waits is answered.
 */
#include "runtime/control.h"
#include "runtime/object.h"

#include <stdio.h>
#include <stdlib.h>

#define WAITS_MAX 4096u /* for one object */

/* Code that asked, or a message of the supervisor's. */
struct wait {
    struct list node; /* in opening.waits */
    struct version *version;
    uint32_t call;
    object_again_fn again; /* NULL: code asked */
    struct ipc_message message;
    char bytes[]; /* what the message's fields point to */
};

struct opening {
    struct list node;   /* in runtime.openings, in the order of the questions */
    struct list bucket; /* in runtime.opening_buckets */
    struct runtime *rt;
    uint64_t question;
    char *id;
    char *class_name; /* empty: the supervisor knows */
    char *name;
    struct list waits;
    size_t wait_count;
    bool refused;           /* there is no room for it */
    struct loop_task start; /* nothing is done inside the callback that asked */
};

static char *copy(struct span s)
{
    return strndup(s.len > 0 ? s.ptr : "", s.len);
}

/* Who asks from now on finds the object itself, or asks anew. */
static void leave(struct opening *o)
{
    list_remove(&o->node);
    list_remove(&o->bucket);
}

static void opening_free(struct opening *o)
{
    LIST_FOREACH_SAFE(node, next, &o->waits)
    {
        free(LIST_ENTRY(node, struct wait, node));
    }
    loop_task_cancel(&o->start);
    leave(o);
    if (!o->refused) {
        o->rt->opening_count--;
    }
    free(o->id);
    free(o->class_name);
    free(o->name);
    free(o);
}

/* ---- the answers ---- */

static void answer_code(const struct wait *w, struct instance *inst, struct span why)
{
    struct version *v = w->version;
    struct error err;
    struct half *half = inst != NULL ? half_find(inst, v) : NULL;
    if (half == NULL && inst != NULL) {
        /* It was made after this version was replaced, or before it was loaded. */
        half = half_join(inst, v, &err);
        why = span_str(err.text);
    }
    js_object_done(v->js, w->call, half != NULL ? half->js : NULL, why);
}

static void answer_message(struct opening *o, struct wait *w, struct instance *inst,
                           struct span why)
{
    if (inst != NULL) {
        w->again(o->rt, &w->message);
    } else {
        control_reply(o->rt, w->message.fields[0], false, why);
    }
}

/* inst NULL: why not. Each answer may end the instance, or open others. */
static void answer_all(struct opening *o, struct span why)
{
    while (!list_empty(&o->waits)) {
        struct wait *w = LIST_ENTRY(o->waits.next, struct wait, node);
        struct instance *inst = instance_find(o->rt, span_str(o->id));
        list_remove(&w->node);
        if (w->again != NULL) {
            answer_message(o, w, inst, why);
        } else if (w->version != NULL) {
            answer_code(w, inst, why);
        }
        free(w);
    }
    opening_free(o);
}

static void open_with(struct opening *o, const struct instance_spec *spec)
{
    struct error err;
    error_set(&err, 0, "the object is gone");
    leave(o);
    if (instance_find(o->rt, spec->id) == NULL) {
        instance_create(o->rt, spec, &err);
    }
    answer_all(o, span_str(err.text));
}

static void start(void *arg)
{
    struct opening *o = arg;
    char question[24];
    struct instance_spec spec = {.id = span_str(o->id),
                                 .class_name = span_str(o->class_name),
                                 .name = span_str(o->name),
                                 .options = SPAN_LIT("{}")};
    if (o->refused) {
        answer_all(o, SPAN_LIT("too many objects are opened at once"));
        return;
    }
    if (instance_find(o->rt, spec.id) != NULL || o->rt->control == NULL) {
        open_with(o, &spec);
        return;
    }
    snprintf(question, sizeof question, "%llu", (unsigned long long)o->question);
    struct span fields[] = {span_str(question), spec.id, spec.class_name, spec.name};
    if (!ipc_send(o->rt->control, RUNTIME_OBJECT, fields, 4, NULL, 0)) {
        leave(o);
        answer_all(o, SPAN_LIT("too many objects are opened at once"));
    }
}

void object_done(struct runtime *rt, const struct ipc_message *m)
{
    unsigned long long question = control_number(m->fields[0]);
    LIST_FOREACH(node, &rt->openings)
    {
        struct opening *o = LIST_ENTRY(node, struct opening, node);
        if (o->question != question) {
            continue;
        }
        if (!span_eq(m->fields[1], SPAN_LIT("ok"))) {
            leave(o);
            answer_all(o, m->fields[2]);
            return;
        }
        struct instance_spec spec = {.id = span_str(o->id),
                                     .class_name = m->fields[4],
                                     .name = m->fields[5],
                                     .options = m->fields[3],
                                     .state = m->fields[2]};
        open_with(o, &spec);
        return;
    }
}

/* ---- who asks ---- */

static struct opening *opening_of(struct runtime *rt, const struct object_wait *want)
{
    struct list *bucket = &rt->opening_buckets[span_hash(want->id) % RUNTIME_BUCKETS];
    bool room = rt->opening_count < OPENINGS_MAX;
    LIST_FOREACH(node, bucket)
    {
        struct opening *o = LIST_ENTRY(node, struct opening, bucket);
        if (span_eq(span_str(o->id), want->id)) {
            if (o->wait_count < WAITS_MAX) {
                return o;
            }
            room = false;
        }
    }
    struct opening *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return NULL;
    }
    *o = (struct opening){.rt = rt,
                          .question = ++rt->questions,
                          .id = copy(want->id),
                          .class_name = copy(want->class_name),
                          .name = copy(want->name),
                          .refused = !room};
    list_init(&o->waits);
    list_init(&o->node);
    list_init(&o->bucket);
    /* One that is refused too: who waits may go before it is told. */
    list_append(&rt->openings, &o->node);
    if (room) {
        list_append(bucket, &o->bucket);
        rt->opening_count++;
    }
    loop_task_init(&o->start, rt->loop, start, o);
    if (o->id == NULL || o->class_name == NULL || o->name == NULL) {
        opening_free(o);
        return NULL;
    }
    loop_task_queue(&o->start);
    return o;
}

static void wait_add(struct opening *o, struct wait *w)
{
    list_append(&o->waits, &w->node);
    o->wait_count++;
}

void object_ask(void *arg, uint32_t call, struct span class_name, struct span id, struct span name)
{
    struct version *v = arg;
    struct wait *w = calloc(1, sizeof *w);
    struct object_wait want = {class_name, id, name};
    struct opening *o = w != NULL ? opening_of(v->rt, &want) : NULL;
    if (o == NULL) {
        /* The promise stays open until its task ends: there is no memory to say more with. */
        free(w);
        return;
    }
    w->version = v;
    w->call = call;
    wait_add(o, w);
}

static struct wait *wait_for_message(const struct ipc_message *m)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->field_count; i++) {
        bytes += m->fields[i].len;
    }
    struct wait *w = calloc(1, sizeof *w + bytes);
    if (w == NULL) {
        return NULL;
    }
    w->message.type = m->type;
    w->message.field_count = m->field_count;
    char *at = w->bytes;
    for (size_t i = 0; i < m->field_count; i++) {
        struct span f = m->fields[i];
        if (f.len > 0) {
            memcpy(at, f.ptr, f.len);
        }
        w->message.fields[i] = span_of(at, f.len);
        at += f.len;
    }
    return w;
}

void object_wait(struct runtime *rt, const struct object_wait *want, const struct ipc_message *m,
                 object_again_fn again)
{
    struct wait *w = wait_for_message(m);
    struct opening *o = w != NULL ? opening_of(rt, want) : NULL;
    if (o == NULL) {
        free(w);
        control_reply(rt, m->fields[0], false, SPAN_LIT("too many objects are opened at once"));
        return;
    }
    w->again = again;
    wait_add(o, w);
}

void object_version_gone(struct runtime *rt, const struct version *v)
{
    LIST_FOREACH(node, &rt->openings)
    {
        struct opening *o = LIST_ENTRY(node, struct opening, node);
        LIST_FOREACH(n, &o->waits)
        {
            struct wait *w = LIST_ENTRY(n, struct wait, node);
            w->version = w->version == v ? NULL : w->version;
        }
    }
}

void object_drop_all(struct runtime *rt)
{
    while (!list_empty(&rt->openings)) {
        opening_free(LIST_ENTRY(rt->openings.next, struct opening, node));
    }
}
