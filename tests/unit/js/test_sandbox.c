/*
 * Sandboxes from code: Container, Sandbox and ctx.container against a host whose sandboxes are
 * processes of this machine. The tests themselves stand in box.js, one function each.
 */
#include "tests/unit/js/fake_box.h"

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
static struct fake_boxes boxes;
static const char env_json[] = "{\"objects\":[{\"binding\":\"BOX\",\"class\":\"Box\"}]}";
static char *bundle;

static void load(const struct js_host *table)
{
    struct error err = {0};
    struct js_app spec = {
        .name = SPAN_LIT("test"), .bundle = span_str(bundle), .env = span_str(env_json)};
    boxes.host.version = js_load(engine, &spec, table, &boxes, &err);
    if (boxes.host.version == NULL) {
        fail_msg("%s\n%s", err.text, boxes.host.log);
    }
    js_loaded(boxes.host.version);
}

static int setup(void **state)
{
    char path[512];
    const char *dir = getenv("TEST_SOURCE_DIR");
    struct error err = {0};
    (void)state;
    snprintf(path, sizeof path, "%s/box.js", dir != NULL ? dir : "tests/unit/js");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    bundle = calloc(1, 256 * 1024);
    assert_true(fread(bundle, 1, 256 * 1024 - 1, f) > 0);
    fclose(f);
    const struct js_host *table = fake_boxes_start(&boxes);
    engine = js_start(boxes.host.loop, &err);
    assert_non_null(engine);
    load(table);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_boxes_stop(&boxes);
    js_unload(boxes.host.version);
    free(bundle);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    memset(boxes.host.calls, 0, sizeof boxes.host.calls);
    boxes.host.log[0] = '\0';
    boxes.host.fail = NULL;
    boxes.start_error = NULL;
    boxes.busy = false;
    boxes.port = 0;
    boxes.port_asked = boxes.port_ready_after = 0;
    return 0;
}

/* Objects of one test go with it. */
static int stale(void **state)
{
    (void)state;
    fake_boxes_stop(&boxes);
    assert_non_null(strcpy(boxes.dir, "/tmp/sallyport-box-XXXXXX"));
    assert_non_null(mkdtemp(boxes.dir));
    memset(boxes.boxes, 0, sizeof boxes.boxes);
    return 0;
}

static void call(struct fake_box *box, const char *method, const char *args)
{
    memset(&boxes.host.calls[1], 0, sizeof boxes.host.calls[1]);
    js_call(box->inst, 1, span_str(method), span_str(args));
    fake_wait(&boxes.host, &boxes.host.calls[1].over);
}

static void run_on(struct fake_box *box, const char *args)
{
    call(box, "run", args);
    if (strcmp(boxes.host.calls[1].result, "\"ok\"") != 0) {
        fail_msg("%s: %s\n%s", args, boxes.host.calls[1].error, boxes.host.log);
    }
}

static struct fake_box *run_new(const char *class_name, const char *name)
{
    char args[256];
    struct fake_box *box = fake_box_create(&boxes, class_name, "0123456789abcdef");
    snprintf(args, sizeof args, "[\"%s\",\"%s\"]", name, boxes.dir);
    run_on(box, args);
    return box;
}

#define IN_JS(name)                                                                                \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        run_new("Box", #name);                                                                     \
    }
IN_JS(exec_result)
IN_JS(exec_options)
IN_JS(exec_callbacks)
IN_JS(exec_abort)
IN_JS(exec_orphan)
IN_JS(exec_large)
IN_JS(exec_many)
IN_JS(stream_events)
IN_JS(stream_slow_reader)
IN_JS(stream_cancel)
IN_JS(sessions)
IN_JS(sessionless)
IN_JS(env_vars)
IN_JS(processes)
IN_JS(process_kill)
IN_JS(process_waits)
IN_JS(process_callbacks)
IN_JS(files)
IN_JS(file_streams)
IN_JS(watch)
IN_JS(watch_options)
IN_JS(watch_hostile)
IN_JS(watch_cancel)
IN_JS(watch_ends_with_the_sandbox)
IN_JS(changes)
IN_JS(changes_have_a_ceiling)
IN_JS(git)
IN_JS(refusals)
IN_JS(errors_of_stubs)
IN_JS(settings)

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void stream_large(void **state)
{
    (void)state;
    long before = resident_kib();
    run_new("Box", "stream_large");
    long after = resident_kib();
    printf("resident: %ld -> %ld KiB over 100 MiB of output\n", before, after);
}

static void one_start(void **state)
{
    (void)state;
    struct fake_box *box = run_new("Box", "one_start");
    assert_int_equal(box->starts, 1);
    assert_string_equal(box->start_args, "{\"env\":{\"FROM_CLASS\":\"class\"}}");
}

