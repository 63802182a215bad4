#include "runtime/deploy.h"

#include "base/clock.h"
#include "runtime/instance.h"
#include "runtime/watchdog.h"

#include <stdlib.h>

/* One object on its way over. */
struct staged {
    struct instance *inst;
    struct half *half;
    struct policy *policy;
    bool internet;
};

struct staging {
    struct staged *items;
    size_t count;
};

static void staging_undo(struct staging *s)
{
    for (size_t i = 0; i < s->count; i++) {
        policy_free(s->items[i].policy);
        s->items[i].inst->internet = s->items[i].internet;
    }
    free(s->items);
}

static int stage(struct instance *inst, struct version *v, struct staged *out, struct error *err)
{
    const struct js_class *cls = instance_class(v, span_str(inst->class_name), err);
    struct buf facts;
    *out = (struct staged){.inst = inst, .internet = inst->internet};
    if (cls == NULL || cls->kind != inst->kind) {
        return error_set(err, 0,
                         "class %s: the new module does not export it as the kind it was, and "
                         "object %s of it is in use",
                         inst->class_name, inst->id);
    }
    buf_init(&facts, POLICY_STATE_MAX);
    out->half = half_create(inst, v, cls, &facts, err);
    out->policy = out->half != NULL ? policy_clone(inst->policy) : NULL;
    int rc = out->policy != NULL
                 ? instance_configure(inst, &out->policy, cls, buf_span(&facts), err)
                 : -1;
    if (out->half != NULL && out->policy == NULL) {
        error_set(err, 0, "deploy: out of memory");
    }
    buf_free(&facts);
    return rc;
}

/* Halves that were made go with the version. */
static int stage_all(struct runtime *rt, struct version *v, struct staging *s, struct error *err)
{
    s->count = 0;
    s->items = calloc(rt->instance_count + 1, sizeof *s->items);
    if (s->items == NULL) {
        return error_set(err, 0, "deploy: out of memory");
    }
    LIST_FOREACH(node, &rt->instances)
    {
        struct instance *inst = LIST_ENTRY(node, struct instance, node);
        if (instance_unused_ms(inst) > 0) {
            continue;
        }
        int rc = stage(inst, v, &s->items[s->count++], err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static void swap_all(struct runtime *rt, struct version *v, struct staging *s)
{
    version_promote(v);
    for (size_t i = 0; i < s->count; i++) {
        struct staged *it = &s->items[i];
        it->inst->half = it->half;
        policy_free(it->inst->policy);
        it->inst->policy = it->policy;
        instance_tell_lost(it->inst);
    }
    free(s->items);
    /* Those that were left behind are unused. */
    LIST_FOREACH_SAFE(node, next, &rt->instances)
    {
        struct instance *inst = LIST_ENTRY(node, struct instance, node);
        if (inst->half == NULL || inst->half->version != v) {
            instance_destroy(inst);
        }
    }
}

static int go_over(struct runtime *rt, const struct app *app, const struct version_code *code,
                   struct error *err)
{
    struct staging staging;
    version_clock(rt, clock_monotonic_ms());
    struct version *v = version_load(rt, app, code, err);
    if (v == NULL) {
        return -1;
    }
    if (stage_all(rt, v, &staging, err) != 0) {
        staging_undo(&staging);
        version_unload(v);
        return -1;
    }
    swap_all(rt, v, &staging);
    version_make_room(rt);
    return 0;
}

int deploy(struct runtime *rt, struct span text, const struct version_code *code, struct error *err)
{
    struct app app;
    if (rt->version == NULL) {
        return error_set(err, 0, "deploy: this runtime was started without a module");
    }
    if (app_parse(text, &app, err) != 0) {
        return -1;
    }
    int rc = app.module ? 0 : error_set(err, 0, "deploy: there is no module in it");
    if (rc == 0) {
        watchdog_loading(rt->watchdog);
        rc = go_over(rt, &app, code, err);
        watchdog_loaded(rt->watchdog, rc == 0 ? &app.limits : &rt->app.limits);
    }
    if (rc == 0) {
        struct app old = rt->app;
        rt->app = app;
        app = old;
    }
    app_free(&app);
    return rc;
}
