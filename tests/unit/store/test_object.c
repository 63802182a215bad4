/* An object's own storage: keys and values, transactions, what happens to the file. */
#include "object_here.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static bool note_pair(void *arg, const struct object_pair *pair)
{
    return buf_append_span(arg, pair->key) && buf_append_str(arg, "=") &&
           buf_append_span(arg, pair->value) && buf_append_str(arg, " ");
}

static bool refuse_pair(void *arg, const struct object_pair *pair)
{
    (void)arg;
    (void)pair;
    return false;
}

static void list(struct here *h, const struct object_range *range, const char *want)
{
    assert_int_equal(object_kv_list(h->db, range, note_pair, &h->seen, &h->err), 0);
    here_seen(h, want);
}

static void reading_makes_no_file(void **state)
{
    struct here *h = *state;
    struct object_pair gone = {SPAN_LIT("k"), {NULL, 0}};
    size_t deleted = 9;
    uint64_t size = 9;
    assert_string_equal(here_get(h, "k"), "(none)");
    list(h, &(struct object_range){0}, "");
    assert_int_equal(object_kv_write(h->db, &gone, 1, &deleted, &h->err), 0);
    assert_int_equal(deleted, 0);
    assert_int_equal(object_size(h->db, &size, &h->err), 0);
    assert_int_equal(size, 0);
    assert_int_equal(object_delete_all(h->db, &h->err), 0);
    assert_int_equal(access(h->dir, F_OK), -1);
}

