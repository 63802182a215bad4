/* SQL in an object's own storage: values, several statements, what is refused, what is stopped. */
#include "object_here.h"

static void assert_refused(struct here *h, const char *sql, const char *why)
{
    const char *text = here_sql(h, sql);
    if (text[0] != '!' || strstr(text, why) == NULL) {
        fail_msg("%s: expected \"%s\", got \"%s\"", sql, why, text);
    }
}

static void values_come_back(void **state)
{
    struct here *h = *state;
    const struct object_value values[] = {
        {.type = OBJECT_NULL},
        {.type = OBJECT_INTEGER, .integer = INT64_MIN},
        {.type = OBJECT_REAL, .real = 0.5},
        {.type = OBJECT_TEXT, .bytes = SPAN_LIT("a\0b")},
        {.type = OBJECT_BLOB, .bytes = SPAN_LIT("\xff\0")},
        {.type = OBJECT_BLOB, .bytes = SPAN_LIT("")},
    };
    struct object_query *q =
        object_query_start(h->db, SPAN_LIT("SELECT ?, ?, ? AS real, ?, ?, ?"), values, 6, &h->err);
    assert_non_null(q);
    assert_int_equal(object_query_next(q, &h->err), 1);
    assert_int_equal(object_query_columns(q), 6);
    assert_true(span_eq(object_query_name(q, 2), SPAN_LIT("real")));
    for (size_t i = 0; i < 6; i++) {
        struct object_value v = object_query_value(q, i);
        assert_int_equal(v.type, values[i].type);
        assert_int_equal(v.integer, values[i].integer);
        assert_true(v.real >= values[i].real && v.real <= values[i].real);
        assert_true(span_eq(v.bytes, values[i].bytes));
    }
    assert_int_equal(object_query_next(q, &h->err), 0);
    assert_int_equal(object_query_next(q, &h->err), 0);
    object_query_end(q);
}

static void numbered_places(void **state)
{
    struct here *h = *state;
    const struct object_value values[] = {{.type = OBJECT_TEXT, .bytes = SPAN_LIT("one")},
                                          {.type = OBJECT_TEXT, .bytes = SPAN_LIT("two")}};
    struct object_query *q =
        object_query_start(h->db, SPAN_LIT("SELECT ?2 || ?1 || ?2"), values, 2, &h->err);
    assert_non_null(q);
    assert_int_equal(object_query_next(q, &h->err), 1);
    assert_true(span_eq(object_query_value(q, 0).bytes, SPAN_LIT("twoonetwo")));
    object_query_end(q);
    assert_null(object_query_start(h->db, SPAN_LIT("SELECT ?2"), values, 1, &h->err));
    assert_string_equal(h->err.text, "Wrong number of parameter bindings for SQL query.");
}

static void several_statements(void **state)
{
    struct here *h = *state;
    assert_string_equal(here_sql(h, "CREATE TABLE t (x); -- a comment; with a semicolon\n"
                                    "INSERT INTO t VALUES (1), (2); /* ; */ SELECT x FROM t;  "),
                        "1;2;");
    assert_string_equal(here_sql(h, "/* first */ SELECT ';' ; -- last"), ";;");
    assert_refused(h, "INSERT INTO t VALUES (?); SELECT 1",
                   "only the last statement can have parameters.");
    assert_refused(h, "", "SQL code did not contain a statement.");
    assert_refused(h, " ; -- nothing", "SQL code did not contain a statement.");
    assert_refused(h, "/* open", "SQL code did not contain a statement.");
    /* What came before the failure stays. */
    assert_refused(h, "INSERT INTO t VALUES (3); INSERT INTO absent VALUES (4)",
                   "no such table: absent");
    assert_string_equal(here_sql(h, "SELECT max(x) FROM t"), "3;");
}

static void errors_as_upstream(void **state)
{
    struct here *h = *state;
    here_sql(h, "CREATE TABLE t (x PRIMARY KEY, y NOT NULL, CHECK (x > 0)) STRICT");
    here_sql(h, "CREATE TABLE u (x PRIMARY KEY, y NOT NULL)");
    assert_string_equal(here_sql(h, "SELEC 1"),
                        "!near \"SELEC\": syntax error at offset 0: SQLITE_ERROR");
    assert_refused(h, "SELECT * FROM absent", "no such table: absent");
    here_sql(h, "INSERT INTO u VALUES (1, 1)");
    assert_string_equal(here_sql(h, "INSERT INTO u VALUES (1, 1)"),
                        "!UNIQUE constraint failed: u.x: SQLITE_CONSTRAINT (extended: "
                        "SQLITE_CONSTRAINT_PRIMARYKEY)");
    assert_refused(h, "INSERT INTO u VALUES (2, NULL)", "(extended: SQLITE_CONSTRAINT_NOTNULL)");
    struct object_query *q =
        object_query_start(h->db, span_of("SELECT 1\0;", 10), NULL, 0, &h->err);
    assert_null(q);
}

