/* The pure parts of the outer door: no gate, no network, no engine. */
#include "proto/url/url.h"
#include "runtime/app.h"
#include "runtime/change.h"
#include "runtime/destination.h"
#include "runtime/event.h"
#include "runtime/fields.h"
#include "runtime/inject.h"
#include "runtime/redirect.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S(x) SPAN_LIT(x)

static struct gate_request request(const char *authority, const char *sni)
{
    struct gate_request req = {.peer = {.conn = 1, .dest_port = 80},
                               .version = 11,
                               .end = true,
                               .length = -1,
                               .method = S("GET"),
                               .target = S("/"),
                               .authority = span_str(authority)};
    if (sni != NULL) {
        req.peer.tls = true;
        req.peer.dest_port = 443;
        req.peer.sni = span_str(sni);
    }
    return req;
}

static uint16_t refused(const struct gate_request *req)
{
    struct destination d;
    struct refusal why = {0};
    return destination_of_request(req, &d, &why) ? 0 : why.status;
}

static void destination_is_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *authority;
        const char *sni;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"example.com", NULL, "example.com", 80},
        {"EXAMPLE.com.", NULL, "example.com", 80},
        {"example.com:80", NULL, "example.com", 80},
        {"example.com", "example.com", "example.com", 443},
        {"Example.Com.", "example.COM", "example.com", 443},
        {"0x7f.1", NULL, "127.0.0.1", 80},
        {"[::ffff:1.2.3.4]", NULL, "1.2.3.4", 80},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gate_request req = request(cases[i].authority, cases[i].sni);
        struct destination d;
        struct refusal why;
        assert_true(destination_of_request(&req, &d, &why));
        assert_string_equal(d.host.text, cases[i].host);
        assert_int_equal(d.port, cases[i].port);
        assert_int_equal(d.secure, cases[i].sni != NULL);
    }
}

static void destination_refuses_what_disagrees(void **state)
{
    (void)state;
    struct gate_request req = request("b.com", "a.com");
    assert_int_equal(refused(&req), 421);
    req = request("a.com:8443", "a.com");
    assert_int_equal(refused(&req), 421);
    req = request("a.com", "");
    assert_int_equal(refused(&req), 421);
    req.peer.name = S("A.com");
    assert_int_equal(refused(&req), 0);
    req = request("1.2.3.4", "");
    assert_int_equal(refused(&req), 421);
    memcpy(req.peer.dest, "\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4", 16);
    assert_int_equal(refused(&req), 0);
}

static void destination_refuses_malformed(void **state)
{
    (void)state;
    static const char *const hosts[] = {"a b",        "a@b", "evil.com\x01x", "a/b",  "a:b",
                                        "a.com:0",    "",    "a..b",          "[::1", "a%2eb",
                                        "a.com:99999"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct gate_request req = request(hosts[i], NULL);
        assert_int_equal(refused(&req), 400);
    }
    struct gate_request req = request("a.com", NULL);
    req.authority = span_of("a.com\0.b.com", 12);
    assert_int_equal(refused(&req), 400);
    req = request("a.com", NULL);
    req.method = S("TRACE");
    assert_int_equal(refused(&req), 405);
    req.method = S("CONNECT");
    assert_int_equal(refused(&req), 405);
    req.method = S("G T");
    assert_int_equal(refused(&req), 400);
    static const char *const targets[] = {"", "x", "http://a.com/", "/a b", "/a#b", "*", "/\x7f"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        req = request("a.com", NULL);
        req.target = span_str(targets[i]);
        assert_int_equal(refused(&req), 400);
    }
}

static void destination_refuses_headers_out_of_place(void **state)
{
    (void)state;
    static const struct gate_header bad[] = {
        {SPAN_INIT("Host"), SPAN_INIT("b.com")},
        {SPAN_INIT("content-length"), SPAN_INIT("3")},
        {SPAN_INIT("Transfer-Encoding"), SPAN_INIT("chunked")},
        {SPAN_INIT("Connection"), SPAN_INIT("x")},
        {SPAN_INIT("a b"), SPAN_INIT("x")},
        {SPAN_INIT("a"), SPAN_INIT("x\r\ny: z")},
        {SPAN_INIT(""), SPAN_INIT("x")},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gate_request req = request("a.com", NULL);
        req.headers = &bad[i];
        req.header_count = 1;
        assert_int_equal(refused(&req), 400);
    }
}

/* What a redirect takes to another origin: nothing that the sandbox or the handler proved itself
 * by.
 */
