/* The outer door with a module: handlers, their fetches, calls and limits. */
#include "harness.h"

#include "runtime/call.h"

/* The engine's parser leaves identifiers behind that its own tables know and the sanitizer does
 * not see. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libjavascriptcoregtk-4.1.so\n";
}

static const char bundle[] =
    "const {Sandbox} = require('@cloudflare/sandbox');\n"
    "class Box extends Sandbox {\n"
    "  async lock(p) { await this.setOutboundHandler('noHttp', p); return 'locked'; }\n"
    "}\n"
    "const by = {};\n"
    "by['add.test'] = (request, env) => {\n"
    "  const r = new Request('http://origin.test' + new URL(request.url).pathname, request);\n"
    "  r.headers.set('X-Api-Key', env.TOKEN); return fetch(r); };\n"
    "by['origin.test'] = (request) => fetch(request);\n"
    "by['text.test'] = (request, env, ctx) => new Response('hello ' + ctx.containerId + ' ' +\n"
    "  request.method + ' ' + request.url, {status: 201, headers: {'x-mine': 'yes'}});\n"
    "by['throw.test'] = () => { throw new Error('the secret is quagga'); };\n"
    "by['nothing.test'] = () => undefined;\n"
    "by['never.test'] = () => new Promise(() => {});\n"
    "by['dead-fetch.test'] = () => fetch('http://dead.test/');\n"
    "by['private.test'] = async () => {\n"
    "  try { await fetch('http://127.0.0.1/'); return new Response('reached'); }\n"
    "  catch (e) { return new Response(e.name, {status: 418}); } };\n"
    "by['follow.test'] = (request, env) => fetch('http://origin.test' +\n"
    "  new URL(request.url).pathname, {headers: {authorization: env.TOKEN, 'x-key': env.TOKEN,\n"
    "  accept: 'text/x'}});\n"
    "by['echo-body.test'] = async (request) => new Response('got ' + await request.text());\n"
    "by['null-body.test'] = async (request) => new Response([request.body === null,\n"
    "  request.headers.get('content-length'), await request.text(), request.bodyUsed].join());\n"
    "by['nothing-read.test'] = async () => { const r = await fetch('http://origin.test/nothing');\n"
    "  return new Response([r.body === null, await r.text(), r.bodyUsed].join()); };\n"
    "by['nothing-passed.test'] = () => fetch('http://origin.test/nothing');\n"
    "by['nothing-sent.test'] = async () => { const r = await fetch('http://origin.test/nothing');\n"
    "  return fetch('http://origin.test/echo', {method: 'POST', body: r.body}); };\n"
    "by['length.test'] = (request) => new Response(null, {headers: {'content-length':\n"
    "  new URL(request.url).pathname.slice(1)}});\n"
    "by['pass-body.test'] = (request) => new Response(request.body);\n"
    "by['stream.test'] = () => fetch('http://origin.test/big');\n"
    "by['read-big.test'] = async () => new Response(\n"
    "  String((await (await fetch('http://origin.test/big')).text()).length));\n"
    "Box.outboundByHost = by;\n"
    "Box.outboundHandlers = { noHttp: (request, env, ctx) =>\n"
    "  new Response('no ' + JSON.stringify(ctx.params), {status: 403}) };\n"
    "class Told extends Sandbox { deniedHosts = ['*.bad.test'];\n"
    "  static denied = (request, info) => Response.json({rule: info.rule, host: info.host},\n"
    "    {status: 451}); }\n"
    "class Broken extends Sandbox { enableInternet = false;\n"
    "  static denied = () => { throw new Error('x'); }; }\n"
    "module.exports = { Box, Told, Broken };\n";

static int group_setup(void **state)
{
    (void)state;
    struct error err;
    char app[512];
    t.port = origin_start();
    t.loop = loop_create(&err);
    t.rt = runtime_create(t.loop, -1, &err);
    t.rt->confine = false;
    assert_int_equal(secrets_put(t.rt->secrets, S("TOKEN"), S("s3cret"), &err), 0);
    snprintf(app, sizeof app,
             "{\"name\":\"t\",\"module\":true,\"limits\":{\"request_ms\":300},\"resolve\":["
             "\"origin.test:80:127.0.0.1:%u\",\"other.test:80:127.0.0.1:%u\","
             "\"dead.test:80:127.0.0.1:1\"]}",
             t.port, t.port);
    if (runtime_start(t.rt, span_str(app), &(struct version_code){span_str(bundle), span_of("", 0)},
                      &err) != 0) {
        print_error("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int instance_of(const char *class_name)
{
    static unsigned count;
    struct error err;
    char id[16];
    snprintf(id, sizeof id, "box%u", ++count);
    struct instance_spec spec = {
        .id = span_str(id), .class_name = span_str(class_name), .options = S("{}")};
    t.inst = instance_create(t.rt, &spec, &err);
    if (t.inst == NULL) {
        print_error("%s\n", err.text);
        return -1;
    }
    connect_gate();
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return instance_of("Box");
}

static int teardown(void **state)
{
    (void)state;
    gate_destroy(t.inner);
    instance_destroy(t.inst);
    return 0;
}

/* ---- */

