/* store: the contract of store.h on SQLite, in a folder that does not exist before the first write.
 */
#include "base/cleanup.h"
#include "store/store.h"

#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

struct here {
    char top[64];
    char dir[96];
    struct store *s;
};

static int open_store(void **state)
{
    struct here *h = calloc(1, sizeof *h);
    strcpy(h->top, "/tmp/sallyport-store-XXXXXX");
    if (mkdtemp(h->top) == NULL) {
        return -1;
    }
    snprintf(h->dir, sizeof h->dir, "%s/deep/state", h->top);
    h->s = store_sqlite_create(h->dir, NULL);
    *state = h;
    return h->s != NULL ? 0 : -1;
}

static int close_store(void **state)
{
    struct here *h = *state;
    char command[128];
    h->s->ops->close(h->s);
    snprintf(command, sizeof command, "rm -rf %s", h->top);
    free(h);
    return system(command);
}

static int put(struct store *s, const char *key, const char *value, int64_t expires_s)
{
    struct store_put p = {.ns = SPAN_LIT("ns"),
                          .key = span_str(key),
                          .value = span_str(value),
                          .metadata = SPAN_LIT("{\"m\":1}"),
                          .expires_s = expires_s};
    return s->ops->kv_put(s, &p, NULL);
}

static int get(struct store *s, const char *key, char out[64])
{
    struct store_entry e;
    int rc = s->ops->kv_get(s, SPAN_LIT("ns"), span_str(key), &e, NULL);
    if (rc == 1) {
        snprintf(out, 64, SPAN_FMT, SPAN_ARG(buf_span(&e.value)));
        store_entry_free(&e);
    }
    return rc;
}

static void reading_makes_no_file(void **state)
{
    struct here *h = *state;
    char text[64];
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(get(h->s, "k", text), 0);
    assert_int_equal(h->s->ops->kv_delete(h->s, SPAN_LIT("ns"), SPAN_LIT("k"), NULL), 0);
    assert_int_equal(h->s->ops->state_get(h->s, "i", &b, NULL), 0);
    assert_int_equal(h->s->ops->state_put(h->s, "i", SPAN_LIT(""), NULL), 0);
    assert_int_equal(access(h->dir, F_OK), -1);
}

