/*
 * Instances of classes: made, asked and ended by the host, and the natives by which code asks for
 * objects.
 */
#include "js/natives.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define JOBS_AT_ONCE 64 /* then the loop serves others first */

struct js_worker js_worker(const struct js_version *v)
{
    return v->worker;
}

/* Questions change nothing that a caller could see, so they take the version as const. */
static bool ask(const struct js_version *version, enum js_entry entry, size_t argc,
                const JSValueRef *argv)
{
    struct js_version *v = (struct js_version *)(uintptr_t)version;
    JSValueRef answer = js_enter(v, entry, argc, argv);
    return answer != NULL && JSValueToBoolean(v->ctx, answer);
}

bool js_idle(const struct js_version *v)
{
    return ask(v, ENTRY_IDLE, 0, NULL);
}

/* The shim tells how many events there have been, or -1 while there is work: the time is that since
 * the first look that found this count. */
uint64_t js_instance_idle_ms(const struct js_instance *inst)
{
    struct js_version *v = inst->version;
    struct js_instance *seen = (struct js_instance *)(uintptr_t)inst;
    JSValueRef number = JSValueMakeNumber(v->ctx, inst->number);
    JSValueRef answer = js_enter(v, ENTRY_INSTANCE_IDLE, 1, &number);
    double events = js_double(v->ctx, answer);
    if (!(events >= 0)) {
        seen->idle_since_ms = 0;
        return 0;
    }
    uint64_t now = clock_monotonic_ms();
    if (seen->idle_since_ms == 0 || (uint64_t)events != seen->idle_events) {
        seen->idle_since_ms = now;
        seen->idle_events = (uint64_t)events;
    }
    return now - seen->idle_since_ms + 1;
}

/* The shim answers with a string that begins with "!" for an error, else with the facts. */
static int instance_construct(struct js_instance *inst, const struct js_instance_spec *spec,
                              struct buf *facts, struct error *err)
{
    struct js_version *v = inst->version;
    JSValueRef argv[5] = {
        JSValueMakeNumber(v->ctx, inst->number), js_value_utf8(v->ctx, spec->id),
        js_value_utf8(v->ctx, spec->class_name), js_value_utf8(v->ctx, spec->name),
        JSValueMakeNumber(v->ctx, spec->task),
    };
    struct buf text;
    buf_init(&text, JS_TEXT_MAX);
    JSValueRef value = js_enter(v, ENTRY_INSTANCE_CREATE, 5, argv);
    int rc = 0;
    if (value == NULL || !js_append_utf8(v->ctx, value, &text) || buf_len(&text) == 0) {
        rc = error_set(err, 0, "create an instance: internal error");
    } else if (buf_span(&text).ptr[0] == '!') {
        rc = error_set(err, 0, SPAN_FMT, SPAN_ARG(span_from(buf_span(&text), 1)));
    } else if (!buf_append_span(facts, buf_span(&text))) {
        rc = error_set(err, ENOMEM, "create an instance");
    }
    buf_free(&text);
    return rc;
}

struct js_instance *js_instance_create(struct js_version *v, const struct js_instance_spec *spec,
                                       struct buf *facts, struct error *err)
{
    struct js_instance *inst = calloc(1, sizeof *inst);
    if (inst == NULL) {
        error_set(err, ENOMEM, "create an instance");
        return NULL;
    }
    inst->version = v;
    inst->owner = spec->owner;
    inst->number = js_table_add(&v->instances, inst);
    if (inst->number == 0) {
        error_set(err, ENOMEM, "create an instance: too many");
        free(inst);
        return NULL;
    }
    if (instance_construct(inst, spec, facts, err) < 0) {
        char what[256];
        snprintf(what, sizeof what, "the constructor of " SPAN_FMT, SPAN_ARG(spec->class_name));
        js_limit_error(v, what, err);
        js_instance_destroy(inst);
        return NULL;
    }
    if (spec->running) {
        js_container_started(inst, false);
    }
    return inst;
}

void js_instance_destroy(struct js_instance *inst)
{
    struct js_version *v = inst->version;
    JSValueRef number = JSValueMakeNumber(v->ctx, inst->number);
    js_enter(v, ENTRY_INSTANCE_DESTROY, 1, &number);
    js_table_remove(&v->instances, inst->number);
    free(inst);
}

void js_object_done(struct js_version *v, uint32_t call, struct js_instance *inst, struct span why)
{
    JSValueRef argv[3] = {
        JSValueMakeNumber(v->ctx, call),
        JSValueMakeNumber(v->ctx, inst != NULL ? inst->number : 0),
        js_value_utf8(v->ctx, why),
    };
    js_enter(v, ENTRY_OBJECT_DONE, 3, argv);
}

void js_jobs_run(void *version)
{
    struct js_version *v = version;
    for (int i = 0; i < JOBS_AT_ONCE; i++) {
        JSValueRef more = js_enter(v, ENTRY_JOB, 0, NULL);
        if (more != NULL && !JSValueToBoolean(v->ctx, more)) {
            return; /* microtasks that posted one have asked anew */
        }
    }
    loop_task_queue(&v->jobs);
}

/* () : there are jobs, each to run in a turn of its own */
JS_NATIVE(js_native_jobs)
{
    loop_task_queue(&js_running(ctx)->jobs);
    return JSValueMakeUndefined(ctx);
}

/* (call, class, id, name|null) -> false when it does not fit */
JS_NATIVE(js_native_object)
{
    struct js_version *v = js_running(ctx);
    bool ok = true;
    struct span class_name = js_text_utf8(ctx, argv[1], 0, &ok);
    struct span id = js_text_utf8(ctx, argv[2], 1, &ok);
    struct span name = js_text_utf8(ctx, argv[3], 2, &ok);
    if (ok) {
        v->host->object(v->arg, js_uint(ctx, argv[0]), class_name, id, name);
    }
    return JSValueMakeBoolean(ctx, ok);
}

/* (class, name|null for a unique one) -> 64 hex digits, or null when there is no such class */
JS_NATIVE(js_native_object_id)
{
    struct js_version *v = js_running(ctx);
    bool ok = true;
    char id[65] = "";
    struct span class_name = js_text_utf8(ctx, argv[0], 0, &ok);
    struct span name = js_text_utf8(ctx, argv[1], 1, &ok);
    if (ok && name.ptr == NULL && JSValueIsString(ctx, argv[1])) {
        name = SPAN_LIT(""); /* an empty name is a name */
    }
    if (name.ptr != NULL &&
        (name.len > JS_OBJECT_NAME_MAX || memchr(name.ptr, '\0', name.len) != NULL)) {
        return js_throw(ctx, exc, JS_RANGE_ERROR,
                        "The name of an object has at most 1024 bytes, and none of them is NUL.");
    }
    if (!ok || !v->host->object_id(v->arg, class_name, name, id)) {
        return JSValueMakeNull(ctx);
    }
    return js_value_latin1(ctx, span_str(id));
}

/* (class, id) -> was it made for that class? */
JS_NATIVE(js_native_object_id_is)
{
    struct js_version *v = js_running(ctx);
    bool ok = true;
    struct span class_name = js_text_utf8(ctx, argv[0], 0, &ok);
    struct span id = js_text_utf8(ctx, argv[1], 1, &ok);
    return JSValueMakeBoolean(ctx, ok && v->host->object_id_is(v->arg, class_name, id));
}