static void adds_a_credential(void **state)
{
    (void)state;
    get("add.test", "/echo");
    assert_int_equal(t.reply.status, 200);
    assert_non_null(strcasestr(t.reply.body, "x-api-key: s3cret\r\n"));
    assert_non_null(strstr(t.reply.body, "origin.test\r\n"));
}

static void replaces_what_the_sandbox_sent(void **state)
{
    (void)state;
    struct gate_header headers[] = {{S("x_api_key"), S("fake")}, {S("X-API-KEY"), S("fake")}};
    struct gate_request req = request("GET", "add.test", "/echo");
    req.headers = headers;
    req.header_count = 2;
    send_request(&req);
    run();
    assert_int_equal(t.reply.status, 200);
    assert_null(strstr(t.reply.body, "fake"));
}

static void passes_through(void **state)
{
    (void)state;
    get("origin.test", "/echo?x=1");
    assert_int_equal(t.reply.status, 200);
    assert_non_null(strstr(t.reply.body, "GET /echo?x=1 HTTP/1.1\r\n"));
}

static void answers_by_itself(void **state)
{
    (void)state;
    char want[128];
    get("text.test", "/a?b");
    assert_int_equal(t.reply.status, 201);
    snprintf(want, sizeof want, "hello %s GET http://text.test/a?b", t.inst->id);
    assert_string_equal(t.reply.body, want);
    assert_int_equal(t.reply.length, (int64_t)strlen(want));
}

static void failure_says_nothing_but_an_id(void **state)
{
    (void)state;
    static const char *const hosts[] = {"throw.test", "nothing.test", "dead-fetch.test"};
    for (size_t i = 0; i < 3; i++) {
        get(hosts[i], "/");
        assert_int_equal(t.reply.status, 500);
        assert_non_null(strstr(t.reply.body, "Handler failed ("));
        assert_null(strstr(t.reply.body, "quagga"));
        assert_null(strstr(t.reply.body, "secret"));
    }
}

static void silence_has_a_limit(void **state)
{
    (void)state;
    get("never.test", "/");
    assert_int_equal(t.reply.status, 504);
    assert_int_equal(t.inst->door.flow_count, 0);
}

static void private_addresses_are_refused_to_handlers(void **state)
{
    (void)state;
    get("private.test", "/");
    assert_int_equal(t.reply.status, 418);
    assert_string_equal(t.reply.body, "TypeError");
}

static void redirect_within_keeps_credentials(void **state)
{
    (void)state;
    get("follow.test", "/to/origin.test");
    assert_int_equal(t.reply.status, 200);
    assert_non_null(strcasestr(t.reply.body, "authorization: s3cret"));
    assert_non_null(strcasestr(t.reply.body, "x-key: s3cret"));
}

