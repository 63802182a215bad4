/*
 * The objects that are known, and their alarms.
 */
#include "store/sqlite.h"

#include <errno.h>

static int check_id(struct span id, struct error *err)
{
    return id.len > 0 && id.len <= STORE_KEY_MAX
               ? 0
               : error_set(err, 0, "object id: expected 1 to %u bytes", STORE_KEY_MAX);
}

/* The statement with the id as its first place. *rc: what to return when it gives NULL. */
static sqlite3_stmt *for_id(struct db *db, enum db_statement which, struct span id, bool write,
                            int *rc, struct error *err)
{
    *rc = check_id(id, err);
    *rc = *rc < 0 ? *rc : db_open(db, write ? 1 : 0, err);
    sqlite3_stmt *st = *rc <= 0 ? NULL : db_statement(db, which, err);
    if (st == NULL) {
        *rc = *rc > 0 ? -1 : *rc;
        return NULL;
    }
    db_bind(st, 1, id);
    return st;
}

static sqlite3_int64 limit_of(unsigned limit)
{
    return limit == 0 ? -1 : (sqlite3_int64)limit;
}

static struct store_object object_of(sqlite3_stmt *st)
{
    return (struct store_object){
        .id = db_column(st, 0),
        .class_name = db_column(st, 1),
        .name = db_column(st, 2),
        .created_ms = sqlite3_column_int64(st, 3),
    };
}

/* Rows of objects go to fn; *count gets how many. */
static int object_rows(struct db *db, sqlite3_stmt *st, store_object_fn fn, void *arg, int *count,
                       struct error *err)
{
    int rc;
    *count = 0;
    while ((rc = db_step(db, st, err)) == 1) {
        struct store_object object = object_of(st);
        (*count)++;
        if (fn != NULL && !fn(arg, &object)) {
            rc = error_set(err, ECANCELED, "object list");
            break;
        }
    }
    sqlite3_reset(st);
    return rc;
}

int store_object_put(struct store *s, const struct store_object *object, struct error *err)
{
    struct db *db = db_of(s);
    int rc;
    if (object->class_name.len > STORE_KEY_MAX || object->name.len > STORE_NAME_MAX) {
        return error_set(err, 0, "object: a class of more than %u bytes, or a name of more than %u",
                         STORE_KEY_MAX, STORE_NAME_MAX);
    }
    sqlite3_stmt *st = for_id(db, DB_OBJECT_PUT, object->id, true, &rc, err);
    if (st == NULL) {
        return rc;
    }
    db_bind(st, 2, object->class_name);
    db_bind(st, 3, object->name);
    sqlite3_bind_int64(st, 4, object->created_ms);
    return db_step(db, st, err);
}

int store_object_find(struct store *s, struct span class_name, struct span id_or_name,
                      store_object_fn fn, void *arg, struct error *err)
{
    struct db *db = db_of(s);
    int rc;
    int count;
    sqlite3_stmt *st = for_id(db, DB_OBJECT_FIND, id_or_name, false, &rc, err);
    if (st == NULL) {
        return rc;
    }
    db_bind(st, 2, class_name);
    rc = object_rows(db, st, fn, arg, &count, err);
    return rc < 0 ? rc : count;
}

int store_object_list(struct store *s, struct span after, unsigned limit, store_object_fn fn,
                      void *arg, struct error *err)
{
    struct db *db = db_of(s);
    int count;
    int rc = db_open(db, 0, err);
    sqlite3_stmt *st = rc <= 0 ? NULL : db_statement(db, DB_OBJECT_LIST, err);
    if (st == NULL) {
        return rc > 0 ? -1 : rc;
    }
    db_bind(st, 1, after);
    sqlite3_bind_int64(st, 2, limit_of(limit));
    return object_rows(db, st, fn, arg, &count, err);
}

static int delete_by_id(struct db *db, enum db_statement which, struct span id, struct error *err)
{
    int rc;
    sqlite3_stmt *st = for_id(db, which, id, false, &rc, err);
    return st == NULL ? rc : db_step(db, st, err);
}

static int delete_state(struct db *db, struct span id, struct error *err)
{
    sqlite3_stmt *st = db_statement(db, DB_STATE_DELETE, err);
    if (st == NULL) {
        return -1;
    }
    sqlite3_bind_text64(st, 1, id.ptr, id.len, SQLITE_STATIC, SQLITE_UTF8);
    return db_step(db, st, err);
}

static int plain(struct db *db, const char *sql, struct error *err)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_error(db, rc, err);
}

int store_object_remove(struct store *s, struct span id, struct error *err)
{
    struct db *db = db_of(s);
    int rc = check_id(id, err);
    rc = rc < 0 ? rc : db_open(db, 0, err);
    if (rc <= 0) {
        return rc;
    }
    rc = plain(db, "BEGIN IMMEDIATE", err);
    if (rc < 0) {
        return rc;
    }
    rc = delete_state(db, id, err);
    rc = rc < 0 ? rc : delete_by_id(db, DB_ALARM_DELETE, id, err);
    rc = rc < 0 ? rc : delete_by_id(db, DB_OBJECT_DELETE, id, err);
    int found = rc < 0 ? 0 : sqlite3_changes(db->handle);
    rc = rc < 0 ? rc : plain(db, "COMMIT", err);
    if (rc < 0 && !sqlite3_get_autocommit(db->handle)) {
        plain(db, "ROLLBACK", NULL);
    }
    return rc < 0 ? rc : found;
}

int store_alarm_put(struct store *s, struct span id, int64_t time_ms, uint32_t retries,
                    struct error *err)
{
    struct db *db = db_of(s);
    int rc;
    sqlite3_stmt *st = for_id(db, DB_ALARM_PUT, id, true, &rc, err);
    if (st == NULL) {
        return rc;
    }
    sqlite3_bind_int64(st, 2, time_ms);
    sqlite3_bind_int64(st, 3, retries);
    return db_step(db, st, err);
}

int store_alarm_get(struct store *s, struct span id, int64_t *time_ms, uint32_t *retries,
                    struct error *err)
{
    struct db *db = db_of(s);
    int rc;
    sqlite3_stmt *st = for_id(db, DB_ALARM_GET, id, false, &rc, err);
    if (st == NULL) {
        return rc;
    }
    rc = db_step(db, st, err);
    if (rc == 1) {
        *time_ms = sqlite3_column_int64(st, 0);
        *retries = (uint32_t)sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    return rc;
}

int store_alarm_delete(struct store *s, struct span id, struct error *err)
{
    return delete_by_id(db_of(s), DB_ALARM_DELETE, id, err);
}

int store_alarm_list(struct store *s, int64_t before_ms, unsigned limit, store_alarm_fn fn,
                     void *arg, struct error *err)
{
    struct db *db = db_of(s);
    int rc = db_open(db, 0, err);
    sqlite3_stmt *st = rc <= 0 ? NULL : db_statement(db, DB_ALARM_LIST, err);
    if (st == NULL) {
        return rc > 0 ? -1 : rc;
    }
    sqlite3_bind_int64(st, 1, before_ms);
    sqlite3_bind_int64(st, 2, limit_of(limit));
    while ((rc = db_step(db, st, err)) == 1) {
        struct store_alarm alarm = {
            .object = object_of(st),
            .time_ms = sqlite3_column_int64(st, 4),
            .retries = (uint32_t)sqlite3_column_int64(st, 5),
        };
        if (!fn(arg, &alarm)) {
            rc = error_set(err, ECANCELED, "alarm list");
            break;
        }
    }
    sqlite3_reset(st);
    return rc;
}
