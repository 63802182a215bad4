/*
 * The Worker's own fetch and scheduled, objects, stubs and service bindings, against a host that is
 * a fake. The assertions stand in objects.js; each test serves one request that runs some.
 */
#include "tests/unit/js/fake_host.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libjavascriptcoregtk-4.1.so\n";
}

#define S(x) SPAN_LIT(x)

static struct js *engine;
static struct fake_host host;

static const char env_json[] =
    "{\"vars\":{\"VAR\":\"v\",\"Wanted\":\"a var\"},"
    "\"objects\":[{\"binding\":\"COUNTER\",\"class\":\"Counter\"},"
    "{\"binding\":\"SLOW\",\"class\":\"Slow\"},{\"binding\":\"PLAIN\",\"class\":\"Plain\"},"
    "{\"binding\":\"LOST\",\"class\":\"Nowhere\"}],"
    "\"services\":[{\"binding\":\"ENTRY\",\"service\":\"self\",\"entrypoint\":\"Entry\"},"
    "{\"binding\":\"BYNAME\",\"service\":\"test\",\"entrypoint\":\"Entry\"},"
    "{\"binding\":\"MAIN\",\"service\":\"self\"},"
    "{\"binding\":\"FOREIGN\",\"service\":\"other\"},"
    "{\"binding\":\"UNKNOWN\",\"service\":\"self\",\"entrypoint\":\"Gone\"}],"
    "\"unsupported\":[{\"binding\":\"AI\",\"kind\":\"ai\"}]}";

static struct js_version *load(struct fake_host *h)
{
    struct error err = {0};
    char path[512];
    const char *dir = getenv("TEST_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/objects.js", dir != NULL ? dir : "tests/unit/js");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    static char text[256 * 1024];
    size_t len = fread(text, 1, sizeof text, f);
    fclose(f);
    struct js_app app = {
        .name = SPAN_LIT("test"), .bundle = span_of(text, len), .env = span_str(env_json)};
    struct js_version *v = js_load(engine, &app, &fake_host_table, h, &err);
    if (v == NULL) {
        fail_msg("%s\n%s", err.text, h->log);
    }
    js_loaded(v);
    return v;
}

static int setup(void **state)
{
    struct error err = {0};
    (void)state;
    host.loop = loop_create(&err);
    engine = js_start(host.loop, &err);
    assert_non_null(engine);
    host.version = load(&host);
    return 0;
}

static int reset(void **state)
{
    (void)state;
    memset(host.results, 0, sizeof host.results);
    memset(host.calls, 0, sizeof host.calls);
    host.fetch_count = host.fetch_closed = 0;
    host.answer = true;
    host.status = 200;
    host.response_headers = "content-type\ntext/plain\n";
    host.response_body = "upstream body";
    host.object_error = NULL;
    host.log[0] = '\0';
    for (int i = 0; i < FAKE_FETCHES; i++) {
        assert_false(host.fetches[i].open);
    }
    return 0;
}

static void serve(struct fake_host *h, uint32_t task, const char *test)
{
    struct fake_request *r = &h->requests[task];
    memset(&h->results[task], 0, sizeof h->results[task]);
    snprintf(r->method, sizeof r->method, "GET");
    snprintf(r->url, sizeof r->url, "https://w.example/%s", test);
    snprintf(r->headers, sizeof r->headers, "Host\nw.example\n");
    js_serve(h->version, task);
}

static struct fake_result *run(const char *test)
{
    serve(&host, 1, test);
    fake_wait(&host, &host.results[1].done);
    return &host.results[1];
}

static void passes(const char *test)
{
    struct fake_result *r = run(test);
    assert_string_equal(r->error, "");
    assert_string_equal(r->body, "ok");
    fake_spin(&host);
}

static void kinds(void **state)
{
    (void)state;
    size_t n;
    const struct js_class *list = js_classes(host.version, &n);
    static const struct {
        const char *name;
        enum js_class_kind kind;
    } rows[] = {
        {"Counter", JS_CLASS_OBJECT},   {"Slow", JS_CLASS_OBJECT},  {"Fragile", JS_CLASS_OBJECT},
        {"Shy", JS_CLASS_OBJECT},       {"Plain", JS_CLASS_OBJECT}, {"Box", JS_CLASS_SANDBOX},
        {"Entry", JS_CLASS_ENTRYPOINT},
    };
    assert_int_equal(n, sizeof rows / sizeof rows[0]);
    for (size_t i = 0; i < n; i++) {
        assert_true(span_eq(list[i].name, span_str(rows[i].name)));
        assert_int_equal(list[i].kind, rows[i].kind);
    }
    assert_true(js_worker(host.version).fetch);
    assert_true(js_worker(host.version).scheduled);
}

