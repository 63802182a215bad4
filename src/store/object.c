/*
 * The file of an object's storage: opened, kept within bounds, closed.
 */
#include "store/object_db.h"

#include "base/cleanup.h"
#include "store/files.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define FORMAT 1 /* PRAGMA user_version */

static const char *const texts[OBJECT_STATEMENTS] = {
    [OBJECT_KV_GET] = "SELECT value FROM _cf_KV WHERE key = ?1",
    [OBJECT_KV_PUT] = "INSERT INTO _cf_KV (key, value) VALUES (?1, ?2)"
                      " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [OBJECT_KV_DELETE] = "DELETE FROM _cf_KV WHERE key = ?1",
    [OBJECT_KV_LIST] = "SELECT key, value FROM _cf_KV WHERE key >= ?1 AND key < ?2"
                       " ORDER BY key LIMIT ?3",
    [OBJECT_KV_LIST_REVERSE] = "SELECT key, value FROM _cf_KV WHERE key >= ?1 AND key < ?2"
                               " ORDER BY key DESC LIMIT ?3",
    [OBJECT_BEGIN] = "BEGIN IMMEDIATE",
    [OBJECT_COMMIT] = "COMMIT",
    [OBJECT_ROLLBACK] = "ROLLBACK",
    [OBJECT_SAVEPOINT] = "SAVEPOINT _cf_inner",
    [OBJECT_RELEASE] = "RELEASE _cf_inner",
    [OBJECT_ROLLBACK_TO] = "ROLLBACK TO _cf_inner",
};

static struct list all = {&all, &all};
static struct list open_files = {&open_files, &open_files};
static size_t open_count;

/* Before SQLite's first use in this process. Caches grow by the page and statement journals stay in
 * memory: there is nowhere to put a temporary file. */
static void configure_once(void)
{
    static bool done;
    if (!done) {
        done = true;
        sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
        sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
        sqlite3_initialize();
        sqlite3_hard_heap_limit64(OBJECT_HEAP_MAX);
    }
}

struct object_db *object_db_open(const char *path, uint64_t size_max, struct error *err)
{
    LIST_FOREACH(node, &all)
    {
        struct object_db *same = LIST_ENTRY(node, struct object_db, all);
        if (strcmp(same->path, path) == 0) {
            same->users++;
            return same;
        }
    }
    struct object_db *db = calloc(1, sizeof *db);
    char *copy = strdup(path);
    if (db == NULL || copy == NULL) {
        free(db);
        free(copy);
        error_set(err, ENOMEM, "storage %s", path);
        return NULL;
    }
    configure_once();
    db->path = copy;
    db->size_max = size_max != 0 ? size_max : OBJECT_SIZE_MAX;
    db->users = 1;
    list_init(&db->open);
    list_init(&db->queries);
    list_append(&all, &db->all);
    return db;
}

