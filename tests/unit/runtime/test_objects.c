/* Objects of a module: what wakes them, and how those that nobody uses go. */
#include "skew.h"
#include "supervisor.h"

#include "base/clock.h"
#include "runtime/object.h"

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libjavascriptcoregtk-4.1.so\n";
}

#define APP "{\"name\":\"t\",\"module\":true}"

static const char code[] = "const {Sandbox} = require('@cloudflare/sandbox');\n"
                           "const {DurableObject} = require('cloudflare:workers');\n"
                           "let cron = null;\n"
                           "class Clock extends DurableObject {\n"
                           "  n = 0; rung = null;\n"
                           "  add() { return ++this.n; }\n"
                           "  told() { return this.rung; }\n"
                           "  hold() { return new Promise(() => {}); }\n"
                           "  fails(yes) { this.bad = yes; }\n"
                           "  alarm(info) {\n"
                           "    if (this.bad) throw new Error('not today');\n"
                           "    this.rung = info; }\n"
                           "}\n"
                           "class Still extends DurableObject { add() { return 1; } }\n"
                           "class Box extends Sandbox { add() { return 1; } }\n"
                           "module.exports = { Clock, Still, Box, default: {\n"
                           "  scheduled(event) {\n"
                           "    if (event.cron === 'bad') throw new Error('no such day');\n"
                           "    cron = [event.cron, event.scheduledTime];\n"
                           "    console.log(JSON.stringify(cron)); } } };\n";

static int group_setup(void **state)
{
    (void)state;
    supervisor_open();
    start(APP, code);
    run();
    return t.type == RUNTIME_READY ? 0 : -1;
}

/* The class of an id, by its first letter. */
static const char *class_of(const char *id)
{
    return id[0] == 'c' ? "Clock" : id[0] == 's' ? "Still" : "Box";
}

static struct instance *find(const char *id)
{
    return instance_find(t.rt, span_str(id));
}

/* Answers the runtime's question for what is stored of it. */
static void opened(const char *id)
{
    char question[32];
    run();
    assert_int_equal(t.type, RUNTIME_OBJECT);
    snprintf(question, sizeof question, "%.*s", (int)strcspn(t.text, "|"), t.text);
    assert_non_null(strstr(t.text, id));
    TELL(RUNTIME_OBJECT_DONE, question, "ok", "", "{}", class_of(id), "");
}

static void call(const char *id, const char *method, const char *args)
{
    bool here = find(id) != NULL;
    TELL(RUNTIME_CALL, "7", id, method, args);
    if (!here) {
        opened(id);
    }
}

static void fire(const char *id, const char *detail)
{
    bool here = find(id) != NULL;
    TELL(RUNTIME_FIRE, "8", "alarm", id, class_of(id), "", detail);
    if (!here) {
        opened(id);
    }
}

static int teardown(void **state)
{
    (void)state;
    while (!list_empty(&t.rt->instances)) {
        instance_destroy(LIST_ENTRY(t.rt->instances.next, struct instance, node));
    }
    while (t.inner_count > 0) {
        close(t.inner[--t.inner_count]);
    }
    /* Those that were in use answered. */
    TELL(RUNTIME_SECRET, "end", "NONE", "", "rm");
    do {
        run();
    } while (strcmp(t.text, "end|error|no such secret") != 0);
    return 0;
}

/* ---- what wakes them ---- */

static void an_alarm_wakes_its_object(void **state)
{
    (void)state;
    fire("c1", "{\"retryCount\":2,\"isRetry\":true}");
    EXPECT(RUNTIME_REPLY, "8|ok|null");
    call("c1", "told", "[]");
    EXPECT(RUNTIME_REPLY, "7|ok|{\"retryCount\":2,\"isRetry\":true}");
    assert_true(list_empty(&find("c1")->calls));
}

static void an_alarm_that_fails_is_answered_so(void **state)
{
    (void)state;
    call("c2", "fails", "[true]");
    EXPECT(RUNTIME_REPLY, "7|ok|null");
    fire("c2", "{\"retryCount\":0,\"isRetry\":false}");
    run();
    assert_int_equal(t.type, RUNTIME_REPLY);
    assert_non_null(strstr(t.text, "8|error|"));
    assert_non_null(strstr(t.text, "not today"));
    call("c2", "fails", "[false]");
    EXPECT(RUNTIME_REPLY, "7|ok|null");
    fire("c2", "{\"retryCount\":1,\"isRetry\":true}");
    EXPECT(RUNTIME_REPLY, "8|ok|null");
}

static void an_alarm_of_nobody(void **state)
{
    (void)state;
    fire("s1", "{}");
    run();
    assert_non_null(strstr(t.text, "8|error|"));
    assert_non_null(strstr(t.text, "has no alarm()"));
    TELL(RUNTIME_FIRE, "8", "alarm", "c3", "Clock", "", "{}");
    run();
    assert_int_equal(t.type, RUNTIME_OBJECT);
    char question[32];
    snprintf(question, sizeof question, "%.*s", (int)strcspn(t.text, "|"), t.text);
    TELL(RUNTIME_OBJECT_DONE, question, "error", "it was removed", "", "", "");
    EXPECT(RUNTIME_REPLY, "8|error|it was removed");
    assert_null(find("c3"));
}

static void an_object_that_goes_answers_its_alarm(void **state)
{
    (void)state;
    call("c4", "hold", "[]");
    TELL(RUNTIME_INSTANCE_REMOVE, "9", "c4");
    EXPECT(RUNTIME_REPLY, "7|error|the instance is gone");
    EXPECT(RUNTIME_REPLY, "9|ok|null");
}

