#include "runtime/runtime.h"

#include "base/clock.h"
#include "base/log.h"
#include "runtime/confine.h"
#include "runtime/container.h"
#include "runtime/control.h"
#include "runtime/exchange.h"
#include "runtime/front.h"
#include "runtime/kv.h"
#include "runtime/object.h"
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
    for (size_t i = 0; i < RUNTIME_BUCKETS; i++) {
        list_init(&rt->buckets[i]);
        list_init(&rt->opening_buckets[i]);
    }
    list_init(&rt->settling);
    list_init(&rt->doors);
    list_init(&rt->asks);
    list_init(&rt->pumps);
    list_init(&rt->openings);
    list_init(&rt->rests);
    list_init(&rt->fronts);
    list_init(&rt->idle);
    list_init(&rt->kv_refused);
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
    front_close_all(rt);
    object_drop_all(rt);
    container_drop_all(rt);
    kv_drop_all(rt);
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
    for (size_t i = 0; i < VERSION_SLOTS; i++) {
        if (rt->versions[i] != NULL) {
            version_unload(rt->versions[i]);
        }
    }
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
    LIST_FOREACH(i, &rt->doors)
    {
        struct door *door = LIST_ENTRY(i, struct door, node);
        LIST_FOREACH_SAFE(node, next, &door->flows)
        {
            struct flow *f = LIST_ENTRY(node, struct flow, node);
            if (f->kind == FLOW_EXCHANGE) {
                handler_clock((struct exchange *)(void *)f, now);
            }
        }
    }
    task_clock(rt, now);
    instance_clock(rt, now);
    version_clock(rt, now);
    control_clock(rt);
}

static int engine_open(struct runtime *rt, const struct version_code *code, struct error *err)
{
    if (confine_files(rt, err) != 0) {
        return -1;
    }
    rt->watchdog = rt->confine ? watchdog_start(&rt->app.limits, err) : NULL;
    const bool watched = rt->watchdog != NULL || !rt->confine;
    rt->js = watched ? js_start(rt->loop, err) : NULL;
    struct version *v = rt->js != NULL ? version_load(rt, &rt->app, code, err) : NULL;
    if (v == NULL) {
        return -1;
    }
    version_promote(v);
    rt->clock = loop_timer_start(rt->loop, CLOCK_MS, CLOCK_MS, on_clock, rt);
    watchdog_loaded(rt->watchdog, &rt->app.limits);
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

int runtime_start(struct runtime *rt, struct span app, const struct version_code *code,
                  struct error *err)
{
    if (app_parse(app, &rt->app, err) != 0 || network_open(rt, err) != 0 ||
        (rt->app.module && engine_open(rt, code, err) != 0)) {
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

static json_t *class_facts(const struct js_class *c)
{
    static const char *const kinds[] = {[JS_CLASS_SANDBOX] = "sandbox",
                                        [JS_CLASS_OBJECT] = "object",
                                        [JS_CLASS_ENTRYPOINT] = "entrypoint"};
    return json_pack("{s:s%, s:s, s:o, s:o, s:b}", "name", c->name.ptr, c->name.len, "kind",
                     kinds[c->kind], "handlers", names_of(c->handlers, c->handler_count), "hosts",
                     names_of(c->hosts, c->host_count), "outbound", c->outbound != JS_HANDLER_NONE);
}

static json_t *classes_of(const struct version *v, json_t **only)
{
    static const struct js_class plain = {
        .name = SPAN_INIT("Sandbox"), .outbound = JS_HANDLER_NONE, .denied = JS_HANDLER_NONE};
    size_t count = 1;
    size_t sandboxes = 0;
    const struct js_class *classes = v != NULL ? js_classes(v->js, &count) : &plain;
    json_t *list = json_array();
    *only = json_null();
    for (size_t i = 0; list != NULL && i < count; i++) {
        const struct js_class *c = &classes[i];
        json_array_append_new(list, class_facts(c));
        if (c->kind == JS_CLASS_SANDBOX) {
            *only = ++sandboxes == 1 ? json_stringn(c->name.ptr, c->name.len)
                                     : (json_decref(*only), json_null());
        }
    }
    return list;
}

int runtime_facts(const struct version *v, struct buf *out, struct error *err)
{
    json_t *only = NULL;
    json_t *classes = classes_of(v, &only);
    struct js_worker worker = v != NULL ? js_worker(v->js) : (struct js_worker){false, false};
    json_t *json = json_pack("{s:o, s:o, s:b, s:b}", "classes", classes, "default_class", only,
                             "fetch", worker.fetch, "scheduled", worker.scheduled);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    bool ok = text != NULL && buf_append_str(out, text);
    free(text);
    json_decref(json);
    return ok ? 0 : error_set(err, 0, "runtime: out of memory");
}
