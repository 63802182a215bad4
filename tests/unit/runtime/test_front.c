/* What clients of ours ask the Worker, and its code replaced meanwhile. */
#include "harness.h"
#include "skew.h"

#include "base/clock.h"
#include "runtime/deploy.h"
#include "runtime/front.h"
#include "runtime/task.h"

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libjavascriptcoregtk-4.1.so\n";
}

#define APP                                                                                        \
    "{\"name\":\"t\",\"module\":true,\"objects\":[{\"binding\":\"COUNT\",\"class\":\"Count\"}]}"

/* %s is what this code calls itself. */
static const char code[] =
    "const {Sandbox} = require('@cloudflare/sandbox');\n"
    "const {DurableObject} = require('cloudflare:workers');\n"
    "const version = '%s';\n"
    "let aborted = 0;\n"
    "class Box extends Sandbox {\n"
    "  deniedHosts = [version + '.denied.test'];\n"
    "  static outboundByHost = { 'who.test': () => new Response(version) }; }\n"
    "class Count extends DurableObject {\n"
    "  n = 0;\n"
    "  add() { return ++this.n; }\n"
    "  hold() { return new Promise(() => {}); } }\n"
    "const paths = {\n"
    "  '/text': (request) => new Response(\n"
    "    [version, request.method, request.url, request.headers.get('host')].join(' '),\n"
    "    {status: 201, headers: {'x-mine': 'yes'}}),\n"
    "  '/echo': (request) => new Response(request.body),\n"
    "  '/read': async (request) => new Response(version + ' ' + (await request.text()).length),\n"
    "  '/throw': () => { throw new Error('the secret is quagga'); },\n"
    "  '/reject': async () => { throw new Error('the secret is quagga'); },\n"
    "  '/nothing': () => undefined,\n"
    "  '/never': (request) => {\n"
    "    request.signal.addEventListener('abort', () => { aborted++; });\n"
    "    return new Promise(() => {}); },\n"
    "  '/later': (request, env, ctx) => {\n"
    "    request.signal.addEventListener('abort', () => { aborted++; });\n"
    "    ctx.waitUntil(new Promise(() => {}));\n"
    "    return new Response('now'); },\n"
    "  '/soon': (request, env, ctx) => {\n"
    "    ctx.waitUntil(scheduler.wait(1));\n"
    "    return new Response('now'); },\n"
    "  '/aborted': () => new Response(String(aborted)),\n"
    "  '/add': async (request, env) => new Response(\n"
    "    version + ' ' + await env.COUNT.getByName('one').add()),\n"
    "  '/hold': async (request, env) => { env.COUNT.getByName('one').hold();\n"
    "    return new Response(String(await env.COUNT.getByName('one').add())); },\n"
    "  '/patched': async () => {\n"
    "    const pop = Array.prototype.pop;\n"
    "    const said = [];\n"
    "    const ask = () => fetch('http://127.0.0.1:1/').catch((e) => { said.push(e.message); });\n"
    "    await Promise.all([ask(), ask()]);\n"
    "    for (const id of [0, 65536, 4294967295]) {\n"
    "      Array.prototype.pop = () => id;\n"
    "      const asked = ask();\n"
    "      Array.prototype.pop = pop;\n"
    "      await asked;\n"
    "    }\n"
    "    return new Response(said.slice(2).join()); },\n"
    "};\n"
    "module.exports = { Box, Count, default: { fetch: (request, env, ctx) =>\n"
    "  paths[new URL(request.url).pathname](request, env, ctx) } };\n";

static struct gate *front_gate;
static struct gate *sandbox_gate;

static int deploy_text(const char *text, struct error *err)
{
    struct version_code bundle = {span_str(text), span_of("", 0)};
    return deploy(t.rt, S(APP), &bundle, err);
}

static int deploy_as(const char *name, struct error *err)
{
    char text[sizeof code + 32];
    snprintf(text, sizeof text, code, name);
    return deploy_text(text, err);
}

static size_t versions(void)
{
    size_t n = 0;
    for (size_t i = 0; i < VERSION_SLOTS; i++) {
        n += t.rt->versions[i] != NULL;
    }
    return n;
}

static void clock_forward(time_t seconds)
{
    skew_s += seconds;
    version_clock(t.rt, clock_monotonic_ms());
}

static void front_gate_open(void)
{
    int fds[2];
    struct error err;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(front_open(t.rt, fds[0], &err), 0);
    t.closed = false;
    front_gate = gate_create(t.loop, GATE_INNER, fds[1], &inner_events, NULL, &err);
    assert_non_null(front_gate);
}

