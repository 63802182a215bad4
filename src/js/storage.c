/*
 * Storage of an instance: keys and values, transactions, the alarm. Natives take the instance's
 * number first and throw what the storage says.
 */
#include "js/storage.h"

#include <errno.h>
#include <stdlib.h>

JSValueRef js_storage_throw(JSContextRef ctx, const struct error *err, JSValueRef *exc)
{
    return js_throw(ctx, exc, err->code == ERANGE ? JS_RANGE_ERROR : JS_ERROR, err->text);
}

struct object_db *js_storage_of(JSContextRef ctx, JSValueRef number, JSValueRef *exc)
{
    struct js_version *v = js_running(ctx);
    struct js_instance *inst = js_table_get(&v->instances, js_uint(ctx, number));
    struct span why = {NULL, 0};
    if (inst == NULL || v->host->storage == NULL) {
        js_throw(ctx, exc, JS_ERROR,
                 inst == NULL ? "The object is gone." : "There is no storage here.");
        return NULL;
    }
    if (inst->storage == NULL) {
        inst->storage = v->host->storage(v->arg, inst->owner, &why);
    }
    if (inst->storage == NULL) {
        struct error err;
        error_set(&err, 0, SPAN_FMT,
                  SPAN_ARG(why.ptr != NULL ? why : SPAN_LIT("There is no storage here.")));
        js_storage_throw(ctx, &err, exc);
    }
    return inst->storage;
}

/* (instance, key) -> Uint8Array, or undefined when there is none */
JS_NATIVE(js_native_storage_get)
{
    struct object_db *db = js_storage_of(ctx, argv[0], exc);
    struct error err;
    struct span value;
    bool ok = db != NULL;
    struct span key = ok ? js_text_utf8(ctx, argv[1], 0, &ok) : SPAN_LIT("");
    if (!ok) {
        return JSValueMakeUndefined(ctx);
    }
    int rc = object_kv_get(db, key, &value, &err);
    if (rc < 0) {
        return js_storage_throw(ctx, &err, exc);
    }
    return rc == 1 ? js_bytes(ctx, value) : JSValueMakeUndefined(ctx);
}