static void another_origin_gets_no_credential(void **state)
{
    (void)state;
    static struct fields f;
    f.count = 0;
    fields_add(&f, S("Authorization"), S("the sandbox's"));
    fields_add(&f, S("Cookie"), S("the sandbox's"));
    fields_add(&f, S("proxy_authorization"), S("the sandbox's"));
    fields_add(&f, S("X-Key"), S("the handler's"));
    fields_add(&f, S("accept"), S("text/x"));
    fields_add(&f, S("x-own"), S("kept"));
    struct js_changes changes = {false, S("=x-key\nthe handler's\n=accept\ntext/x\n")};
    fields_leave_origin(&f, &changes);
    assert_int_equal(f.count, 2);
    assert_true(span_eq(f.items[0].name, S("accept")));
    assert_true(span_eq(f.items[1].name, S("x-own")));
}

static void fields_replace_every_spelling(void **state)
{
    (void)state;
    static struct fields f;
    f.count = 0;
    fields_add(&f, S("X_Api-Key"), S("mine"));
    fields_add(&f, S("accept"), S("*"));
    fields_add(&f, S("x-api-key"), S("too"));
    assert_true(fields_set(&f, S("X-API-KEY"), S("theirs")));
    assert_int_equal(f.count, 2);
    assert_true(span_eq(f.items[0].value, S("theirs")));
    assert_true(span_eq(f.items[1].name, S("accept")));
}

static void known_names_take_one_line(void **state)
{
    (void)state;
    struct fields f = {.count = 0};
    struct buf text;
    struct buf out;
    buf_init(&text, FIELDS_JOINED_MAX);
    buf_init(&out, 4096);
    static const char *const in[][2] = {
        {"Cookie", "a=1"}, {"x-a", "1"},        {"cookie", "b=2"},    {"X-A", "2"},
        {"Accept", ""},    {"Set-Cookie", "1"}, {"set-cookie", "2"},  {"accept", "x"},
        {"COOKIE", "c=3"}, {"elcarp", "y"},     {"x_forwarded", "1"}, {"accept", "y"},
    };
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        assert_true(fields_add(&f, span_str(in[i][0]), span_str(in[i][1])));
    }
    assert_true(fields_join(&f, &text));
    assert_true(fields_text(f.items, f.count, &out));
    assert_true(buf_append(&out, "", 1));
    assert_string_equal(buf_span(&out).ptr,
                        "Cookie\na=1, b=2, c=3\nx-a\n1\nX-A\n2\nAccept\nx, y\n"
                        "Set-Cookie\n1\nset-cookie\n2\nelcarp\ny\nx_forwarded\n1\n");
    buf_free(&text);
    buf_free(&out);
}

static void redirect_rules(void **state)
{
    (void)state;
    assert_int_equal(redirect_method(302, S("POST")), REDIRECT_BODY_DROP);
    assert_int_equal(redirect_method(303, S("PUT")), REDIRECT_BODY_DROP);
    assert_int_equal(redirect_method(303, S("HEAD")), REDIRECT_BODY_KEEP);
    assert_int_equal(redirect_method(307, S("POST")), REDIRECT_BODY_KEEP);
    assert_int_equal(redirect_method(302, S("PUT")), REDIRECT_BODY_KEEP);
    struct url from;
    struct url to;
    assert_true(url_parse(&from, S("https://a.com/x/y"), NULL));
    assert_true(redirect_target(&from, S("../z?q"), &to));
    assert_true(span_eq(url_get_href(&to), S("https://a.com/z?q")));
    assert_true(redirect_same_origin(&from, &to));
    url_free(&to);
    assert_true(redirect_target(&from, S("http://a.com/"), &to));
    assert_false(redirect_same_origin(&from, &to));
    url_free(&to);
    assert_false(redirect_target(&from, S("file:///etc/passwd"), &to));
    url_free(&from);
}

