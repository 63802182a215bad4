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
    DB_STATEMENTS
};

struct db {
    char *dir;
    char *path;
    sqlite3 *handle; /* NULL: not open */
    sqlite3_stmt *statements[DB_STATEMENTS];
};

int db_init(struct db *db, const char *dir, struct error *err);
void db_close(struct db *db);

/* 1 open, 0 there is no file and write is false. */
int db_open(struct db *db, bool write, struct error *err);

/* The statement with nothing bound, lent until the next call for the same. NULL on failure. */
sqlite3_stmt *db_statement(struct db *db, enum db_statement which, struct error *err);

/* One step: 1 a row, 0 the end; the statement is reset at the end or on failure. */
int db_step(struct db *db, sqlite3_stmt *st, struct error *err);

/* What SQLite says, as a sentence with the remedy; negative. */
int db_error(const struct db *db, int code, struct error *err);

/* Binds a place by its number from 1; a memory failure shows at the step. */
void db_bind(sqlite3_stmt *st, int place, struct span bytes);

#endif