/* Keys go to one buffer, whose place is known when it no longer grows. false: memory is out. */
static bool read_pairs(JSContextRef ctx, const JSValueRef argv[], size_t count,
                       struct object_pair *pairs)
{
    struct buf *keys = &js_running(ctx)->scratch[0];
    size_t at = 0;
    buf_clear(keys);
    for (size_t i = 0; i < count; i++) {
        size_t before = buf_len(keys);
        JSValueRef value = argv[2 * i + 1];
        if (!js_append_utf8(ctx, argv[2 * i], keys) ||
            !(JSValueIsNull(ctx, value) || js_is_bytes(ctx, value))) {
            return false;
        }
        pairs[i].key.len = buf_len(keys) - before;
        pairs[i].value = js_text_bytes(ctx, value, 1, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        pairs[i].key.ptr = buf_span(keys).ptr + at;
        at += pairs[i].key.len;
    }
    return true;
}

/* (instance, key, Uint8Array or null, ...) -> how many were deleted */
JS_NATIVE(js_native_storage_write)
{
    struct object_db *db = js_storage_of(ctx, argv[0], exc);
    struct object_pair pairs[OBJECT_BATCH_MAX];
    struct error err;
    size_t deleted = 0;
    size_t count = (argc - 1) / 2;
    if (db == NULL) {
        return JSValueMakeUndefined(ctx);
    }
    if (count > OBJECT_BATCH_MAX || !read_pairs(ctx, argv + 1, count, pairs)) {
        return js_throw(ctx, exc, JS_RANGE_ERROR, "The keys and values do not fit into memory.");
    }
    if (object_kv_write(db, pairs, count, &deleted, &err) < 0) {
        return js_storage_throw(ctx, &err, exc);
    }
    return JSValueMakeNumber(ctx, (double)deleted);
}

static bool add_pair(void *arg, const struct object_pair *pair)
{
    struct js_list *l = arg;
    JSValueRef value = js_bytes(l->ctx, pair->value);
    l->ok = l->ok && !JSValueIsNull(l->ctx, value);
    js_list_add(l, js_value_utf8(l->ctx, pair->key));
    js_list_add(l, value);
    return l->ok;
}

/* (instance, start, startAfter, end, prefix, reverse, limit); the four are strings or null
 * -> [key, Uint8Array, ...] */
JS_NATIVE(js_native_storage_list)
{
    struct object_db *db = js_storage_of(ctx, argv[0], exc);
    bool ok = db != NULL;
    struct error err;
    if (!ok) {
        return JSValueMakeUndefined(ctx);
    }
    struct object_range range = {
        .start = js_text_utf8(ctx, argv[1], 0, &ok),
        .start_after = js_text_utf8(ctx, argv[2], 1, &ok),
        .end = js_text_utf8(ctx, argv[3], 2, &ok),
        .prefix = js_text_utf8(ctx, argv[4], 3, &ok),
        .reverse = JSValueToBoolean(ctx, argv[5]),
        .limit = js_uint(ctx, argv[6]),
    };
    if (!ok) {
        return js_throw(ctx, exc, JS_RANGE_ERROR, "The bounds of the list do not fit into memory.");
    }
    struct js_list l = js_list_begin(ctx);
    int rc = object_kv_list(db, &range, add_pair, &l, &err);
    JSValueRef list = js_list_end(&l);
    if (list == NULL) {
        return js_throw(ctx, exc, JS_RANGE_ERROR, "The list does not fit into memory.");
    }
    return rc < 0 ? js_storage_throw(ctx, &err, exc) : list;
}

static JSValueRef simple(JSContextRef ctx, JSValueRef number, JSValueRef *exc,
                         int (*fn)(struct object_db *, struct error *))
{
    struct object_db *db = js_storage_of(ctx, number, exc);
    struct error err;
    if (db != NULL && fn(db, &err) < 0) {
        js_storage_throw(ctx, &err, exc);
    }
    return JSValueMakeUndefined(ctx);
}

/* (instance) */
JS_NATIVE(js_native_storage_delete_all)
{
    return simple(ctx, argv[0], exc, object_delete_all);
}

JS_NATIVE(js_native_storage_begin)
{
    return simple(ctx, argv[0], exc, object_begin);
}

JS_NATIVE(js_native_storage_commit)
{
    return simple(ctx, argv[0], exc, object_commit);
}

JS_NATIVE(js_native_storage_rollback)
{
    return simple(ctx, argv[0], exc, object_rollback);
}

/* (instance) -> bytes of the file */
JS_NATIVE(js_native_storage_size)
{
    struct object_db *db = js_storage_of(ctx, argv[0], exc);
    struct error err;
    uint64_t bytes = 0;
    if (db != NULL && object_size(db, &bytes, &err) < 0) {
        return js_storage_throw(ctx, &err, exc);
    }
    return JSValueMakeNumber(ctx, (double)bytes);
}

/* (call, instance, milliseconds or JS_ALARM_GET, JS_ALARM_DELETE) -> true; answered by
 * js_alarm_done */
JS_NATIVE(js_native_alarm)
{
    struct js_version *v = js_running(ctx);
    struct js_instance *inst = js_table_get(&v->instances, js_uint(ctx, argv[1]));
    double ms = js_double(ctx, argv[2]);
    bool ok = inst != NULL && v->host->alarm != NULL && ms >= JS_ALARM_DELETE && ms <= 8.64e15;
    if (ok) {
        v->host->alarm(v->arg, js_uint(ctx, argv[0]), inst->owner, (int64_t)ms);
    }
    return JSValueMakeBoolean(ctx, ok);
}

void js_alarm_done(struct js_version *v, uint32_t call, bool ok, int64_t time_ms, struct span why)
{
    JSValueRef argv[4] = {
        JSValueMakeNumber(v->ctx, call),
        JSValueMakeBoolean(v->ctx, ok),
        JSValueMakeNumber(v->ctx, (double)time_ms),
        js_value_utf8(v->ctx, ok ? SPAN_LIT("") : why),
    };
    js_enter(v, ENTRY_ALARM_DONE, 4, argv);
}