#define JS_TEST(name)                                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        passes(#name);                                                                             \
    }

JS_TEST(ids)
JS_TEST(bindings)
JS_TEST(calls)
JS_TEST(passing)
JS_TEST(fetching)
JS_TEST(gates)
JS_TEST(broken)

/* A handled error is nobody's rejection. */
static void errors(void **state)
{
    (void)state;
    passes("errors");
    assert_null(strstr(host.log, "Unhandled"));
}

static void work_of_an_object_outlives_the_call(void **state)
{
    (void)state;
    passes("tasks");
    passes("tasksLater");
    passes("awaits");
    passes("awaitsLater");
}

static void work_of_the_caller_does_not(void **state)
{
    (void)state;
    host.answer = false;
    passes("leftover");
    assert_int_equal(host.fetch_count, 1);
    assert_int_equal(host.fetch_closed, 1);
    assert_null(strstr(host.log, "never"));
}

static void services(void **state)
{
    (void)state;
    serve(&host, 1, "services");
    fake_wait(&host, &host.results[1].done);
    assert_string_equal(host.results[1].body, "ok");
    assert_true(host.results[1].more);
    fake_wait(&host, &host.results[1].over);
    assert_non_null(strstr(host.log, "entry waited"));
}

static void wait_until_prolongs(void **state)
{
    (void)state;
    assert_string_equal(run("waits")->body, "ok");
    assert_true(host.results[1].more);
    assert_false(host.results[1].over);
    assert_false(js_idle(host.version));
    fake_wait(&host, &host.results[1].over);
    assert_non_null(strstr(host.log, "waited"));
    assert_non_null(strstr(host.log, "late failure"));
    assert_true(js_idle(host.version));
    reset(NULL);
    run("stream");
    fake_wait(&host, &host.results[1].over);
    assert_string_equal(host.results[1].body, "s");
    assert_non_null(strstr(host.log, "after the stream"));
    reset(NULL);
    run("throws");
    assert_int_equal(host.results[1].kind, JS_RESULT_ERROR);
    assert_non_null(strstr(host.results[1].error, "worker threw"));
    assert_false(host.results[1].more);
}

static void bodies_pass_natively(void **state)
{
    (void)state;
    struct fake_result *r = run("pass");
    assert_int_equal(r->body_kind, JS_BODY_RESPONSE);
    assert_int_equal(r->base, r->body_id);
    assert_false(r->more);
    reset(NULL);
    r = run("objectPass");
    assert_int_equal(r->body_kind, JS_BODY_RESPONSE);
    assert_true(host.fetches[r->body_id].task >= FAKE_OBJECT_TASK);
}

static void a_client_that_goes_away(void **state)
{
    (void)state;
    serve(&host, 1, "hang");
    fake_spin(&host);
    js_task_abort(host.version, 1, "gone");
    assert_non_null(strstr(host.log, "aborted gone"));
    assert_false(host.results[1].done);
    assert_false(js_idle(host.version)); /* the object still works */
}

static void asked_for_once(void **state)
{
    (void)state;
    run("objectPass");
    size_t asked = host.object_asked;
    reset(NULL);
    run("objectPass");
    assert_int_equal(host.object_asked, asked); /* it is there already */
    reset(NULL);
    host.object_error = "the store is full";
    fake_objects_destroy(&host);
    run("objectPass");
    assert_non_null(strstr(host.results[1].error, "the store is full"));
    reset(NULL);
    run("objectPass");
    assert_int_equal(host.object_asked, asked + 2);
    assert_int_equal(host.object_count, 1);
}

static struct fake_call *called(uint32_t task)
{
    fake_wait(&host, &host.calls[task].over);
    return &host.calls[task];
}

