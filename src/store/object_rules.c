/*
 * What SQL of the user's may do: limits, which actions, how long a step.
 */
#include "store/object_db.h"

#include "base/clock.h"

static const struct {
    int limit;
    int value;
} limits[] = {
    {SQLITE_LIMIT_LENGTH, (int)OBJECT_ROW_MAX},
    {SQLITE_LIMIT_SQL_LENGTH, (int)OBJECT_SQL_MAX},
    {SQLITE_LIMIT_COLUMN, (int)OBJECT_COLUMNS_MAX},
    {SQLITE_LIMIT_EXPR_DEPTH, 100},
    {SQLITE_LIMIT_COMPOUND_SELECT, 50},
    {SQLITE_LIMIT_VDBE_OP, 25000},
    {SQLITE_LIMIT_FUNCTION_ARG, 32},
    {SQLITE_LIMIT_ATTACHED, 0},
    {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50},
    {SQLITE_LIMIT_VARIABLE_NUMBER, (int)OBJECT_VALUES_MAX},
    {SQLITE_LIMIT_TRIGGER_DEPTH, 10},
    {SQLITE_LIMIT_WORKER_THREADS, 0},
};

/* SETS: closing the file would forget it, so that it stays open. */
static const struct {
    const char *name;
    enum { TELLS, SETS, SETS_FOR_NOW } kind;
} pragmas[] = {
    {"table_list", TELLS},
    {"table_info", TELLS},
    {"table_xinfo", TELLS},
    {"index_list", TELLS},
    {"index_info", TELLS},
    {"index_xinfo", TELLS},
    {"foreign_key_list", TELLS},
    {"foreign_key_check", TELLS},
    {"quick_check", TELLS},
    {"function_list", TELLS},
    {"module_list", TELLS},
    {"pragma_list", TELLS},
    {"data_version", TELLS}, /* FTS5 asks for it */
    {"optimize", TELLS},
    {"defer_foreign_keys", SETS_FOR_NOW},
    {"foreign_keys", SETS},
    {"case_sensitive_like", SETS},
    {"ignore_check_constraints", SETS},
    {"legacy_alter_table", SETS},
    {"recursive_triggers", SETS},
    {"reverse_unordered_selects", SETS},
};

static bool same(const char *a, const char *b)
{
    return sqlite3_stricmp(a, b) == 0;
}

static bool reserved(const char *name)
{
    return name != NULL && sqlite3_strnicmp(name, "_cf_", 4) == 0;
}

static int judge_pragma(struct object_db *db, const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++) {
        if (same(name, pragmas[i].name)) {
            db->pinned = db->pinned || (pragmas[i].kind == SETS && value != NULL);
            return SQLITE_OK;
        }
    }
    return SQLITE_DENY;
}

static int judge_module(const char *module)
{
    return same(module, "fts5") || same(module, "fts5vocab") || same(module, "rtree") ? SQLITE_OK
                                                                                      : SQLITE_DENY;
}

static int judge_function(const char *name)
{
    return same(name, "load_extension") || same(name, "fts3_tokenizer") ? SQLITE_DENY : SQLITE_OK;
}

/* All that is not named here is refused: ATTACH, transactions, whatever a newer SQLite brings. */
static int judge(void *arg, int action, const char *a, const char *b, const char *base,
                 const char *trigger)
{
    struct object_db *db = arg;
    (void)base;
    (void)trigger;
    if (db->own) {
        return SQLITE_OK;
    }
    switch (action) {
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VIEW:
    case SQLITE_DELETE:
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_TRIGGER:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
    case SQLITE_INSERT:
    case SQLITE_READ:
    case SQLITE_UPDATE:
    case SQLITE_ALTER_TABLE:
        return reserved(a) || (action != SQLITE_READ && action != SQLITE_UPDATE && reserved(b))
                   ? SQLITE_DENY
                   : SQLITE_OK;
    case SQLITE_ANALYZE: /* of all tables, ours too; they change nothing */
    case SQLITE_REINDEX:
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_PRAGMA:
        return judge_pragma(db, a, b);
    case SQLITE_FUNCTION:
        return judge_function(b);
    case SQLITE_CREATE_VTABLE:
        return reserved(a) ? SQLITE_DENY : judge_module(b);
    default:
        return SQLITE_DENY;
    }
}

static int on_progress(void *arg)
{
    struct object_db *db = arg;
    db->slow = !db->own && clock_ns(CLOCK_THREAD_CPUTIME_ID) > db->step_ns;
    return db->slow ? 1 : 0;
}

void object_step_begin(struct object_db *db)
{
    db->slow = false;
    db->step_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) + OBJECT_STEP_MS * UINT64_C(1000000);
}

void object_rules_set(struct object_db *db)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        sqlite3_limit(db->handle, limits[i].limit, limits[i].value);
    }
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_set_authorizer(db->handle, judge, db);
    object_step_begin(db);
    sqlite3_progress_handler(db->handle, OBJECT_VDBE_CHECK, on_progress, db);
}
