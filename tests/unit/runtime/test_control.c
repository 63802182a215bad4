/* The outer door's half of the conversation with the supervisor, which is the test. */
#include "supervisor.h"

#include "runtime/object.h"

static int setup(void **state)
{
    (void)state;
    supervisor_open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    runtime_destroy(t.rt);
    while (t.inner_count > 0) {
        close(t.inner[--t.inner_count]);
    }
    ipc_channel_destroy(t.ch);
    loop_destroy(t.loop);
    return 0;
}

static void started(void)
{
    start("{\"name\":\"t\",\"module\":false}", "");
    EXPECT(RUNTIME_READY,
           "{\"classes\":[{\"name\":\"Sandbox\",\"kind\":\"sandbox\",\"handlers\":[],"
           "\"hosts\":[],\"outbound\":false}],\"default_class\":\"Sandbox\","
           "\"fetch\":false,\"scheduled\":false}");
    add("box", "", "{}", "");
    EXPECT(RUNTIME_REPLY, "1|ok|{\"class\":\"Sandbox\",\"intercept_https\":true,\"internet\":true,"
                          "\"warnings\":[]}");
}

/* ---- */

static void secrets_by_name(void **state)
{
    (void)state;
    TELL(RUNTIME_SECRET, "1", "TOKEN", "value", "put");
    EXPECT(RUNTIME_REPLY, "1|ok|null");
    assert_true(span_eq(secrets_get(t.rt->secrets, S("TOKEN")), S("value")));
    TELL(RUNTIME_SECRET, "2", "TOKEN", "va\x01lue", "put");
    run();
    assert_non_null(strstr(t.text, "2|error|secret TOKEN: the value holds a control byte"));
    assert_null(strstr(t.text, "va\x01lue"));
    assert_true(span_eq(secrets_get(t.rt->secrets, S("TOKEN")), S("value")));
    TELL(RUNTIME_SECRET, "3", "TOKEN", "", "rm");
    EXPECT(RUNTIME_REPLY, "3|ok|null");
    TELL(RUNTIME_SECRET, "4", "TOKEN", "", "rm");
    EXPECT(RUNTIME_REPLY, "4|error|no such secret");
}

static void bad_start_says_why(void **state)
{
    (void)state;
    start("{\"name\":\"t\",\"module\":false,\"extra\":1}", "");
    run(); /* the runtime ends its loop; what it said before that is flushed */
    EXPECT(RUNTIME_FAILED, "app: unknown key \"extra\"");
}

static void nothing_before_the_start(void **state)
{
    (void)state;
    TELL(RUNTIME_CHECK, "1", "box", "GET", "http://a.test/");
    run(); /* the runtime ends its loop */
    assert_int_equal(t.type, 0);
}

static void instances_come_and_go(void **state)
{
    (void)state;
    started();
    add("box", "", "{}", "");
    EXPECT(RUNTIME_REPLY, "1|error|instance box: it is there already");
    add("other", "Nope", "{}", "");
    EXPECT(RUNTIME_REPLY, "1|error|class Nope: there is no module that exports it");
    add("other", "Sandbox", "{\"intercept_https\":false,\"internet\":false}", "");
    EXPECT(RUNTIME_REPLY, "1|ok|{\"class\":\"Sandbox\",\"intercept_https\":false,\"internet\":"
                          "false,\"warnings\":[]}");
    TELL(RUNTIME_INSTANCE_REMOVE, "2", "other");
    EXPECT(RUNTIME_REPLY, "2|ok|null");
    TELL(RUNTIME_INSTANCE_REMOVE, "3", "other");
    EXPECT(RUNTIME_REPLY, "3|error|no such instance");
}

static void check_answers_by_the_policy(void **state)
{
    (void)state;
    started();
    TELL(RUNTIME_CHECK, "5", "box", "GET", "https://A.test/x");
    EXPECT(RUNTIME_REPLY, "5|ok|{\"url\":\"https://A.test/x\",\"host\":\"a.test\",\"decision\":"
                          "\"allow\",\"rule\":\"enableInternet\",\"pattern\":null,\"handler\":"
                          "null}");
    TELL(RUNTIME_CHECK, "6", "nobody", "GET", "https://a.test/");
    EXPECT(RUNTIME_OBJECT, "1|nobody||");
    TELL(RUNTIME_OBJECT_DONE, "1", "error", "no such instance", "", "", "");
    EXPECT(RUNTIME_REPLY, "6|error|no such instance");
}

