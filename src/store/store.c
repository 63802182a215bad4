#include "store/store.h"
#include "base/log.h"
#include "store/sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs a statement that gives no row. */
static int run(struct db *db, sqlite3_stmt *st, struct error *err)
{
    return st == NULL ? -1 : db_step(db, st, err);
}

/* What has expired is invisible already: dropping it is for the disk's sake, and no part of what
 * was asked for. */
static void purge(struct db *db)
{
    struct error err;
    if (run(db, db_statement(db, DB_KV_PURGE, &err), &err) < 0) {
        log_warn("KV: what has expired stays on the disk until the next put: %s", err.text);
    }
}

static int kv_put(struct store *s, const struct store_put *put, struct error *err)
{
    struct db *db = db_of(s);
    int rc = store_check_put(put, err);
    rc = rc < 0 ? rc : db_open(db, 1 + put->value.len + put->metadata.len, err);
    sqlite3_stmt *st = rc < 0 ? NULL : db_statement(db, DB_KV_PUT, err);
    if (st == NULL) {
        return -1;
    }
    db_bind(st, 1, put->ns);
    db_bind(st, 2, put->key);
    db_bind(st, 3, put->value);
    if (put->metadata.len > 0) {
        db_bind(st, 4, put->metadata);
    }
    sqlite3_bind_int64(st, 5, put->expires_s);
    rc = run(db, st, err);
    sqlite3_clear_bindings(st);
    if (rc >= 0) {
        purge(db);
    }
    return rc;
}

static int fill_entry(sqlite3_stmt *st, struct store_entry *out, struct error *err)
{
    out->expires_s = sqlite3_column_int64(st, 2);
    if (!buf_append_span(&out->value, db_column(st, 0)) ||
        !buf_append_span(&out->metadata, db_column(st, 1))) {
        store_entry_free(out);
        return error_set(err, ENOMEM, "KV value");
    }
    return 1;
}

static int kv_get(struct store *s, struct span ns, struct span key, struct store_entry *out,
                  struct error *err)
{
    struct db *db = db_of(s);
    buf_init(&out->value, STORE_VALUE_MAX);
    buf_init(&out->metadata, STORE_METADATA_MAX);
    out->expires_s = 0;
    int rc = store_check_key(key, err);
    rc = rc < 0 ? rc : db_open(db, 0, err);
    if (rc <= 0) {
        return rc;
    }
    sqlite3_stmt *st = db_statement(db, DB_KV_GET, err);
    if (st == NULL) {
        return -1;
    }
    db_bind(st, 1, ns);
    db_bind(st, 2, key);
    rc = db_step(db, st, err);
    if (rc == 1) {
        rc = fill_entry(st, out, err);
    }
    sqlite3_reset(st);
    return rc;
}

static int kv_delete(struct store *s, struct span ns, struct span key, struct error *err)
{
    struct db *db = db_of(s);
    int rc = store_check_key(key, err);
    rc = rc < 0 ? rc : db_open(db, 0, err);
    sqlite3_stmt *st = rc <= 0 ? NULL : db_statement(db, DB_KV_DELETE, err);
    if (st == NULL) {
        return rc > 0 ? -1 : rc;
    }
    db_bind(st, 1, ns);
    db_bind(st, 2, key);
    return run(db, st, err);
}

/* A cursor is the last key of the page in hex: text, whatever the key was. */
static int decode_cursor(struct span cursor, char *out, size_t *len, struct error *err)
{
    *len = cursor.len / 2;
    bool good = cursor.len % 2 == 0 && *len <= STORE_KEY_MAX;
    for (size_t i = 0; good && i < cursor.len; i++) {
        char c = cursor.ptr[i];
        int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        good = v >= 0;
        if (good) {
            out[i / 2] = (char)(i % 2 == 0 ? v << 4 : (out[i / 2] & 0xf0) | v);
        }
    }
    return good ? 0 : error_set(err, 0, "KV cursor: not one that a listing gave");
}