static void redirect_elsewhere_drops_credentials(void **state)
{
    (void)state;
    get("follow.test", "/to/other.test");
    assert_int_equal(t.reply.status, 200);
    assert_non_null(strstr(t.reply.body, "other.test\r\n"));
    assert_null(strstr(t.reply.body, "s3cret"));
    assert_non_null(strcasestr(t.reply.body, "accept: text/x"));
}

static void redirects_end(void **state)
{
    (void)state;
    unsigned before = origin_requests();
    get("follow.test", "/loop");
    assert_int_equal(t.reply.status, 500);
    assert_int_equal(origin_requests() - before, 21);
}

static void redirect_of_a_passed_request_goes_back(void **state)
{
    (void)state;
    get("origin.test", "/to/other.test");
    assert_int_equal(t.reply.status, 302);
}

/* A body of no bytes is one, if the client said so. */
static void empty_bodies_are_bodies(void **state)
{
    (void)state;
    struct gate_request req = request("POST", "null-body.test", "/");
    req.length = 0;
    send_request(&req);
    run();
    assert_string_equal(t.reply.body, "false,0,,true");
    req.length = -1;
    send_request(&req);
    run();
    assert_string_equal(t.reply.body, "true,,,false");
}

/* The same of what was fetched: read, passed on, sent on. */
static void empty_responses_have_a_body(void **state)
{
    (void)state;
    get("nothing-read.test", "/");
    assert_string_equal(t.reply.body, "false,,true");
    get("nothing-passed.test", "/");
    assert_int_equal(t.reply.status, 200);
    assert_int_equal(t.reply.length, 0);
    get("nothing-sent.test", "/");
    assert_string_equal(t.reply.body, "0 bytes, sum 0");
}

static void head_tells_the_length_that_was_set(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *target;
        int64_t length;
    } rows[] = {
        {"HEAD", "/42", 42}, {"HEAD", "/0", 0},
        {"HEAD", "/4x", -1}, {"HEAD", "/9999999999999999999", -1},
        {"GET", "/42", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gate_request req = request(rows[i].method, "length.test", rows[i].target);
        send_request(&req);
        run();
        assert_int_equal(t.reply.status, 200);
        assert_int_equal(t.reply.length, rows[i].length);
    }
}

static void post(const char *host, size_t len)
{
    struct gate_request req = request("POST", host, "/");
    req.end = false;
    req.length = (int64_t)len;
    send_request(&req);
    t.out_stream = t.reply.stream;
    t.out_left = len;
    send_body();
    run();
}

static void bodies(void **state)
{
    (void)state;
    post("echo-body.test", 10);
    assert_string_equal(t.reply.body, "got \1\1\1\1\1\1\1\1\1\1");
    post("pass-body.test", 1024 * 1024);
    assert_int_equal(t.reply.status, 200);
    assert_int_equal(t.reply.bytes, 1024 * 1024);
    post("origin.test", 1024 * 1024);
    assert_string_equal(t.reply.body, "1048576 bytes, sum 1048576");
    post("text.test", 5);
    assert_int_equal(t.reply.status, 201);
    get("stream.test", "/");
    assert_int_equal(t.reply.bytes, ORIGIN_BIG);
    get("read-big.test", "/");
    assert_string_equal(t.reply.body, "4194304");
    assert_int_equal(t.inst->door.flow_count, 0);
}

static void head_keeps_its_length(void **state)
{
    (void)state;
    struct gate_request req = request("HEAD", "origin.test", "/");
    send_request(&req);
    run();
    assert_int_equal(t.reply.status, 200);
    assert_int_equal(t.reply.length, 42);
    req = request("HEAD", "text.test", "/");
    send_request(&req);
    run();
    assert_int_equal(t.reply.status, 201);
    assert_true(t.reply.length > 0);
    assert_int_equal(t.reply.bytes, 0);
}