static void values_come_back(void **state)
{
    struct here *h = *state;
    char text[64];
    struct stat st;
    assert_int_equal(put(h->s, "k", "one", 0), 0);
    assert_int_equal(put(h->s, "k", "two", 0), 0);
    assert_int_equal(get(h->s, "k", text), 1);
    assert_string_equal(text, "two");
    assert_int_equal(h->s->ops->kv_delete(h->s, SPAN_LIT("ns"), SPAN_LIT("k"), NULL), 0);
    assert_int_equal(get(h->s, "k", text), 0);
    char path[128];
    snprintf(path, sizeof path, "%s/store.db", h->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(h->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_second_process_sees_the_same(void **state)
{
    struct here *h = *state;
    char text[64];
    struct store *other = store_sqlite_create(h->dir, NULL);
    assert_int_equal(get(other, "k", text), 0);
    assert_int_equal(put(h->s, "k", "v", 0), 0);
    assert_int_equal(get(other, "k", text), 1);
    assert_int_equal(put(other, "k", "w", 0), 0);
    assert_int_equal(get(h->s, "k", text), 1);
    assert_string_equal(text, "w");
    other->ops->close(other);
}

static void what_has_expired_is_absent(void **state)
{
    struct here *h = *state;
    char text[64];
    assert_int_equal(put(h->s, "old", "x", time(NULL) - 1), 0);
    assert_int_equal(put(h->s, "new", "y", time(NULL) + 1000), 0);
    assert_int_equal(get(h->s, "old", text), 0);
    assert_int_equal(get(h->s, "new", text), 1);
}

static bool note_key(void *arg, const struct store_key *key)
{
    struct buf *b = arg;
    return buf_append_span(b, key->name) && buf_append_str(b, " ");
}

static void lists_go_by_prefix_and_page(void **state)
{
    struct here *h = *state;
    static const char *const keys[] = {"b1", "a", "b3", "b2", "c", "b\xff"};
    struct buf seen;
    struct buf cursors[2];
    buf_init(&seen, 1000);
    buf_init(&cursors[0], 2000);
    buf_init(&cursors[1], 2000);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_int_equal(put(h->s, keys[i], "v", 0), 0);
    }
    struct store_query q = {
        .ns = SPAN_LIT("ns"), .prefix = SPAN_LIT("b"), .cursor = SPAN_LIT(""), .limit = 2};
    assert_int_equal(h->s->ops->kv_list(h->s, &q, note_key, &seen, &cursors[0], NULL), 1);
    q.cursor = buf_span(&cursors[0]);
    assert_int_equal(h->s->ops->kv_list(h->s, &q, note_key, &seen, &cursors[1], NULL), 0);
    assert_memory_equal(buf_span(&seen).ptr, "b1 b2 b3 b\xff ", 12);
    q.cursor = SPAN_LIT("zz");
    assert_true(h->s->ops->kv_list(h->s, &q, note_key, &seen, &cursors[1], NULL) < 0);
    buf_free(&seen);
    buf_free(&cursors[0]);
    buf_free(&cursors[1]);
}

static void limits_are_told(void **state)
{
    struct here *h = *state;
    char key[STORE_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    key[STORE_KEY_MAX] = '\0';
    assert_int_equal(put(h->s, key, "v", 0), 0);
    key[STORE_KEY_MAX] = 'k';
    key[STORE_KEY_MAX + 1] = '\0';
    assert_true(put(h->s, key, "v", 0) < 0);
    assert_true(put(h->s, "", "v", 0) < 0);
    assert_true(put(h->s, "..", "v", 0) < 0);
}

static bool note_state(void *arg, const char *instance, struct span text)
{
    struct buf *b = arg;
    return buf_append_str(b, instance) && buf_append_span(b, text);
}

static void states_are_kept(void **state)
{
    struct here *h = *state;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(h->s->ops->state_put(h->s, "b", SPAN_LIT("{2}"), NULL), 0);
    assert_int_equal(h->s->ops->state_put(h->s, "a", SPAN_LIT("{1}"), NULL), 0);
    assert_int_equal(h->s->ops->state_list(h->s, note_state, &b, NULL), 0);
    assert_memory_equal(buf_span(&b).ptr, "a{1}b{2}", 8);
    buf_clear(&b);
    assert_int_equal(h->s->ops->state_put(h->s, "a", SPAN_LIT(""), NULL), 0);
    assert_int_equal(h->s->ops->state_get(h->s, "a", &b, NULL), 0);
    assert_int_equal(h->s->ops->state_get(h->s, "b", &b, NULL), 1);
    assert_memory_equal(buf_span(&b).ptr, "{2}", 3);
    buf_free(&b);
}

static int put_big(struct store *s, int n, struct span value, struct error *err)
{
    char key[16];
    snprintf(key, sizeof key, "big%d", n);
    struct store_put p = {
        .ns = SPAN_LIT("ns"), .key = span_str(key), .value = value, .metadata = SPAN_LIT("")};
    return s->ops->kv_put(s, &p, err);
}

/* A ceiling on the size of files stands for the disk. */
static void a_full_disk_is_told_and_room_can_be_made(void **state)
{
    struct here *h = *state;
    struct error err;
    struct rlimit before;
    char text[64];
    cleanup_free char *megabyte = calloc(1, 1000000);
    struct span value = span_of(megabyte, 1000000);
    int n = 0;
    assert_non_null(megabyte);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit low = {8 << 20, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    while (n < 20 && put_big(h->s, n, value, &err) == 0) {
        n++;
    }
    assert_in_range(n, 4, 8);
    assert_non_null(strstr(err.text, "the disk is full: free some space"));
    assert_int_equal(put(h->s, "small", "fits", 0), 0);
    assert_int_equal(h->s->ops->state_put(h->s, "a", SPAN_LIT("{1}"), &err), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < n; i++) {
            snprintf(text, sizeof text, "big%d", i);
            assert_int_equal(h->s->ops->kv_delete(h->s, SPAN_LIT("ns"), span_str(text), &err), 0);
        }
        for (int i = 0; i < n; i++) {
            assert_int_equal(put_big(h->s, i, value, &err), 0);
        }
        assert_true(put_big(h->s, n, value, &err) < 0);
    }
    assert_int_equal(get(h->s, "small", text), 1);
    assert_string_equal(text, "fits");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(put_big(h->s, n, value, &err), 0);
}

static void a_damaged_file_is_named(void **state)
{
    struct here *h = *state;
    struct error err;
    struct store_entry e;
    char path[128];
    char command[320];
    snprintf(path, sizeof path, "%s/store.db", h->dir);
    snprintf(command, sizeof command, "mkdir -p %s && yes garbage | head -c 9000 > %s", h->dir,
             path);
    assert_int_equal(system(command), 0);
    assert_true(h->s->ops->kv_get(h->s, SPAN_LIT("ns"), SPAN_LIT("k"), &e, &err) < 0);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "damaged or not a database: move it aside"));
}

/* A row ends the statement with an error. */
static int no_row(void *arg, int columns, char **values, char **names)
{
    (void)arg;
    (void)columns;
    (void)values;
    (void)names;
    return 1;
}

/* A disk that takes the new value and does not give the old ones up: the put holds. */
static void a_put_holds_when_nothing_can_be_purged(void **state)
{
    struct here *h = *state;
    char out[64];
    char path[128];
    sqlite3 *other;
    assert_int_equal(put(h->s, "old", "v", (int64_t)time(NULL) - 1), 0);
    snprintf(path, sizeof path, "%s/store.db", h->dir);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "INSERT INTO kv VALUES (x'6e73', x'67', x'76', NULL, 1);"
                                  "CREATE TRIGGER full BEFORE DELETE ON kv BEGIN"
                                  " SELECT RAISE(ABORT, 'the disk is full'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(put(h->s, "new", "v", 0), 0);
    assert_int_equal(get(h->s, "new", out), 1);
    assert_string_equal(out, "v");
    assert_int_equal(get(h->s, "g", out), 0); /* not purged, and not seen */
    assert_int_equal(sqlite3_exec(other, "DROP TRIGGER full", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(put(h->s, "new", "w", 0), 0);
    assert_int_equal(sqlite3_exec(other, "SELECT 1 FROM kv WHERE key = x'67'", no_row, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(reading_makes_no_file),
        WITH_STORE(values_come_back),
        WITH_STORE(a_second_process_sees_the_same),
        WITH_STORE(what_has_expired_is_absent),
        WITH_STORE(a_put_holds_when_nothing_can_be_purged),
        WITH_STORE(lists_go_by_prefix_and_page),
        WITH_STORE(limits_are_told),
        WITH_STORE(states_are_kept),
        WITH_STORE(a_full_disk_is_told_and_room_can_be_made),
        WITH_STORE(a_damaged_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
