#include "supervisor/fleet.h"

#include "base/cleanup.h"
#include "supervisor/member.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->id, ((const struct member *)b)->id);
}

int fleet_create(struct supervisor *s, const struct fleet_events *events, struct fleet **out,
                 struct error *err)
{
    struct fleet *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return error_set(err, ENOMEM, "sandboxes");
    }
    f->s = s;
    f->events = events;
    list_init(&f->members);
    list_init(&f->queue);
    *out = f;
    return 0;
}

void fleet_destroy(struct fleet *f)
{
    if (f == NULL) {
        return;
    }
    f->closing = true;
    LIST_FOREACH_SAFE(node, next, &f->members)
    {
        struct member *m = LIST_ENTRY(node, struct member, node);
        instance_destroy(steal_ptr(&m->instance));
        member_tasks_lost(m);
        member_free(m);
    }
    free(f);
}

struct member *fleet_find(struct fleet *f, struct span id)
{
    struct member key;
    if (id.len == 0 || id.len > INSTANCE_ID_MAX) {
        return NULL;
    }
    memcpy(key.id, id.ptr, id.len);
    key.id[id.len] = 0;
    struct member *const *found = tfind(&key, &f->by_id, by_id);
    return found != NULL ? *found : NULL;
}

struct events_source fleet_source(struct fleet *f, struct span id)
{
    const struct member *m = f != NULL && id.len > 0 ? fleet_find(f, id) : NULL;
    return (struct events_source){id, span_str(m != NULL ? m->name : "")};
}

static bool id_allowed(struct span id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool letter = (c >= '0' && c <= '9') || (span_lower(c) >= 'a' && span_lower(c) <= 'z');
        if (!letter && (i == 0 || (c != '.' && c != '_' && c != '-'))) {
            return false;
        }
    }
    return id.len > 0 && id.len <= INSTANCE_ID_MAX;
}

static bool text_allowed(struct span text, size_t most)
{
    return text.len <= most && (text.len == 0 || memchr(text.ptr, 0, text.len) == NULL);
}

int fleet_check(const struct member_ident *ident, struct error *err)
{
    if (!id_allowed(ident->id)) {
        return error_set(err, 0, "instance: id: expected 1 to %u of A-Z a-z 0-9 . _ -",
                         INSTANCE_ID_MAX);
    }
    if (!text_allowed(ident->class_name, FLEET_CLASS_MAX) ||
        !text_allowed(ident->name, FLEET_NAME_MAX)) {
        return error_set(err, 0, "instance: a name of at most %u bytes, a class of at most %u",
                         FLEET_NAME_MAX, FLEET_CLASS_MAX);
    }
    return 0;
}

static struct member *member_create(struct fleet *f, const struct member_ident *ident)
{
    struct member *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    m->fleet = f;
    list_init(&m->node);
    list_init(&m->queue);
    list_init(&m->waiting);
    list_init(&m->leaving);
    list_init(&m->tasks);
    memcpy(m->id, ident->id.ptr, ident->id.len);
    m->class_name =
        strndup(ident->class_name.len > 0 ? ident->class_name.ptr : "", ident->class_name.len);
    m->name = strndup(ident->name.len > 0 ? ident->name.ptr : "", ident->name.len);
    if (m->class_name == NULL || m->name == NULL || tsearch(m, &f->by_id, by_id) == NULL) {
        free(m->class_name);
        free(m->name);
        free(m);
        return NULL;
    }
    list_append(&f->members, &m->node);
    f->count++;
    return m;
}

/* Whoever still waits is not told, and may leave the list later. */
static void waiters_let_go(struct list *waits)
{
    while (!list_empty(waits)) {
        list_remove(waits->next);
    }
}

void member_free(struct member *m)
{
    struct fleet *f = m->fleet;
    waiters_let_go(&m->waiting);
    waiters_let_go(&m->leaving);
    tdelete(m, &f->by_id, by_id);
    list_remove(&m->node);
    list_remove(&m->queue);
    f->count--;
    loop_timer_cancel(m->deadline);
    member_start_free(m);
    free(m->class_name);
    free(m->name);
    free(m);
}

struct member *fleet_open(struct fleet *f, const struct member_ident *ident, struct error *err)
{
    struct member *m = fleet_find(f, ident->id);
    if (m != NULL) {
        return m;
    }
    if (fleet_check(ident, err) < 0) {
        return NULL;
    }
    if (f->closing || f->draining) {
        error_set(err, 0, "the daemon is ending: no sandbox starts any more");
        return NULL;
    }
    if (f->count >= FLEET_MAX) {
        error_set(err, 0, "there are %u sandboxes, as many as may be: end one", FLEET_MAX);
        return NULL;
    }
    m = member_create(f, ident);
    if (m == NULL) {
        error_set(err, ENOMEM, "sandbox " SPAN_FMT, SPAN_ARG(ident->id));
    }
    return m;
}

bool fleet_last(const struct fleet *f, const struct member *m)
{
    return f->count == 0 || (f->count == 1 && f->members.next == &m->node);
}

size_t fleet_count(const struct fleet *f, enum member_state state)
{
    size_t n = 0;
    LIST_FOREACH(node, &f->members)
    {
        n += LIST_ENTRY(node, struct member, node)->state == state;
    }
    return n;
}

void fleet_each(struct fleet *f, void (*fn)(void *arg, struct member *m), void *arg)
{
    LIST_FOREACH_SAFE(node, next, &f->members)
    {
        fn(arg, LIST_ENTRY(node, struct member, node));
    }
}

void fleet_drain(struct fleet *f)
{
    f->draining = true;
}

void fleet_queue_go(struct fleet *f)
{
    while (!f->closing && f->starting < FLEET_STARTS_MAX && !list_empty(&f->queue)) {
        struct member *m = LIST_ENTRY(f->queue.next, struct member, queue);
        list_remove(&m->queue);
        member_begin(m, NULL);
    }
}

static void namespaces_give(void *arg, struct member *m)
{
    const struct supervisor *s = arg;
    if (m->instance != NULL) {
        instance_namespaces(m->instance, s->user_ns, s->net_ns);
    }
}

void fleet_namespaces(struct fleet *f)
{
    fleet_each(f, namespaces_give, f->s);
}

static void runtime_give(void *arg, struct member *m)
{
    member_runtime(m, arg);
}

void fleet_runtime(struct fleet *f, struct runtime_link *r)
{
    fleet_each(f, runtime_give, r);
}
