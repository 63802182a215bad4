/*
 * object: one object's own storage, a SQLite file that nothing else has open.
 *
 * A write that has returned 0 survives the end of every process. After a power cut the file is
 * whole, and what was written in the last half minute may be missing. A file is made by the first
 * write, with the folder it stands in; a storage that was never written to reads as empty. A write
 * that fails (full disk, over a limit) has changed nothing. Calls block for as long as the disk
 * does. All is used by one thread.
 *
 * Any number of storages may be open: files that were not used for a while are closed underneath
 * and opened again, so each costs next to nothing while it rests.
 */
#ifndef SALLYPORT_STORE_OBJECT_H
#define SALLYPORT_STORE_OBJECT_H

#include "base/error.h"
#include "base/span.h"

/* Limits as Durable Objects on SQLite have them. */
#define OBJECT_KEY_MAX     2048u               /* bytes of a key; it may not be empty */
#define OBJECT_VALUE_MAX   (2u * 1024 * 1024)  /* bytes of a key and its value, of a row, of text */
#define OBJECT_BATCH_MAX   128u                /* keys of one batch */
#define OBJECT_SQL_MAX     100000u             /* bytes of SQL of one query */
#define OBJECT_VALUES_MAX  100u                /* values bound to one query */
#define OBJECT_COLUMNS_MAX 100u                /* columns of a table or of a result */
#define OBJECT_SIZE_MAX    (UINT64_C(1) << 30) /* bytes of a file, unless the opener says else */
#define OBJECT_STEP_MS     500u                /* CPU time that one step of a query may take */
#define OBJECT_QUERIES_MAX 64u                 /* queries open at once: an older one is ended */
#define OBJECT_DEPTH_MAX   16u                 /* transactions inside each other */

struct object_db;

/* path is kept as a copy, and nothing is opened yet; size_max 0: OBJECT_SIZE_MAX. NULL: memory is
 * out. Who opens the same path gets the same storage, until each has closed it; the last close
 * rolls back what was not committed and ends the queries. */
struct object_db *object_db_open(const char *path, uint64_t size_max, struct error *err);
void object_db_close(struct object_db *db);

/* -- keys and values ----------------------------------------------------------------------- */

struct object_pair {
    struct span key; /* UTF-8 */
    struct span value;
};

/* In the order of the bytes of keys; ptr NULL: that bound is not there. */
struct object_range {
    struct span start;       /* inclusive */
    struct span start_after; /* exclusive; not together with start */
    struct span end;         /* exclusive */
    struct span prefix;
    bool reverse;
    uint32_t limit; /* 0: none */
};

/* Spans are lent until it returns; false ends the listing with -ECANCELED. It may not use db. */
typedef bool (*object_pair_fn)(void *arg, const struct object_pair *pair);

/* 1: *value is lent until the next call on db; 0: no such key. */
int object_kv_get(struct object_db *db, struct span key, struct span *value, struct error *err);
/* All or none; -ERANGE: a limit was passed. A pair whose value.ptr is NULL is deleted; *deleted
 * (may be NULL) gets how many of those were there. */
int object_kv_write(struct object_db *db, const struct object_pair *pairs, size_t count,
                    size_t *deleted, struct error *err);
int object_kv_list(struct object_db *db, const struct object_range *range, object_pair_fn fn,
                   void *arg, struct error *err);
/* Everything, tables of SQL too. Not inside a transaction. */
int object_delete_all(struct object_db *db, struct error *err);

/* -- transactions -------------------------------------------------------------------------- */

/* begin returns the depth, 1 for the outermost; the others end the innermost. */
int object_begin(struct object_db *db, struct error *err);
int object_commit(struct object_db *db, struct error *err);
int object_rollback(struct object_db *db, struct error *err);

/* -- SQL ----------------------------------------------------------------------------------- */

enum object_type { OBJECT_NULL, OBJECT_INTEGER, OBJECT_REAL, OBJECT_TEXT, OBJECT_BLOB };

struct object_value {
    enum object_type type;
    int64_t integer;
    double real;
    struct span bytes; /* TEXT: UTF-8, or BLOB */
};

struct object_query;

/* Runs all statements of sql but the last, which gets the values and is run up to its first row.
 * Refused: ATTACH, BEGIN and its kin, TEMP, most of PRAGMA, names that begin with _cf_. Each
 * statement is done whole or not at all. The text of errors is SQLite's, as upstream spells it. */
struct object_query *object_query_start(struct object_db *db, struct span sql,
                                        const struct object_value *values, size_t count,
                                        struct error *err);
/* 1: a row is there (the first call gives the first); 0: the end. A query that was ended from
 * outside (rollback, too many) says so. */
int object_query_next(struct object_query *q, struct error *err);
/* It writes: committed once its last row was read or it was ended, whichever comes first. */
bool object_query_writes(const struct object_query *q);
size_t object_query_columns(const struct object_query *q);
/* Both are lent until the next call on q. */
struct span object_query_name(struct object_query *q, size_t column);
struct object_value object_query_value(struct object_query *q, size_t column);
/* So far, as near as SQLite tells: rows that were looked at, and rows changed. */
void object_query_counts(const struct object_query *q, uint64_t *read, uint64_t *written);
void object_query_end(struct object_query *q); /* frees it; NULL is allowed */

int object_size(struct object_db *db, uint64_t *bytes, struct error *err);

#endif
