#include "runtime/runtime.h"

#include "base/clock.h"
#include "base/log.h"
#include "runtime/control.h"
#include "runtime/exchange.h"
#include "runtime/fetch.h"
#include "runtime/settle.h"
#include "runtime/watchdog.h"

#include <stdlib.h>

#define CLOCK_MS 500u /* how exactly a handler's time limit is kept */
#define WARM_MS  20u  /* trust is decoded once the start is out of the way */

struct runtime *runtime_create(struct loop *loop, int control_fd, struct error *err)
{
    struct runtime *rt = calloc(1, sizeof *rt);
    if (rt == NULL) {
        error_set(err, 0, "runtime: out of memory");
        return NULL;
    }
    rt->loop = loop;
    rt->confine = true;
    list_init(&rt->instances);
    list_init(&rt->settling);
    list_init(&rt->idle);
    rt->secrets = secrets_create();
    if (rt->secrets == NULL || (control_fd >= 0 && control_open(rt, control_fd, err) != 0)) {
        runtime_destroy(rt);
        return NULL;
    }
    return rt;
}

void runtime_destroy(struct runtime *rt)
{
    settle_drop(rt);
    while (!list_empty(&rt->instances)) {
        instance_destroy(LIST_ENTRY(rt->instances.next, struct instance, node));
    }
    while (!list_empty(&rt->idle)) {
        struct list *node = rt->idle.next;
        list_remove(node);
        free(LIST_ENTRY(node, struct exchange, flow.node));
    }
    loop_timer_cancel(rt->clock);
    loop_timer_cancel(rt->warm);
    watchdog_stop(rt->watchdog);
    if (rt->version != NULL) {
        js_unload(rt->version);
    }
    fetch_close_all(rt);
    if (rt->upstream != NULL) {
        upstream_destroy(rt->upstream);
    }
    tls_client_destroy(rt->tls);
    ipc_channel_destroy(rt->control);
    secrets_destroy(rt->secrets);
    app_free(&rt->app);
    free(rt);
}

/* ---- start ---- */

static bool allow_private(void *arg, struct span host)
{
    const struct runtime *rt = arg;
    struct url_host canonical;
    return rt->app.allow_private != NULL && url_host_canonical(host, &canonical) &&
           policy_set_match(rt->app.allow_private, &canonical) != POLICY_NO_INDEX;
}

static int network_open(struct runtime *rt, struct error *err)
{
    rt->tls = tls_client_create(rt->app.upstream_ca, err);
    if (rt->tls == NULL) {
        return -1;
    }
    struct upstream_config config = {.resolve = rt->app.resolve,
                                     .resolve_count = rt->app.resolve_count,
                                     .allow_private = allow_private,
                                     .arg = rt};
    rt->upstream = upstream_create(rt->loop, rt->tls, &config, err);
    return rt->upstream != NULL ? 0 : -1;
}

static void on_clock(void *arg)
{
    struct runtime *rt = arg;
    uint64_t now = clock_monotonic_ms();
    LIST_FOREACH(i, &rt->instances)
    {
        struct instance *inst = LIST_ENTRY(i, struct instance, node);
        LIST_FOREACH_SAFE(node, next, &inst->flows)
        {
            struct flow *f = LIST_ENTRY(node, struct flow, node);
            if (f->kind == FLOW_EXCHANGE) {
                handler_clock((struct exchange *)(void *)f, now);
            }
        }
    }
}