static void values_come_back(void **state)
{
    struct here *h = *state;
    struct stat st;
    uint64_t size;
    assert_int_equal(here_put(h, "k", "one"), 0);
    assert_int_equal(here_put(h, "k", "two"), 0);
    assert_int_equal(here_put(h, "empty", ""), 0);
    assert_string_equal(here_get(h, "k"), "two");
    assert_string_equal(here_get(h, "empty"), "");
    assert_int_equal(object_size(h->db, &size, &h->err), 0);
    assert_int_equal(size % 4096, 0);
    assert_true(size > 0);
    here_reopen(h);
    assert_string_equal(here_get(h, "k"), "two");
    assert_int_equal(stat(h->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(h->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void keys_are_bytes(void **state)
{
    struct here *h = *state;
    struct object_pair pairs[] = {{SPAN_LIT("a\0b"), SPAN_LIT("1")},
                                  {SPAN_LIT("a"), SPAN_LIT("2\0x")},
                                  {SPAN_LIT("\xc3\xa9"), SPAN_LIT("3")},
                                  {SPAN_LIT("z"), SPAN_LIT("4")}};
    struct span value;
    assert_int_equal(object_kv_write(h->db, pairs, 4, NULL, &h->err), 0);
    assert_int_equal(object_kv_get(h->db, SPAN_LIT("a\0b"), &value, &h->err), 1);
    assert_true(span_eq(value, SPAN_LIT("1")));
    assert_int_equal(object_kv_get(h->db, SPAN_LIT("a"), &value, &h->err), 1);
    assert_true(span_eq(value, SPAN_LIT("2\0x")));
    assert_int_equal(object_kv_list(h->db, &(struct object_range){0}, note_pair, &h->seen, &h->err),
                     0);
    assert_true(span_eq(buf_span(&h->seen), SPAN_LIT("a=2\0x a\0b=1 z=4 \xc3\xa9=3 ")));
    buf_clear(&h->seen);
}

static void lists_have_bounds(void **state)
{
    struct here *h = *state;
    static const char *const keys[] = {"a", "ab", "abc", "b", "b1", "c", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_int_equal(here_put(h, keys[i], ""), 0);
    }
    list(h, &(struct object_range){.prefix = SPAN_LIT("b")}, "b= b1= ");
    list(h, &(struct object_range){.prefix = SPAN_LIT("")},
         "a= ab= abc= b= b1= c= \xf4\x8f\xbf\xbf= ");
    list(h, &(struct object_range){.start = SPAN_LIT("ab"), .end = SPAN_LIT("b1")}, "ab= abc= b= ");
    list(h, &(struct object_range){.start_after = SPAN_LIT("ab"), .limit = 2}, "abc= b= ");
    list(h, &(struct object_range){.end = SPAN_LIT("b"), .reverse = true}, "abc= ab= a= ");
    list(h, &(struct object_range){.reverse = true, .limit = 1}, "\xf4\x8f\xbf\xbf= ");
    list(h, &(struct object_range){.prefix = SPAN_LIT("a"), .start = SPAN_LIT("ab")}, "ab= abc= ");
    list(h, &(struct object_range){.prefix = SPAN_LIT("a"), .end = SPAN_LIT("b9")}, "a= ab= abc= ");
    list(h, &(struct object_range){.prefix = SPAN_LIT("\xf4\x8f\xbf\xbf")}, "\xf4\x8f\xbf\xbf= ");
    list(h, &(struct object_range){.start = SPAN_LIT("b"), .end = SPAN_LIT("a")}, "");
    list(h, &(struct object_range){.end = SPAN_LIT("")}, "");
    assert_int_equal(object_kv_list(h->db, &(struct object_range){0}, refuse_pair, NULL, &h->err),
                     -ECANCELED);
}

static void batches_are_whole(void **state)
{
    struct here *h = *state;
    static char long_key[OBJECT_KEY_MAX + 1];
    struct object_pair pairs[OBJECT_BATCH_MAX + 1];
    char names[OBJECT_BATCH_MAX + 1][8];
    size_t deleted;
    memset(long_key, 'k', sizeof long_key);
    for (size_t i = 0; i < OBJECT_BATCH_MAX + 1; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        pairs[i] = (struct object_pair){span_str(names[i]), SPAN_LIT("v")};
    }
    assert_true(object_kv_write(h->db, pairs, OBJECT_BATCH_MAX + 1, NULL, &h->err) < 0);
    assert_string_equal(h->err.text, "Maximum number of pairs is 128.");
    struct object_pair bad[] = {pairs[0], {span_of(long_key, sizeof long_key), SPAN_LIT("v")}};
    assert_true(object_kv_write(h->db, bad, 2, NULL, &h->err) < 0);
    assert_string_equal(h->err.text,
                        "Keys cannot be larger than 2048 bytes. A key of size 2049 was given.");
    assert_string_equal(here_get(h, "0"), "(none)");
    assert_int_equal(object_kv_write(h->db, pairs, OBJECT_BATCH_MAX, NULL, &h->err), 0);
    assert_string_equal(here_get(h, "127"), "v");
    pairs[0].value.ptr = pairs[1].value.ptr = NULL;
    pairs[2] = (struct object_pair){SPAN_LIT("absent"), {NULL, 0}};
    assert_int_equal(object_kv_write(h->db, pairs, 3, &deleted, &h->err), 0);
    assert_int_equal(deleted, 2);
}

static void sizes_have_limits(void **state)
{
    struct here *h = *state;
    static char big[OBJECT_VALUE_MAX + 1];
    char key[OBJECT_KEY_MAX];
    struct span value;
    memset(key, 'k', sizeof key);
    struct object_pair pair = {span_of(key, sizeof key),
                               span_of(big, OBJECT_VALUE_MAX - sizeof key)};
    assert_int_equal(object_kv_write(h->db, &pair, 1, NULL, &h->err), 0);
    assert_int_equal(object_kv_get(h->db, pair.key, &value, &h->err), 1);
    assert_int_equal(value.len, OBJECT_VALUE_MAX - sizeof key);
    pair.value.len = sizeof big;
    assert_true(object_kv_write(h->db, &pair, 1, NULL, &h->err) < 0);
    assert_non_null(strstr(h->err.text, "Values cannot be larger than 2097152 bytes."));
    assert_true(here_put(h, "", "v") < 0);
    assert_string_equal(h->err.text, "Keys cannot be empty.");
}

static void transactions_nest(void **state)
{
    struct here *h = *state;
    assert_int_equal(object_begin(h->db, &h->err), 1);
    assert_int_equal(here_put(h, "a", "1"), 0);
    assert_int_equal(object_begin(h->db, &h->err), 2);
    assert_int_equal(here_put(h, "b", "1"), 0);
    assert_string_equal(here_get(h, "b"), "1");
    assert_int_equal(object_rollback(h->db, &h->err), 0);
    assert_string_equal(here_get(h, "b"), "(none)");
    assert_int_equal(object_begin(h->db, &h->err), 2);
    assert_int_equal(here_put(h, "c", "1"), 0);
    assert_int_equal(object_commit(h->db, &h->err), 0);
    assert_true(object_delete_all(h->db, &h->err) < 0);
    assert_int_equal(object_commit(h->db, &h->err), 0);
    assert_true(object_commit(h->db, &h->err) < 0);
    assert_true(object_rollback(h->db, &h->err) < 0);
    assert_int_equal(object_begin(h->db, &h->err), 1);
    assert_int_equal(here_put(h, "d", "1"), 0);
    here_reopen(h);
    list(h, &(struct object_range){0}, "a=1 c=1 ");
    for (unsigned i = 0; i < OBJECT_DEPTH_MAX; i++) {
        assert_int_equal(object_begin(h->db, &h->err), i + 1);
    }
    assert_true(object_begin(h->db, &h->err) < 0);
}

static void delete_all_leaves_nothing(void **state)
{
    struct here *h = *state;
    char log[160];
    snprintf(log, sizeof log, "%s-wal", h->path);
    assert_int_equal(here_put(h, "a", "1"), 0);
    assert_string_equal(here_sql(h, "CREATE TABLE t (x); INSERT INTO t VALUES (1)"), "");
    assert_int_equal(object_delete_all(h->db, &h->err), 0);
    assert_int_equal(access(h->path, F_OK), -1);
    assert_int_equal(access(log, F_OK), -1);
    assert_string_equal(here_get(h, "a"), "(none)");
    assert_int_equal(here_put(h, "b", "2"), 0);
    assert_string_equal(here_sql(h, "SELECT count(*) FROM sqlite_master WHERE name = 't'"), "0;");
    here_reopen(h);
    assert_string_equal(here_get(h, "b"), "2");
}

/* The file was deleted and its end came before the log went too. */
static void a_log_alone_is_thrown_away(void **state)
{
    struct here *h = *state;
    assert_int_equal(here_put(h, "a", "1"), 0);
    object_db_close(h->db);
    assert_int_equal(unlink(h->path), 0);
    h->db = object_db_open(h->path, 0, &h->err);
    assert_int_equal(here_put(h, "b", "2"), 0);
    list(h, &(struct object_range){0}, "b=2 ");
}

static void many_rest(void **state)
{
    struct here *h = *state;
    struct object_db *more[300];
    struct object_pair pair = {SPAN_LIT("k"), SPAN_LIT("v")};
    struct span value;
    char path[160];
    for (size_t i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "%s/Class/%zu.db", h->dir, i);
        more[i] = object_db_open(path, 0, &h->err);
        assert_non_null(more[i]);
        assert_int_equal(object_kv_write(more[i], &pair, 1, NULL, &h->err), 0);
        if (i == 0) {
            assert_int_equal(object_begin(more[0], &h->err), 1);
        }
    }
    /* One descriptor of a file and one of its log: those that rest have none. */
    int fd = dup(0);
    assert_true(fd < 300);
    close(fd);
    assert_int_equal(object_commit(more[0], &h->err), 0);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(object_kv_get(more[i], SPAN_LIT("k"), &value, &h->err), 1);
        object_db_close(more[i]);
    }
}

static void the_same_path_is_shared(void **state)
{
    struct here *h = *state;
    struct object_db *second = object_db_open(h->path, 0, &h->err);
    struct span value;
    assert_int_equal(here_put(h, "a", "1"), 0);
    assert_int_equal(object_kv_get(second, SPAN_LIT("a"), &value, &h->err), 1);
    object_db_close(second);
    assert_string_equal(here_get(h, "a"), "1");
}

/* A process that writes and is killed: what had returned is there, what was not committed is not.
 */
static void a_kill_loses_nothing(void **state)
{
    struct here *h = *state;
    int told[2];
    char byte;
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        here_put(h, "a", "1");
        here_sql(h, "CREATE TABLE t (x); INSERT INTO t VALUES (7)");
        object_begin(h->db, &h->err);
        here_put(h, "b", "2");
        if (write(told[1], "x", 1) != 1) {
            _exit(1);
        }
        pause();
    }
    assert_int_equal(read(told[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(told[0]);
    close(told[1]);
    list(h, &(struct object_range){0}, "a=1 ");
    assert_string_equal(here_sql(h, "SELECT x FROM t"), "7;");
}

static void damage_is_named(void **state)
{
    struct here *h = *state;
    char command[320];
    snprintf(command, sizeof command, "mkdir -p %s/Class && yes garbage | head -c 9000 > %s",
             h->dir, h->path);
    assert_int_equal(system(command), 0);
    assert_non_null(strstr(here_get(h, "a"), "damaged or not a database: move it aside"));
    assert_true(here_put(h, "a", "1") < 0);
}

static void the_limit_of_a_file(void **state)
{
    struct here *h = *state;
    static char value[100000];
    struct object_pair pair = {SPAN_LIT("big"), span_of(value, sizeof value)};
    object_db_close(h->db);
    h->db = object_db_open(h->path, 64 * 4096, &h->err);
    assert_int_equal(here_put(h, "a", "1"), 0);
    assert_int_equal(object_kv_write(h->db, &pair, 1, NULL, &h->err), 0);
    struct object_pair two[] = {{SPAN_LIT("b"), SPAN_LIT("2")},
                                {SPAN_LIT("c"), span_of(value, sizeof value)},
                                {SPAN_LIT("d"), span_of(value, sizeof value)}};
    assert_true(object_kv_write(h->db, two, 3, NULL, &h->err) < 0);
    assert_non_null(strstr(h->err.text, "it has reached its limit: delete something"));
    assert_string_equal(here_get(h, "b"), "(none)");
    assert_string_equal(here_get(h, "a"), "1");
    pair.value.ptr = NULL;
    assert_int_equal(object_kv_write(h->db, &pair, 1, NULL, &h->err), 0);
    assert_int_equal(here_put(h, "b", "2"), 0);
}

/* A disk that takes no more, as a limit on the size of files: each failure says so and changes
 * nothing, in a transaction too; once there is room all goes on. */
static void a_full_disk_loses_nothing(void **state)
{
    struct here *h = *state;
    static char value[400000];
    struct object_pair pair = {SPAN_LIT("big"), span_of(value, sizeof value)};
    struct rlimit old;
    assert_int_equal(here_put(h, "a", "1"), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = {200000, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int alone = object_kv_write(h->db, &pair, 1, NULL, &h->err);
    struct error first = h->err;
    int begun = object_begin(h->db, &h->err);
    int before = here_put(h, "b", "2");
    int inside = object_kv_write(h->db, &pair, 1, NULL, &h->err);
    int committed = object_commit(h->db, &h->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(alone < 0);
    assert_non_null(strstr(first.text, h->path));
    assert_non_null(strstr(first.text, "File too large"));
    assert_int_equal(begun, 1);
    assert_int_equal(before, 0);
    assert_true(inside < 0);
    /* SQLite may have kept the rest of the transaction or not: it is whole either way. */
    list(h, &(struct object_range){.end = SPAN_LIT("b")}, "a=1 ");
    assert_string_equal(here_get(h, "b"), committed < 0 ? "(none)" : "2");
    assert_string_equal(here_get(h, "big"), "(none)");
    assert_int_equal(object_kv_write(h->db, &pair, 1, NULL, &h->err), 0);
    here_reopen(h);
    assert_string_equal(here_get(h, "a"), "1");
}

/* Where the log has no room either, all of it can be deleted still. */
static void a_full_disk_can_be_emptied(void **state)
{
    struct here *h = *state;
    static char value[1000000];
    struct object_pair pair = {SPAN_LIT("big"), span_of(value, sizeof value)};
    char key[32];
    struct rlimit old;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = {4 << 20, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int n = 0;
    do {
        snprintf(key, sizeof key, "big%d", n);
        pair.key = span_str(key);
    } while (object_kv_write(h->db, &pair, 1, NULL, &h->err) == 0 && ++n < 20);
    assert_in_range(n, 2, 10);
    assert_non_null(strstr(h->err.text, "free some space"));
    assert_int_equal(object_delete_all(h->db, &h->err), 0);
    assert_int_equal(object_kv_write(h->db, &pair, 1, NULL, &h->err), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    here_reopen(h);
    assert_string_equal(here_get(h, "big0"), "(none)");
    struct span kept;
    assert_int_equal(object_kv_get(h->db, pair.key, &kept, &h->err), 1);
    assert_int_equal(kept.len, sizeof value);
}

static void a_folder_that_cannot_be_made(void **state)
{
    struct here *h = *state;
    struct object_db *db = object_db_open("/dev/null/x/id.db", 0, &h->err);
    struct object_pair pair = {SPAN_LIT("k"), SPAN_LIT("v")};
    assert_true(object_kv_write(db, &pair, 1, NULL, &h->err) < 0);
    assert_non_null(strstr(h->err.text, "/dev/null"));
    object_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_OBJECT(reading_makes_no_file),
        WITH_OBJECT(values_come_back),
        WITH_OBJECT(keys_are_bytes),
        WITH_OBJECT(lists_have_bounds),
        WITH_OBJECT(batches_are_whole),
        WITH_OBJECT(sizes_have_limits),
        WITH_OBJECT(transactions_nest),
        WITH_OBJECT(delete_all_leaves_nothing),
        WITH_OBJECT(a_log_alone_is_thrown_away),
        WITH_OBJECT(many_rest),
        WITH_OBJECT(the_same_path_is_shared),
        WITH_OBJECT(a_kill_loses_nothing),
        WITH_OBJECT(damage_is_named),
        WITH_OBJECT(the_limit_of_a_file),
        WITH_OBJECT(a_full_disk_loses_nothing),
        WITH_OBJECT(a_full_disk_can_be_emptied),
        WITH_OBJECT(a_folder_that_cannot_be_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
