/*
 * Keys and values, and transactions.
 */
#include "store/object_db.h"

#include <errno.h>

static void bind_text(sqlite3_stmt *st, int place, struct span text)
{
    sqlite3_bind_text64(st, place, text.len > 0 ? text.ptr : "", text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

/* A limit was passed: the code lets JavaScript throw a RangeError. */
static int out_of_range(struct error *err)
{
    if (err != NULL) {
        err->code = ERANGE;
    }
    return -ERANGE;
}

static int check_key(struct span key, struct error *err)
{
    if (key.len == 0) {
        error_set(err, 0, "Keys cannot be empty.");
        return out_of_range(err);
    }
    if (key.len > OBJECT_KEY_MAX) {
        error_set(err, 0, "Keys cannot be larger than %u bytes. A key of size %zu was given.",
                  OBJECT_KEY_MAX, key.len);
        return out_of_range(err);
    }
    return 0;
}

int object_kv_get(struct object_db *db, struct span key, struct span *value, struct error *err)
{
    int rc = check_key(key, err);
    rc = rc < 0 ? rc : object_need(db, false, err);
    sqlite3_stmt *st = rc <= 0 ? NULL : object_statement(db, OBJECT_KV_GET, err);
    if (st == NULL) {
        return rc > 0 ? -1 : rc;
    }
    bind_text(st, 1, key);
    rc = object_step(db, st, err);
    sqlite3_clear_bindings(st);
    if (rc == 1) {
        *value = db_column(st, 0);
        db->lent = st;
    }
    return rc;
}

static int check_pairs(const struct object_pair *pairs, size_t count, struct error *err)
{
    if (count > OBJECT_BATCH_MAX) {
        error_set(err, 0, "Maximum number of pairs is %u.", OBJECT_BATCH_MAX);
        return out_of_range(err);
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = pairs[i].value.ptr != NULL ? pairs[i].value.len : 0;
        int rc = check_key(pairs[i].key, err);
        if (rc < 0) {
            return rc;
        }
        if (pairs[i].key.len + len > OBJECT_VALUE_MAX) {
            error_set(err, 0,
                      "Values cannot be larger than %u bytes. A value of size %zu was given.",
                      OBJECT_VALUE_MAX, len);
            return out_of_range(err);
        }
    }
    return 0;
}

static int write_pair(struct object_db *db, const struct object_pair *pair, size_t *deleted,
                      struct error *err)
{
    bool gone = pair->value.ptr == NULL;
    sqlite3_stmt *st = object_statement(db, gone ? OBJECT_KV_DELETE : OBJECT_KV_PUT, err);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, pair->key);
    if (!gone) {
        sqlite3_bind_blob64(st, 2, pair->value.len > 0 ? pair->value.ptr : "", pair->value.len,
                            SQLITE_STATIC);
    }
    int rc = object_step(db, st, err);
    sqlite3_clear_bindings(st);
    if (rc == 0 && gone) {
        *deleted += (size_t)sqlite3_changes(db->handle);
    }
    return rc;
}

int object_kv_write(struct object_db *db, const struct object_pair *pairs, size_t count,
                    size_t *deleted, struct error *err)
{
    size_t gone = 0;
    bool puts = false;
    int rc = check_pairs(pairs, count, err);
    for (size_t i = 0; i < count; i++) {
        puts = puts || pairs[i].value.ptr != NULL;
    }
    rc = rc < 0 ? rc : object_need(db, puts, err);
    if (deleted != NULL) {
        *deleted = 0;
    }
    if (rc <= 0 || count == 0) {
        return rc < 0 ? rc : 0;
    }
    rc = count == 1 ? 0 : object_begin(db, err);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        rc = write_pair(db, &pairs[i], &gone, err);
    }
    if (count != 1) {
        if (rc < 0) {
            object_rollback(db, NULL);
        } else {
            rc = object_commit(db, err);
        }
    }
    object_settle(db);
    if (rc >= 0 && deleted != NULL) {
        *deleted = gone;
    }
    return rc < 0 ? rc : 0;
}

/* The bounds of a listing: key >= low, key < high. */
struct bounds {
    char low[OBJECT_KEY_MAX + 1];
    size_t low_len;
    char high[OBJECT_KEY_MAX + 1];
    size_t high_len;
    bool high_set;
};

static int compare(struct span a, struct span b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return c != 0 ? c : a.len < b.len ? -1 : a.len > b.len;
}

static void raise_low(struct bounds *b, struct span s)
{
    if (compare(s, span_of(b->low, b->low_len)) > 0) {
        memcpy(b->low, s.ptr, s.len);
        b->low_len = s.len;
    }
}

static void lower_high(struct bounds *b, struct span s)
{
    if (!b->high_set || compare(s, span_of(b->high, b->high_len)) < 0) {
        memcpy(b->high, s.ptr, s.len);
        b->high_len = s.len;
        b->high_set = true;
    }
}

