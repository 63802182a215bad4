/*
 * A version: one heap with the shim and the user's bundle in it.
 */
#include "js/engine.h"

#include "js/bundle.h"
#include "js/natives.h"
#include "js/warm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* Exported by the library, absent from its headers. */
extern bool JSConfigureSignalForGC(int signo);
extern void JSDisableGCTimer(void);
extern void JSGlobalContextSetUnhandledRejectionCallback(JSGlobalContextRef ctx, JSObjectRef fn,
                                                         JSValueRef *exception);
extern void JSGlobalContextSetEvalEnabled(JSGlobalContextRef ctx, bool enabled,
                                          JSStringRef message);

#define GC_SIGNAL_OFFSET 6
#define WARM_SLICES      25 /* of about a millisecond */
#define WARM_DELAY_MS    3

extern char **environ;

/* The engine obeys these from the environment: whoever sets it could switch its safety off. */
static void environment_scrub(void)
{
    char name[128];
    for (size_t i = 0; environ != NULL && environ[i] != NULL;) {
        size_t len = strcspn(environ[i], "=");
        if (strncmp(environ[i], "JSC_", 4) == 0 && len < sizeof name) {
            memcpy(name, environ[i], len);
            name[len] = '\0';
            unsetenv(name);
            i = 0;
        } else {
            i++;
        }
    }
    unsetenv("GIGACAGE_ENABLED");
}

/* The collector's timers ask for WTF's main run loop, which only WebKit and the shell make: without
 * one the first idle collection crashes. It is made on the context that was pushed. Where a
 * release no longer has the function, the timers are switched off: garbage then waits for the next
 * allocations. Exported by the library, not in its headers. */
extern void wtf_initialize_main_thread(void) __asm__("_ZN3WTF20initializeMainThreadEv")
    __attribute__((weak));

static void collector_timers_prepare(void)
{
    if (wtf_initialize_main_thread != NULL) {
        wtf_initialize_main_thread();
    } else {
        JSDisableGCTimer();
    }
}

struct js *js_start(struct loop *loop, struct error *err)
{
    static struct js engine;
    if (engine.loop != NULL) {
        error_set(err, 0, "start the JavaScript engine: it runs already");
        return NULL;
    }
    environment_scrub();
    JSConfigureSignalForGC(SIGRTMIN + GC_SIGNAL_OFFSET);
    engine.pump = js_pump_start(loop, err);
    if (engine.pump == NULL) {
        return NULL;
    }
    engine.loop = loop;
    collector_timers_prepare();
    /* The first heap makes the pool of executable memory, before the process gives up the right
     * to; it is thrown away. */
    JSContextGroupRef group = JSContextGroupCreate();
    JSGlobalContextRef ctx = JSGlobalContextCreateInGroup(group, NULL);
    JSStringRef one = js_string_latin1(SPAN_LIT("1"));
    JSEvaluateScript(ctx, one, NULL, NULL, 1, NULL);
    JSStringRelease(one);
    JSGlobalContextRelease(ctx);
    JSContextGroupRelease(group);
    return &engine;
}

static JSValueRef evaluate(struct js_version *v, struct span text, const char *url,
                           JSValueRef *exception)
{
    JSStringRef source = js_string_utf8(text);
    JSStringRef name = js_string_latin1(span_str(url));
    js_turn_begin(v);
    JSValueRef result = JSEvaluateScript(v->ctx, source, NULL, name, 1, exception);
    js_turn_end(v);
    JSStringRelease(source);
    JSStringRelease(name);
    return *exception == NULL ? result : NULL;
}

/* Evaluates one of our scripts, which is a function of `native`, and gives what it returns. */
static JSObjectRef shim_evaluate(struct js_version *v, const char *text, size_t len)
{
    JSValueRef exception = NULL;
    JSStringRef source = js_string_utf8(span_of(text, len));
    JSStringRef url = js_string_latin1(SPAN_LIT(JS_SHIM_URL));
    JSValueRef fn = JSEvaluateScript(v->ctx, source, NULL, url, 1, &exception);
    JSStringRelease(source);
    JSStringRelease(url);
    JSValueRef native = v->native;
    JSValueRef result = NULL;
    if (exception == NULL && JSValueIsObject(v->ctx, fn)) {
        result = JSObjectCallAsFunction(v->ctx, JSValueToObject(v->ctx, fn, NULL), NULL, 1, &native,
                                        &exception);
    }
    if (exception != NULL || result == NULL || !JSValueIsObject(v->ctx, result)) {
        if (exception != NULL) {
            js_log_exception(v, "shim", exception);
        }
        return NULL;
    }
    return JSValueToObject(v->ctx, result, NULL);
}

