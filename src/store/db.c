#include "store/sqlite.h"
#include "store/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCHEMA_VERSION 2
#define BUSY_MS        5000
#define CHUNK_BYTES    (256 << 10) /* by which the file grows */
#define ROOM_BYTES     (64 << 10)  /* for what a write changes beside its value */

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS kv (ns BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
    " metadata BLOB, expires INTEGER NOT NULL, UNIQUE (ns, key));"
    "CREATE INDEX IF NOT EXISTS kv_expires ON kv (expires) WHERE expires > 0;"
    "CREATE TABLE IF NOT EXISTS state (instance TEXT PRIMARY KEY, state BLOB NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS objects (id BLOB PRIMARY KEY, class BLOB NOT NULL,"
    " name BLOB NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS objects_name ON objects (name);"
    "CREATE TABLE IF NOT EXISTS alarms (id BLOB PRIMARY KEY, time INTEGER NOT NULL,"
    " retries INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS alarms_time ON alarms (time);"
    "PRAGMA user_version = 2;"
    "COMMIT;";

/* ?1 and so on are the places of db_bind; times are in seconds since 1970, those of objects and
 * alarms in milliseconds. An empty class or name is x''. */
static const char *const texts[DB_STATEMENTS] = {
    [DB_KV_PUT] = "INSERT INTO kv (ns, key, value, metadata, expires) VALUES (?1, ?2, ?3, ?4, ?5)"
                  " ON CONFLICT (ns, key) DO UPDATE SET value = excluded.value,"
                  " metadata = excluded.metadata, expires = excluded.expires",
    [DB_KV_GET] = "SELECT value, metadata, expires FROM kv"
                  " WHERE ns = ?1 AND key = ?2 AND (expires = 0 OR expires > unixepoch())",
    [DB_KV_DELETE] = "DELETE FROM kv WHERE ns = ?1 AND key = ?2",
    [DB_KV_LIST] = "SELECT key, metadata, expires FROM kv WHERE ns = ?1 AND key >= ?2 AND key > ?3"
                   " AND (expires = 0 OR expires > unixepoch()) ORDER BY key LIMIT ?4",
    [DB_KV_PURGE] = "DELETE FROM kv WHERE expires > 0 AND expires <= unixepoch()",
    [DB_STATE_PUT] = "INSERT INTO state (instance, state) VALUES (?1, ?2)"
                     " ON CONFLICT (instance) DO UPDATE SET state = excluded.state",
    [DB_STATE_GET] = "SELECT state FROM state WHERE instance = ?1",
    [DB_STATE_DELETE] = "DELETE FROM state WHERE instance = ?1",
    [DB_STATE_LIST] = "SELECT instance, state FROM state ORDER BY instance",
    [DB_OBJECT_PUT] = "INSERT INTO objects (id, class, name, created) VALUES (?1, ?2, ?3, ?4)"
                      " ON CONFLICT (id) DO UPDATE SET"
                      " class = iif(class = x'', excluded.class, class),"
                      " name = iif(name = x'', excluded.name, name)"
                      " WHERE (class = x'' AND excluded.class <> x'')"
                      " OR (name = x'' AND excluded.name <> x'')",
    [DB_OBJECT_FIND] = "SELECT id, class, name, created FROM objects"
                       " WHERE (id = ?1 OR name = ?1) AND (?2 = x'' OR class = ?2) ORDER BY id",
    [DB_OBJECT_LIST] = "SELECT id, class, name, created FROM objects"
                       " WHERE id > ?1 ORDER BY id LIMIT ?2",
    [DB_OBJECT_DELETE] = "DELETE FROM objects WHERE id = ?1",
    [DB_ALARM_PUT] = "INSERT INTO alarms (id, time, retries) VALUES (?1, ?2, ?3)"
                     " ON CONFLICT (id) DO UPDATE SET"
                     " time = excluded.time, retries = excluded.retries",
    [DB_ALARM_GET] = "SELECT time, retries FROM alarms WHERE id = ?1",
    [DB_ALARM_DELETE] = "DELETE FROM alarms WHERE id = ?1",
    [DB_ALARM_LIST] = "SELECT alarms.id, class, name, created, time, retries"
                      " FROM alarms LEFT JOIN objects ON objects.id = alarms.id"
                      " WHERE time <= ?1 ORDER BY time, alarms.id LIMIT ?2",
};

int db_init(struct db *db, const char *dir, struct error *err)
{
    *db = (struct db){.dir = strdup(dir)};
    if (asprintf(&db->path, "%s/store.db", dir) < 0) {
        db->path = NULL;
    }
    return db->dir != NULL && db->path != NULL ? 0 : error_set(err, ENOMEM, "store %s", dir);
}

void db_close(struct db *db)
{
    for (size_t i = 0; i < DB_STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    sqlite3_close(db->handle);
    db->handle = NULL;
    free(db->dir);
    free(db->path);
    db->dir = db->path = NULL;
}

int db_error(const struct db *db, int code, struct error *err)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return error_set(err, 0, "store %s: the disk is full: free some space", db->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(err, 0, "store %s: damaged or not a database: move it aside", db->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, 0, "store %s: another process keeps it locked", db->path);
    case SQLITE_READONLY:
        return error_set(err, 0, "store %s: cannot be written: check its owner and mode", db->path);
    case SQLITE_CANTOPEN:
        return error_set(err, 0, "store %s: cannot be opened: check its owner and mode", db->path);
    case SQLITE_IOERR:
        return error_set(err, db->handle != NULL ? sqlite3_system_errno(db->handle) : 0,
                         "store %s: the disk does not take or give it: free some space, or look "
                         "for its errors",
                         db->path);
    case SQLITE_NOMEM:
        return error_set(err, ENOMEM, "store %s", db->path);
    default:
        return error_set(err, 0, "store %s: %s", db->path, sqlite3_errstr(code));
    }
}

void db_guard(sqlite3 *handle, int busy_ms)
{
    sqlite3_busy_timeout(handle, busy_ms);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
}

int db_pragma(sqlite3 *handle, const char *sql, int *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(handle, sql, -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        *out = sqlite3_column_int(st, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc;
}

static int prepare_schema(struct db *db, struct error *err)
{
    int version = 0;
    db_guard(db->handle, BUSY_MS);
    int rc = db_pragma(db->handle, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK && version > SCHEMA_VERSION) {
        return error_set(err, 0, "store %s: made by a newer sallyport: update this one", db->path);
    }
    if (rc == SQLITE_OK && version < SCHEMA_VERSION) {
        rc = sqlite3_exec(db->handle, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        rc = rc == SQLITE_OK ? sqlite3_exec(db->handle, schema, NULL, NULL, NULL) : rc;
    }
    if (rc == SQLITE_OK) {
        int chunk = CHUNK_BYTES;
        rc = sqlite3_exec(db->handle, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
        sqlite3_file_control(db->handle, NULL, SQLITE_FCNTL_CHUNK_SIZE, &chunk);
    }
    return rc == SQLITE_OK ? 0 : db_error(db, rc, err);
}

static int open_file(struct db *db, bool write, struct error *err)
{
    if (access(db->path, F_OK) < 0) {
        if (!write) {
            return errno == ENOENT || errno == ENOTDIR
                       ? 0
                       : error_set(err, errno, "store %s", db->path);
        }
        int rc = store_make_folder(db->dir, err);
        rc = rc < 0 ? rc : store_make_file(db->path, err);
        if (rc < 0) {
            return rc;
        }
    }
    int rc = sqlite3_open_v2(db->path, &db->handle, SQLITE_OPEN_READWRITE, NULL);
    rc = rc != SQLITE_OK ? db_error(db, rc, err) : prepare_schema(db, err);
    if (rc < 0) {
        sqlite3_close(db->handle);
        db->handle = NULL;
        return rc;
    }
    return 1;
}

/* The log can be written back only into a file that can hold it all. A log that cannot would stay
 * and grow until nothing could be written, not even what deletes. So what is added has its place in
 * the file before it is in the log. */
static int take_room(struct db *db, size_t grows, struct error *err)
{
    int pages = 0;
    int spare = 0;
    int page = 0;
    int rc = db_pragma(db->handle, "PRAGMA page_count", &pages);
    rc = rc == SQLITE_OK ? db_pragma(db->handle, "PRAGMA freelist_count", &spare) : rc;
    rc = rc == SQLITE_OK ? db_pragma(db->handle, "PRAGMA page_size", &page) : rc;
    if (rc != SQLITE_OK) {
        return db_error(db, rc, err);
    }
    sqlite3_int64 more = (sqlite3_int64)grows + ROOM_BYTES - (sqlite3_int64)spare * page;
    sqlite3_int64 size = (sqlite3_int64)pages * page + (more > 0 ? more : 0);
    rc = sqlite3_file_control(db->handle, NULL, SQLITE_FCNTL_SIZE_HINT, &size);
    return rc == SQLITE_OK ? 1 : db_error(db, SQLITE_FULL, err);
}

int db_open(struct db *db, size_t grows, struct error *err)
{
    int rc = db->handle != NULL ? 1 : open_file(db, grows > 0, err);
    return rc == 1 && grows > 0 ? take_room(db, grows, err) : rc;
}

sqlite3_stmt *db_statement(struct db *db, enum db_statement which, struct error *err)
{
    sqlite3_stmt **st = &db->statements[which];
    if (*st == NULL) {
        int rc =
            sqlite3_prepare_v3(db->handle, texts[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
        if (rc != SQLITE_OK) {
            db_error(db, rc, err);
            return NULL;
        }
    }
    sqlite3_reset(*st);
    sqlite3_clear_bindings(*st);
    return *st;
}

int db_step(struct db *db, sqlite3_stmt *st, struct error *err)
{
    int rc = sqlite3_step(st);
    if ((rc == SQLITE_FULL || rc == SQLITE_IOERR) && !sqlite3_stmt_readonly(st)) {
        /* No room for the log. What is in the file already need not stay in it. */
        sqlite3_reset(st);
        sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        rc = sqlite3_step(st);
    }
    if (rc == SQLITE_ROW) {
        return 1;
    }
    sqlite3_reset(st);
    return rc == SQLITE_DONE ? 0 : db_error(db, rc, err);
}

void db_bind(sqlite3_stmt *st, int place, struct span bytes)
{
    sqlite3_bind_blob64(st, place, bytes.len > 0 ? bytes.ptr : "", bytes.len, SQLITE_STATIC);
}

struct span db_column(sqlite3_stmt *st, int i)
{
    const void *p = sqlite3_column_blob(st, i);
    int n = sqlite3_column_bytes(st, i);
    return span_of(p != NULL ? p : "", (size_t)n);
}