static void start_fails(void **state)
{
    (void)state;
    boxes.start_error = "no room";
    struct fake_box *box = run_new("Box", "start_fails");
    boxes.start_error = NULL;
    run_on(box, "[\"one_start\"]"); /* the next call tries again */
}

static void stops(void **state)
{
    (void)state;
    run_new("Box", "stops");
}

static void ends_by_itself(void **state)
{
    (void)state;
    struct fake_box *box = run_new("Box", "one_start");
    fake_box_end(box, 9, "its agent broke a rule");
    call(box, "hooks", "[]");
    assert_string_equal(boxes.host.calls[1].result,
                        "[\"error its agent broke a rule\",\"stop 9 exit\"]");
    call(box, "getState", "[]");
    assert_non_null(strstr(boxes.host.calls[1].result, "\"stopped_with_code\""));
    assert_non_null(strstr(boxes.host.calls[1].result, "\"exitCode\":9"));
}

static void sleeps(void **state)
{
    (void)state;
    run_new("Sleepy", "sleeps");
}

static void watch_keeps_awake(void **state)
{
    (void)state;
    run_new("Sleepy", "watch_keeps_awake");
}

static void changes_do_not_keep_awake(void **state)
{
    (void)state;
    run_new("Sleepy", "changes_do_not_keep_awake");
}

static void busy_does_not_sleep(void **state)
{
    (void)state;
    boxes.busy = true;
    run_new("Sleepy", "busy_does_not_sleep");
}

/* A successor of the runtime is told of a sandbox that runs: no onStart, and its processes are
 * found again. */
static void runs_again(void **state)
{
    (void)state;
    struct fake_box *box = run_new("Box", "process_left");
    call(box, "hooks", "[]");
    js_instance_destroy(box->inst);
    boxes.box_count--;
    struct fake_box *again = fake_box_create(&boxes, "Box", "0123456789abcdef");
    assert_ptr_equal(again, box);
    js_container_started(again->inst, false);
    run_on(again, "[\"process_found\"]");
    call(again, "hooks", "[]");
    assert_string_equal(boxes.host.calls[1].result, "[]");
    assert_int_equal(box->starts, 1);
}

static void ports(void **state)
{
    (void)state;
    boxes.port = 8080;
    boxes.port_ready_after = 3;
    struct fake_box *box = fake_box_create(&boxes, "Box", "0123456789abcdef");
    run_on(box, "[\"process_port\",8080]");
    run_on(box, "[\"container_fetch\",8080]");
}

static void raw_container(void **state)
{
    (void)state;
    struct fake_box *box = run_new("Raw", "raw_container");
    assert_string_equal(box->start_args, "{\"env\":{\"A\":\"1\"},\"internet\":true}");
}

static void announcement(void **state)
{
    (void)state;
    run_new("Box", "announcement");
    assert_non_null(strstr(boxes.host.policy, "setOutboundHandler [\"noHttp\"]"));
}

/* What JSON can carry of a method's result comes out of a call from outside. */
static void called_from_outside(void **state)
{
    (void)state;
    struct fake_box *box = fake_box_create(&boxes, "Box", "0123456789abcdef");
    call(box, "exec", "[\"echo hi\"]");
    assert_non_null(strstr(boxes.host.calls[1].result, "\"stdout\":\"hi\\n\""));
    call(box, "startProcess", "[\"true\",{\"processId\":\"j\"}]");
    assert_non_null(strstr(boxes.host.calls[1].result, "\"id\":\"j\""));
    call(box, "readFile", "[\"/nope\"]");
    assert_non_null(strstr(boxes.host.calls[1].error, "ENOENT"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, stale)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exec_result),
        TEST(exec_options),
        TEST(exec_callbacks),
        TEST(exec_abort),
        TEST(exec_orphan),
        TEST(exec_large),
        TEST(exec_many),
        TEST(stream_events),
        TEST(stream_large),
        TEST(stream_slow_reader),
        TEST(stream_cancel),
        TEST(sessions),
        TEST(sessionless),
        TEST(env_vars),
        TEST(processes),
        TEST(process_kill),
        TEST(process_waits),
        TEST(process_callbacks),
        TEST(files),
        TEST(file_streams),
        TEST(watch),
        TEST(watch_options),
        TEST(watch_hostile),
        TEST(watch_cancel),
        TEST(watch_ends_with_the_sandbox),
        TEST(changes),
        TEST(changes_have_a_ceiling),
        TEST(watch_keeps_awake),
        TEST(changes_do_not_keep_awake),
        TEST(git),
        TEST(refusals),
        TEST(one_start),
        TEST(errors_of_stubs),
        TEST(settings),
        TEST(start_fails),
        TEST(stops),
        TEST(ends_by_itself),
        TEST(sleeps),
        TEST(busy_does_not_sleep),
        TEST(runs_again),
        TEST(ports),
        TEST(raw_container),
        TEST(announcement),
        TEST(called_from_outside),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
