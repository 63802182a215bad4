/*
 * SQL of an instance: queries by number, rows as one flat array of values.
 */
#include "js/storage.h"

#include <errno.h>
#include <stdlib.h>

#define FETCH_BYTES (1u << 20)  /* a fetch of rows ends after so many bytes of values */
#define BOUND_BYTES (64u << 20) /* strings bound to one query */
#define ANSWER_HEAD 4           /* elements of an answer before its values */
#define ARGS_HEAD   3           /* arguments of a query before its values */

void js_queries_end(struct js_version *v)
{
    for (uint32_t i = 1; i <= v->queries.cap; i++) {
        object_query_end(js_table_get(&v->queries, i));
    }
}

static JSValueRef value_of(JSContextRef ctx, const struct object_value *value)
{
    switch (value->type) {
    case OBJECT_INTEGER:
        return JSValueMakeNumber(ctx, (double)value->integer);
    case OBJECT_REAL:
        return JSValueMakeNumber(ctx, value->real);
    case OBJECT_TEXT:
        return js_value_utf8(ctx, value->bytes);
    case OBJECT_BLOB: {
        JSValueRef bytes = js_bytes(ctx, value->bytes);
        return JSValueIsNull(ctx, bytes)
                   ? bytes
                   : JSObjectGetTypedArrayBuffer(ctx, JSValueToObject(ctx, bytes, NULL), NULL);
    }
    case OBJECT_NULL:
        break;
    }
    return JSValueMakeNull(ctx);
}

/* At most max rows. 1: there may be more; 0: that was all. */
static int add_rows(struct js_list *list, struct object_query *q, uint32_t max, struct error *err)
{
    size_t columns = object_query_columns(q);
    size_t bytes = 0;
    int rc = 1;
    for (uint32_t n = 0; n < max && bytes < FETCH_BYTES; n++) {
        rc = object_query_next(q, err);
        if (rc <= 0) {
            return rc;
        }
        for (size_t i = 0; i < columns; i++) {
            struct object_value value = object_query_value(q, i);
            bytes += value.bytes.len;
            js_list_add(list, value_of(list->ctx, &value));
        }
    }
    return rc;
}

/* [query or 0, rows read, rows written, names, values of rows ...]. The query goes back to the
 * table when there may be more. */
static JSValueRef answer(JSContextRef ctx, struct object_query *q, JSValueRef names, uint32_t max,
                         JSValueRef *exc)
{
    struct js_version *v = js_running(ctx);
    struct js_list list = js_list_begin(ctx);
    struct error err;
    uint64_t read;
    uint64_t written;
    int rc;
    for (unsigned i = 0; i < ANSWER_HEAD; i++) {
        js_list_add(&list, names);
    }
    do { /* what it writes is committed at its end */
        rc = add_rows(&list, q, max, &err);
    } while (rc == 1 && object_query_writes(q));
    object_query_counts(q, &read, &written);
    uint32_t number = rc == 1 && list.ok ? js_table_add(&v->queries, q) : 0;
    if (number == 0) {
        object_query_end(q);
    }
    if (rc < 0 || !list.ok || (rc == 1 && number == 0)) {
        return rc < 0 ? js_storage_throw(ctx, &err, exc)
                      : js_throw(ctx, exc, JS_ERROR, "SQL: memory is out");
    }
    js_list_set(&list, 0, JSValueMakeNumber(ctx, number));
    js_list_set(&list, 1, JSValueMakeNumber(ctx, (double)read));
    js_list_set(&list, 2, JSValueMakeNumber(ctx, (double)written));
    return js_list_end(&list);
}

/* Strings go to one buffer, whose place is known when it no longer grows. */
static bool read_values(JSContextRef ctx, const JSValueRef argv[], size_t count,
                        struct object_value *values, struct buf *text)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        struct object_value *value = &values[i];
        size_t before = buf_len(text);
        bool ok = true;
        *value = (struct object_value){.type = OBJECT_NULL};
        if (JSValueIsNumber(ctx, argv[i])) {
            value->type = OBJECT_REAL;
            value->real = JSValueToNumber(ctx, argv[i], NULL);
        } else if (JSValueIsString(ctx, argv[i])) {
            value->type = OBJECT_TEXT;
            ok = js_append_utf8(ctx, argv[i], text);
            value->bytes.len = buf_len(text) - before;
        } else if (JSValueIsObject(ctx, argv[i])) {
            value->type = OBJECT_BLOB;
            value->bytes = js_text_bytes(ctx, argv[i], 1, &ok);
        }
        if (!ok) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == OBJECT_TEXT) {
            values[i].bytes.ptr = buf_span(text).ptr + at;
            at += values[i].bytes.len;
        }
    }
    return true;
}

static struct object_query *start(JSContextRef ctx, struct object_db *db, const JSValueRef argv[],
                                  size_t argc, JSValueRef *exc)
{
    struct object_value values[OBJECT_VALUES_MAX];
    struct error err = {.code = 0};
    struct buf text;
    bool ok = true;
    struct object_query *q = NULL;
    buf_init(&text, BOUND_BYTES);
    struct span sql = js_text_utf8(ctx, argv[1], 0, &ok);
    size_t count = argc > ARGS_HEAD ? argc - ARGS_HEAD : 0;
    if (count > OBJECT_VALUES_MAX) {
        error_set(&err, 0, "too many SQL variables: SQLITE_ERROR");
    } else if (!ok || !read_values(ctx, argv + ARGS_HEAD, count, values, &text)) {
        error_set(&err, 0, "string or blob too big: SQLITE_TOOBIG");
    } else {
        q = object_query_start(db, sql, values, count, &err);
    }
    buf_free(&text);
    if (q == NULL) {
        js_storage_throw(ctx, &err, exc);
    }
    return q;
}

/* (instance, SQL, rows, values ...) -> as answer() says, names being the columns' */
JS_NATIVE(js_native_storage_query)
{
    struct object_db *db = js_storage_of(ctx, argv[0], exc);
    struct object_query *q = db != NULL ? start(ctx, db, argv, argc, exc) : NULL;
    if (q == NULL) {
        return JSValueMakeUndefined(ctx);
    }
    struct js_list list = js_list_begin(ctx);
    for (size_t i = 0; i < object_query_columns(q); i++) {
        js_list_add(&list, js_value_utf8(ctx, object_query_name(q, i)));
    }
    JSValueRef names = js_list_end(&list);
    if (names == NULL) {
        object_query_end(q);
        return js_throw(ctx, exc, JS_ERROR, "SQL: memory is out");
    }
    return answer(ctx, q, names, js_uint(ctx, argv[2]), exc);
}

/* (query, rows) -> the same without names, and with a query's number of its own */
JS_NATIVE(js_native_storage_rows)
{
    struct js_version *v = js_running(ctx);
    uint32_t number = js_uint(ctx, argv[0]);
    struct object_query *q = js_table_get(&v->queries, number);
    if (q == NULL) {
        return js_throw(ctx, exc, JS_ERROR, "The query is over.");
    }
    js_table_remove(&v->queries, number);
    return answer(ctx, q, JSValueMakeUndefined(ctx), js_uint(ctx, argv[1]), exc);
}

/* (query) */
JS_NATIVE(js_native_storage_query_end)
{
    struct js_version *v = js_running(ctx);
    uint32_t number = js_uint(ctx, argv[0]);
    struct object_query *q = js_table_get(&v->queries, number);
    if (q != NULL) {
        js_table_remove(&v->queries, number);
        object_query_end(q);
    }
    return JSValueMakeUndefined(ctx);
}
