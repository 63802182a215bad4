/*
 * SQL of the user's: one query at a time is run to its first row, then row by row.
 */
#include "store/object_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct object_query {
    struct list node;     /* among those of its storage; else empty */
    struct object_db *db; /* NULL: it has ended */
    sqlite3_stmt *st;     /* NULL: it has ended */
    bool waiting;         /* the first row is there and was not asked for */
    bool writes;
    const char *ended; /* from outside: why */
    size_t columns;
    uint64_t read;
    uint64_t written;
};

static const char *const codes[] = {
    [SQLITE_ERROR] = "SQLITE_ERROR",
    [SQLITE_INTERNAL] = "SQLITE_INTERNAL",
    [SQLITE_PERM] = "SQLITE_PERM",
    [SQLITE_ABORT] = "SQLITE_ABORT",
    [SQLITE_BUSY] = "SQLITE_BUSY",
    [SQLITE_LOCKED] = "SQLITE_LOCKED",
    [SQLITE_NOMEM] = "SQLITE_NOMEM",
    [SQLITE_READONLY] = "SQLITE_READONLY",
    [SQLITE_INTERRUPT] = "SQLITE_INTERRUPT",
    [SQLITE_IOERR] = "SQLITE_IOERR",
    [SQLITE_CORRUPT] = "SQLITE_CORRUPT",
    [SQLITE_NOTFOUND] = "SQLITE_NOTFOUND",
    [SQLITE_FULL] = "SQLITE_FULL",
    [SQLITE_CANTOPEN] = "SQLITE_CANTOPEN",
    [SQLITE_PROTOCOL] = "SQLITE_PROTOCOL",
    [SQLITE_EMPTY] = "SQLITE_EMPTY",
    [SQLITE_SCHEMA] = "SQLITE_SCHEMA",
    [SQLITE_TOOBIG] = "SQLITE_TOOBIG",
    [SQLITE_CONSTRAINT] = "SQLITE_CONSTRAINT",
    [SQLITE_MISMATCH] = "SQLITE_MISMATCH",
    [SQLITE_MISUSE] = "SQLITE_MISUSE",
    [SQLITE_NOLFS] = "SQLITE_NOLFS",
    [SQLITE_AUTH] = "SQLITE_AUTH",
    [SQLITE_FORMAT] = "SQLITE_FORMAT",
    [SQLITE_RANGE] = "SQLITE_RANGE",
    [SQLITE_NOTADB] = "SQLITE_NOTADB",
};