static void inject_sets_and_names(void **state)
{
    (void)state;
    struct error err;
    struct inject *in;
    struct span rules[] = {S("*.example.com: Authorization: Bearer ${TOKEN}"), S("[::1]: x-a: b")};
    assert_int_equal(inject_create(rules, 2, &in, &err), 0);
    struct secrets *secrets = secrets_create();
    static struct fields f;
    struct url_host host;
    struct buf values;
    struct buf names;
    buf_init(&values, INJECT_TEXT_MAX);
    buf_init(&names, INJECT_TEXT_MAX);
    assert_true(url_host_canonical(S("api.example.com"), &host));
    assert_int_equal(inject_apply(in, secrets, &host, &f, &values, &names, &err), -1);
    assert_int_equal(secrets_put(secrets, S("TOKEN"), S("s3cret"), &err), 0);
    fields_add(&f, S("authorization"), S("Bearer fake"));
    assert_int_equal(inject_apply(in, secrets, &host, &f, &values, &names, &err), 0);
    assert_int_equal(f.count, 1);
    assert_true(span_eq(f.items[0].value, S("Bearer s3cret")));
    assert_true(span_eq(buf_span(&names), S("TOKEN\n")));
    f.count = 0;
    assert_int_equal(secrets_put(secrets, S("TOKEN"), S("s3\r\nX: y"), &err), 0);
    assert_int_equal(inject_apply(in, secrets, &host, &f, &values, &names, &err), -1);
    assert_non_null(strstr(err.text, "its secret holds a newline"));
    assert_null(strstr(err.text, "s3"));
    assert_int_equal(secrets_put(secrets, S("TOKEN"), S(""), &err), 0);
    assert_int_equal(inject_apply(in, secrets, &host, &f, &values, &names, &err), 0);
    assert_true(span_eq(f.items[0].value, S("Bearer")));
    f.count = 0;
    assert_true(url_host_canonical(S("example.com"), &host));
    assert_int_equal(inject_apply(in, secrets, &host, &f, &values, &names, &err), 0);
    assert_int_equal(f.count, 0);
    buf_wipe(&values);
    buf_free(&names);
    inject_free(in);
    secrets_destroy(secrets);
    struct span bad[] = {S("a.com: Host: x")};
    assert_int_equal(inject_create(bad, 1, &in, &err), -1);
    bad[0] = S("a.com Authorization");
    assert_int_equal(inject_create(bad, 1, &in, &err), -1);
    bad[0] = S("a b: x: y");
    assert_int_equal(inject_create(bad, 1, &in, &err), -1);
}

static void secrets_hold_text(void **state)
{
    (void)state;
    struct error err;
    struct secrets *s = secrets_create();
    assert_int_equal(secrets_put(s, S("A"), S("1"), &err), 0);
    assert_int_equal(secrets_put(s, S("A"), S("22"), &err), 0);
    assert_true(span_eq(secrets_get(s, S("A")), S("22")));
    assert_int_equal(secrets_put(s, S("B"), S("x\x01y"), &err), -1);
    assert_null(strstr(err.text, "x\x01y"));
    assert_int_equal(secrets_put(s, S("B"), S("x\r\ny\n"), &err), 0);
    assert_true(span_eq(secrets_get(s, S("B")), S("x\r\ny\n")));
    assert_int_equal(secrets_put(s, S("9"), S("x"), &err), -1);
    assert_true(secrets_remove(s, S("A")));
    assert_false(secrets_remove(s, S("A")));
    assert_null(secrets_get(s, S("A")).ptr);
    secrets_destroy(s);
}

static void event_is_json_whatever_the_bytes(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, EVENT_LINE_MAX);
    struct event e = {.time_ms = 1700000000123u,
                      .instance = S("i"),
                      .class_name = S("C"),
                      .proto = "http/1.1",
                      .method = S("GET"),
                      .scheme = "https",
                      .host = S("a\"b\\c\x01\xff\xe2\x82\xac.com"),
                      .port = 443,
                      .path = S("/p?secret=1"),
                      .decision = "allow",
                      .status = 200,
                      .bytes_out = 18446744073709551615u,
                      .secrets = S("A\nB\n")};
    assert_true(event_write(&out, &e));
    json_error_t where;
    json_t *j = json_loadb(buf_span(&out).ptr, buf_len(&out), 0, &where);
    assert_null(j); /* the number is over jansson's; the rest is what matters */
    buf_clear(&out);
    e.bytes_out = 7;
    assert_true(event_write(&out, &e));
    j = json_loadb(buf_span(&out).ptr, buf_len(&out), JSON_REJECT_DUPLICATES, &where);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "time")), "2023-11-14T22:13:20.123Z");
    assert_string_equal(json_string_value(json_object_get(j, "path")), "/p");
    assert_string_equal(json_string_value(json_object_get(j, "host")),
                        "a\"b\\c\x01\xef\xbf\xbd\xe2\x82\xac.com");
    assert_int_equal(json_array_size(json_object_get(j, "secrets")), 2);
    assert_true(json_is_null(json_object_get(j, "rule")));
    json_decref(j);
    buf_free(&out);
    buf_init(&out, 40);
    assert_false(event_write(&out, &e));
    assert_int_equal(buf_len(&out), 0);
    buf_free(&out);
}