/* (number) -> the exports of a script that is evaluated on first use */
JS_NATIVE(js_native_lazy)
{
    static const struct {
        const char *text;
        const size_t *len;
    } scripts[] = {
        {js_script_streams, &js_script_streams_len},
        {js_script_subtle, &js_script_subtle_len},
        {js_script_web, &js_script_web_len},
        {js_script_urlpattern, &js_script_urlpattern_len},
        {js_script_node, &js_script_node_len},
        {js_script_nodelibs, &js_script_nodelibs_len},
    };
    uint32_t i = js_uint(ctx, argv[0]);
    JSObjectRef exports = i < sizeof scripts / sizeof scripts[0]
                              ? shim_evaluate(js_running(ctx), scripts[i].text, *scripts[i].len)
                              : NULL;
    return exports != NULL ? exports : JSValueMakeNull(ctx);
}

static int shim_load(struct js_version *v, struct error *err)
{
    v->native = js_natives_object(v->ctx);
    JSValueProtect(v->ctx, v->native);
    JSStringRef name = js_string_latin1(SPAN_LIT("RangeError"));
    JSValueRef range_error =
        JSObjectGetProperty(v->ctx, JSContextGetGlobalObject(v->ctx), name, NULL);
    JSStringRelease(name);
    v->range_error = JSValueToObject(v->ctx, range_error, NULL);
    JSValueProtect(v->ctx, v->range_error);
    js_turn_begin(v);
    JSObjectRef list = shim_evaluate(v, js_script_core, js_script_core_len);
    js_turn_end(v);
    for (unsigned i = 0; list != NULL && i < ENTRY_COUNT; i++) {
        JSValueRef fn = JSObjectGetPropertyAtIndex(v->ctx, list, i, NULL);
        if (fn == NULL || !JSValueIsObject(v->ctx, fn)) {
            list = NULL;
            break;
        }
        v->entries[i] = JSValueToObject(v->ctx, fn, NULL);
        JSValueProtect(v->ctx, v->entries[i]);
    }
    if (list == NULL) {
        return error_set(err, 0, "load %s: our own JavaScript did not load", v->name);
    }
    JSGlobalContextSetUnhandledRejectionCallback(v->ctx, v->entries[ENTRY_REJECTION], NULL);
    return 0;
}

/* As workerd has it: a module may make code of strings while it is evaluated, and never after. */
static void eval_end(struct js_version *v)
{
    JSStringRef message =
        js_string_latin1(SPAN_LIT("Code generation from strings disallowed for this context"));
    JSGlobalContextSetEvalEnabled(v->ctx, false, message);
    JSStringRelease(message);
}

/* "file:line:column: SyntaxError: …": the engine gives a syntax error no column. */
static int syntax_error(struct js_version *v, JSValueRef exception, struct error *err)
{
    struct buf text;
    buf_init(&text, ERROR_TEXT_BYTES * 4);
    js_turn_begin(v);
    JSStringRef s = JSValueToStringCopy(v->ctx, exception, NULL);
    if (s != NULL) {
        js_append_utf8(v->ctx, JSValueMakeString(v->ctx, s), &text);
        JSStringRelease(s);
    }
    js_turn_end(v);
    int rc = error_set(err, 0, "%s: " SPAN_FMT, v->name, SPAN_ARG(buf_span(&text)));
    buf_free(&text);
    return rc;
}

static int entry_error(struct js_version *v, JSValueRef text, struct error *err)
{
    struct buf b;
    buf_init(&b, JS_LOG_MAX);
    int rc = 0;
    if (text == NULL) {
        rc = error_set(err, 0, "load %s: internal error", v->name);
    } else if (js_append_utf8(v->ctx, text, &b)) {
        rc = error_set(err, 0, SPAN_FMT, SPAN_ARG(buf_span(&b)));
    }
    buf_free(&b);
    return rc;
}

