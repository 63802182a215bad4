#include "runtime/version.h"

#include "base/clock.h"
#include "runtime/call.h"
#include "runtime/container.h"
#include "runtime/control.h"
#include "runtime/exchange.h"
#include "runtime/fetch.h"
#include "runtime/half.h"
#include "runtime/object.h"
#include "runtime/process.h"
#include "runtime/update.h"

#include <stdio.h>
#include <stdlib.h>

static char *env_text(struct runtime *rt, const struct app *app)
{
    json_t *names = secrets_names(rt->secrets);
    bool ok = names != NULL && json_object_set_new(app->env, "secrets", names) == 0;
    return ok ? json_dumps(app->env, JSON_COMPACT) : NULL;
}

static struct version *version_new(struct runtime *rt)
{
    size_t slot = 0;
    while (slot < VERSION_SLOTS && rt->versions[slot] != NULL) {
        slot++;
    }
    struct version *v = slot < VERSION_SLOTS ? calloc(1, sizeof *v) : NULL;
    if (v != NULL) {
        v->rt = rt;
        v->serial = ++rt->version_count;
        v->slot = (uint8_t)slot;
        v->replaced_ms = 1; /* nothing comes to it until it is promoted */
        list_init(&v->halves);
        rt->versions[slot] = v;
    }
    return v;
}

static void version_free(struct version *v)
{
    if (v->js != NULL) {
        js_unload(v->js);
    }
    fetch_close_all(v);
    v->rt->versions[v->slot] = NULL;
    free(v);
}

struct version *version_load(struct runtime *rt, const struct app *app,
                             const struct version_code *code, struct error *err)
{
    struct version *v = version_new(rt);
    char *env = v != NULL ? env_text(rt, app) : NULL;
    if (env == NULL) {
        error_set(err, 0, "load the module: out of memory");
    } else {
        struct js_app js = {.name = app->name,
                            .bundle = code->bundle,
                            .map = code->map.ptr != NULL ? code->map : span_of("", 0),
                            .map_root = span_of("", 0),
                            .env = span_str(env)};
        v->js = js_load(rt->js, &js, &runtime_js_host, v, err);
    }
    free(env);
    if (v != NULL && v->js == NULL) {
        version_free(v);
        v = NULL;
    }
    return v;
}

void version_promote(struct version *v)
{
    struct runtime *rt = v->rt;
    js_loaded(v->js);
    if (rt->version != NULL) {
        rt->version->replaced_ms = clock_monotonic_ms();
    }
    v->replaced_ms = 0;
    rt->version = v;
}

/* What is still under way ends with an answer of ours. */
static void end_task(struct version *v, uint32_t task)
{
    struct runtime *rt = v->rt;
    struct exchange *ex = task_object(rt, task, TASK_EXCHANGE);
    if (ex != NULL) {
        handler_stop(ex);
    } else if (task_object(rt, task, TASK_CALL) != NULL) {
        call_stop(rt, task, "its code was replaced meanwhile");
    }
}

void version_unload(struct version *v)
{
    struct runtime *rt = v->rt;
    for (uint32_t task = 1; task <= rt->task_span; task++) {
        if (rt->tasks[task].kind != TASK_FREE && rt->tasks[task].version == v->slot) {
            end_task(v, task);
        }
    }
    task_rest_abort(rt, NULL, v);
    object_version_gone(rt, v);
    container_version_gone(rt, v);
    while (!list_empty(&v->halves)) {
        struct half *h = LIST_ENTRY(v->halves.next, struct half, of_version);
        if (h->inst->half == h) {
            h->inst->half = NULL;
        }
        update_version_gone(h->inst, v);
        process_version_gone(h->inst, v);
        half_destroy(h);
    }
    if (rt->version == v) {
        rt->version = NULL;
    }
    version_free(v);
}

/* Requests and calls that it is at. */
static unsigned open_tasks(const struct version *v)
{
    const struct runtime *rt = v->rt;
    unsigned count = 0;
    for (uint32_t task = 1; task <= rt->task_span; task++) {
        const struct task *t = &rt->tasks[task];
        count += t->kind != TASK_FREE && t->kind != TASK_OBJECT && t->version == v->slot ? 1 : 0;
    }
    return count;
}

/* Handlers that have not answered, and objects that work: all that js_idle looks at. */
static bool done(const struct version *v)
{
    LIST_FOREACH(node, &v->halves)
    {
        if (js_instance_idle_ms(LIST_ENTRY(node, struct half, of_version)->js) == 0) {
            return false;
        }
    }
    return open_tasks(v) == 0 && js_idle(v->js);
}

static void retire(struct version *v, const char *why)
{
    char text[256];
    unsigned open = open_tasks(v);
    if (open > 0) {
        int n = snprintf(text, sizeof text,
                         "deploy: %u request%s or call%s that code of version %u was at: ended, %s",
                         open, open == 1 ? "" : "s", open == 1 ? "" : "s", v->serial, why);
        runtime_log(v->rt, span_of("", 0), JS_LOG_WARN, span_of(text, (size_t)n));
    }
    version_unload(v);
}

void version_clock(struct runtime *rt, uint64_t now_ms)
{
    for (size_t i = 0; i < VERSION_SLOTS; i++) {
        struct version *v = rt->versions[i];
        if (v == NULL || v->replaced_ms == 0) {
            continue;
        }
        if (done(v)) {
            version_unload(v);
        } else if (now_ms - v->replaced_ms > VERSION_OLD_MS) {
            retire(v, "30 s after it was replaced");
        }
    }
}

static struct version *one_too_many(struct runtime *rt)
{
    struct version *oldest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < VERSION_SLOTS; i++) {
        struct version *v = rt->versions[i];
        count += v != NULL ? 1 : 0;
        if (v != NULL && v->replaced_ms != 0 && (oldest == NULL || v->serial < oldest->serial)) {
            oldest = v;
        }
    }
    return count > VERSIONS_MAX ? oldest : NULL;
}

void version_make_room(struct runtime *rt)
{
    for (struct version *v = one_too_many(rt); v != NULL; v = one_too_many(rt)) {
        retire(v, "three deploys after it was replaced");
    }
}

uint64_t version_question(const struct version *v, uint32_t call)
{
    return (uint64_t)v->serial << 32 | call;
}

struct version *version_asked(const struct runtime *rt, struct span question, uint32_t *call)
{
    uint64_t n = control_number(question);
    *call = (uint32_t)n;
    for (size_t i = 0; i < VERSION_SLOTS; i++) {
        if (rt->versions[i] != NULL && rt->versions[i]->serial == (uint32_t)(n >> 32)) {
            return rt->versions[i];
        }
    }
    return NULL;
}