#define ALICE "d633c7bb5b0c155b5d1c4e8624a7b0e3ab6ddad3735c2a425dd75b201514861e"

static void names_have_ids(void **state)
{
    (void)state;
    char id[OBJECT_ID_BYTES];
    started();
    TELL(RUNTIME_NAME, "5", "", "alice");
    EXPECT(RUNTIME_REPLY, "5|ok|" ALICE " Sandbox");
    assert_true(object_id_is(S("Sandbox"), S(ALICE)));
    assert_false(object_id_is(S("Other"), S(ALICE)));
    assert_false(object_id_is(S("Sandbox"), S("d633")));
    assert_false(object_id_is(
        S("Sandbox"), S("D633C7BB5B0C155B5D1C4E8624A7B0E3AB6DDAD3735C2A425DD75B201514861E")));
    assert_int_equal(object_id(S("Sandbox"), (struct span){NULL, 0}, id), 0);
    assert_true(object_id_is(S("Sandbox"), span_str(id)));
    assert_string_not_equal(id, ALICE);
    /* no name looks like another's beginning */
    static char text[JS_OBJECT_NAME_MAX + 1];
    memset(text, 'n', sizeof text);
    assert_int_equal(object_id(S("Sandbox"), span_of("a\0b", 3), id), -1);
    assert_int_equal(object_id(S("Sandbox"), span_of(text, sizeof text), id), -1);
    assert_int_equal(object_id(S("Sandbox"), span_of(text, sizeof text - 1), id), 0);
}

/* Calls of one object that is not here wait for one opening, and are done in their order. */
static void calls_open_their_object(void **state)
{
    (void)state;
    started();
    TELL(RUNTIME_CALL, "5", ALICE, "$policy", "[]");
    TELL(RUNTIME_CALL, "6", ALICE, "nope", "[]");
    EXPECT(RUNTIME_OBJECT, "1|" ALICE "||");
    TELL(RUNTIME_OBJECT_DONE, "1", "ok", "{\"v\":1,\"denied\":[\"kept.test\"]}", "{}", "Sandbox",
         "alice");
    run();
    assert_non_null(strstr(t.text, "5|ok|"));
    assert_non_null(strstr(t.text, "\"denied\":[\"kept.test\"]"));
    EXPECT(RUNTIME_REPLY, "6|error|the class Sandbox has no method of that name");
    assert_string_equal(instance_find(t.rt, S(ALICE))->name, "alice");
    /* Its sandbox starts: the policy is there before. */
    add(ALICE, "Sandbox", "{}", "");
    run();
    assert_non_null(strstr(t.text, "1|ok|"));
    assert_non_null(instance_find(t.rt, S(ALICE))->door.gate);
    TELL(RUNTIME_INSTANCE_STARTED, ALICE, "new");
    TELL(RUNTIME_INSTANCE_ENDED, "7", ALICE, "0", "");
    EXPECT(RUNTIME_REPLY, "7|ok|null");
    assert_null(instance_find(t.rt, S(ALICE))->door.gate);
    TELL(RUNTIME_CALL, "8", ALICE, "$policy", "[]");
    run();
    assert_non_null(strstr(t.text, "\"denied\":[\"kept.test\"]"));
}

static void an_object_that_cannot_be_made(void **state)
{
    (void)state;
    started();
    TELL(RUNTIME_CALL, "5", ALICE, "$policy", "[]");
    EXPECT(RUNTIME_OBJECT, "1|" ALICE "||");
    TELL(RUNTIME_OBJECT_DONE, "1", "ok", "{\"v\":", "{}", "Sandbox", "alice");
    run();
    assert_non_null(strstr(t.text, "5|error|"));
    assert_null(instance_find(t.rt, S(ALICE)));
    /* An answer that nobody waits for is nothing. */
    TELL(RUNTIME_OBJECT_DONE, "1", "ok", "", "{}", "Sandbox", "alice");
    TELL(RUNTIME_FIRE, "6", "scheduled", "", "", "", "{}");
    EXPECT(RUNTIME_REPLY, "6|error|the module's default export has no scheduled()");
}

static void decides(const char *decision)
{
    char want[64];
    TELL(RUNTIME_CHECK, "9", "box", "GET", "http://b.test/");
    run();
    snprintf(want, sizeof want, "\"decision\":\"%s\"", decision);
    assert_non_null(strstr(t.text, want));
}