static int bundle_load(struct js_version *v, const struct js_app *app, struct error *err)
{
    struct buf text;
    buf_init(&text, JS_TEXT_MAX);
    if (!buf_append_str(&text, JS_WRAPPER) || !buf_append_span(&text, app->bundle) ||
        !buf_append_str(&text, JS_WRAPPER_CLOSE)) {
        buf_free(&text);
        return error_set(err, ENOMEM, "load %s: bundle of %zu bytes", v->name, app->bundle.len);
    }
    JSValueRef exception = NULL;
    JSValueRef env = js_value_utf8(v->ctx, app->env.len != 0 ? app->env : SPAN_LIT("{}"));
    JSValueRef argv[2] = {env, js_value_utf8(v->ctx, span_str(v->name))};
    int rc = entry_error(v, js_enter(v, ENTRY_ENV, 2, argv), err);
    JSValueRef fn = rc == 0 ? evaluate(v, buf_span(&text), JS_BUNDLE_URL, &exception) : NULL;
    buf_free(&text);
    if (rc == 0 && exception != NULL) {
        rc = syntax_error(v, exception, err);
    }
    if (rc == 0) {
        rc = entry_error(v, js_enter(v, ENTRY_MODULE, 1, &fn), err);
    }
    if (rc == 0) {
        rc = entry_error(v, js_enter(v, ENTRY_LOADED, 0, NULL), err);
    }
    eval_end(v);
    return rc == 0 ? js_classes_load(v, err) : rc;
}

/* In slices, so that a request that comes early waits for one of them at most. */
static void on_warm(void *arg)
{
    struct js_version *v = arg;
    const struct js_host *host = v->host;
    if (v->warm_left == 0) {
        loop_timer_cancel(v->warm_timer);
        v->warm_timer = NULL;
        return;
    }
    v->warm_left--;
    v->host = &js_warm_host;
    js_enter(v, ENTRY_WARM, 0, NULL);
    v->host = host;
}

struct js_version *js_load(struct js *js, const struct js_app *app, const struct js_host *host,
                           void *arg, struct error *err)
{
    struct js_version *v = calloc(1, sizeof *v);
    if (v == NULL) {
        error_set(err, ENOMEM, "load the module");
        return NULL;
    }
    v->js = js;
    js_turn_adopt(v);
    v->host = host;
    v->arg = arg;
    v->name = strndup(app->name.ptr != NULL ? app->name.ptr : "", app->name.len);
    v->map = js_sourcemap_create(app->map, app->map_root);
    for (size_t i = 0; i < sizeof v->scratch / sizeof v->scratch[0]; i++) {
        buf_init(&v->scratch[i], 3 * (size_t)JS_TEXT_MAX);
    }
    loop_task_init(&v->jobs, js->loop, js_jobs_run, v);
    v->group = JSContextGroupCreate();
    v->ctx = JSGlobalContextCreateInGroup(v->group, NULL);
    buf_init(&v->limit_place, ERROR_TEXT_BYTES);
    int rc = v->name == NULL || v->map == NULL ? error_set(err, ENOMEM, "load the module")
                                               : shim_load(v, err);
    if (rc == 0) {
        js_limit_begin(v, JS_LOAD_MS);
        rc = bundle_load(v, app, err) < 0 ? js_limit_error(v, "the module's own code", err) : 0;
    }
    if (rc < 0) {
        js_unload(v);
        return NULL;
    }
    js_limit_begin(v, JS_CONSTRUCT_MS);
    v->warm_left = WARM_SLICES;
    v->warm_timer = loop_timer_start(js->loop, WARM_DELAY_MS, WARM_DELAY_MS, on_warm, v);
    return v;
}

void js_unload(struct js_version *v)
{
    if (v->entries[ENTRY_ABORT_ALL] != NULL) {
        js_enter(v, ENTRY_ABORT_ALL, 0, NULL);
    }
    js_loaded(v);
    js_readers_close(v);
    js_fetches_close(v);
    js_streams_orphan(v);
    js_queries_end(v);
    loop_task_cancel(&v->jobs);
    loop_timer_cancel(v->timer);
    loop_timer_cancel(v->warm_timer);
    for (uint32_t i = 1; i <= v->instances.cap; i++) {
        free(js_table_get(&v->instances, i));
    }
    for (unsigned i = 0; i < ENTRY_COUNT; i++) {
        if (v->entries[i] != NULL) {
            JSValueUnprotect(v->ctx, v->entries[i]);
        }
    }
    if (v->native != NULL) {
        JSValueUnprotect(v->ctx, v->native);
        JSValueUnprotect(v->ctx, v->range_error);
    }
    JSGlobalContextRelease(v->ctx);
    JSContextGroupRelease(v->group);
    for (size_t i = 0; i < sizeof v->scratch / sizeof v->scratch[0]; i++) {
        buf_free(&v->scratch[i]);
    }
    buf_free(&v->limit_place);
    free(v->instances.slots);
    free(v->readers.slots);
    free(v->streams.slots);
    free(v->queries.slots);
    list_remove(&v->node);
    js_classes_free(v);
    js_sourcemap_free(v->map);
    free(v->name);
    free(v);
}