static void alarms_and_calls(void **state)
{
    (void)state;
    fake_objects_destroy(&host);
    run("objectPass");
    struct js_instance *inst = host.objects[0];
    js_alarm(inst, 5, SPAN_LIT("{\"isRetry\":false,\"retryCount\":0,\"scheduledTime\":12}"));
    assert_string_equal(called(5)->result, "null");
    js_call(inst, 6, SPAN_LIT("lastAlarm"), SPAN_LIT("[]"));
    assert_string_equal(called(6)->result,
                        "{\"isRetry\":false,\"retryCount\":0,\"scheduledTime\":12}");
    js_alarm(inst, 7, SPAN_LIT("{\"scheduledTime\":666}"));
    assert_non_null(strstr(called(7)->error, "alarm failed"));
    js_call(inst, 8, SPAN_LIT("arrow"), SPAN_LIT("[]"));
    assert_non_null(strstr(called(8)->error, "Counter has no public method \"arrow\""));
    assert_null(strchr(host.calls[8].error, '\n'));
    js_call(inst, 9, SPAN_LIT("block"), SPAN_LIT("[2]"));
    js_call(inst, 10, SPAN_LIT("add"), SPAN_LIT("[1]"));
    assert_false(host.calls[10].done);
    assert_int_equal(js_instance_idle_ms(inst), 0);
    assert_string_equal(called(9)->result, "[\"blocked\",true]");
    assert_string_equal(called(10)->result, "1");
    uint64_t first = js_instance_idle_ms(inst);
    assert_int_equal(first, 1);
}

static void scheduled(void **state)
{
    (void)state;
    js_scheduled(host.version, 5, SPAN_LIT("{\"cron\":\"* * * * *\",\"scheduledTime\":99}"));
    assert_string_equal(called(5)->error, "");
    assert_non_null(strstr(host.log, "cron * * * * * 99"));
    js_scheduled(host.version, 6, SPAN_LIT("{\"cron\":\"bad\",\"scheduledTime\":99}"));
    assert_non_null(strstr(called(6)->error, "cron failed"));
    js_scheduled(host.version, 7, SPAN_LIT("{\"cron\":\"late\",\"scheduledTime\":99}"));
    assert_non_null(strstr(called(7)->error, "late cron failed"));
}

/* The old version serves what is open while the new one takes what comes. */
static void two_versions(void **state)
{
    (void)state;
    static struct fake_host other;
    other = (struct fake_host){.loop = host.loop, .answer = true, .status = 200};
    serve(&host, 1, "open");
    other.version = load(&other);
    serve(&other, 1, "calls");
    fake_wait(&host, &other.results[1].done);
    assert_string_equal(other.results[1].body, "ok");
    assert_false(js_idle(host.version));
    serve(&host, 2, "calls");
    fake_wait(&host, &host.results[2].done);
    assert_string_equal(host.results[2].error, "");
    serve(&host, 3, "close");
    fake_wait(&host, &host.results[1].done);
    assert_string_equal(host.results[1].body, "ok");
    assert_true(js_idle(host.version));
    fake_objects_destroy(&other);
    js_unload(other.version);
}

static void wait_log(struct fake_host *h, const char *text)
{
    uint64_t deadline = clock_monotonic_ms() + 10000;
    while (strstr(h->log, text) == NULL) {
        assert_true(clock_monotonic_ms() < deadline);
        fake_spin(h);
    }
}

/* The engine is warmed up while an object works: neither its task nor its fetch is taken for one of
 * the warm-up's own. */
static void warming_up_touches_no_object(void **state)
{
    (void)state;
    static struct fake_host other;
    struct error err = {0};
    struct buf facts;
    buf_init(&facts, 4096);
    other = (struct fake_host){.loop = host.loop, .status = 200};
    other.version = load(&other);
    struct js_instance_spec spec = {
        .id = S("one"), .class_name = S("Counter"), .task = 1, .owner = &other};
    struct js_instance *inst = js_instance_create(other.version, &spec, &facts, &err);
    assert_non_null(inst);
    js_call(inst, 2, S("begin"), S("[250]")); /* longer than the warm-up takes */
    assert_true(other.calls[2].done);
    assert_int_equal(other.fetch_count, 1);
    wait_log(&other, "still here");
    assert_true(other.fetches[1].open);
    assert_null(strstr(other.log, "answered"));
    js_fetch_done(other.version, 1, &(struct js_response){.status = 200});
    wait_log(&other, "answered");
    js_instance_destroy(inst);
    js_unload(other.version);
    buf_free(&facts);
}