static void change_answers_once_it_is_saved(void **state)
{
    (void)state;
    started();
    TELL(RUNTIME_CALL, "5", "box", "setAllowedHosts", "[[\"a.test\"]]");
    run();
    assert_int_equal(t.type, RUNTIME_STATE);
    assert_non_null(strstr(t.text, "|box|{\"v\":1,\"allowed\":[\"a.test\"]}"));
    decides("allow"); /* not before it is saved */
    TELL(RUNTIME_STATE_DONE, t.state_call, "error", "the disk is full");
    EXPECT(RUNTIME_REPLY, "5|error|the disk is full");
    decides("allow");
    TELL(RUNTIME_CALL, "6", "box", "setAllowedHosts", "[[\"a.test\"]]");
    run();
    TELL(RUNTIME_STATE_DONE, t.state_call, "ok", "");
    EXPECT(RUNTIME_REPLY, "6|ok|null");
    decides("deny");
}

static void changes_queue(void **state)
{
    (void)state;
    started();
    TELL(RUNTIME_CALL, "5", "box", "denyHost", "[\"b.test\"]");
    TELL(RUNTIME_CALL, "6", "box", "denyHost", "[\"c.test\"]");
    run();
    assert_non_null(strstr(t.text, "|box|{\"v\":1,\"denied\":[\"b.test\"]}"));
    TELL(RUNTIME_STATE_DONE, t.state_call, "ok", "");
    EXPECT(RUNTIME_REPLY, "5|ok|null");
    run();
    assert_int_equal(t.type, RUNTIME_STATE);
    assert_non_null(strstr(t.text, "|box|{\"v\":1,\"denied\":[\"b.test\",\"c.test\"]}"));
    TELL(RUNTIME_INSTANCE_REMOVE, "7", "box");
    EXPECT(RUNTIME_REPLY, "6|error|the instance is gone");
    EXPECT(RUNTIME_REPLY, "7|ok|null");
    TELL(RUNTIME_STATE_DONE, t.state_call, "ok", ""); /* too late, and harmless */
    TELL(RUNTIME_INSTANCE_REMOVE, "8", "box");
    EXPECT(RUNTIME_REPLY, "8|error|no such instance");
}

static void calls_that_cannot_be(void **state)
{
    (void)state;
    started();
    TELL(RUNTIME_CALL, "5", "box", "setOutboundHandler", "[\"x\"]");
    EXPECT(RUNTIME_REPLY, "5|error|Outbound handler method 'x' not found in outboundHandlers for "
                          "Sandbox");
    TELL(RUNTIME_CALL, "6", "box", "constructor", "[]");
    EXPECT(RUNTIME_REPLY, "6|error|the class Sandbox has no method of that name");
    TELL(RUNTIME_CALL, "7", "box", "allowHost", "{}");
    EXPECT(RUNTIME_REPLY, "7|error|allowHost: the arguments are not a JSON array");
    TELL(RUNTIME_CALL, "8", "box", "$policy", "[]");
    run();
    assert_non_null(strstr(t.text, "8|ok|{\"intercept_https\":true,"));
}

static void state_comes_back(void **state)
{
    (void)state;
    started();
    add("kept", "", "{}", "{\"v\":1,\"handler\":{\"method\":\"gone\"}}");
    run();
    assert_int_equal(t.type, RUNTIME_LOG);
    assert_non_null(
        strstr(t.text, "\"gone\", set for all hosts, is not in outboundHandlers of Sandbox"));
    run();
    assert_non_null(strstr(t.text, "1|ok|"));
    TELL(RUNTIME_CHECK, "5", "kept", "GET", "http://a.test/");
    run();
    /* A stored handler that the code lacks denies. */
    assert_non_null(strstr(t.text, "\"decision\":\"deny\",\"rule\":\"setOutboundHandler\""));
    add("bad", "", "{}", "{\"v\":");
    run();
    assert_non_null(strstr(t.text, "1|error|"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(secrets_by_name),
        TEST(bad_start_says_why),
        TEST(nothing_before_the_start),
        TEST(instances_come_and_go),
        TEST(check_answers_by_the_policy),
        TEST(names_have_ids),
        TEST(calls_open_their_object),
        TEST(an_object_that_cannot_be_made),
        TEST(change_answers_once_it_is_saved),
        TEST(changes_queue),
        TEST(calls_that_cannot_be),
        TEST(state_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