/* All that begins with prefix is below the prefix with its last byte raised. */
static void below_prefix(struct bounds *b, struct span prefix)
{
    char next[OBJECT_KEY_MAX];
    size_t len = prefix.len;
    memcpy(next, prefix.ptr, len);
    while (len > 0 && (unsigned char)next[len - 1] == 0xff) {
        len--;
    }
    if (len > 0) {
        next[len - 1]++;
        lower_high(b, span_of(next, len));
    }
}

static int bounds_of(const struct object_range *r, struct bounds *b, struct error *err)
{
    const struct span *const given[] = {&r->start, &r->start_after, &r->end, &r->prefix};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        if (given[i]->ptr != NULL && given[i]->len > OBJECT_KEY_MAX) {
            return error_set(err, 0, "list(): a bound is longer than %u bytes.", OBJECT_KEY_MAX);
        }
    }
    b->low_len = b->high_len = 0;
    b->high_set = false;
    if (r->start.ptr != NULL) {
        raise_low(b, r->start);
    }
    if (r->start_after.ptr != NULL) {
        raise_low(b, r->start_after);
        b->low[b->low_len++] = '\0'; /* the first key after it */
    }
    if (r->end.ptr != NULL) {
        lower_high(b, r->end);
    }
    if (r->prefix.ptr != NULL && r->prefix.len > 0) {
        raise_low(b, r->prefix);
        below_prefix(b, r->prefix);
    }
    return 0;
}

int object_kv_list(struct object_db *db, const struct object_range *range, object_pair_fn fn,
                   void *arg, struct error *err)
{
    struct bounds b;
    int rc = bounds_of(range, &b, err);
    rc = rc < 0 ? rc : object_need(db, false, err);
    sqlite3_stmt *st =
        rc <= 0
            ? NULL
            : object_statement(db, range->reverse ? OBJECT_KV_LIST_REVERSE : OBJECT_KV_LIST, err);
    if (st == NULL) {
        return rc > 0 ? -1 : rc;
    }
    bind_text(st, 1, span_of(b.low, b.low_len));
    if (b.high_set) {
        bind_text(st, 2, span_of(b.high, b.high_len));
    } else {
        sqlite3_bind_blob(st, 2, "", 0, SQLITE_STATIC); /* a BLOB stands after every TEXT */
    }
    sqlite3_bind_int64(st, 3, range->limit == 0 ? -1 : (sqlite3_int64)range->limit);
    while ((rc = object_step(db, st, err)) == 1) {
        struct object_pair pair = {db_column(st, 0), db_column(st, 1)};
        if (!fn(arg, &pair)) {
            rc = error_set(err, ECANCELED, "storage list");
            break;
        }
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc;
}

int object_begin(struct object_db *db, struct error *err)
{
    int rc = object_need(db, true, err);
    if (rc < 0) {
        return rc;
    }
    if (db->depth == OBJECT_DEPTH_MAX) {
        return error_set(err, 0, "storage: more than %u transactions inside each other",
                         OBJECT_DEPTH_MAX);
    }
    rc = object_plain(db, db->depth == 0 ? OBJECT_BEGIN : OBJECT_SAVEPOINT, err);
    return rc < 0 ? rc : (int)++db->depth;
}

/* The innermost is over, whatever becomes of it. true: SQLite had undone it before. */
static bool leave(struct object_db *db)
{
    bool lost = db->lost;
    if (--db->depth == 0) {
        db->lost = false;
    }
    return lost;
}

static int no_transaction(struct error *err)
{
    return error_set(err, 0, "storage: no transaction is open");
}

int object_commit(struct object_db *db, struct error *err)
{
    if (db->depth == 0) {
        return no_transaction(err);
    }
    if (db->lost) {
        leave(db);
        return error_set(err, 0, "storage %s: its transaction was undone by an earlier error",
                         db->path);
    }
    int rc = object_need(db, true, err);
    rc = rc < 0 ? rc : object_plain(db, db->depth == 1 ? OBJECT_COMMIT : OBJECT_RELEASE, err);
    if (rc < 0) {
        object_rollback(db, NULL);
        return rc;
    }
    leave(db);
    object_settle(db);
    return 0;
}

int object_rollback(struct object_db *db, struct error *err)
{
    if (db->depth == 0) {
        return no_transaction(err);
    }
    if (db->lost) {
        leave(db);
        return 0;
    }
    object_end_queries(db, "the transaction was rolled back");
    int rc = object_need(db, true, err);
    if (db->depth == 1) {
        rc = rc < 0 ? rc : object_plain(db, OBJECT_ROLLBACK, err);
    } else {
        rc = rc < 0 ? rc : object_plain(db, OBJECT_ROLLBACK_TO, err);
        rc = rc < 0 ? rc : object_plain(db, OBJECT_RELEASE, err);
    }
    leave(db);
    if (db->depth == 0 && db->handle != NULL && !sqlite3_get_autocommit(db->handle)) {
        object_abandon(db);
    }
    return rc < 0 ? rc : 0;
}