static void named_handler_with_params(void **state)
{
    (void)state;
    get("text.test", "/");
    assert_int_equal(t.reply.status, 201);
    change("removeOutboundByHost", "[\"x.test\"]");
    change("setOutboundByHost", "[\"*.test\", \"noHttp\", {\"a\": [1]}]");
    get("text.test", "/");
    assert_int_equal(t.reply.status, 403);
    assert_string_equal(t.reply.body, "no {\"a\":[1]}");
    change("removeOutboundByHost", "[\"*.test\"]");
    get("text.test", "/");
    assert_int_equal(t.reply.status, 201);
}

static void setter_from_code(void **state)
{
    (void)state;
    call_start(t.inst, &(struct call_spec){S("7"), S("lock"), S("[{\"b\":2}]")});
    get("unlisted.test", "/");
    assert_int_equal(t.reply.status, 403);
    assert_string_equal(t.reply.body, "no {\"b\":2}");
}

static void gone_client_ends_the_handler(void **state)
{
    (void)state;
    struct gate_request req = request("GET", "never.test", "/");
    send_request(&req);
    uint32_t stream = t.reply.stream;
    get("text.test", "/");
    assert_int_equal(t.inst->door.flow_count, 1);
    gate_send_reset(t.inner, stream, GATE_RESET_CANCEL);
    get("text.test", "/");
    assert_int_equal(t.inst->door.flow_count, 0);
}

static void denied_in_its_own_way(void **state)
{
    (void)teardown(state);
    assert_int_equal(instance_of("Told"), 0);
    get("a.bad.test", "/");
    assert_int_equal(t.reply.status, 451);
    assert_string_equal(t.reply.body, "{\"rule\":\"deniedHosts\",\"host\":\"a.bad.test\"}");
    (void)teardown(state);
    assert_int_equal(instance_of("Broken"), 0);
    unsigned before = origin_requests();
    get("origin.test", "/");
    assert_int_equal(t.reply.status, 500);
    assert_int_equal(origin_requests(), before);
}

static void class_must_be_named(void **state)
{
    (void)state;
    struct error err;
    struct instance_spec spec = {.id = S("none"), .options = S("{}")};
    assert_null(instance_create(t.rt, &spec, &err));
    assert_non_null(strstr(err.text, "Box, Told, Broken"));
    spec.class_name = S("Nope");
    assert_null(instance_create(t.rt, &spec, &err));
    assert_non_null(strstr(err.text, "Box, Told, Broken"));
}

static void rotation_holds_for_the_next_request(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(secrets_put(t.rt->secrets, S("TOKEN"), S("rotated"), &err), 0);
    js_secret_changed(t.rt->version->js, S("TOKEN"), true);
    get("add.test", "/echo");
    assert_non_null(strcasestr(t.reply.body, "x-api-key: rotated"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(adds_a_credential),
        TEST(replaces_what_the_sandbox_sent),
        TEST(passes_through),
        TEST(answers_by_itself),
        TEST(failure_says_nothing_but_an_id),
        TEST(silence_has_a_limit),
        TEST(private_addresses_are_refused_to_handlers),
        TEST(redirect_within_keeps_credentials),
        TEST(redirect_elsewhere_drops_credentials),
        TEST(redirects_end),
        TEST(redirect_of_a_passed_request_goes_back),
        TEST(empty_bodies_are_bodies),
        TEST(empty_responses_have_a_body),
        TEST(head_tells_the_length_that_was_set),
        TEST(bodies),
        TEST(head_keeps_its_length),
        TEST(named_handler_with_params),
        TEST(setter_from_code),
        TEST(gone_client_ends_the_handler),
        TEST(denied_in_its_own_way),
        TEST(class_must_be_named),
        TEST(rotation_holds_for_the_next_request),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