static double leaving_cost_us(uint32_t object_task)
{
    static struct fake_host other;
    struct error err = {0};
    struct buf facts;
    buf_init(&facts, 4096);
    other = (struct fake_host){.loop = host.loop};
    other.version = load(&other);
    struct js_instance_spec spec = {
        .id = S("one"), .class_name = S("Counter"), .task = object_task, .owner = &other};
    struct js_instance *inst = js_instance_create(other.version, &spec, &facts, &err);
    assert_non_null(inst);
    serve(&other, 1, "leaves");
    uint64_t t0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < 200; i++) {
        other.results[1].done = false;
        js_serve(other.version, 1);
        assert_true(other.results[1].done);
    }
    double us = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - t0) / 1000 / 200;
    js_instance_destroy(inst);
    js_unload(other.version);
    buf_free(&facts);
    return us;
}

/* What a request leaves behind is not looked for among all ids there are: those of a version that
 * was deployed begin where the last one's were. */
static void high_ids_cost_no_more(void **state)
{
    (void)state;
    double low = 1e9;
    double high = 1e9;
    for (int i = 0; i < 5; i++) {
        double us = leaving_cost_us(2);
        low = us < low ? us : low;
        us = leaving_cost_us(JS_TASKS_MAX);
        high = us < high ? us : high;
    }
    printf("a request that leaves work: %.1f us; with the last id in use %.1f us\n", low, high);
    assert_true(high < 8 * low);
}

static size_t resident_kib(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %zu", &pages), 1);
    fclose(f);
    return pages * 4;
}

static void deploys(int n)
{
    static struct fake_host other;
    for (int i = 0; i < n; i++) {
        other = (struct fake_host){.loop = host.loop, .answer = true, .status = 200};
        other.version = load(&other);
        serve(&other, 1, "calls");
        fake_wait(&host, &other.results[1].done);
        assert_string_equal(other.results[1].body, "ok");
        js_unload(other.version);
    }
}

static void versions_do_not_leak(void **state)
{
    (void)state;
    deploys(20);
    size_t before = resident_kib();
    deploys(100);
    size_t after = resident_kib();
    printf("resident: %zu -> %zu KiB over 100 versions\n", before, after);
#if !defined(__SANITIZE_ADDRESS__) && !(defined(__has_feature) && defined(__clang__))
    assert_true(after < before + 24 * 1024);
#endif
}

static double cpu_us(uint64_t since)
{
    return (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - since) / 1000;
}

static void costs(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        uint64_t t0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        assert_string_equal(run("rpcMany")->body, "ok");
        printf("call of a stub: %.2f us of CPU\n", cpu_us(t0) / 20000);
    }
    host.answer = false;
    snprintf(host.requests[1].url, sizeof host.requests[1].url, "https://w.example/hello");
    for (int round = 0; round < 2; round++) {
        uint64_t t0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        for (int i = 0; i < 20000; i++) {
            host.results[1].done = false;
            js_serve(host.version, 1);
            assert_true(host.results[1].done);
        }
        printf("serve: %.2f us of CPU\n", cpu_us(t0) / 20000);
    }
    fake_spin(&host);
}

static int teardown(void **state)
{
    (void)state;
    fake_objects_destroy(&host);
    js_unload(host.version);
    return 0;
}

#define TEST(fn) cmocka_unit_test_setup(fn, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kinds),
        TEST(ids),
        TEST(bindings),
        TEST(calls),
        TEST(errors),
        TEST(passing),
        TEST(fetching),
        TEST(gates),
        TEST(broken),
        TEST(work_of_an_object_outlives_the_call),
        TEST(work_of_the_caller_does_not),
        TEST(services),
        TEST(wait_until_prolongs),
        TEST(bodies_pass_natively),
        TEST(a_client_that_goes_away),
        TEST(asked_for_once),
        TEST(alarms_and_calls),
        TEST(scheduled),
        TEST(two_versions),
        TEST(warming_up_touches_no_object),
        TEST(high_ids_cost_no_more),
        TEST(versions_do_not_leak),
        TEST(costs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
