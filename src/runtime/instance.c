#include "runtime/instance.h"

#include "base/clock.h"
#include "runtime/call.h"
#include "runtime/container.h"
#include "runtime/fetch.h"
#include "runtime/process.h"
#include "runtime/storage.h"
#include "runtime/update.h"

#include <stdlib.h>

static char *copy(struct span s)
{
    return strndup(s.len > 0 ? s.ptr : "", s.len);
}

/* "A, B", for a message: how many and which have a sandbox. */
static size_t class_names(const struct js_class *classes, size_t count, struct buf *out)
{
    size_t listed = 0;
    for (size_t i = 0; i < count; i++) {
        if (classes[i].kind == JS_CLASS_SANDBOX) {
            (void)(buf_append_str(out, listed++ > 0 ? ", " : "") &&
                   buf_append_span(out, classes[i].name));
        }
    }
    return listed;
}

static int class_missing(const struct js_class *classes, size_t count, struct span name,
                         struct error *err)
{
    struct buf names;
    buf_init(&names, 512);
    size_t listed = class_names(classes, count, &names);
    struct span have = listed > 0 ? buf_span(&names) : SPAN_LIT("none");
    int rc = name.len == 0 && listed == 0
                 ? error_set(err, 0,
                             "class: the module exports none that extends Container or Sandbox: "
                             "export class NAME extends Sandbox {}")
             : name.len == 0
                 ? error_set(err, 0,
                             "class: the module exports %zu sandbox classes (" SPAN_FMT
                             "): choose one with --class",
                             listed, SPAN_ARG(have))
                 : error_set(err, 0,
                             "class " SPAN_FMT ": the module exports no such class that extends "
                             "Container or Sandbox: it has: " SPAN_FMT,
                             SPAN_ARG(name), SPAN_ARG(have));
    buf_free(&names);
    return rc;
}

const struct js_class *instance_class(const struct version *v, struct span name, struct error *err)
{
    size_t count;
    const struct js_class *classes = js_classes(v->js, &count);
    const struct js_class *found = NULL;
    size_t matches = 0;
    for (size_t i = 0; i < count; i++) {
        const struct js_class *c = &classes[i];
        if (name.len == 0 ? c->kind == JS_CLASS_SANDBOX
                          : c->kind != JS_CLASS_ENTRYPOINT && span_eq(c->name, name)) {
            found = c;
            matches++;
        }
    }
    if (matches != 1) {
        class_missing(classes, count, name, err);
        return NULL;
    }
    return found;
}

/* ---- life ---- */

static void flush_task(void *arg)
{
    instance_flush(arg);
}

static struct list *bucket_of(const struct runtime *rt, struct span id)
{
    return (struct list *)(uintptr_t)&rt->buckets[span_hash(id) % RUNTIME_BUCKETS];
}

static struct instance *instance_new(struct runtime *rt, const struct instance_spec *spec)
{
    struct instance *inst = calloc(1, sizeof *inst);
    if (inst == NULL) {
        return NULL;
    }
    inst->rt = rt;
    inst->internet = inst->intercept_https = true;
    list_init(&inst->halves);
    list_init(&inst->calls);
    list_init(&inst->processes);
    list_init(&inst->updates);
    door_init(&inst->door, rt, inst);
    buf_init(&inst->events, INSTANCE_EVENTS_MAX);
    loop_task_init(&inst->events_flush, rt->loop, flush_task, inst);
    inst->id = copy(spec->id);
    inst->name = copy(spec->name);
    inst->look_ms = clock_monotonic_ms() + INSTANCE_UNUSED_MS;
    list_append(&rt->instances, &inst->node);
    list_append(bucket_of(rt, spec->id), &inst->bucket);
    rt->instance_count++;
    return inst;
}

/* The object in JavaScript, and the policy out of what it says. */
static int construct(struct instance *inst, const struct js_class *cls, struct error *err)
{
    struct buf facts;
    buf_init(&facts, POLICY_STATE_MAX);
    inst->half = half_create(inst, inst->rt->version, cls, &facts, err);
    int rc = inst->half != NULL ? 0 : -1;
    if (rc == 0) {
        rc = instance_configure(inst, &inst->policy, cls, buf_span(&facts), err);
    }
    buf_free(&facts);
    return rc;
}

