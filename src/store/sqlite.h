/*
 * sqlite: one database file, opened when it is needed. Inside store only.
 *
 * A statement is prepared at its first use and kept. Text of the schema and of every statement
 * stands in one table in db.c.
 */
#ifndef SALLYPORT_STORE_SQLITE_H
#define SALLYPORT_STORE_SQLITE_H

#include "store/store.h"

#include <sqlite3.h>

enum db_statement {
    DB_KV_PUT,
    DB_KV_GET,
    DB_KV_DELETE,
    DB_KV_LIST,
    DB_KV_PURGE,
    DB_STATE_PUT,
    DB_STATE_GET,
    DB_STATE_DELETE,
    DB_STATE_LIST,
    DB_OBJECT_PUT,
    DB_OBJECT_FIND,
    DB_OBJECT_LIST,
    DB_OBJECT_DELETE,
    DB_ALARM_PUT,
    DB_ALARM_GET,
    DB_ALARM_DELETE,
    DB_ALARM_LIST,
    DB_STATEMENTS
};

struct db {
    char *dir;
    char *path;
    sqlite3 *handle; /* NULL: not open */
    sqlite3_stmt *statements[DB_STATEMENTS];
};

struct local {
    struct store base; /* first: a struct store * is ours */
    struct db db;
};

static inline struct db *db_of(struct store *s)
{
    return &((struct local *)s)->db;
}

int db_init(struct db *db, const char *dir, struct error *err);
void db_close(struct db *db);

/* 1 open, 0 there is no file and nothing is added. grows: bytes that the write adds, at least 1; 0
 * for one that only reads or deletes. */
int db_open(struct db *db, size_t grows, struct error *err);

/* The statement with nothing bound, lent until the next call for the same. NULL on failure. */
sqlite3_stmt *db_statement(struct db *db, enum db_statement which, struct error *err);

/* One step: 1 a row, 0 the end; the statement is reset at the end or on failure. A write gives no
 * row; one that finds the disk full is tried once more after the log was written back. */
int db_step(struct db *db, sqlite3_stmt *st, struct error *err);

/* What SQLite says, as a sentence with the remedy; negative. */
int db_error(const struct db *db, int code, struct error *err);

/* Waits at most busy_ms for another process; nothing in a file that came to harm runs or writes
 * what it should not. */
void db_guard(sqlite3 *handle, int busy_ms);

/* The number that a pragma gives. SQLITE_OK, or SQLite's own code. */
int db_pragma(sqlite3 *handle, const char *sql, int *out);

/* Binds a place by its number from 1; a memory failure shows at the step. */
void db_bind(sqlite3_stmt *st, int place, struct span bytes);

/* Lent until the next step. */
struct span db_column(sqlite3_stmt *st, int i);

/* -- objects.c: the functions of struct store_ops ------------------------------------------- */
int store_object_put(struct store *s, const struct store_object *object, struct error *err);
int store_object_find(struct store *s, struct span class_name, struct span id_or_name,
                      store_object_fn fn, void *arg, struct error *err);
int store_object_list(struct store *s, struct span after, unsigned limit, store_object_fn fn,
                      void *arg, struct error *err);
int store_object_remove(struct store *s, struct span id, struct error *err);
int store_alarm_put(struct store *s, struct span id, int64_t time_ms, uint32_t retries,
                    struct error *err);
int store_alarm_get(struct store *s, struct span id, int64_t *time_ms, uint32_t *retries,
                    struct error *err);
int store_alarm_delete(struct store *s, struct span id, struct error *err);
int store_alarm_list(struct store *s, int64_t before_ms, unsigned limit, store_alarm_fn fn,
                     void *arg, struct error *err);

#endif