/* The log stays beside the file: writing it back now would wait for the disk. */
void object_abandon(struct object_db *db)
{
    for (size_t i = 0; i < OBJECT_STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    if (db->handle != NULL) {
        sqlite3_close(db->handle);
    }
    if (!list_empty(&db->open)) {
        list_remove(&db->open);
        open_count--;
    }
    db->handle = NULL;
    db->lent = NULL;
    db->depth = 0;
    db->lost = db->pinned = false;
    db->wal_pages = db->wal_tried = 0;
}

void object_db_close(struct object_db *db)
{
    if (db == NULL || --db->users != 0) {
        return;
    }
    object_end_queries(db, "the object is gone");
    object_abandon(db);
    list_remove(&db->all);
    free(db->path);
    free(db);
}

static const char *full_text(const struct object_db *db)
{
    struct statfs fs;
    if (statfs(db->path, &fs) < 0) {
        return "it has reached its limit, or the disk is full: free some space";
    }
    return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize > 4 * OBJECT_VALUE_MAX
               ? "it has reached its limit: delete something"
               : "the disk is full: free some space";
}

int object_error(struct object_db *db, int code, struct error *err)
{
    if (db->depth != 0 && db->handle != NULL && sqlite3_get_autocommit(db->handle)) {
        db->lost = true;
    }
    int why = db->handle != NULL ? sqlite3_system_errno(db->handle) : 0;
    switch (code & 0xff) {
    case SQLITE_FULL:
        return error_set(err, 0, "storage %s: %s (limit: %llu MiB)", db->path, full_text(db),
                         (unsigned long long)(db->size_max >> 20));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(err, 0, "storage %s: damaged or not a database: move it aside", db->path);
    case SQLITE_BUSY:
        return error_set(err, 0, "storage %s: another process keeps it locked", db->path);
    case SQLITE_READONLY:
        return error_set(err, 0, "storage %s: cannot be written: check its owner and mode",
                         db->path);
    case SQLITE_CANTOPEN:
        return error_set(err, why, "storage %s: cannot be opened", db->path);
    case SQLITE_IOERR:
        return error_set(err, why,
                         "storage %s: the disk does not take or give it: free some space, or look "
                         "for its errors",
                         db->path);
    case SQLITE_NOMEM:
        return error_set(err, ENOMEM, "storage %s", db->path);
    case SQLITE_TOOBIG:
        return error_set(err, 0, "storage %s: a value is larger than %u bytes", db->path,
                         OBJECT_VALUE_MAX);
    default:
        return error_set(err, 0, "storage %s: %s", db->path,
                         db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
    }
}

static int on_log(void *arg, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    ((struct object_db *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

static int run(struct object_db *db, const char *sql)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
}

/* The lock is taken by the first look at the file and kept: WAL needs no shared memory then. */
static int set_up_handle(struct object_db *db)
{
    char text[256];
    snprintf(text, sizeof text,
             "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY;"
             "PRAGMA cache_size = -%d; PRAGMA max_page_count = %llu; PRAGMA foreign_keys = ON;"
             "PRAGMA journal_size_limit = %llu",
             OBJECT_CACHE_KIB, (unsigned long long)(db->size_max / OBJECT_PAGE),
             (unsigned long long)OBJECT_PAGE * OBJECT_WAL_PAGES);
    db_guard(db->handle, OBJECT_BUSY_MS);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return run(db, text);
}

/* A new file does not wait for the disk: it gets one page by one write, all else goes to the log.
 * Whatever a power cut leaves of these is a whole file, or an empty one, whose log is ignored. */
static int set_up_journal(struct object_db *db)
{
    struct stat st;
    int rc = SQLITE_OK;
    if (stat(db->path, &st) == 0 && st.st_size == 0) {
        rc = run(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY");
    } else {
        rc = run(db, "PRAGMA synchronous = NORMAL");
    }
    return rc == SQLITE_OK ? run(db, "PRAGMA journal_mode = WAL") : rc;
}

static int prepare_file(struct object_db *db, struct error *err)
{
    int format = 0;
    int rc = set_up_handle(db);
    /* First: a file that is not for us is not touched. */
    rc = rc == SQLITE_OK ? db_pragma(db->handle, "PRAGMA user_version", &format) : rc;
    if (rc == SQLITE_OK && format > FORMAT) {
        return error_set(err, 0, "storage %s: made by a newer sallyport: update this one",
                         db->path);
    }
    rc = rc == SQLITE_OK ? set_up_journal(db) : rc;
    if (rc == SQLITE_OK && format < FORMAT) {
        rc = run(db, "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS _cf_KV (key TEXT PRIMARY KEY,"
                     " value BLOB NOT NULL) WITHOUT ROWID; PRAGMA user_version = 1; COMMIT");
    }
    rc = rc == SQLITE_OK ? run(db, "PRAGMA synchronous = NORMAL") : rc;
    return rc == SQLITE_OK ? 0 : object_error(db, rc, err);
}

static int make_file(const struct object_db *db, struct error *err)
{
    cleanup_free char *folder = strdup(db->path);
    char *slash = folder != NULL ? strrchr(folder, '/') : NULL;
    if (slash == NULL || slash == folder) {
        return error_set(err, 0, "storage %s: not an absolute path in a folder", db->path);
    }
    *slash = '\0';
    int rc = store_make_folder(folder, err);
    return rc < 0 ? rc : store_make_file(db->path, err);
}

static int open_file(struct object_db *db, struct error *err)
{
    int rc = sqlite3_open_v2(db->path, &db->handle,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE,
                             NULL);
    rc = rc != SQLITE_OK ? object_error(db, rc, err) : prepare_file(db, err);
    if (rc < 0) {
        object_abandon(db);
        return rc;
    }
    sqlite3_wal_hook(db->handle, on_log, db);
    object_rules_set(db);
    list_append(&open_files, &db->open);
    open_count++;
    return 1;
}

/* Makes place for one more. Those at work stay: then there are more than the limit. */
static void close_longest_unused(void)
{
    LIST_FOREACH_SAFE(node, tmp, &open_files)
    {
        struct object_db *db = LIST_ENTRY(node, struct object_db, open);
        if (open_count < OBJECT_OPEN_MAX) {
            return;
        }
        if (db->depth == 0 && list_empty(&db->queries) && !db->pinned) {
            object_abandon(db);
        }
    }
}

int object_need(struct object_db *db, bool write, struct error *err)
{
    if (db->lent != NULL) {
        sqlite3_reset(db->lent);
        db->lent = NULL;
    }
    if (db->lost) {
        return error_set(err, 0, "storage %s: its transaction was undone by an earlier error",
                         db->path);
    }
    if (db->handle != NULL) {
        list_remove(&db->open);
        list_append(&open_files, &db->open);
        return 1;
    }
    if (access(db->path, F_OK) < 0) {
        if (!write) {
            return errno == ENOENT || errno == ENOTDIR
                       ? 0
                       : error_set(err, errno, "storage %s", db->path);
        }
        int rc = make_file(db, err);
        if (rc < 0) {
            return rc;
        }
    }
    close_longest_unused();
    return open_file(db, err);
}

/* A log that cannot be written back now (full disk) loses nothing and is tried again when it has
 * grown. An open query does not hold it: it reads what the same connection has written. */
void object_settle(struct object_db *db)
{
    if (db->handle == NULL || db->depth != 0 || db->wal_pages < OBJECT_WAL_PAGES) {
        return;
    }
    if (db->wal_pages < db->wal_tried) {
        db->wal_tried = 0;
    }
    if (db->wal_pages - db->wal_tried < OBJECT_WAL_PAGES) {
        return;
    }
    db->wal_tried = db->wal_pages;
    sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

sqlite3_stmt *object_statement(struct object_db *db, enum object_statement which, struct error *err)
{
    sqlite3_stmt **st = &db->statements[which];
    if (*st == NULL) {
        db->own = true;
        int rc =
            sqlite3_prepare_v3(db->handle, texts[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
        db->own = false;
        if (rc != SQLITE_OK) {
            object_error(db, rc, err);
            return NULL;
        }
    }
    sqlite3_reset(*st);
    sqlite3_clear_bindings(*st);
    return *st;
}

int object_step(struct object_db *db, sqlite3_stmt *st, struct error *err)
{
    db->own = true; /* a change of the schema makes SQLite prepare it again */
    int rc = sqlite3_step(st);
    db->own = false;
    if (rc == SQLITE_ROW) {
        return 1;
    }
    if (rc != SQLITE_DONE) {
        rc = object_error(db, rc, err);
        sqlite3_reset(st);
        return rc;
    }
    sqlite3_reset(st);
    return 0;
}

int object_plain(struct object_db *db, enum object_statement which, struct error *err)
{
    sqlite3_stmt *st = object_statement(db, which, err);
    return st == NULL ? -1 : object_step(db, st, err);
}

int object_size(struct object_db *db, uint64_t *bytes, struct error *err)
{
    int pages = 0;
    *bytes = 0;
    int rc = object_need(db, false, err);
    if (rc <= 0) {
        return rc;
    }
    db->own = true;
    rc = db_pragma(db->handle, "PRAGMA page_count", &pages);
    db->own = false;
    *bytes = (uint64_t)pages * OBJECT_PAGE;
    return rc == SQLITE_OK ? 0 : object_error(db, rc, err);
}

/* The file goes first: a log without a file is thrown away by who finds it. */
int object_delete_all(struct object_db *db, struct error *err)
{
    cleanup_free char *log = NULL;
    int rc = object_need(db, false, err);
    if (rc <= 0) {
        return rc;
    }
    if (db->depth != 0) {
        return error_set(err, 0, "Cannot call deleteAll() within a transaction");
    }
    if (asprintf(&log, "%s-wal", db->path) < 0) {
        log = NULL;
        return error_set(err, ENOMEM, "storage %s", db->path);
    }
    object_end_queries(db, "everything was deleted");
    if (unlink(db->path) < 0 && errno != ENOENT) {
        return error_set(err, errno, "storage %s", db->path);
    }
    unlink(log);
    object_abandon(db);
    return 0;
}