/* The engine is started once in a process. */
static int group_setup(void **state)
{
    (void)state;
    struct error err;
    char text[sizeof code + 32];
    t.loop = loop_create(&err);
    t.rt = runtime_create(t.loop, -1, &err);
    t.rt->confine = false;
    snprintf(text, sizeof text, code, "start");
    if (runtime_start(t.rt, S(APP), &(struct version_code){span_str(text), span_of("", 0)}, &err) !=
        0) {
        print_error("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int setup(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(deploy_as("first", &err), 0);
    clock_forward(VERSION_OLD_MS / 1000 + 1);
    assert_int_equal(versions(), 1);
    struct instance_spec spec = {.id = S("box"), .class_name = S("Box"), .options = S("{}")};
    t.inst = instance_create(t.rt, &spec, &err);
    assert_non_null(t.inst);
    connect_gate();
    sandbox_gate = t.inner;
    front_gate_open();
    t.inner = front_gate;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gate_destroy(front_gate);
    gate_destroy(sandbox_gate);
    front_close_all(t.rt);
    while (!list_empty(&t.rt->instances)) {
        instance_destroy(LIST_ENTRY(t.rt->instances.next, struct instance, node));
    }
    return 0;
}

/* ---- the front ---- */

static void the_worker_answers(void **state)
{
    (void)state;
    get("app.test:8080", "/text?q=1");
    assert_int_equal(t.reply.status, 201);
    assert_string_equal(t.reply.body, "first GET http://app.test:8080/text?q=1 app.test:8080");
    struct gate_request req = request("POST", "app.test", "/echo");
    req.end = false;
    req.length = 1024 * 1024;
    send_request(&req);
    t.out_stream = t.reply.stream;
    t.out_left = (size_t)req.length;
    send_body();
    run();
    assert_int_equal(t.reply.status, 200);
    assert_int_equal(t.reply.bytes, 1024 * 1024);
    assert_false(t.reply.reset);
}

static void a_failure_says_nothing_but_an_id(void **state)
{
    (void)state;
    static const char *const paths[] = {"/throw", "/reject", "/nothing", "/no-such-path"};
    for (size_t i = 0; i < 4; i++) {
        get("app.test", paths[i]);
        assert_int_equal(t.reply.status, 500);
        assert_non_null(strstr(t.reply.body, "Handler failed ("));
        assert_null(strstr(t.reply.body, "quagga"));
        assert_null(strstr(t.reply.body, "secret"));
    }
    get("app.test", "/text");
    assert_int_equal(t.reply.status, 201);
}

static void a_client_that_leaves_aborts_its_request(void **state)
{
    (void)state;
    struct gate_request req = request("GET", "app.test", "/never");
    send_request(&req);
    uint32_t stream = t.reply.stream;
    get("app.test", "/aborted");
    assert_string_equal(t.reply.body, "0");
    gate_send_reset(t.inner, stream, GATE_RESET_CANCEL);
    get("app.test", "/aborted");
    assert_string_equal(t.reply.body, "1");
    /* All clients of a front door that dies leave. */
    send_request(&req);
    get("app.test", "/aborted");
    assert_string_equal(t.reply.body, "1");
    gate_destroy(front_gate);
    front_gate_open();
    t.inner = front_gate;
    assert_ptr_not_equal(t.rt->fronts.next, t.rt->fronts.prev);
    for (int i = 0; i < 1000 && t.rt->fronts.next != t.rt->fronts.prev; i++) {
        get("app.test", "/text");
    }
    get("app.test", "/aborted");
    assert_string_equal(t.reply.body, "2");
    assert_ptr_equal(t.rt->fronts.next, t.rt->fronts.prev);
}

static void a_client_has_no_tunnel_and_no_policy(void **state)
{
    (void)state;
    struct gate_request req = request("TRACE", "app.test", "/text");
    send_request(&req);
    run();
    assert_int_equal(t.reply.status, 405);
    get("first.denied.test", "/text"); /* a host of a sandbox's policy */
    assert_int_equal(t.reply.status, 201);
    struct gate_peer peer = {.conn = 1, .dest_port = 443, .sni = S("app.test"), .tls = true};
    memset(&t.reply, 0, sizeof t.reply);
    t.reply.stream = gate_send_tunnel(t.inner, &peer);
    run();
    assert_true(t.closed); /* the front door lies: all of it ends */
    assert_false(t.opened);
    gate_destroy(front_gate);
    front_gate_open();
    t.inner = front_gate;
    get("app.test", "/text");
    assert_int_equal(t.reply.status, 201);
}

static void a_module_without_fetch(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(deploy_text("const {Sandbox} = require('@cloudflare/sandbox');\n"
                                 "module.exports = { Box: class Box extends Sandbox {} };",
                                 &err),
                     0);
    get("app.test", "/text");
    assert_int_equal(t.reply.status, 501);
    assert_string_equal(t.reply.body, "The module's default export has no fetch()");
}

static void aborts(const char *count)
{
    get("app.test", "/aborted");
    assert_string_equal(t.reply.body, count);
}

/* What goes on after its answer has a time of its own, and ends like any other work. */
static void waiting_for_what_never_comes_has_a_limit(void **state)
{
    (void)state;
    get("app.test", "/soon");
    assert_string_equal(t.reply.body, "now");
    for (int i = 0; i < 1000 && !list_empty(&t.rt->rests); i++) {
        get("app.test", "/text");
    }
    assert_true(list_empty(&t.rt->rests));
    uint32_t tasks = t.rt->task_count;
    get("app.test", "/later");
    assert_string_equal(t.reply.body, "now");
    aborts("0");
    skew_s += TASK_REST_MS / 1000 - 1;
    task_clock(t.rt, clock_monotonic_ms());
    assert_false(list_empty(&t.rt->rests));
    aborts("0");
    skew_s += 2;
    task_clock(t.rt, clock_monotonic_ms());
    assert_true(list_empty(&t.rt->rests));
    assert_int_equal(t.rt->task_count, tasks);
    aborts("1");
}

/* Our script chooses the id of a fetch by methods that the Worker can replace. */
static void a_patched_array_names_no_fetch(void **state)
{
    (void)state;
    get("app.test", "/patched");
    assert_int_equal(t.reply.status, 200);
    assert_string_equal(t.reply.body, "The fetch could not be started.,Too many fetches at once.,"
                                      "Too many fetches at once.");
}

/* JavaScript has a table of them in each version. */
static void ids_of_tasks_stay_low(void **state)
{
    (void)state;
    for (int i = 0; i < 1500; i++) {
        get("app.test", "/text");
        assert_int_equal(t.reply.status, 201);
    }
    assert_int_equal(t.rt->task_span, 1024);
    assert_true(t.rt->task_count < 8);
}

/* ---- deploys ---- */

static void says(const char *version)
{
    char want[128];
    get("app.test", "/text");
    snprintf(want, sizeof want, "%s GET http://app.test/text app.test", version);
    assert_string_equal(t.reply.body, want);
    t.inner = sandbox_gate;
    get("who.test", "/");
    assert_string_equal(t.reply.body, version);
    snprintf(want, sizeof want, "%s.denied.test", version);
    get(want, "/");
    assert_int_equal(t.reply.status, 520);
    t.inner = front_gate;
}

static void what_is_open_ends_in_its_own_code(void **state)
{
    (void)state;
    struct error err;
    says("first");
    struct gate_request req = request("POST", "app.test", "/read");
    req.end = false;
    req.length = 5;
    send_request(&req);
    uint32_t stream = t.reply.stream;
    get("app.test", "/text"); /* the one before it has begun */
    assert_int_equal(deploy_as("second", &err), 0);
    says("second");
    clock_forward(0);
    assert_int_equal(versions(), 2);
    memset(&t.reply, 0, sizeof t.reply);
    t.reply.stream = stream;
    gate_send_data(t.inner, stream, S("12345"));
    gate_send_end(t.inner, stream, NULL, 0);
    run();
    assert_string_equal(t.reply.body, "first 5");
    clock_forward(0);
    assert_int_equal(versions(), 1);
    says("second");
}

static void objects_go_over(void **state)
{
    (void)state;
    struct error err;
    get("app.test", "/add");
    assert_string_equal(t.reply.body, "first 1");
    get("app.test", "/add");
    assert_string_equal(t.reply.body, "first 2");
    assert_int_equal(t.rt->instance_count, 2);
    assert_int_equal(deploy_as("second", &err), 0);
    assert_int_equal(t.rt->instance_count, 1); /* nobody used it: only the box went over */
    get("app.test", "/hold");
    assert_string_equal(t.reply.body, "1");
    assert_int_equal(deploy_as("third", &err), 0);
    assert_int_equal(t.rt->instance_count, 2); /* in use: it is in the new code, anew */
    get("app.test", "/add");
    assert_string_equal(t.reply.body, "third 1");
}

/* Nothing of a deploy that fails is seen. */
static void all_or_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"this is no code", "SyntaxError"},
        {"throw new Error('at the top');", "at the top"},
        {"module.exports = { default: { fetch() {} } };", "class Box"},
        {"const {DurableObject} = require('cloudflare:workers');\n"
         "module.exports = { Box: class Box extends DurableObject {} };",
         "class Box"},
        {"const {Sandbox} = require('@cloudflare/sandbox');\n"
         "module.exports = { Box: class Box extends Sandbox { enableInternet = false;\n"
         "  constructor(...a) { super(...a); throw new Error('not me'); } } };",
         "not me"},
        {"const {Sandbox} = require('@cloudflare/sandbox');\n"
         "module.exports = { Box: class Box extends Sandbox { enableInternet = false;\n"
         "  deniedHosts = 'no list'; } };",
         "deniedHosts"},
        {"const {Sandbox} = require('@cloudflare/sandbox');\n" /* the box is good, the next not */
         "module.exports = { Box: class Box extends Sandbox { enableInternet = false;\n"
         "  deniedHosts = ['*']; } };",
         "class Count"},
    };
    struct error err;
    get("app.test", "/hold");
    assert_string_equal(t.reply.body, "1");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err.text[0] = '\0';
        assert_int_not_equal(deploy_text(bad[i].text, &err), 0);
        if (strstr(err.text, bad[i].says) == NULL) {
            fail_msg("no \"%s\" in: %s", bad[i].says, err.text);
        }
        assert_int_equal(versions(), 1);
        assert_true(t.inst->internet);
        says("first");
    }
    get("app.test", "/add");
    assert_string_equal(t.reply.body, "first 2"); /* what it had in memory is there */
    struct version_code none = {S("module.exports = {};"), span_of("", 0)};
    assert_int_not_equal(deploy(t.rt, S("{\"name\":\"t\",\"module\":false}"), &none, &err), 0);
    assert_int_not_equal(deploy(t.rt, S("{\"name\":"), &none, &err), 0);
    says("first");
}

