/*
 * ctx.storage on real files; alarms are the host's, which is a fake. The assertions stand in
 * storage.js: each test calls a method of one object.
 */
#include "tests/unit/js/fake_host.h"

#include "js/engine.h"
#include "store/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libjavascriptcoregtk-4.1.so\n";
}

static struct js *engine;
static struct fake_host host;
static struct js_host table;
static struct object_db *db;
static char dir[64];
static struct js_instance *store;
static struct js_instance *no_alarm;

static struct object_db *open_storage(void *arg, void *owner, struct span *why)
{
    (void)arg;
    *why = SPAN_LIT("no place for it");
    return owner == NULL ? db : NULL;
}

static struct {
    uint32_t call;
    bool due;
    int64_t time_ms; /* 0: none is set */
    bool fails;
} alarm_state;

static void on_alarm_due(void *arg)
{
    (void)arg;
    alarm_state.due = false;
    js_alarm_done(host.version, alarm_state.call, !alarm_state.fails,
                  alarm_state.time_ms != 0 ? alarm_state.time_ms : -1,
                  SPAN_LIT("the alarm's disk is full"));
}

static void take_alarm(void *arg, uint32_t call, void *owner, int64_t time_ms)
{
    (void)arg;
    (void)owner;
    if (time_ms != JS_ALARM_GET) {
        alarm_state.time_ms = time_ms == JS_ALARM_DELETE ? 0 : time_ms;
    }
    assert_false(alarm_state.due);
    alarm_state.call = call;
    alarm_state.due = true;
    loop_timer_start(host.loop, 1, 0, on_alarm_due, NULL);
}

static struct js_instance *create(const char *class_name, uint32_t task, void *owner)
{
    struct error err = {0};
    struct buf facts;
    buf_init(&facts, 4096);
    struct js_instance_spec spec = {
        .id = SPAN_LIT("id"), .class_name = span_str(class_name), .task = task, .owner = owner};
    struct js_instance *inst = js_instance_create(host.version, &spec, &facts, &err);
    buf_free(&facts);
    if (inst == NULL) {
        fail_msg("%s\n%s", err.text, host.log);
    }
    return inst;
}

static int setup(void **state)
{
    (void)state;
    struct error err = {0};
    char path[512];
    static char text[256 * 1024];
    const char *source = getenv("TEST_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/storage.js", source != NULL ? source : "tests/unit/js");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof text, f);
    fclose(f);
    strcpy(dir, "/tmp/js-storage-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/Store/id.db", dir);
    db = object_db_open(path, 0, &err);
    assert_non_null(db);
    table = fake_host_table;
    table.storage = open_storage;
    table.alarm = take_alarm;
    host.loop = loop_create(&err);
    engine = js_start(host.loop, &err);
    assert_non_null(engine);
    struct js_app app = {.name = SPAN_LIT("test"), .bundle = span_of(text, len)};
    host.version = js_load(engine, &app, &table, &host, &err);
    if (host.version == NULL) {
        fail_msg("%s\n%s", err.text, host.log);
    }
    js_loaded(host.version);
    store = create("Store", 10, NULL);
    no_alarm = create("NoAlarm", 11, &host);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    js_instance_destroy(store);
    js_instance_destroy(no_alarm);
    object_db_close(db);
    js_unload(host.version); /* after the storage: cursors may be open still */
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static struct fake_call *call(struct js_instance *inst, const char *method)
{
    memset(host.calls, 0, sizeof host.calls);
    js_call(inst, 1, span_str(method), SPAN_LIT("[]"));
    fake_wait(&host, &host.calls[1].done);
    fake_spin(&host);
    return &host.calls[1];
}

static void passes(struct js_instance *inst, const char *method)
{
    struct fake_call *c = call(inst, method);
    assert_string_equal(c->error, "");
    assert_string_equal(c->result, "\"ok\"");
}

#define JS_TEST(name)                                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        passes(store, #name);                                                                      \
    }

JS_TEST(keys)
JS_TEST(limits)
JS_TEST(lists)
JS_TEST(values)
JS_TEST(refusals)
JS_TEST(kv_at_once)
JS_TEST(transactions)
JS_TEST(sql)
JS_TEST(cursors)
JS_TEST(alarms)
JS_TEST(alarmsInTransactions)
JS_TEST(absent)
JS_TEST(resized)
JS_TEST(meddledLists)
JS_TEST(meddledErrors)
JS_TEST(meddledArguments)

static unsigned open_queries(void)
{
    unsigned n = 0;
    for (uint32_t i = 1; i <= host.version->queries.cap; i++) {
        n += js_table_get(&host.version->queries, i) != NULL ? 1 : 0;
    }
    return n;
}

/* JSBasePrivate.h. JSGarbageCollect no more than asks for one, some time. */
void JSSynchronousGarbageCollectForDebugging(JSContextRef ctx);

#define CURSORS_HELD 10 /* as many as storage.js has by then */

/* What a lost cursor held is given back, and nothing that another has. */
static void lost_cursors_are_let_go(void **state)
{
    (void)state;
    passes(store, "fill");
    passes(store, "forget");
    for (int i = 0; i < 20 && open_queries() > CURSORS_HELD; i++) {
        passes(store, "absent"); /* the stack is another one */
        JSSynchronousGarbageCollectForDebugging(host.version->ctx);
        fake_spin(&host);
    }
    assert_int_equal(open_queries(), CURSORS_HELD);
    passes(store, "remember");
}