static int build(struct instance *inst, const struct instance_spec *spec, struct error *err)
{
    struct runtime *rt = inst->rt;
    const struct js_class *cls = NULL;
    if (options_parse(spec->options, &inst->options, err) != 0 ||
        inject_create(inst->options.inject, inst->options.inject_count, &inst->inject, err) != 0) {
        return -1;
    }
    if (rt->version != NULL) {
        cls = instance_class(rt->version, spec->class_name, err);
        if (cls == NULL) {
            return -1;
        }
        inst->kind = cls->kind;
    }
    inst->class_name = copy(cls != NULL                ? cls->name
                            : spec->class_name.len > 0 ? spec->class_name
                                                       : SPAN_LIT("Sandbox"));
    if (cls == NULL && !span_eq(span_str(inst->class_name), SPAN_LIT("Sandbox"))) {
        return error_set(err, 0, "class %s: there is no module that exports it", inst->class_name);
    }
    int rc = cls != NULL
                 ? construct(inst, cls, err)
                 : instance_configure(inst, &inst->policy, NULL, (struct span){NULL, 0}, err);
    if (rc == 0 && spec->state.len > 0) {
        rc = policy_state_load(inst->policy, spec->state, err);
        if (rc == 0) {
            instance_tell_lost(inst);
        }
    }
    return rc;
}

int instance_facts(const struct instance *inst, struct buf *out, struct error *err)
{
    json_t *json = json_pack("{s:s, s:b, s:b, s:[]}", "class", inst->class_name, "intercept_https",
                             inst->intercept_https, "internet", inst->internet, "warnings");
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    bool ok = text != NULL && buf_append_str(out, text);
    free(text);
    json_decref(json);
    return ok ? 0 : error_set(err, 0, "instance: out of memory");
}

struct instance *instance_create(struct runtime *rt, const struct instance_spec *spec,
                                 struct error *err)
{
    if (spec->id.len == 0 || spec->id.len > 256 || instance_find(rt, spec->id) != NULL) {
        error_set(err, 0, "instance " SPAN_FMT ": it is there already", SPAN_ARG(spec->id));
        return NULL;
    }
    if (!instance_make_room(rt, err)) {
        return NULL;
    }
    struct instance *inst = instance_new(rt, spec);
    if (inst == NULL || inst->id == NULL || inst->name == NULL) {
        error_set(err, 0, "instance: out of memory");
    } else if (build(inst, spec, err) == 0) {
        return inst;
    }
    if (inst != NULL) {
        instance_destroy(inst);
    }
    return NULL;
}

void instance_ended(struct instance *inst, int status, struct span why)
{
    door_close(&inst->door);
    instance_flush(inst);
    process_lost_all(inst);
    bool ran = inst->running;
    inst->running = false;
    inst->look_ms = clock_monotonic_ms() + INSTANCE_UNUSED_MS;
    if (policy_intercepts_clear(inst->policy)) {
        update_from_inside(inst, SPAN_LIT("$interceptsEnd"));
    }
    if (ran && inst->half != NULL) {
        js_container_ended(inst->half->js, status, why);
    }
}

static void let_go_of_code(struct instance *inst)
{
    call_stop_all(inst, "the instance is gone");
    container_forget(inst);
    task_rest_abort(inst->rt, inst, NULL);
    while (!list_empty(&inst->halves)) {
        struct half *h = LIST_ENTRY(inst->halves.next, struct half, of_instance);
        struct version *v = h->version;
        half_destroy(h);
        if (inst->fetch_count > 0) {
            fetch_orphan(v, inst);
        }
    }
    inst->half = NULL;
}

void instance_destroy(struct instance *inst)
{
    door_close(&inst->door);
    let_go_of_code(inst);
    update_drop_all(inst);
    instance_flush(inst);
    if (inst->db != NULL) {
        object_db_close(inst->db);
    }
    loop_task_cancel(&inst->events_flush);
    loop_timer_cancel(inst->events_timer);
    list_remove(&inst->node);
    list_remove(&inst->bucket);
    inst->rt->instance_count--;
    policy_free(inst->policy);
    inject_free(inst->inject);
    options_free(&inst->options);
    buf_free(&inst->events);
    free(inst->id);
    free(inst->name);
    free(inst->class_name);
    free(inst);
}

struct instance *instance_find(const struct runtime *rt, struct span id)
{
    struct list *bucket = bucket_of(rt, id);
    LIST_FOREACH(node, bucket)
    {
        struct instance *inst = LIST_ENTRY(node, struct instance, bucket);
        if (span_eq(span_str(inst->id), id)) {
            return inst;
        }
    }
    return NULL;
}