static void scheduled_events(void **state)
{
    (void)state;
    TELL(RUNTIME_FIRE, "8", "scheduled", "", "", "",
         "{\"cron\":\"* * * * *\",\"scheduledTime\":60000}");
    run();
    assert_int_equal(t.type, RUNTIME_LOG);
    assert_non_null(strstr(t.text, "[\"* * * * *\",60000]"));
    EXPECT(RUNTIME_REPLY, "8|ok|null");
    TELL(RUNTIME_FIRE, "8", "scheduled", "", "", "", "{\"cron\":\"bad\",\"scheduledTime\":0}");
    run();
    assert_non_null(strstr(t.text, "8|error|"));
    assert_non_null(strstr(t.text, "no such day"));
}

/* ---- what goes ---- */

static void is_used(const char *id)
{
    call(id, "add", "[]");
    EXPECT(RUNTIME_REPLY, "7|ok|1");
    call(id, "hold", "[]");
}

static void clock_forward(unsigned ms)
{
    skew_s += ms / 1000;
    instance_clock(t.rt, clock_monotonic_ms());
}

static void the_unused_are_let_go(void **state)
{
    (void)state;
    call("c5", "add", "[]");
    EXPECT(RUNTIME_REPLY, "7|ok|1");
    is_used("c6");
    add("b5", "Box", "{}", ""); /* has a sandbox */
    run();
    assert_non_null(strstr(t.text, "1|ok|"));
    clock_forward(INSTANCE_UNUSED_MS - 2000);
    assert_non_null(find("c5"));
    clock_forward(3000); /* looked at for the first time: it is unused from now on */
    assert_non_null(find("c5"));
    clock_forward(INSTANCE_UNUSED_MS - 2000);
    assert_non_null(find("c5"));
    call("c5", "add", "[]"); /* used meanwhile */
    EXPECT(RUNTIME_REPLY, "7|ok|2");
    clock_forward(3000);
    assert_non_null(find("c5"));
    clock_forward(INSTANCE_UNUSED_MS + 1000);
    assert_null(find("c5"));
    assert_non_null(find("c6"));
    assert_non_null(find("b5"));
    /* Made again by the next use, from what was stored: memory is not. */
    call("c5", "add", "[]");
    EXPECT(RUNTIME_REPLY, "7|ok|1");
    /* The sandbox has ended: its object goes too. */
    TELL(RUNTIME_INSTANCE_ENDED, "9", "b5", "0", "");
    EXPECT(RUNTIME_REPLY, "9|ok|null");
    for (int i = 0; i < 3; i++) {
        clock_forward(INSTANCE_UNUSED_MS + 1000);
    }
    assert_null(find("b5"));
    assert_non_null(find("c6"));
}

static void one_too_many_takes_the_place_of_an_unused_one(void **state)
{
    (void)state;
    uint32_t others;
    is_used("c6");
    call("c7", "add", "[]");
    EXPECT(RUNTIME_REPLY, "7|ok|1");
    others = INSTANCES_MAX - t.rt->instance_count; /* as if they were there */
    t.rt->instance_count += others;
    is_used("c8");
    assert_null(find("c7"));
    assert_non_null(find("c6"));
    call("c9", "add", "[]");
    run();
    assert_non_null(strstr(t.text, "7|error|objects: more than 4096 are in use at once"));
    assert_null(find("c9"));
    assert_int_equal(t.rt->instance_count, INSTANCES_MAX);
    t.rt->instance_count -= others;
}

/* ---- new code ---- */

static void checks(const char *host, const char *decision)
{
    char url[64];
    char want[64];
    snprintf(url, sizeof url, "http://%s/", host);
    TELL(RUNTIME_CHECK, "9", "b1", "GET", url);
    run();
    snprintf(want, sizeof want, "\"decision\":\"%s\"", decision);
    if (strstr(t.text, want) == NULL) {
        fail_msg("%s: %s", host, t.text);
    }
}

static void a_change_that_is_being_saved_goes_over(void **state)
{
    (void)state;
    add("b1", "Box", "{}", "");
    run();
    TELL(RUNTIME_CALL, "5", "b1", "denyHost", "[\"b.test\"]");
    run();
    assert_int_equal(t.type, RUNTIME_STATE);
    tell_code(RUNTIME_DEPLOY, (const char *const[]){"6", APP}, 2,
              "const {Sandbox} = require('@cloudflare/sandbox');\n"
              "module.exports = { Box: class Box extends Sandbox { allowedHosts = ['b.test', "
              "'c.test']; } "
              "};");
    run();
    assert_non_null(strstr(t.text, "6|ok|{\"classes\":[{\"name\":\"Box\""));
    checks("other.test", "deny");
    checks("b.test", "allow"); /* not before it is saved */
    TELL(RUNTIME_STATE_DONE, t.state_call, "ok", "");
    EXPECT(RUNTIME_REPLY, "5|ok|null");
    checks("other.test", "deny");
    checks("b.test", "deny");
    checks("c.test", "allow");
    tell_code(RUNTIME_DEPLOY, (const char *const[]){"6", APP}, 2, "throw new Error('no');");
    run();
    assert_non_null(strstr(t.text, "6|error|"));
    assert_non_null(strstr(t.text, "no"));
    checks("b.test", "deny");
    tell_code(RUNTIME_DEPLOY, (const char *const[]){"6", APP}, 2, code);
    run();
    assert_non_null(strstr(t.text, "6|ok|"));
    checks("other.test", "allow");
    checks("b.test", "deny");
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_alarm_wakes_its_object),
        TEST(an_alarm_that_fails_is_answered_so),
        TEST(an_alarm_of_nobody),
        TEST(an_object_that_goes_answers_its_alarm),
        TEST(scheduled_events),
        TEST(the_unused_are_let_go),
        TEST(one_too_many_takes_the_place_of_an_unused_one),
        TEST(a_change_that_is_being_saved_goes_over),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