static void an_alarm_needs_its_handler(void **state)
{
    (void)state;
    passes(no_alarm, "setsAlarm");
}

static void no_answer_before_its_alarm_is_stored(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        bool fails;
        const char *result;
        const char *error;
    } rows[] = {
        {"unawaited", false, "\"ok\"", ""},
        {"unawaited", true, "", "the alarm's disk is full"},
        {"unawaitedDelete", false, "", "its own"},
        {"unawaitedDelete", true, "", "its own"},
        {"inTransaction", false, "\"ok\"", ""},
        {"inTransaction", true, "", "the alarm's disk is full"},
        {"inTransactionSync", false, "\"ok\"", ""},
        {"inTransactionSync", true, "", "the alarm's disk is full"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(host.calls, 0, sizeof host.calls);
        alarm_state.fails = rows[i].fails;
        js_call(store, 1, span_str(rows[i].method), SPAN_LIT("[]"));
        assert_true(alarm_state.due);
        assert_false(host.calls[1].done);
        assert_int_equal(js_instance_idle_ms(store), 0);
        fake_wait(&host, &host.calls[1].done);
        assert_false(alarm_state.due);
        assert_string_equal(host.calls[1].result, rows[i].result);
        assert_non_null(strstr(host.calls[1].error, rows[i].error));
        fake_spin(&host);
    }
    alarm_state.fails = false;
}

static void a_storage_that_is_refused_says_why(void **state)
{
    (void)state;
    passes(no_alarm, "refused");
}

static void set_stored(struct span bytes)
{
    struct error err;
    struct object_pair pair = {SPAN_LIT("v"), bytes};
    assert_int_equal(object_kv_write(db, &pair, 1, NULL, &err), 0);
}

/* Every prefix, every bit turned: a value or an error, never anything else. */
static void damaged_bytes_are_told(void **state)
{
    (void)state;
    static const char message[] = "\"The stored value cannot be read: it is damaged.\"";
    struct error err;
    struct span value;
    char good[512];
    char bad[512];
    passes(store, "write");
    assert_int_equal(object_kv_get(db, SPAN_LIT("v"), &value, &err), 1);
    size_t len = value.len;
    assert_true(len > 60 && len < sizeof good);
    memcpy(good, value.ptr, len);
    for (size_t n = 0; n < len; n++) {
        set_stored(span_of(good, n));
        assert_string_equal(call(store, "read")->result, message);
    }
    memcpy(bad, good, len);
    bad[len] = '\0';
    set_stored(span_of(bad, len + 1));
    assert_string_equal(call(store, "read")->result, message);
    for (size_t n = 0; n < len; n++) {
        memcpy(bad, good, len);
        bad[n] = (char)(bad[n] ^ (1 << (n % 8)));
        set_stored(span_of(bad, len));
        struct fake_call *c = call(store, "read");
        assert_string_equal(c->error, "");
        if (strcmp(c->result, "\"read\"") != 0 && strcmp(c->result, message) != 0) {
            assert_non_null(strstr(c->result, "newer sallyport"));
        }
    }
    /* Lengths that no memory has. */
    static const struct span huge[] = {
        SPAN_INIT("\xd5\x01\x0d\xff\xff\xff\xff\xff\xff\x0f"),
        SPAN_INIT("\xd5\x01\x07\xff\xff\xff\xff\x0f"),
        SPAN_INIT("\xd5\x01\x0e\xff\xff\xff\xff\xff\xff\x0f\x0a"),
        SPAN_INIT("\xd5\x01\x11\xff\xff\xff\xff\x0f"),
        SPAN_INIT("\xd5\x01\x14\x02\x13\x01\x00\xff\xff\xff\xff\x0f\x01"),
        SPAN_INIT("\xd5\x01\x09\x00"),
    };
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        set_stored(huge[i]);
        assert_string_equal(call(store, "read")->result, message);
    }
    static char deep[6000];
    memset(deep, 0x12, sizeof deep);
    for (size_t i = 2; i + 1 < sizeof deep; i += 2) {
        deep[i + 1] = 1; /* a Set of one value, which is a Set of one value ... */
    }
    memcpy(deep, "\xd5\x01", 2);
    set_stored(span_of(deep, sizeof deep));
    assert_string_equal(call(store, "read")->result, message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(limits),
        cmocka_unit_test(lists),
        cmocka_unit_test(values),
        cmocka_unit_test(refusals),
        cmocka_unit_test(kv_at_once),
        cmocka_unit_test(transactions),
        cmocka_unit_test(sql),
        cmocka_unit_test(cursors),
        cmocka_unit_test(alarms),
        cmocka_unit_test(alarmsInTransactions),
        cmocka_unit_test(absent),
        cmocka_unit_test(lost_cursors_are_let_go),
        cmocka_unit_test(an_alarm_needs_its_handler),
        cmocka_unit_test(no_answer_before_its_alarm_is_stored),
        cmocka_unit_test(a_storage_that_is_refused_says_why),
        cmocka_unit_test(damaged_bytes_are_told),
        cmocka_unit_test(resized),
        cmocka_unit_test(meddledErrors),
        cmocka_unit_test(meddledArguments),
        cmocka_unit_test(meddledLists), /* arrays are slower from here on */
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