static void app_is_read_strictly(void **state)
{
    (void)state;
    struct error err;
    struct app app;
    assert_int_equal(
        app_parse(S("{\"name\":\"x\",\"module\":false,\"resolve\":[\"A.test:443:127.0.0.1:8443\","
                    "\"b.test:80:[::1]\"],\"allow_private\":[\"*.local\"],\"limits\":{"
                    "\"turn_ms\":50}}"),
                  &app, &err),
        0);
    assert_int_equal(app.resolve_count, 2);
    assert_true(span_eq(app.resolve[0].host, S("a.test")));
    assert_int_equal(app.resolve[0].dial_port, 8443);
    assert_int_equal(app.resolve[1].dial_port, 80);
    assert_int_equal(app.resolve[1].addr[15], 1);
    assert_int_equal(app.limits.turn_ms, 50);
    assert_int_equal(app.limits.request_ms, APP_REQUEST_MS_DEFAULT);
    app_free(&app);
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"name\":1,\"module\":false}",
        "{\"name\":\"x\",\"module\":false,\"extra\":1}",
        "{\"name\":\"x\",\"module\":false,\"resolve\":[\"a.test:443\"]}",
        "{\"name\":\"x\",\"module\":false,\"resolve\":[\"a.test:443:not.an.address\"]}",
        "{\"name\":\"x\",\"module\":false,\"limits\":{\"turn_ms\":0}}",
        "{\"name\":\"x\",\"module\":false,\"allow_private\":[\"a b\"]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(app_parse(span_str(bad[i]), &app, &err), -1);
    }
    struct options o;
    assert_int_equal(options_parse(S("{\"allow\":[],\"internet\":false}"), &o, &err), 0);
    assert_non_null(o.allow);
    assert_int_equal(o.internet, 0);
    assert_int_equal(o.intercept_https, -1);
    options_free(&o);
    assert_int_equal(options_parse(S("{\"allow\":[1]}"), &o, &err), -1);
}

static void change_by_name(void **state)
{
    (void)state;
    struct error err;
    struct span handlers[] = {S("noHttp")};
    struct policy_config config = {
        .class_name = S("Box"), .enable_internet = true, .handlers = {handlers, 1}};
    struct policy *p = policy_create(&config, &err);
    assert_non_null(p);
    assert_true(change_is_method(S("setOutboundHandler")));
    assert_false(change_is_method(S("constructor")));
    assert_int_equal(change_apply(p, S("setOutboundHandler"), S("[\"nope\"]"), &err), -1);
    assert_string_equal(err.text,
                        "Outbound handler method 'nope' not found in outboundHandlers for Box");
    assert_int_equal(change_apply(p, S("setOutboundHandler"), S("[\"noHttp\",{\"a\":1}]"), &err),
                     0);
    struct url_host host;
    assert_true(url_host_canonical(S("x.com"), &host));
    struct policy_facts facts = {.kind = POLICY_REQUEST, .host = &host, .port = 80};
    struct policy_verdict v;
    policy_decide(p, &facts, &v);
    assert_int_equal(v.decision, POLICY_HANDLER);
    assert_true(span_eq(v.params, S("{\"a\":1}")));
    assert_int_equal(change_apply(p, S("removeOutboundHandler"), S("[]"), &err), 0);
    assert_int_equal(change_apply(p, S("setOutboundByHosts"),
                                  S("[{\"a.com\":\"noHttp\",\"b.com\":{\"method\":\"nope\"}}]"),
                                  &err),
                     -1);
    assert_int_equal(change_apply(p, S("setAllowedHosts"), S("[[\"a.com\"]]"), &err), 0);
    policy_decide(p, &facts, &v);
    assert_int_equal(v.decision, POLICY_DENY);
    assert_int_equal(change_apply(p, S("setAllowedHosts"), S("[\"a.com\"]"), &err), -1);
    assert_int_equal(change_apply(p, S("allowHost"), S("not json"), &err), -1);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destination_is_canonical),
        cmocka_unit_test(destination_refuses_what_disagrees),
        cmocka_unit_test(destination_refuses_malformed),
        cmocka_unit_test(destination_refuses_headers_out_of_place),
        cmocka_unit_test(another_origin_gets_no_credential),
        cmocka_unit_test(fields_replace_every_spelling),
        cmocka_unit_test(known_names_take_one_line),
        cmocka_unit_test(redirect_rules),
        cmocka_unit_test(inject_sets_and_names),
        cmocka_unit_test(secrets_hold_text),
        cmocka_unit_test(event_is_json_whatever_the_bytes),
        cmocka_unit_test(app_is_read_strictly),
        cmocka_unit_test(change_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