static bool encode_cursor(struct span key, struct buf *out)
{
    for (size_t i = 0; i < key.len; i++) {
        if (!buf_appendf(out, "%02x", (unsigned char)key.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* Rows of one page go to fn. 1: there was one row more than limit. */
static int list_rows(struct db *db, sqlite3_stmt *st, const struct store_query *q, unsigned limit,
                     store_key_fn fn, void *arg, struct buf *cursor, struct error *err)
{
    char last[STORE_KEY_MAX];
    size_t last_len = 0;
    int rc = 1;
    for (unsigned n = 0; (rc = db_step(db, st, err)) == 1; n++) {
        struct store_key key = {db_column(st, 0), db_column(st, 1), sqlite3_column_int64(st, 2)};
        if (!span_starts(key.name, q->prefix)) {
            rc = 0;
            break;
        }
        if (n == limit) {
            rc = encode_cursor(span_of(last, last_len), cursor) ? 1 : error_set(err, ENOMEM, "KV");
            break;
        }
        last_len = key.name.len < sizeof last ? key.name.len : sizeof last;
        memcpy(last, key.name.ptr, last_len);
        if (!fn(arg, &key)) {
            rc = error_set(err, ECANCELED, "KV list");
            break;
        }
    }
    sqlite3_reset(st);
    return rc;
}

static int kv_list(struct store *s, const struct store_query *q, store_key_fn fn, void *arg,
                   struct buf *cursor, struct error *err)
{
    struct db *db = db_of(s);
    char after[STORE_KEY_MAX + 1];
    size_t after_len = 0;
    unsigned limit = q->limit == 0 ? STORE_LIST_MAX : q->limit;
    if (limit > STORE_LIST_MAX || q->prefix.len > STORE_KEY_MAX) {
        return error_set(err, 0, "KV list: expected a limit of 1 to %u and a prefix of at most %u",
                         STORE_LIST_MAX, STORE_KEY_MAX);
    }
    int rc = decode_cursor(q->cursor, after, &after_len, err);
    rc = rc < 0 ? rc : db_open(db, 0, err);
    sqlite3_stmt *st = rc <= 0 ? NULL : db_statement(db, DB_KV_LIST, err);
    if (st == NULL) {
        return rc > 0 ? -1 : rc;
    }
    db_bind(st, 1, q->ns);
    db_bind(st, 2, q->prefix);
    db_bind(st, 3, span_of(after, after_len));
    sqlite3_bind_int64(st, 4, (sqlite3_int64)limit + 1);
    return list_rows(db, st, q, limit, fn, arg, cursor, err);
}

static int state_put(struct store *s, const char *instance, struct span state, struct error *err)
{
    struct db *db = db_of(s);
    bool remove = state.len == 0;
    if (state.len > STORE_STATE_MAX) {
        return error_set(err, 0, "state of %s: larger than %u bytes", instance, STORE_STATE_MAX);
    }
    int rc = db_open(db, state.len, err);
    sqlite3_stmt *st =
        rc <= 0 ? NULL : db_statement(db, remove ? DB_STATE_DELETE : DB_STATE_PUT, err);
    if (st == NULL) {
        return rc > 0 ? -1 : rc;
    }
    sqlite3_bind_text(st, 1, instance, -1, SQLITE_STATIC);
    if (!remove) {
        db_bind(st, 2, state);
    }
    return run(db, st, err);
}

static int state_get(struct store *s, const char *instance, struct buf *out, struct error *err)
{
    struct db *db = db_of(s);
    int rc = db_open(db, 0, err);
    if (rc <= 0) {
        return rc;
    }
    sqlite3_stmt *st = db_statement(db, DB_STATE_GET, err);
    if (st == NULL) {
        return -1;
    }
    sqlite3_bind_text(st, 1, instance, -1, SQLITE_STATIC);
    rc = db_step(db, st, err);
    if (rc == 1 && !buf_append_span(out, db_column(st, 0))) {
        rc = error_set(err, ENOMEM, "state of %s", instance);
    }
    sqlite3_reset(st);
    return rc;
}

static int state_list(struct store *s, store_state_fn fn, void *arg, struct error *err)
{
    struct db *db = db_of(s);
    int rc = db_open(db, 0, err);
    sqlite3_stmt *st = rc <= 0 ? NULL : db_statement(db, DB_STATE_LIST, err);
    if (st == NULL) {
        return rc > 0 ? -1 : rc;
    }
    while ((rc = db_step(db, st, err)) == 1) {
        const char *instance = (const char *)sqlite3_column_text(st, 0);
        if (instance == NULL || !fn(arg, instance, db_column(st, 1))) {
            rc = error_set(err, ECANCELED, "state list");
            break;
        }
    }
    sqlite3_reset(st);
    return rc;
}

static void close_local(struct store *s)
{
    if (s != NULL) {
        db_close(db_of(s));
        free(s);
    }
}

static const struct store_ops ops = {
    .kv_put = kv_put,
    .kv_get = kv_get,
    .kv_delete = kv_delete,
    .kv_list = kv_list,
    .state_put = state_put,
    .state_get = state_get,
    .state_list = state_list,
    .object_put = store_object_put,
    .object_find = store_object_find,
    .object_list = store_object_list,
    .object_remove = store_object_remove,
    .alarm_put = store_alarm_put,
    .alarm_get = store_alarm_get,
    .alarm_delete = store_alarm_delete,
    .alarm_list = store_alarm_list,
    .close = close_local,
};

struct store *store_sqlite_create(const char *dir, struct error *err)
{
    struct local *l = calloc(1, sizeof *l);
    if (l == NULL) {
        error_set(err, ENOMEM, "store %s", dir);
        return NULL;
    }
    l->base.ops = &ops;
    if (db_init(&l->db, dir, err) < 0) {
        close_local(&l->base);
        return NULL;
    }
    return &l->base;
}