static const struct {
    int code;
    const char *name;
} constraints[] = {
    {SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY"},
    {SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY"},
    {SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER"},
    {SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE"},
    {SQLITE_CONSTRAINT_ROWID, "SQLITE_CONSTRAINT_ROWID"},
    {SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE"},
};

/* What hinders the file gets our sentence with the remedy, too. */
static bool of_the_file(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_BUSY:
        return true;
    default:
        return false;
    }
}

int object_sql_error(struct object_db *db, int code, struct error *err)
{
    struct error ours;
    size_t primary = (size_t)(code & 0xff);
    const char *name = primary < sizeof codes / sizeof *codes && codes[primary] != NULL
                           ? codes[primary]
                           : "SQLITE";
    int offset = sqlite3_error_offset(db->handle);
    char at[32] = "";
    char more[64] = "";
    object_error(db, code, &ours);
    if (of_the_file(code)) {
        return error_set(err, 0, "%.800s: %s", ours.text, name);
    }
    if (db->slow) {
        return error_set(err, 0, "the query took more than %u ms: SQLITE_INTERRUPT",
                         OBJECT_STEP_MS);
    }
    if (offset >= 0) {
        snprintf(at, sizeof at, " at offset %d", offset);
    }
    for (size_t i = 0; i < sizeof constraints / sizeof *constraints; i++) {
        if (constraints[i].code == code) {
            snprintf(more, sizeof more, " (extended: %s)", constraints[i].name);
        }
    }
    return error_set(err, 0, "%.800s%s: %s%s", sqlite3_errmsg(db->handle), at, name, more);
}

/* Nothing but blanks, comments and semicolons. */
static bool blank(struct span sql)
{
    size_t i = 0;
    while (i < sql.len) {
        const char *p = sql.ptr + i;
        size_t left = sql.len - i;
        const char *end;
        if (strchr(" \t\n\f\r;", *p) != NULL && *p != '\0') {
            i++;
        } else if (left >= 2 && p[0] == '-' && p[1] == '-') {
            end = memchr(p, '\n', left);
            i = end != NULL ? (size_t)(end - sql.ptr) + 1 : sql.len;
        } else if (left >= 2 && p[0] == '/' && p[1] == '*') {
            end = left > 2 ? memmem(p + 2, left - 2, "*/", 2) : NULL;
            i = end != NULL ? (size_t)(end - sql.ptr) + 2 : sql.len;
        } else {
            return false;
        }
    }
    return true;
}

/* Takes the next statement off the front of *sql; *st NULL: a comment. */
static int prepare(struct object_db *db, struct span *sql, sqlite3_stmt **st, struct error *err)
{
    const char *tail = NULL;
    object_step_begin(db);
    int rc = sqlite3_prepare_v3(db->handle, sql->ptr, (int)sql->len, 0, st, &tail);
    if (rc != SQLITE_OK) {
        return object_sql_error(db, rc, err);
    }
    *sql = span_from(*sql, (size_t)(tail - sql->ptr));
    return 0;
}

static void bind(sqlite3_stmt *st, int place, const struct object_value *v)
{
    const char *p = v->bytes.len > 0 ? v->bytes.ptr : "";
    switch (v->type) {
    case OBJECT_INTEGER:
        sqlite3_bind_int64(st, place, v->integer);
        break;
    case OBJECT_REAL:
        sqlite3_bind_double(st, place, v->real);
        break;
    case OBJECT_TEXT:
        sqlite3_bind_text64(st, place, p, v->bytes.len, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case OBJECT_BLOB:
        sqlite3_bind_blob64(st, place, p, v->bytes.len, SQLITE_TRANSIENT);
        break;
    case OBJECT_NULL:
        sqlite3_bind_null(st, place);
        break;
    }
}

static int bind_all(sqlite3_stmt *st, const struct object_value *values, size_t count,
                    struct error *err)
{
    if ((size_t)sqlite3_bind_parameter_count(st) != count) {
        return error_set(err, 0, "Wrong number of parameter bindings for SQL query.");
    }
    for (size_t i = 0; i < count; i++) {
        if (values[i].bytes.len > OBJECT_VALUE_MAX) {
            return error_set(err, 0, "string or blob too big: SQLITE_TOOBIG");
        }
        bind(st, (int)i + 1, &values[i]);
    }
    return 0;
}

/* Notes what the statement has done so far. */
static void count_rows(struct object_query *q, bool row)
{
    int scanned = sqlite3_stmt_status(q->st, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
    uint64_t looked = (uint64_t)(scanned > 0 ? scanned : 0);
    q->read += looked == 0 && row ? 1 : looked;
}

/* 1: a row; 0: the end. A table that an open query reads cannot be changed: that query ends. */
static int step(struct object_query *q, struct error *err)
{
    struct object_db *db = q->db;
    sqlite3_int64 before = sqlite3_total_changes64(db->handle);
    object_step_begin(db);
    int rc = sqlite3_step(q->st);
    if ((rc & 0xff) == SQLITE_LOCKED && list_empty(&q->node) && db->query_count != 0) {
        sqlite3_reset(q->st);
        object_end_queries(db, "what it reads was changed");
        rc = sqlite3_step(q->st);
    }
    q->written += (uint64_t)(sqlite3_total_changes64(db->handle) - before);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return object_sql_error(db, rc, err);
    }
    count_rows(q, rc == SQLITE_ROW);
    return rc == SQLITE_ROW ? 1 : 0;
}

/* It gives no more rows; what it has written is committed. */
static void finish(struct object_query *q)
{
    struct object_db *db = q->db;
    if (db == NULL) {
        return;
    }
    sqlite3_finalize(q->st);
    if (!list_empty(&q->node)) {
        list_remove(&q->node);
        db->query_count--;
    }
    q->st = NULL;
    q->db = NULL;
}

void object_end_queries(struct object_db *db, const char *why)
{
    LIST_FOREACH_SAFE(node, tmp, &db->queries)
    {
        struct object_query *q = LIST_ENTRY(node, struct object_query, node);
        finish(q);
        q->ended = why;
    }
}

/* Runs the statements before the last; the last is left in q->st. */
static int run_up_to_last(struct object_query *q, struct span sql, struct error *err)
{
    for (;;) {
        int rc = prepare(q->db, &sql, &q->st, err);
        if (rc < 0) {
            return rc;
        }
        if (blank(sql)) {
            break;
        }
        if (q->st == NULL) {
            continue;
        }
        if (sqlite3_bind_parameter_count(q->st) != 0) {
            return error_set(err, 0,
                             "When executing multiple SQL statements in a single call, only the "
                             "last statement can have parameters.");
        }
        while ((rc = step(q, err)) == 1) {
        }
        sqlite3_finalize(q->st);
        q->st = NULL;
        if (rc < 0) {
            return rc;
        }
    }
    return q->st != NULL ? 0 : error_set(err, 0, "SQL code did not contain a statement.");
}

static int start(struct object_query *q, struct span sql, const struct object_value *values,
                 size_t count, struct error *err)
{
    struct object_db *db = q->db;
    int rc = run_up_to_last(q, sql, err);
    rc = rc < 0 ? rc : bind_all(q->st, values, count, err);
    if (rc < 0) {
        return rc;
    }
    q->writes = sqlite3_stmt_readonly(q->st) == 0;
    rc = step(q, err);
    if (rc < 0) {
        return rc;
    }
    q->columns = (size_t)sqlite3_column_count(q->st);
    q->waiting = rc == 1;
    list_append(&db->queries, &q->node);
    if (++db->query_count > OBJECT_QUERIES_MAX) {
        struct object_query *oldest = LIST_ENTRY(db->queries.next, struct object_query, node);
        finish(oldest);
        oldest->ended = "too many queries were open";
    }
    return 0;
}

struct object_query *object_query_start(struct object_db *db, struct span sql,
                                        const struct object_value *values, size_t count,
                                        struct error *err)
{
    if (sql.len > OBJECT_SQL_MAX) {
        error_set(err, 0, "SQL is longer than %u bytes: SQLITE_TOOBIG", OBJECT_SQL_MAX);
        return NULL;
    }
    if (memchr(sql.ptr, '\0', sql.len) != NULL) {
        error_set(err, 0, "SQL holds a NUL character: SQLITE_ERROR");
        return NULL;
    }
    if (object_need(db, true, err) < 0) {
        return NULL;
    }
    struct object_query *q = calloc(1, sizeof *q);
    if (q == NULL) {
        error_set(err, ENOMEM, "SQL query");
        return NULL;
    }
    list_init(&q->node);
    q->db = db;
    int rc = start(q, sql, values, count, err);
    if (rc < 0) {
        object_query_end(q);
        q = NULL;
    }
    object_settle(db);
    return q;
}

int object_query_next(struct object_query *q, struct error *err)
{
    if (q->ended != NULL) {
        return error_set(err, 0, "the query was ended: %s: read it to its end before", q->ended);
    }
    if (q->db == NULL) {
        return 0;
    }
    if (q->waiting) {
        q->waiting = false;
        return 1;
    }
    struct object_db *db = q->db;
    int rc = sqlite3_stmt_busy(q->st) != 0 ? step(q, err) : 0;
    if (rc <= 0) {
        finish(q);
        object_settle(db);
    }
    return rc;
}

bool object_query_writes(const struct object_query *q)
{
    return q->writes;
}

size_t object_query_columns(const struct object_query *q)
{
    return q->columns;
}

struct span object_query_name(struct object_query *q, size_t column)
{
    const char *name = q->st != NULL ? sqlite3_column_name(q->st, (int)column) : NULL;
    return span_str(name != NULL ? name : "");
}

struct object_value object_query_value(struct object_query *q, size_t column)
{
    struct object_value v = {.type = OBJECT_NULL};
    int i = (int)column;
    switch (q->st != NULL ? sqlite3_column_type(q->st, i) : SQLITE_NULL) {
    case SQLITE_INTEGER:
        v.type = OBJECT_INTEGER;
        v.integer = sqlite3_column_int64(q->st, i);
        break;
    case SQLITE_FLOAT:
        v.type = OBJECT_REAL;
        v.real = sqlite3_column_double(q->st, i);
        break;
    case SQLITE_TEXT:
        v.type = OBJECT_TEXT;
        v.bytes.ptr = (const char *)sqlite3_column_text(q->st, i);
        v.bytes.len = v.bytes.ptr != NULL ? (size_t)sqlite3_column_bytes(q->st, i) : 0;
        break;
    case SQLITE_BLOB:
        v.type = OBJECT_BLOB;
        v.bytes = db_column(q->st, i);
        break;
    default:
        break;
    }
    return v;
}

void object_query_counts(const struct object_query *q, uint64_t *read, uint64_t *written)
{
    *read = q->read;
    *written = q->written;
}

void object_query_end(struct object_query *q)
{
    if (q != NULL) {
        struct object_db *db = q->db;
        finish(q);
        if (db != NULL) {
            object_settle(db);
        }
        free(q);
    }
}