static void what_is_refused(void **state)
{
    struct here *h = *state;
    static const char *const all[] = {
        "ATTACH '/tmp/x.db' AS x",
        "ATTACH ':memory:' AS x",
        "DETACH main",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT a",
        "ROLLBACK",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA locking_mode = NORMAL",
        "PRAGMA max_page_count = 99999999",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA writable_schema = ON",
        "PRAGMA user_version = 9",
        "PRAGMA hard_heap_limit = 1",
        "PRAGMA synchronous = OFF",
        "PRAGMA database_list",
        "SELECT load_extension('x')",
        "CREATE TEMP TABLE x (y)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "VACUUM",
        "VACUUM INTO '/tmp/x.db'",
        "SELECT * FROM _cf_KV",
        "SELECT * FROM main._CF_kv",
        "INSERT INTO _cf_KV VALUES ('a', 'b')",
        "DELETE FROM _cf_KV",
        "DROP TABLE _cf_KV",
        "CREATE TABLE _cf_x (y)",
        "CREATE INDEX x ON _cf_KV (value)",
        "CREATE TRIGGER x AFTER INSERT ON _cf_KV BEGIN SELECT 1; END",
        "ALTER TABLE _cf_KV RENAME TO mine",
        "CREATE VIRTUAL TABLE x USING fts4 (y)",
        "CREATE VIRTUAL TABLE x USING dbstat",
    };
    assert_int_equal(here_put(h, "k", "v"), 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *text = here_sql(h, all[i]);
        if (text[0] != '!' ||
            (strstr(text, "SQLITE_AUTH") == NULL && strstr(text, "SQLITE_ERROR") == NULL)) {
            fail_msg("%s: %s", all[i], text);
        }
    }
    assert_string_equal(here_sql(h, "BEGIN"), "!not authorized: SQLITE_AUTH");
    assert_refused(h, "SELECT * FROM _cf_KV", "access to _cf_KV.key is prohibited");
    here_sql(h, "CREATE VIEW v AS SELECT key FROM _cf_KV");
    assert_refused(h, "SELECT * FROM v", "access to");
    assert_string_equal(here_get(h, "k"), "v");
}

static void what_is_allowed(void **state)
{
    struct here *h = *state;
    assert_string_equal(here_sql(h, "CREATE VIRTUAL TABLE f USING fts5 (body);"
                                    "INSERT INTO f VALUES ('the quick fox'), ('a dog');"
                                    "SELECT body FROM f WHERE f MATCH 'quick'"),
                        "the quick fox;");
    assert_string_equal(here_sql(h, "DROP TABLE f"), "");
    assert_string_equal(here_sql(h, "CREATE TABLE t (x INTEGER PRIMARY KEY, y);"
                                    "CREATE INDEX t_y ON t (y); PRAGMA table_info(t)"),
                        "0,x,INTEGER,0,null,1;1,y,,0,null,0;");
    assert_string_equal(here_sql(h, "SELECT name FROM pragma_index_list('t')"), "t_y;");
    assert_string_equal(here_sql(h, "PRAGMA foreign_keys"), "1;");
    assert_string_equal(here_sql(h, "PRAGMA foreign_keys = OFF; PRAGMA foreign_keys"), "0;");
    assert_string_equal(here_sql(h, "ALTER TABLE t RENAME TO s; ALTER TABLE s ADD COLUMN z;"
                                    "ALTER TABLE s DROP COLUMN z; ANALYZE; REINDEX;"
                                    "SELECT count(*) FROM s"),
                        "0;");
    assert_string_equal(here_sql(h, "SELECT json_extract('{\"a\":[1,2]}', '$.a[1]')"), "2;");
    assert_string_equal(here_sql(h, "INSERT INTO s (y) VALUES ('p'), ('q') RETURNING x, y"),
                        "1,p;2,q;");
    assert_string_equal(here_sql(h, "PRAGMA quick_check"), "ok;");
}

/* Its writes are committed when it was read to its end or was ended. */
static void returning_is_committed(void **state)
{
    struct here *h = *state;
    here_sql(h, "CREATE TABLE t (x)");
    struct object_query *q = object_query_start(
        h->db, SPAN_LIT("INSERT INTO t VALUES (1), (2) RETURNING x"), NULL, 0, &h->err);
    assert_non_null(q);
    assert_true(object_query_writes(q));
    assert_int_equal(object_query_next(q, &h->err), 1);
    object_query_end(q);
    here_reopen(h);
    assert_string_equal(here_sql(h, "SELECT count(*) FROM t"), "2;");
}

static void rows_are_counted(void **state)
{
    struct here *h = *state;
    uint64_t read, written;
    here_sql(h, "CREATE TABLE t (x)");
    struct object_query *q =
        object_query_start(h->db, SPAN_LIT("INSERT INTO t VALUES (1), (2), (3)"), NULL, 0, &h->err);
    object_query_counts(q, &read, &written);
    assert_int_equal(written, 3);
    assert_int_equal(object_query_next(q, &h->err), 0);
    object_query_end(q);
    q = object_query_start(h->db, SPAN_LIT("SELECT x FROM t"), NULL, 0, &h->err);
    object_query_counts(q, &read, &written);
    assert_int_equal(read, 1);
    while (object_query_next(q, &h->err) == 1) {
    }
    object_query_counts(q, &read, &written);
    assert_int_equal(read, 3);
    assert_int_equal(written, 0);
    object_query_end(q);
}

