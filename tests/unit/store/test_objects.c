/* The store's records of objects and alarms. */
#include "store/store.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct here {
    struct store *s;
    char dir[64];
    struct buf seen;
};

static int open_store(void **state)
{
    struct here *h = calloc(1, sizeof *h);
    strcpy(h->dir, "/tmp/store-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    assert_int_equal(rmdir(h->dir), 0);
    h->s = store_sqlite_create(h->dir, NULL);
    assert_non_null(h->s);
    buf_init(&h->seen, 10000);
    *state = h;
    return 0;
}

static int close_store(void **state)
{
    struct here *h = *state;
    char command[128];
    h->s->ops->close(h->s);
    snprintf(command, sizeof command, "rm -rf %s", h->dir);
    int rc = system(command);
    buf_free(&h->seen);
    free(h);
    return rc;
}

static void put(struct here *h, const char *id, const char *class_name, const char *name,
                int64_t created)
{
    struct store_object o = {span_str(id), span_str(class_name), span_str(name), created};
    assert_int_equal(h->s->ops->object_put(h->s, &o, NULL), 0);
}

static bool note_object(void *arg, const struct store_object *o)
{
    return buf_appendf(arg, SPAN_FMT "/" SPAN_FMT "/" SPAN_FMT "/%ld ", SPAN_ARG(o->id),
                       SPAN_ARG(o->class_name), SPAN_ARG(o->name), (long)o->created_ms);
}

static bool note_alarm(void *arg, const struct store_alarm *a)
{
    return note_object(arg, &a->object) &&
           buf_appendf(arg, "at %ld, %u; ", (long)a->time_ms, a->retries);
}

static bool refuse_object(void *arg, const struct store_object *o)
{
    (void)arg;
    (void)o;
    return false;
}

static void assert_seen(struct here *h, const char *want)
{
    assert_true(buf_append(&h->seen, "", 1));
    assert_string_equal(buf_span(&h->seen).ptr, want);
    buf_clear(&h->seen);
}

static int find(struct here *h, const char *class_name, const char *what)
{
    return h->s->ops->object_find(h->s, span_str(class_name), span_str(what), note_object, &h->seen,
                                  NULL);
}

static void reading_makes_no_file(void **state)
{
    struct here *h = *state;
    int64_t time_ms;
    uint32_t retries;
    assert_int_equal(find(h, "", "a"), 0);
    assert_int_equal(h->s->ops->object_list(h->s, SPAN_LIT(""), 0, note_object, &h->seen, NULL), 0);
    assert_int_equal(h->s->ops->object_remove(h->s, SPAN_LIT("a"), NULL), 0);
    assert_int_equal(h->s->ops->alarm_get(h->s, SPAN_LIT("a"), &time_ms, &retries, NULL), 0);
    assert_int_equal(h->s->ops->alarm_delete(h->s, SPAN_LIT("a"), NULL), 0);
    assert_int_equal(h->s->ops->alarm_list(h->s, INT64_MAX, 0, note_alarm, &h->seen, NULL), 0);
    assert_int_equal(access(h->dir, F_OK), -1);
}

static void what_is_known_stays(void **state)
{
    struct here *h = *state;
    put(h, "a", "", "", 1);
    put(h, "a", "C", "", 2);
    put(h, "a", "", "n", 3);
    put(h, "a", "D", "m", 4);
    assert_int_equal(find(h, "", "a"), 1);
    assert_seen(h, "a/C/n/1 ");
}

static void found_by_id_and_by_name(void **state)
{
    struct here *h = *state;
    put(h, "1", "C", "n", 1);
    put(h, "2", "D", "n", 2);
    put(h, "3", "D", "", 3);
    assert_int_equal(find(h, "", "n"), 2);
    assert_seen(h, "1/C/n/1 2/D/n/2 ");
    assert_int_equal(find(h, "D", "n"), 1);
    assert_seen(h, "2/D/n/2 ");
    assert_int_equal(find(h, "C", "2"), 0);
    assert_int_equal(find(h, "", "x"), 0);
    assert_int_equal(h->s->ops->object_find(h->s, SPAN_LIT(""), SPAN_LIT("n"), NULL, NULL, NULL),
                     2);
    assert_true(find(h, "", "") < 0);
}

static void lists_page(void **state)
{
    struct here *h = *state;
    put(h, "b", "C", "", 1);
    put(h, "a", "C", "", 2);
    put(h, "c", "C", "", 3);
    assert_int_equal(h->s->ops->object_list(h->s, SPAN_LIT(""), 2, note_object, &h->seen, NULL), 0);
    assert_seen(h, "a/C//2 b/C//1 ");
    assert_int_equal(h->s->ops->object_list(h->s, SPAN_LIT("b"), 0, note_object, &h->seen, NULL),
                     0);
    assert_seen(h, "c/C//3 ");
    assert_true(h->s->ops->object_list(h->s, SPAN_LIT(""), 0, refuse_object, NULL, NULL) < 0);
    assert_int_equal(find(h, "", "a"), 1);
}

static void alarms_come_in_their_order(void **state)
{
    struct here *h = *state;
    int64_t time_ms = 0;
    uint32_t retries = 9;
    put(h, "a", "C", "n", 1);
    assert_int_equal(h->s->ops->alarm_put(h->s, SPAN_LIT("a"), 300, 0, NULL), 0);
    assert_int_equal(h->s->ops->alarm_put(h->s, SPAN_LIT("b"), 200, 2, NULL), 0);
    assert_int_equal(h->s->ops->alarm_put(h->s, SPAN_LIT("a"), 100, 1, NULL), 0);
    assert_int_equal(h->s->ops->alarm_get(h->s, SPAN_LIT("a"), &time_ms, &retries, NULL), 1);
    assert_int_equal(time_ms, 100);
    assert_int_equal(retries, 1);
    assert_int_equal(h->s->ops->alarm_list(h->s, INT64_MAX, 0, note_alarm, &h->seen, NULL), 0);
    assert_seen(h, "a/C/n/1 at 100, 1; b///0 at 200, 2; ");
    assert_int_equal(h->s->ops->alarm_list(h->s, 199, 0, note_alarm, &h->seen, NULL), 0);
    assert_seen(h, "a/C/n/1 at 100, 1; ");
    assert_int_equal(h->s->ops->alarm_list(h->s, INT64_MAX, 1, note_alarm, &h->seen, NULL), 0);
    assert_seen(h, "a/C/n/1 at 100, 1; ");
    assert_int_equal(h->s->ops->alarm_delete(h->s, SPAN_LIT("a"), NULL), 0);
    assert_int_equal(h->s->ops->alarm_get(h->s, SPAN_LIT("a"), &time_ms, &retries, NULL), 0);
}

static void removed_whole(void **state)
{
    struct here *h = *state;
    int64_t time_ms;
    uint32_t retries;
    put(h, "a", "C", "n", 1);
    put(h, "b", "C", "m", 2);
    assert_int_equal(h->s->ops->state_put(h->s, "a", SPAN_LIT("{}"), NULL), 0);
    assert_int_equal(h->s->ops->state_put(h->s, "b", SPAN_LIT("{}"), NULL), 0);
    assert_int_equal(h->s->ops->alarm_put(h->s, SPAN_LIT("a"), 1, 0, NULL), 0);
    assert_int_equal(h->s->ops->object_remove(h->s, SPAN_LIT("a"), NULL), 1);
    assert_int_equal(h->s->ops->object_remove(h->s, SPAN_LIT("a"), NULL), 0);
    assert_int_equal(find(h, "", "n"), 0);
    assert_int_equal(h->s->ops->state_get(h->s, "a", &h->seen, NULL), 0);
    assert_int_equal(h->s->ops->alarm_get(h->s, SPAN_LIT("a"), &time_ms, &retries, NULL), 0);
    assert_int_equal(h->s->ops->state_get(h->s, "b", &h->seen, NULL), 1);
    assert_int_equal(find(h, "", "m"), 1);
}

/* A store of the version before has no tables of objects: they are made, its contents stay. */
static void an_older_store_is_taken_over(void **state)
{
    struct here *h = *state;
    char path[128];
    sqlite3 *old;
    assert_int_equal(mkdir(h->dir, 0700), 0);
    snprintf(path, sizeof path, "%s/store.db", h->dir);
    assert_int_equal(sqlite3_open(path, &old), SQLITE_OK);
    assert_int_equal(sqlite3_exec(old,
                                  "CREATE TABLE state (instance TEXT PRIMARY KEY,"
                                  " state BLOB NOT NULL) WITHOUT ROWID;"
                                  "INSERT INTO state VALUES ('a', x'7b7d');"
                                  "PRAGMA user_version = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(old), SQLITE_OK);
    put(h, "a", "C", "n", 1);
    assert_int_equal(find(h, "", "n"), 1);
    buf_clear(&h->seen);
    assert_int_equal(h->s->ops->state_get(h->s, "a", &h->seen, NULL), 1);
    assert_seen(h, "{}");
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(reading_makes_no_file),        WITH_STORE(what_is_known_stays),
        WITH_STORE(found_by_id_and_by_name),      WITH_STORE(lists_page),
        WITH_STORE(alarms_come_in_their_order),   WITH_STORE(removed_whole),
        WITH_STORE(an_older_store_is_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
