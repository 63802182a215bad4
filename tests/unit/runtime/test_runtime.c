/* The outer door without a module: native decisions, pass-through, failures. */
#include "harness.h"

static int setup(void **state)
{
    (void)state;
    struct error err;
    char app[512];
    memset(&t, 0, sizeof t);
    t.port = origin_start();
    t.loop = loop_create(&err);
    t.rt = runtime_create(t.loop, -1, &err);
    t.rt->confine = false;
    snprintf(app, sizeof app,
             "{\"name\":\"t\",\"module\":false,\"resolve\":[\"origin.test:80:127.0.0.1:%u\","
             "\"dead.test:80:127.0.0.1:1\"]}",
             t.port);
    assert_int_equal(
        runtime_start(t.rt, span_str(app), &(struct version_code){{NULL, 0}, {NULL, 0}}, &err), 0);
    struct instance_spec spec = {
        .id = S("box"), .options = S("{\"deny\":[\"denied.test\"]}"), .state = span_of("", 0)};
    struct buf facts;
    buf_init(&facts, 4096);
    t.inst = instance_create(t.rt, &spec, &err);
    assert_non_null(t.inst);
    assert_int_equal(instance_facts(t.inst, &facts, &err), 0);
    assert_true(span_eq(buf_span(&facts), S("{\"class\":\"Sandbox\",\"intercept_https\":true,"
                                            "\"internet\":true,\"warnings\":[]}")));
    buf_free(&facts);
    connect_gate();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gate_destroy(t.inner);
    runtime_destroy(t.rt);
    loop_destroy(t.loop);
    return 0;
}

/* ---- */