static void an_endless_query_is_stopped(void **state)
{
    struct here *h = *state;
    assert_int_equal(here_put(h, "k", "v"), 0);
    assert_string_equal(here_sql(h, "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1"
                                    " FROM n) SELECT count(*) FROM n"),
                        "!the query took more than 500 ms: SQLITE_INTERRUPT");
    assert_string_equal(here_get(h, "k"), "v");
    assert_string_equal(here_sql(h, "SELECT 1"), "1;");
}

static void memory_has_a_ceiling(void **state)
{
    struct here *h = *state;
    const char *text = here_sql(h, "WITH RECURSIVE n (x) AS (SELECT randomblob(1000000) UNION ALL"
                                   " SELECT randomblob(1000000) FROM n LIMIT 2000)"
                                   " SELECT length(x) FROM n ORDER BY x");
    assert_true(strstr(text, "out of memory") != NULL || strstr(text, "SQLITE_INTERRUPT") != NULL ||
                strstr(text, "Cannot allocate memory") != NULL);
    assert_string_equal(here_sql(h, "SELECT 1"), "1;");
    assert_refused(h, "SELECT randomblob(3000000)", "SQLITE_TOOBIG");
}

static void queries_are_ended_from_outside(void **state)
{
    struct here *h = *state;
    struct object_query *all[OBJECT_QUERIES_MAX + 1];
    here_sql(h, "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)");
    for (size_t i = 0; i < OBJECT_QUERIES_MAX + 1; i++) {
        all[i] = object_query_start(h->db, SPAN_LIT("SELECT x FROM t"), NULL, 0, &h->err);
        assert_non_null(all[i]);
    }
    assert_true(object_query_next(all[0], &h->err) < 0);
    assert_non_null(strstr(h->err.text, "too many queries were open"));
    assert_int_equal(object_query_next(all[1], &h->err), 1);
    assert_string_equal(here_sql(h, "DROP TABLE t"), "");
    assert_true(object_query_next(all[1], &h->err) < 0);
    assert_non_null(strstr(h->err.text, "what it reads was changed"));
    for (size_t i = 0; i < OBJECT_QUERIES_MAX + 1; i++) {
        object_query_end(all[i]);
    }
    here_sql(h, "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)");
    assert_int_equal(object_begin(h->db, &h->err), 1);
    struct object_query *q =
        object_query_start(h->db, SPAN_LIT("SELECT x FROM t"), NULL, 0, &h->err);
    assert_int_equal(object_rollback(h->db, &h->err), 0);
    assert_true(object_query_next(q, &h->err) < 0);
    object_query_end(q);
    q = object_query_start(h->db, SPAN_LIT("SELECT x FROM t"), NULL, 0, &h->err);
    here_reopen(h);
    assert_true(object_query_next(q, &h->err) < 0);
    object_query_end(q);
}

/* A query that is never read to its end does not let the log grow for ever. */
static void the_log_is_bounded(void **state)
{
    struct here *h = *state;
    static char value[2000000];
    struct object_pair pair = {SPAN_LIT("k"), span_of(value, sizeof value)};
    struct stat st;
    char log[160];
    snprintf(log, sizeof log, "%s-wal", h->path);
    here_sql(h, "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)");
    struct object_query *q =
        object_query_start(h->db, SPAN_LIT("SELECT x FROM t"), NULL, 0, &h->err);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(object_kv_write(h->db, &pair, 1, NULL, &h->err), 0);
    }
    assert_int_equal(stat(log, &st), 0);
    assert_true(st.st_size < 10 * 1000 * 1000);
    assert_int_equal(object_query_next(q, &h->err), 1);
    assert_int_equal(object_query_next(q, &h->err), 1);
    assert_int_equal(object_query_next(q, &h->err), 0);
    object_query_end(q);
}

static void schema_changes_do_not_shut_us_out(void **state)
{
    struct here *h = *state;
    assert_int_equal(here_put(h, "k", "1"), 0);
    assert_string_equal(here_get(h, "k"), "1");
    for (int i = 0; i < 3; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "CREATE TABLE t%d (x)", i);
        assert_string_equal(here_sql(h, sql), "");
        assert_int_equal(here_put(h, "k", "2"), 0);
        assert_string_equal(here_get(h, "k"), "2");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_OBJECT(values_come_back),
        WITH_OBJECT(numbered_places),
        WITH_OBJECT(several_statements),
        WITH_OBJECT(errors_as_upstream),
        WITH_OBJECT(what_is_refused),
        WITH_OBJECT(what_is_allowed),
        WITH_OBJECT(returning_is_committed),
        WITH_OBJECT(rows_are_counted),
        WITH_OBJECT(an_endless_query_is_stopped),
        WITH_OBJECT(memory_has_a_ceiling),
        WITH_OBJECT(queries_are_ended_from_outside),
        WITH_OBJECT(the_log_is_bounded),
        WITH_OBJECT(schema_changes_do_not_shut_us_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