static int engine_open(struct runtime *rt, struct span bundle, struct span map, struct error *err)
{
    json_t *names = secrets_names(rt->secrets);
    if (names == NULL || json_object_set_new(rt->app.env, "secrets", names) != 0) {
        return error_set(err, 0, "runtime: out of memory");
    }
    char *env = json_dumps(rt->app.env, JSON_COMPACT);
    if (env == NULL) {
        return error_set(err, 0, "runtime: out of memory");
    }
    struct js_app app = {.name = rt->app.name,
                         .bundle = bundle,
                         .map = map.ptr != NULL ? map : span_of("", 0),
                         .map_root = span_of("", 0),
                         .env = span_str(env)};
    rt->watchdog = rt->confine ? watchdog_start(&rt->app.limits, err) : NULL;
    const bool watched = rt->watchdog != NULL || !rt->confine;
    rt->js = watched ? js_start(rt->loop, err) : NULL;
    rt->version = rt->js != NULL ? js_load(rt->js, &app, &runtime_js_host, rt, err) : NULL;
    free(env);
    if (rt->version == NULL) {
        return -1;
    }
    rt->clock = loop_timer_start(rt->loop, CLOCK_MS, CLOCK_MS, on_clock, rt);
    watchdog_loaded(rt->watchdog);
    return 0;
}

static void on_warm(void *arg)
{
    struct runtime *rt = arg;
    struct error err;
    if (tls_client_warm(rt->tls, &err) != 0) {
        log_warn("%s", err.text);
    }
}

int runtime_start(struct runtime *rt, struct span app, struct span bundle, struct span map,
                  struct error *err)
{
    if (app_parse(app, &rt->app, err) != 0 || network_open(rt, err) != 0 ||
        (rt->app.module && engine_open(rt, bundle, map, err) != 0)) {
        return -1;
    }
    rt->warm = loop_timer_start(rt->loop, WARM_MS, 0, on_warm, rt);
    rt->started = true;
    return 0;
}

/* ---- facts ---- */

static json_t *names_of(const struct js_named *named, size_t count)
{
    json_t *names = json_array();
    for (size_t i = 0; names != NULL && i < count; i++) {
        json_array_append_new(names, json_stringn(named[i].name.ptr, named[i].name.len));
    }
    return names;
}

static json_t *classes_of(const struct runtime *rt, size_t *count)
{
    if (rt->version == NULL) {
        *count = 1;
        return json_pack("[{s:s, s:[], s:[], s:b}]", "name", "Sandbox", "handlers", "hosts",
                         "outbound", 0);
    }
    const struct js_class *classes = js_classes(rt->version, count);
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < *count; i++) {
        const struct js_class *c = &classes[i];
        json_array_append_new(list,
                              json_pack("{s:s%, s:o, s:o, s:b}", "name", c->name.ptr, c->name.len,
                                        "handlers", names_of(c->handlers, c->handler_count),
                                        "hosts", names_of(c->hosts, c->host_count), "outbound",
                                        c->outbound != JS_HANDLER_NONE));
    }
    return list;
}

int runtime_facts(const struct runtime *rt, struct buf *out, struct error *err)
{
    size_t count = 0;
    json_t *classes = classes_of(rt, &count);
    const char *only =
        count == 1 ? json_string_value(json_object_get(json_array_get(classes, 0), "name")) : NULL;
    json_t *json = json_pack("{s:O, s:s?}", "classes", classes, "default_class", only);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    bool ok = text != NULL && buf_append_str(out, text);
    free(text);
    json_decref(json);
    json_decref(classes);
    return ok ? 0 : error_set(err, 0, "runtime: out of memory");
}

/* ---- tasks ---- */

uint32_t runtime_task_open(struct runtime *rt, enum task_kind kind, void *object)
{
    for (uint32_t i = 0; i < JS_TASKS_MAX; i++) {
        rt->task_next = rt->task_next % JS_TASKS_MAX + 1;
        struct task *t = &rt->tasks[rt->task_next];
        if (t->kind == TASK_FREE) {
            *t = (struct task){kind, object};
            return rt->task_next;
        }
    }
    return 0;
}

void runtime_task_close(struct runtime *rt, uint32_t task)
{
    rt->tasks[task] = (struct task){TASK_FREE, NULL};
}

void *runtime_task(const struct runtime *rt, uint32_t task, enum task_kind kind)
{
    return task <= JS_TASKS_MAX && rt->tasks[task].kind == kind ? rt->tasks[task].object : NULL;
}
