/* The outer door's half of the conversation with the supervisor, which is the test. */
#include "runtime/control.h"
#include "runtime/instance.h"
#include "runtime/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define S(x)        SPAN_LIT(x)
#define DEADLINE_MS 10000u

static struct {
    struct loop *loop;
    struct runtime *rt;
    struct ipc_channel *ch;
    /* messages that came and were not looked at, fields joined by '|' */
    struct {
        uint16_t type;
        char text[2048];
    } queue[8];
    size_t queued;
    /* the one that run took */
    uint16_t type;
    char text[2048];
    char state_call[32];
    bool late;
    int inner[8]; /* the other ends of gates */
    size_t inner_count;
} t;

static void on_message(void *arg, struct ipc_message *m)
{
    (void)arg;
    assert_true(t.queued < 8);
    char *text = t.queue[t.queued].text;
    size_t room = sizeof t.queue[0].text;
    size_t at = 0;
    text[0] = '\0';
    t.queue[t.queued++].type = m->type;
    for (size_t i = 0; i < m->field_count; i++) {
        at += (size_t)snprintf(text + at, room - at, "%s" SPAN_FMT, i > 0 ? "|" : "",
                               SPAN_ARG(m->fields[i]));
    }
    if (m->type == RUNTIME_STATE) {
        snprintf(t.state_call, sizeof t.state_call, SPAN_FMT, SPAN_ARG(m->fields[0]));
    }
    loop_stop(t.loop);
}

static void on_closed(void *arg, const char *why)
{
    (void)arg, (void)why;
}

static void on_deadline(void *arg)
{
    (void)arg;
    t.late = true;
    loop_stop(t.loop);
}

/* Runs until the loop is stopped, by a message or by the runtime, and takes the first message. */
static void run(void)
{
    struct loop_timer *timer = loop_timer_start(t.loop, DEADLINE_MS, 0, on_deadline, NULL);
    t.late = false;
    if (t.queued == 0) {
        loop_run(t.loop);
    }
    loop_timer_cancel(timer);
    assert_false(t.late);
    t.type = t.queue[0].type;
    strcpy(t.text, t.queue[0].text);
    t.queued -= t.queued > 0 ? 1 : 0;
    memmove(t.queue, t.queue + 1, sizeof t.queue - sizeof t.queue[0]);
    memset(&t.queue[7], 0, sizeof t.queue[7]);
}

static void tell(uint16_t type, const char *const *texts, size_t count, const int *fds,
                 size_t fd_count)
{
    struct span fields[IPC_FIELDS_MAX];
    for (size_t i = 0; i < count; i++) {
        fields[i] = span_str(texts[i]);
    }
    assert_true(ipc_send(t.ch, type, fields, count, fds, fd_count));
}

#define TELL(type, ...)                                                                            \
    tell(type, (const char *const[]){__VA_ARGS__},                                                 \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *), NULL, 0)

/* Waits for one message, which must be this. */
#define EXPECT(kind, want)                                                                         \
    do {                                                                                           \
        run();                                                                                     \
        assert_string_equal(t.text, want);                                                         \
        assert_int_equal(t.type, kind);                                                            \
    } while (0)

static int setup(void **state)
{
    (void)state;
    struct error err;
    int fds[2];
    memset(&t, 0, sizeof t);
    t.loop = loop_create(&err);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    t.rt = runtime_create(t.loop, fds[0], &err);
    assert_non_null(t.rt);
    t.rt->confine = false;
    t.ch = ipc_channel_create(t.loop, fds[1], ipc_runtime_says, on_message, on_closed, NULL, &err);
    assert_non_null(t.ch);
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

static void start(const char *app)
{
    int fds[2] = {memfd_create("bundle", MFD_CLOEXEC), memfd_create("map", MFD_CLOEXEC)};
    tell(RUNTIME_START, (const char *const[]){app}, 1, fds, 2);
    close(fds[0]);
    close(fds[1]);
}

static void add(const char *id, const char *class_name, const char *options, const char *stored)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    tell(RUNTIME_INSTANCE_ADD, (const char *const[]){"1", id, class_name, "", options, stored}, 6,
         &fds[0], 1);
    close(fds[0]);
    assert_true(t.inner_count < 8);
    t.inner[t.inner_count++] = fds[1];
}

static void started(void)
{
    start("{\"name\":\"t\",\"module\":false}");
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
    TELL(RUNTIME_SECRET, "2", "TOKEN", "va\nlue", "put");
    run();
    assert_non_null(strstr(t.text, "2|error|secret TOKEN: the value holds a control byte"));
    assert_null(strstr(t.text, "va\nlue"));
    assert_true(span_eq(secrets_get(t.rt->secrets, S("TOKEN")), S("value")));
    TELL(RUNTIME_SECRET, "3", "TOKEN", "", "rm");
    EXPECT(RUNTIME_REPLY, "3|ok|null");
    TELL(RUNTIME_SECRET, "4", "TOKEN", "", "rm");
    EXPECT(RUNTIME_REPLY, "4|error|no such secret");
}

static void bad_start_says_why(void **state)
{
    (void)state;
    start("{\"name\":\"t\",\"module\":false,\"extra\":1}");
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