static void allowed_passes_through(void **state)
{
    (void)state;
    struct gate_header headers[] = {{S("X-One"), S("1")}, {S("x-two"), S("")}};
    struct gate_request req = request("GET", "Origin.test.", "/echo?q=1");
    req.headers = headers;
    req.header_count = 2;
    send_request(&req);
    run();
    assert_int_equal(t.reply.status, 200);
    assert_non_null(strstr(t.reply.body, "GET /echo?q=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(t.reply.body, "origin.test\r\n"));
    assert_non_null(strstr(t.reply.body, "X-One: 1\r\n"));
    assert_int_equal(t.reply.length, t.reply.bytes);
    assert_int_equal(t.inst->door.flow_count, 0);
}

static void denied_says_why(void **state)
{
    (void)state;
    unsigned before = origin_requests();
    get("denied.test", "/");
    assert_int_equal(t.reply.status, 520);
    assert_string_equal(t.reply.body, "Origin is disallowed");
    assert_string_equal(t.reply.decision, "denied; rule=\"deniedHosts\"; host=\"denied.test\"");
    assert_false(t.reply.close);
    assert_int_equal(origin_requests(), before);
}

static void change_holds_for_the_next_request(void **state)
{
    (void)state;
    get("origin.test", "/echo");
    assert_int_equal(t.reply.status, 200);
    change("setAllowedHosts", "[[\"other.test\"]]");
    get("origin.test", "/echo");
    assert_int_equal(t.reply.status, 520);
    change("allowHost", "[\"origin.test\"]");
    get("origin.test", "/echo");
    assert_int_equal(t.reply.status, 200);
}

static void body_up_over_credit(void **state)
{
    (void)state;
    struct gate_request req = request("POST", "origin.test", "/");
    req.end = false;
    req.length = 3 * 1024 * 1024;
    send_request(&req);
    t.out_stream = t.reply.stream;
    t.out_left = (size_t)req.length;
    send_body();
    run();
    assert_int_equal(t.reply.status, 200);
    assert_string_equal(t.reply.body, "3145728 bytes, sum 3145728");
}

static void body_waits_for_100(void **state)
{
    (void)state;
    struct gate_request req = request("POST", "origin.test", "/");
    req.end = false;
    req.length = 5;
    req.expect_continue = true;
    send_request(&req);
    t.out_stream = t.reply.stream;
    t.out_left = 5;
    run();
    assert_true(t.reply.continued);
    assert_string_equal(t.reply.body, "5 bytes, sum 5");
}

static void denied_body_is_not_asked_for(void **state)
{
    (void)state;
    struct gate_request req = request("POST", "denied.test", "/");
    req.end = false;
    req.length = 5;
    req.expect_continue = true;
    send_request(&req);
    run();
    assert_int_equal(t.reply.status, 520);
    assert_false(t.reply.continued);
    assert_true(t.reply.close);
    gate_send_reset(t.inner, t.reply.stream, GATE_RESET_CANCEL);
    get("denied.test", "/");
    assert_int_equal(t.reply.status, 520);
    assert_int_equal(t.inst->door.flow_count, 0);
}

static void denied_body_is_drained_then_cut(void **state)
{
    (void)state;
    struct gate_request req = request("POST", "denied.test", "/");
    req.end = false;
    req.length = 16 * 1024 * 1024;
    send_request(&req);
    t.out_stream = t.reply.stream;
    t.out_left = (size_t)req.length;
    send_body();
    while (!t.reply.reset) {
        run();
    }
    assert_int_equal(t.reply.status, 520);
    assert_true(t.reply.close);
    assert_true(t.out_left > 8u * 1024 * 1024);
    assert_int_equal(t.inst->door.flow_count, 0);
}

static void body_longer_than_said(void **state)
{
    (void)state;
    struct gate_request req = request("POST", "origin.test", "/");
    req.end = false;
    req.length = 4;
    send_request(&req);
    gate_send_data(t.inner, t.reply.stream, S("12345"));
    run();
    assert_true(t.reply.reset);
    assert_int_equal(t.inst->door.flow_count, 0);
}

static void slow_reader_stalls_the_sender(void **state)
{
    (void)state;
    struct gate_request req = request("GET", "origin.test", "/big");
    send_request(&req);
    t.reply.hold = true;
    run();
    assert_int_equal(t.reply.bytes, GATE_CREDIT_INITIAL);
    t.reply.hold = false;
    gate_credit(t.inner, t.reply.stream, t.reply.unread);
    run();
    assert_int_equal(t.reply.bytes, ORIGIN_BIG);
    assert_int_equal(t.reply.length, -1);
}

static void cut_body_is_seen(void **state)
{
    (void)state;
    get("origin.test", "/cut");
    assert_int_equal(t.reply.status, 200);
    assert_true(t.reply.reset);
}

static void misdirected_and_malformed(void **state)
{
    (void)state;
    struct gate_request req = request("GET", "b.test", "/");
    req.peer.tls = true;
    req.peer.dest_port = 443;
    req.peer.sni = S("a.test");
    send_request(&req);
    run();
    assert_int_equal(t.reply.status, 421);
    assert_true(t.reply.close);
    get("a b", "/");
    assert_int_equal(t.reply.status, 400);
    req = request("TRACE", "origin.test", "/");
    send_request(&req);
    run();
    assert_int_equal(t.reply.status, 405);
}

static void tunnel_of(const char *sni)
{
    struct gate_peer peer = {.conn = 1, .tls = true, .dest_port = 80, .sni = span_str(sni)};
    memset(&t.reply, 0, sizeof t.reply);
    t.reply.stream = gate_send_tunnel(t.inner, &peer);
    assert_int_not_equal(t.reply.stream, 0);
}

/* An inner door that was taken over must not get round a handler by calling a stream a tunnel. */
static void tls_tunnel_only_where_https_is_not_opened(void **state)
{
    (void)state;
    tunnel_of("origin.test");
    run();
    assert_true(t.reply.reset);
    assert_false(t.opened);
    t.inst->intercept_https = false;
    tunnel_of("denied.test");
    run();
    assert_true(t.reply.reset);
    tunnel_of("origin.test");
    run();
    assert_true(t.opened);
    assert_false(t.reply.reset);
}

static void failures_upstream_have_names(void **state)
{
    (void)state;
    get("127.0.0.1", "/");
    assert_int_equal(t.reply.status, 502);
    assert_string_equal(t.reply.error, "address");
    get("169.254.169.254", "/");
    assert_int_equal(t.reply.status, 502);
    assert_string_equal(t.reply.error, "address");
    get("dead.test", "/");
    assert_int_equal(t.reply.status, 502);
    assert_string_equal(t.reply.error, "connect");
}

static void gone_client_ends_the_exchange(void **state)
{
    (void)state;
    struct gate_request req = request("GET", "origin.test", "/slow");
    send_request(&req);
    uint32_t slow = t.reply.stream;
    get("denied.test", "/");
    assert_int_equal(t.inst->door.flow_count, 1);
    gate_send_reset(t.inner, slow, GATE_RESET_CANCEL);
    get("denied.test", "/");
    assert_int_equal(t.inst->door.flow_count, 0);
    send_request(&req);
    get("denied.test", "/");
    assert_int_equal(t.inst->door.flow_count, 1);
    gate_destroy(t.inner);
    connect_gate();
    assert_int_equal(t.inst->door.flow_count, 0);
    get("origin.test", "/echo");
    assert_int_equal(t.reply.status, 200);
}

static void overload_is_refused_at_once(void **state)
{
    (void)state;
    t.rt->app.limits.exchanges = 2;
    struct gate_request req = request("GET", "origin.test", "/slow");
    send_request(&req);
    send_request(&req);
    get("origin.test", "/echo");
    assert_int_equal(t.reply.status, 503);
}

static void check_sends_nothing(void **state)
{
    (void)state;
    struct buf out;
    struct error err;
    buf_init(&out, 65536);
    assert_int_equal(instance_check(t.inst, S("https://Denied.test./x"), &out, &err), 0);
    assert_true(
        span_eq(buf_span(&out), S("{\"url\":\"https://Denied.test./x\",\"host\":\"denied.test\","
                                  "\"decision\":\"deny\",\"rule\":\"deniedHosts\",\"pattern\":"
                                  "\"denied.test\",\"handler\":null}")));
    buf_clear(&out);
    assert_int_equal(instance_check(t.inst, S("ftp://a.test"), &out, &err), 0);
    assert_non_null(strstr(buf_span(&out).ptr, "\"rule\":\"url\""));
    buf_free(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(allowed_passes_through),
        TEST(denied_says_why),
        TEST(change_holds_for_the_next_request),
        TEST(body_up_over_credit),
        TEST(body_waits_for_100),
        TEST(denied_body_is_not_asked_for),
        TEST(denied_body_is_drained_then_cut),
        TEST(body_longer_than_said),
        TEST(slow_reader_stalls_the_sender),
        TEST(cut_body_is_seen),
        TEST(misdirected_and_malformed),
        TEST(tls_tunnel_only_where_https_is_not_opened),
        TEST(failures_upstream_have_names),
        TEST(gone_client_ends_the_exchange),
        TEST(overload_is_refused_at_once),
        TEST(check_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