static void code_that_was_replaced_has_a_limit(void **state)
{
    (void)state;
    struct error err;
    struct gate_request req = request("GET", "app.test", "/never");
    send_request(&req);
    struct reply waits = t.reply;
    get("app.test", "/text");
    assert_int_equal(deploy_as("second", &err), 0);
    clock_forward(VERSION_OLD_MS / 1000 - 1);
    assert_int_equal(versions(), 2);
    t.reply = waits;
    clock_forward(2);
    assert_int_equal(versions(), 1);
    run();
    assert_int_equal(t.reply.status, 503);
    assert_string_equal(t.reply.body, "The code was replaced");
    says("second");
}

static void one_version_too_many_ends_the_oldest(void **state)
{
    (void)state;
    struct error err;
    struct gate_request req = request("GET", "app.test", "/never");
    send_request(&req);
    struct reply first = t.reply;
    get("app.test", "/text");
    for (size_t i = 1; i < VERSIONS_MAX; i++) {
        assert_int_equal(deploy_as("next", &err), 0);
        send_request(&req);
        get("app.test", "/text");
    }
    assert_int_equal(versions(), VERSIONS_MAX);
    t.reply = first;
    /* a deploy that fails ends nothing */
    assert_int_not_equal(deploy_text("this is no code", &err), 0);
    assert_int_not_equal(deploy_text("module.exports = { default: { fetch() {} } };", &err), 0);
    assert_int_equal(versions(), VERSIONS_MAX);
    assert_false(t.reply.over);
    assert_int_equal(deploy_as("last", &err), 0);
    assert_int_equal(versions(), VERSIONS_MAX);
    run();
    assert_int_equal(t.reply.status, 503);
    says("last");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_worker_answers),
        TEST(a_failure_says_nothing_but_an_id),
        TEST(a_client_that_leaves_aborts_its_request),
        TEST(a_client_has_no_tunnel_and_no_policy),
        TEST(a_module_without_fetch),
        TEST(waiting_for_what_never_comes_has_a_limit),
        TEST(a_patched_array_names_no_fetch),
        TEST(ids_of_tasks_stay_low),
        TEST(what_is_open_ends_in_its_own_code),
        TEST(objects_go_over),
        TEST(all_or_nothing),
        TEST(code_that_was_replaced_has_a_limit),
        TEST(one_version_too_many_ends_the_oldest),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
