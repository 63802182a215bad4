/*
 * object_db: what the files of an object's storage share. Inside store only.
 *
 *   rests (handle NULL) --object_need--> open --another needs the place--> rests
 *
 * Every public function begins with object_need, which leaves no row lent. The file is locked by
 * this process as long as it is open, so SQLite needs no shared memory and asks for no lock twice.
 */
#ifndef SALLYPORT_STORE_OBJECT_DB_H
#define SALLYPORT_STORE_OBJECT_DB_H

#include "base/list.h"
#include "store/object.h"
#include "store/sqlite.h"

#define OBJECT_PAGE       4096u
#define OBJECT_CACHE_KIB  256          /* pages of one file kept in memory */
#define OBJECT_OPEN_MAX   128u         /* files open at once, of those that may rest */
#define OBJECT_HEAP_MAX   (256u << 20) /* bytes that SQLite takes in all */
#define OBJECT_WAL_PAGES  1000         /* of the log, then it is written to the file */
#define OBJECT_BUSY_MS    2000         /* for a predecessor that is about to be gone */
#define OBJECT_ROW_MAX    (OBJECT_VALUE_MAX + OBJECT_KEY_MAX + 64u)
#define OBJECT_VDBE_CHECK 4000 /* operations between two looks at the clock */

enum object_statement {
    OBJECT_KV_GET,
    OBJECT_KV_PUT,
    OBJECT_KV_DELETE,
    OBJECT_KV_LIST,
    OBJECT_KV_LIST_REVERSE,
    OBJECT_BEGIN,
    OBJECT_COMMIT,
    OBJECT_ROLLBACK,
    OBJECT_SAVEPOINT,
    OBJECT_RELEASE,
    OBJECT_ROLLBACK_TO,
    OBJECT_STATEMENTS
};

struct object_db {
    struct list all;  /* among those of this process */
    struct list open; /* among the open ones, the longest unused first; else empty */
    unsigned users;   /* who opened the same path in this process: one at most, but for the time
                         in which an object moves to new code */
    char *path;
    uint64_t size_max;
    sqlite3 *handle;
    sqlite3_stmt *statements[OBJECT_STATEMENTS];
    sqlite3_stmt *lent; /* a row of its is in the caller's hands */
    unsigned depth;     /* of transactions */
    bool lost;          /* SQLite has undone the transaction that is open here */
    bool own;           /* the statement that is prepared is ours: all is allowed */
    bool pinned;        /* a setting was changed that closing would forget */
    bool slow;          /* the step was over its time */
    int wal_pages;
    int wal_tried;       /* pages of the log when it was last written to the file */
    uint64_t step_ns;    /* CPU time at which the step is over */
    struct list queries; /* the oldest first */
    size_t query_count;
};

/* 1: it is open, and no row is lent. 0: there is no file and write is false. */
int object_need(struct object_db *db, bool write, struct error *err);
/* Closes the file; what was not committed is undone. It is opened again when needed. */
void object_abandon(struct object_db *db);
/* After each call that may have written: looks after the log. */
void object_settle(struct object_db *db);

/* What SQLite says, as a sentence with the remedy; negative. Notes a lost transaction. */
int object_error(struct object_db *db, int code, struct error *err);
/* The same as upstream spells errors of SQL. */
int object_sql_error(struct object_db *db, int code, struct error *err);

/* One of ours, with nothing bound. NULL on failure. */
sqlite3_stmt *object_statement(struct object_db *db, enum object_statement which,
                               struct error *err);
/* Runs one of ours that has no places. */
int object_plain(struct object_db *db, enum object_statement which, struct error *err);
/* One step: 1 a row, 0 the end; reset at the end or on failure. */
int object_step(struct object_db *db, sqlite3_stmt *st, struct error *err);

/* Ends every query from outside; each says why when it is asked for more. why is a literal. */
void object_end_queries(struct object_db *db, const char *why);

/* -- object_rules.c: what code may do ------------------------------------------------------- */
void object_rules_set(struct object_db *db);
/* The clock of a step begins. */
void object_step_begin(struct object_db *db);

#endif
