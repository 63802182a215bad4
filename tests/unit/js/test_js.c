/*
 * The JavaScript room against a host that is a fake: dispatch, fetch, bodies, streams, timers, KV,
 * setters, errors, leaks. The handlers stand in app.js, assertions on the web API in api.js.
 */
#include "tests/unit/js/fake_host.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* The sanitizer keeps what was freed for a while. */
#if defined(__SANITIZE_ADDRESS__)
#define GROWTH_MAX_KIB (384 * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GROWTH_MAX_KIB (384 * 1024)
#endif
#endif
#ifndef GROWTH_MAX_KIB
#define GROWTH_MAX_KIB (16 * 1024)
#endif

/* The engine's parser leaves identifiers behind that its own tables know and the sanitizer does
 * not see. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libjavascriptcoregtk-4.1.so\n";
}

static struct js *engine;
static struct fake_host host;
static struct js_instance *base;
static struct js_instance *box;

static char *read_file(const char *name)
{
    char path[512];
    const char *dir = getenv("TEST_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/%s", dir != NULL ? dir : "tests/unit/js", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1, 256 * 1024);
    assert_true(fread(text, 1, 256 * 1024 - 1, f) > 0);
    fclose(f);
    return text;
}

static const char env_json[] =
    "{\"vars\":{\"VAR\":\"v\\u00e4r\",\"OBJ\":{\"a\":1},\"SECRET\":\"shadowed\"},"
    "\"secrets\":[\"SECRET\"],\"kv\":[{\"binding\":\"KV\",\"id\":\"ns1\"}],"
    "\"objects\":[{\"binding\":\"BOX\",\"class\":\"Box\"}]}";

static struct js_instance *create(const char *id, const char *class_name, char *facts, size_t room,
                                  struct error *err)
{
    struct buf out;
    buf_init(&out, 4096);
    struct js_instance_spec spec = {
        .id = span_str(id), .class_name = span_str(class_name), .owner = (void *)(uintptr_t)id};
    struct js_instance *inst = js_instance_create(host.version, &spec, &out, err);
    snprintf(facts, room, SPAN_FMT, SPAN_ARG(buf_span(&out)));
    buf_free(&out);
    return inst;
}

static int setup(void **state)
{
    (void)state;
    struct error err = {0};
    char facts[1024];
    host.loop = loop_create(&err);
    engine = js_start(host.loop, &err);
    assert_non_null(engine);
    char *app = read_file("app.js");
    char *api = read_file("api.js");
    char *webcrypto = read_file("webcrypto.js");
    size_t room = strlen(app) + strlen(api) + strlen(webcrypto) + 3;
    char *bundle = malloc(room);
    snprintf(bundle, room, "%s\n%s\n%s", app, api, webcrypto);
    struct js_app spec = {
        .name = SPAN_LIT("test"), .bundle = span_str(bundle), .env = span_str(env_json)};
    snprintf(host.secret, sizeof host.secret, "s3cret");
    uint64_t before = clock_monotonic_us();
    host.version = js_load(engine, &spec, &fake_host_table, &host, &err);
    if (host.version == NULL) {
        fail_msg("%s\n%s", err.text, host.log);
    }
    js_loaded(host.version);
    printf("js_load: %.1f ms\n", (double)(clock_monotonic_us() - before) / 1000);
    free(bundle);
    free(app);
    free(api);
    free(webcrypto);
    base = create("b1", "Base", facts, sizeof facts, &err);
    assert_non_null(base);
    box = create("x1", "Box", facts, sizeof facts, &err);
    assert_non_null(box);
    return 0;
}

static int reset(void **state)
{
    (void)state;
    memset(host.requests, 0, sizeof host.requests);
    memset(host.results, 0, sizeof host.results);
    memset(host.calls, 0, sizeof host.calls);
    host.fetch_count = host.fetch_closed = 0;
    host.answer = true;
    host.fail = NULL;
    host.slow_body = false;
    host.drain_max = 0;
    host.status = 200;
    host.response_headers = "content-type\ntext/plain\nset-cookie\na=1\nset-cookie\nb=2\n";
    host.response_body = "upstream body";
    host.response_len = 0;
    host.policy_error = NULL;
    host.log[0] = '\0';
    for (int i = 0; i < FAKE_FETCHES; i++) {
        assert_false(host.fetches[i].open);
    }
    for (int i = 1; i < FAKE_TASKS; i++) {
        snprintf(host.requests[i].method, sizeof host.requests[i].method, "GET");
        snprintf(host.requests[i].url, sizeof host.requests[i].url, "https://a.example/p?q=1");
        snprintf(host.requests[i].headers, sizeof host.requests[i].headers,
                 "Host\na.example\nX-In\nin\nAccept\n*/*\n");
    }
    return 0;
}

static const struct js_class *class_named(const char *name)
{
    size_t n;
    const struct js_class *list = js_classes(host.version, &n);
    for (size_t i = 0; i < n; i++) {
        if (span_eq(list[i].name, span_str(name))) {
            return &list[i];
        }
    }
    return NULL;
}

static uint32_t handler_named(const char *class_name, const char *name)
{
    const struct js_class *c = class_named(class_name);
    assert_non_null(c);
    for (size_t i = 0; i < c->handler_count; i++) {
        if (span_eq(c->handlers[i].name, span_str(name))) {
            return c->handlers[i].handler;
        }
    }
    fail_msg("no handler %s", name);
    return JS_HANDLER_NONE;
}

static void start(uint32_t task, const char *name, const char *params)
{
    struct js_dispatch d = {task, handler_named("Base", name), base, span_str(params)};
    js_dispatch(host.version, &d);
}

static struct fake_result *run(const char *name)
{
    start(1, name, NULL);
    fake_wait(&host, &host.results[1].done);
    if (host.results[1].kind == JS_RESULT_ERROR) {
        fail_msg("%s: %s", name, host.results[1].error);
    }
    if (host.results[1].body_kind == JS_BODY_SOURCE) {
        fake_wait(&host, &host.results[1].body_ended);
    }
    fake_spin(&host);
    return &host.results[1];
}

static void classes_are_described(void **state)
{
    (void)state;
    const struct js_class *c = class_named("Box");
    assert_non_null(c);
    assert_null(class_named("notAClass"));
    assert_null(class_named("default"));
    assert_int_equal(c->host_count, 2);
    assert_true(span_eq(c->hosts[0].name, SPAN_LIT("host.example")));
    assert_true(c->outbound != JS_HANDLER_NONE);
    assert_true(c->denied != JS_HANDLER_NONE);
    handler_named("Box", "pass"); /* the parent's */
    handler_named("Box", "own");
    handler_named("Box", "own2"); /* two assignments merge */
    assert_int_equal(class_named("Base")->outbound, JS_HANDLER_NONE);
    assert_int_equal(class_named("Base")->host_count, 0);
}

static void facts_of_instances(void **state)
{
    (void)state;
    struct error err = {0};
    char facts[1024];
    struct js_instance *i = create("f", "Box", facts, sizeof facts, &err);
    assert_string_equal(facts, "{\"allowedHosts\":[\"a.example\",\"*.b.example\"],"
                               "\"deniedHosts\":null,\"enableInternet\":false,"
                               "\"interceptHttps\":true,\"allowedTcp\":null}");
    js_instance_destroy(i);
    assert_null(create("f", "Broken", facts, sizeof facts, &err));
    assert_non_null(strstr(err.text, "no such box"));
    assert_null(create("f", "WrongType", facts, sizeof facts, &err));
    assert_non_null(strstr(err.text, "allowedHosts is not an array of strings"));
    assert_null(create("f", "Nope", facts, sizeof facts, &err));
    assert_non_null(strstr(err.text, "Nope"));
}

static void pass_through_is_native(void **state)
{
    (void)state;
    struct fake_result *r = run("pass");
    struct fake_fetch *f = &host.fetches[r->body_id];
    assert_int_equal(r->status, 200);
    assert_int_equal(r->body_kind, JS_BODY_RESPONSE);
    assert_int_equal(r->base, r->body_id);
    assert_false(r->replace);
    assert_string_equal(r->log, "");
    assert_int_equal(f->base, 1);
    assert_int_equal(f->body_kind, JS_BODY_REQUEST);
    assert_int_equal(f->redirect, JS_REDIRECT_MANUAL);
    assert_string_equal(f->log, "");
    assert_false(f->replace);
    assert_int_equal(host.fetch_closed, 0);
}

static void header_set_is_a_change(void **state)
{
    (void)state;
    struct fake_result *r = run("header");
    struct span log = span_str(host.fetches[r->body_id].log);
    struct js_change c;
    assert_true(js_change_next(&log, &c));
    assert_int_equal(c.op, '=');
    assert_true(span_eq(c.name, SPAN_LIT("x-auth")));
    assert_true(span_eq(c.value, SPAN_LIT("s3cret")));
    assert_false(js_change_next(&log, &c));
}

static void url_and_rewrap(void **state)
{
    (void)state;
    struct fake_result *r = run("url");
    assert_string_equal(host.fetches[r->body_id].url, "https://a.example/changed?q=a+b");
    assert_int_equal(host.fetches[r->body_id].redirect, JS_REDIRECT_MANUAL);
    reset(NULL);
    host.status = 404;
    r = run("rewrap");
    assert_int_equal(r->status, 404);
    assert_int_equal(r->body_kind, JS_BODY_RESPONSE);
    assert_string_equal(r->log, "=x-added\n1\n");
    assert_false(r->replace);
    reset(NULL);
    r = run("replace");
    assert_string_equal(r->body, "upstream body!");
    assert_int_equal(r->body_kind, JS_BODY_BYTES);
    assert_true(r->base != 0);
    assert_int_equal(host.fetch_closed, 1);
}

static void reply_reads_the_request(void **state)
{
    (void)state;
    start(1, "reply", "{\"p\":\"\\u20ac\"}");
    struct fake_result *r = &host.results[1];
    assert_true(r->done); /* no await: done before dispatch returns */
    assert_int_equal(r->status, 201);
    assert_string_equal(r->body, "GET https://a.example/p?q=1 in b1 Base {\"p\":\"\xe2\x82\xac\"}");
    assert_true(r->replace);
    assert_string_equal(r->log, "+X-Out\nyes\n+content-type\ntext/plain;charset=UTF-8\n");
}

static void statics_and_denied(void **state)
{
    (void)state;
    const struct js_class *c = class_named("Box");
    struct js_dispatch d = {2, c->outbound, box, {NULL, 0}};
    js_dispatch(host.version, &d);
    assert_string_equal(host.results[2].body, "static field");
    d = (struct js_dispatch){3, c->denied, box, SPAN_LIT("{\"rule\":\"deniedHosts\"}")};
    js_dispatch(host.version, &d);
    assert_string_equal(host.results[3].body, "denied deniedHosts");
    assert_int_equal(host.results[3].status, 418);
    d = (struct js_dispatch){4, c->hosts[1].handler, box, {NULL, 0}};
    js_dispatch(host.version, &d);
    assert_string_equal(host.results[4].body, "by glob");
}

static void bodies(void **state)
{
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        reset(NULL);
        host.slow_body = slow != 0;
        host.requests[1].has_body = true;
        snprintf(host.requests[1].method, sizeof host.requests[1].method, "POST");
        snprintf(host.requests[1].body, sizeof host.requests[1].body, "request body");
        assert_string_equal(run("echo")->body, "request body");
        host.results[1].done = false;
        host.results[1].body_len = 0;
        assert_string_equal(run("clone")->body, "request body|request body");
    }
    host.slow_body = false;
    host.results[1].done = false;
    struct fake_result *r = run("postBody");
    assert_int_equal(host.fetches[r->body_id].body_kind, JS_BODY_REQUEST);
}

static void streams(void **state)
{
    (void)state;
    struct fake_result *r = run("stream");
    assert_string_equal(r->body, "chunk1;chunk2;chunk3;");
    assert_false(r->body_broken);
    reset(NULL);
    r = run("streamError");
    assert_string_equal(r->body, "part");
    assert_true(r->body_broken);
    reset(NULL);
    host.slow_body = true;
    r = run("pipe");
    assert_string_equal(r->body, "UPSTREAM BODY");
    assert_int_equal(host.fetch_closed, 1);
}

static void codings(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
    } rows[] = {
        {"gzip",
         "\037\213\010\000\000\000\000\000\002\003\053\310\111\314\314\123\050\111\255\050\001\000"
         "\270\017\013\104\012\000\000\000",
         30},
        {"deflate", "\170\234\053\310\111\314\314\123\050\111\255\050\001\000\025\264\003\372", 18},
        {"deflate", "\053\310\111\314\314\123\050\111\255\050\001\000", 12},
        {"br", "\213\004\200\160\154\141\151\156\040\164\145\170\164\003", 14},
    };
    static const char again[] = "\037\213\010\000\000\000\000\000\000\003\013\360\161\364\364\123"
                                "\010\161\215\010\001\000\203\075\125\216\012\000\000\000";
    char headers[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] * 2; i++) {
        reset(NULL);
        snprintf(headers, sizeof headers, "Content-Encoding\n%s\nx-u\n1\n", rows[i / 2].name);
        host.response_headers = headers;
        host.response_body = rows[i / 2].bytes;
        host.response_len = rows[i / 2].len;
        host.slow_body = i % 2 != 0;
        assert_string_equal(run("readText")->body, "plain text");
        host.results[1] = (struct fake_result){0};
        struct fake_result *r = run("readRewrap");
        /* gzip is made anew, what else was promised is taken back. */
        if (i / 2 == 0) {
            assert_int_equal(r->body_len, sizeof again - 1);
            assert_memory_equal(r->body, again, sizeof again - 1);
            assert_null(strstr(r->log, "content-encoding"));
        } else {
            assert_string_equal(r->body, "PLAIN TEXT");
            assert_non_null(strstr(r->log, "-content-encoding\n\n"));
        }
        host.results[1] = (struct fake_result){0};
        assert_string_equal(run("readManual")->body, "plain text!");
        assert_int_not_equal(host.results[1].base, 0);
        assert_string_equal(host.results[1].log, "=content-type\ntext/plain;charset=UTF-8\n");
        host.results[1] = (struct fake_result){0};
        assert_int_equal(run("rewrap")->body_kind, JS_BODY_RESPONSE); /* native, coded as it came */
        host.results[1] = (struct fake_result){0};
        r = run("dropEncoding");
        assert_string_equal(r->body, "plain text");
        assert_int_equal(r->body_kind, JS_BODY_SOURCE);
        host.results[1] = (struct fake_result){0};
        assert_string_equal(run("ownHeaders")->body, "plain text");
    }
    reset(NULL);
    host.response_headers = "content-encoding\ngzip\n";
    host.response_body = "not gzip at all";
    start(1, "readText", NULL);
    fake_wait(&host, &host.results[1].done);
    assert_int_equal(host.results[1].kind, JS_RESULT_ERROR);
}

static void posts(void **state)
{
    (void)state;
    struct fake_result *r = run("post");
    struct fake_fetch *f = &host.fetches[r->body_id];
    assert_string_equal(f->method, "POST");
    assert_string_equal(f->url, "https://up.example/p?x=1");
    assert_string_equal(f->body, "hello");
    assert_string_equal(f->log, "+x-p\n1\n+content-type\ntext/plain;charset=UTF-8\n");
    assert_true(f->replace);
    assert_int_equal(f->redirect, JS_REDIRECT_FOLLOW);
    reset(NULL);
    r = run("postStream");
    fake_spin(&host);
    assert_int_equal(host.fetches[r->body_id].body_len, 3);
}

static void errors_go_to_the_log(void **state)
{
    (void)state;
    static const struct {
        const char *handler;
        const char *text;
    } rows[] = {
        {"throws", "TypeError: handler threw\n    at "},
        {"rejects", "Error: handler rejected"},
        {"notResponse", "returned no Response"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        reset(NULL);
        start(1, rows[i].handler, NULL);
        fake_wait(&host, &host.results[1].done);
        assert_int_equal(host.results[1].kind, JS_RESULT_ERROR);
        assert_non_null(strstr(host.results[1].error, rows[i].text));
    }
}

static void work_ends_with_its_task(void **state)
{
    (void)state;
    struct fake_result *r = run("leftover");
    assert_string_equal(r->body, "x");
    assert_int_equal(host.fetch_count, 2);
    assert_int_equal(host.fetch_closed, 2);
    reset(NULL);
    host.answer = false;
    assert_string_equal(run("abort")->body, "TimeoutError");
    assert_int_equal(host.fetch_closed, 1);
    reset(NULL);
    start(1, "forever", NULL);
    js_task_abort(host.version, 1, "client went away");
    assert_non_null(strstr(host.log, "aborted: client went away"));
    assert_false(host.results[1].done);
}

static void a_reader_that_goes_away(void **state)
{
    (void)state;
    host.drain_max = 6;
    start(1, "endless", NULL);
    fake_wait(&host, &host.results[1].body_ended);
    /* the id is the host's again before the room has heard of it */
    host.results[1] = (struct fake_result){0};
    start(1, "forever", NULL);
    fake_spin(&host);
    assert_non_null(strstr(host.log, "cancelled: the reader went away"));
    js_task_abort(host.version, 1, "still known");
    assert_non_null(strstr(host.log, "aborted: still known"));
    reset(NULL);
    host.slow_body = true;
    start(1, "slowRead", NULL);
    fake_spin(&host);
    js_task_abort(host.version, 1, "gone");
    assert_int_equal(host.fetch_closed, 1);
}

/* A version that goes while its tasks run and a host still holds its stream. */
static void unload_in_the_middle(void **state)
{
    (void)state;
    struct error err = {0};
    struct fake_host *other = calloc(1, sizeof *other);
    struct js_app app = {
        .name = SPAN_LIT("t"),
        .bundle = SPAN_LIT("class A extends require('sallyport').Sandbox {}\n"
                           "A.outboundHandlers = {s: () => new Response(new ReadableStream({})), "
                           "f: (r) => fetch(r)};\nexports.A = A;")};
    *other = host;
    memset(other->results, 0, sizeof other->results);
    other->answer = false;
    other->version = js_load(engine, &app, &fake_host_table, other, &err);
    assert_non_null(other->version);
    js_loaded(other->version);
    struct buf facts;
    buf_init(&facts, 4096);
    struct js_instance_spec spec = {.id = SPAN_LIT("i"), .class_name = SPAN_LIT("A")};
    struct js_instance *inst = js_instance_create(other->version, &spec, &facts, &err);
    size_t n;
    const struct js_class *c = js_classes(other->version, &n);
    for (uint32_t i = 0; i < 2; i++) {
        struct js_dispatch d = {i + 1, c->handlers[i].handler, inst, {NULL, 0}};
        js_dispatch(other->version, &d);
    }
    assert_true(other->results[1].done);
    assert_false(other->results[2].done);
    fake_spin(other);
    js_unload(other->version);
    assert_int_equal(other->fetch_closed, 1);
    fake_wait(other, &other->results[1].body_ended);
    assert_true(other->results[1].body_broken);
    assert_false(other->results[2].done);
    buf_free(&facts);
    free(other);
}

/* Task 2's continuation runs in task 3's turn and fetches there; task 3 ends first. */
static void shared_promises_do_not_lose_work(void **state)
{
    (void)state;
    start(2, "wait", NULL);
    start(3, "release", NULL);
    fake_wait(&host, &host.results[3].done);
    fake_wait(&host, &host.results[2].done);
    assert_int_equal(host.results[2].kind, JS_RESULT_RESPONSE);
    assert_int_equal(host.results[2].body_kind, JS_BODY_RESPONSE);
}

static void kept_objects_fail_on_the_next_request(void **state)
{
    (void)state;
    run("keep");
    host.results[1].done = false;
    start(1, "keep", NULL);
    assert_int_equal(host.results[1].kind, JS_RESULT_ERROR);
    assert_non_null(strstr(host.results[1].error, "is over"));
    reset(NULL);
    run("keepResponse");
    host.results[1].done = false;
    start(1, "keepResponse", NULL);
    fake_wait(&host, &host.results[1].done);
    assert_int_equal(host.results[1].kind, JS_RESULT_ERROR);
}

static void services(void **state)
{
    (void)state;
    assert_string_equal(
        run("kv")->body,
        "{\"a\":\"v1\",\"none\":null,\"m\":{\"m\":1},\"l\":\"k1\",\"j\":{\"x\":[1]},"
        "\"n\":9,\"gone\":null}");
    reset(NULL);
    assert_string_equal(run("env")->body,
                        "{\"v\":\"v\xc3\xa4r\",\"o\":{\"a\":1},\"s\":\"s3cret\",\"keys\":[\"VAR\","
                        "\"OBJ\",\"SECRET\",\"KV\",\"BOX\",\"Base\",\"Broken\",\"WrongType\"]}");
    snprintf(host.secret, sizeof host.secret, "rotated");
    js_secret_changed(host.version, SPAN_LIT("SECRET"), true);
    host.results[1].done = false;
    assert_non_null(strstr(run("env")->body, "\"s\":\"rotated\""));
    js_secret_changed(host.version, SPAN_LIT("SECRET"), false);
    host.results[1].done = false;
    assert_non_null(strstr(run("env")->body, "\"s\":\"shadowed\""));
    snprintf(host.secret, sizeof host.secret, "s3cret");
    js_secret_changed(host.version, SPAN_LIT("SECRET"), true);
    reset(NULL);
    assert_string_equal(run("timer")->body, "timer 3");
}

static void logging(void **state)
{
    (void)state;
    run("log");
    assert_non_null(strstr(host.log, "2 hello you { a: [ 1, 'x' ], m: Map(1) { 1 => 2 } } null\n"));
    assert_non_null(strstr(host.log, "0 Error: logged\n    at "));
    assert_null(strstr(host.log, "s3cret"));
    reset(NULL);
    run("unhandled");
    assert_non_null(strstr(host.log, "Unhandled rejection: Error: nobody caught"));
    reset(NULL);
    struct fake_result *r = run("nullHeader");
    assert_string_equal(host.fetches[r->body_id].log, "=x-key\nnull\n");
    assert_non_null(strstr(host.log, "1 headers: the value of x-key is null"));
    reset(NULL);
    r = run("wideHeader");
    assert_string_equal(host.fetches[r->body_id].log, "=x-key\n\xe2\x82\xac\n=x-e\n\xe9\n");
    reset(NULL);
    assert_string_equal(run("refreshed")->body, "early,late false");
}

static void odds_and_ends(void **state)
{
    (void)state;
    struct fake_result *r = run("bigHeaders");
    assert_true(host.fetches[r->body_id].replace);
    assert_non_null(strstr(host.fetches[r->body_id].log, "x-n\nvalue 2999\n"));
    reset(NULL);
    assert_int_equal(host.fetches[run("manual")->body_id].redirect, JS_REDIRECT_MANUAL);
    reset(NULL);
    assert_string_equal(run("deleteHeader")->body, "a, b");
    reset(NULL);
    host.fail = "connect: refused";
    assert_string_equal(run("failed")->body, "TypeError: connect: refused");
    reset(NULL);
    r = run("empty");
    assert_int_equal(r->status, 204);
    assert_int_equal(r->body_kind, JS_BODY_NONE);
    reset(NULL);
    assert_string_equal(run("cookies")->log, "+Set-Cookie\na=1\n+Set-Cookie\nb=2\n");
}

static struct fake_call *call(const char *method, const char *args)
{
    host.calls[5] = (struct fake_call){0};
    js_call(base, 5, span_str(method), span_str(args));
    fake_wait(&host, &host.calls[5].done);
    fake_spin(&host);
    return &host.calls[5];
}

static void calls(void **state)
{
    (void)state;
    assert_string_equal(call("hello", "[\"w\\u00f6rld\"]")->result,
                        "{\"hello\":\"w\xc3\xb6rld\",\"id\":\"b1\"}");
    assert_string_equal(call("later", "[3]")->result, "\"later\"");
    assert_non_null(strstr(call("boom", "[]")->error, "boom in a method"));
    static const char *const refused[] = {"constructor", "_private", "toString", "nope", "ctx"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_non_null(strstr(call(refused[i], "[]")->error, "no public method"));
    }
    assert_string_equal(call("policy", "[]")->result, "\"set\"");
    assert_non_null(
        strstr(host.policy, "setOutboundHandler [\"pass\",{\"a\":1}] {\"allowedHosts\":"));
    assert_non_null(strstr(host.policy, "} b1"));
    host.policy_error = "Outbound handler method 'nope' not found in outboundHandlers for Base";
    assert_string_equal(
        call("policyBad", "[]")->result,
        "\"Outbound handler method 'nope' not found in outboundHandlers for Base\"");
}

static void web_api(void **state)
{
    (void)state;
    assert_string_equal(run("api")->body, "ok");
}

static void web_crypto(void **state)
{
    (void)state;
    assert_string_equal(run("webcrypto")->body, "ok");
}

/* esbuild's map of "\n\nthrow x" style bundles: one segment is enough to see the lookup. */
static void load_errors_have_a_place(void **state)
{
    (void)state;
    static const char map[] = "{\"version\":3,\"sources\":[\"../src/app.ts\"],\"names\":[],"
                              "\"mappings\":\";AAAA;AASE,MAAM\"}";
    struct error err = {0};
    struct js_app app = {.name = SPAN_LIT("t"),
                         .bundle =
                             SPAN_LIT("\"use strict\";\nvar x = 1;\nthrow new Error('top');\n"),
                         .map = SPAN_LIT(map),
                         .map_root = SPAN_LIT("/home/u/out")};
    assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
    assert_string_equal(err.text, "/home/u/src/app.ts:10:9: Error: top");
    app.bundle = SPAN_LIT("require('nothing')");
    assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
    assert_non_null(strstr(err.text, "Cannot find module 'nothing'"));
    static const char *const global[] = {
        "fetch('https://x.example/').catch(() => {}); setTimeout(() => {}, 1)",
        "new Response('x')",
        "new Request('https://x.example/', {method: 'POST', body: 'x'})",
        "crypto.randomUUID()",
        "crypto.getRandomValues(new Uint8Array(1))",
        "AbortSignal.timeout(1)",
    };
    for (size_t i = 0; i < sizeof global / sizeof global[0]; i++) {
        app.bundle = span_str(global[i]);
        assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
        assert_non_null(strstr(err.text, "Disallowed operation called within global scope"));
    }
    app.bundle =
        SPAN_LIT("new Response(null); new Headers({a: '1'}); new Request('https://x.example/');"
                 "try { new Response('x') } catch (e) { if (e.name === 'Error') throw 'caught' }");
    assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
    assert_non_null(strstr(err.text, "caught"));
    app.bundle = SPAN_LIT("return (async () => {\nvar m = {}; await new Promise(() => {});\n})();");
    assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
    assert_non_null(strstr(err.text, "Top-level await in a module is restricted"));
    app.bundle = SPAN_LIT("return (async () => {\nawait null;\nthrow new Error('late');\n})();");
    assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
    assert_string_equal(err.text, "/home/u/src/app.ts:10:9: Error: late");
    app.bundle = SPAN_LIT("return (async () => {\nawait fetch('https://x.example/');\n})();");
    assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
    assert_non_null(strstr(err.text, "Disallowed operation called within global scope"));
    app.bundle = SPAN_LIT("let x = ;");
    assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
    assert_non_null(strstr(err.text, "SyntaxError"));
    app.bundle = SPAN_LIT("class A extends require('sallyport').Sandbox {}\n"
                          "A.outboundByHost = {'x': 1};\nexports.A = A;");
    assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
    assert_non_null(strstr(err.text, "A.outboundByHost[\"x\"] is not a function"));
}

/* Nothing catches the end of code that does not end by itself; where it was is told. */
static void a_load_has_a_limit(void **state)
{
    (void)state;
    static const char map[] = "{\"version\":3,\"sources\":[\"app.ts\"],\"names\":[],"
                              "\"mappings\":\";AAAA;AASE,MAAM\"}";
    struct error err = {0};
    struct buf facts;
    buf_init(&facts, 4096);
    host.log[0] = '\0';
    struct js_app app = {
        .name = SPAN_LIT("t"),
        .bundle = SPAN_LIT(
            "\"use strict\";\nvar x = 1;\n"
            "(function spin() { for (;;) { try { x++; } catch { x = 0; } finally { x--; } } })();"),
        .map = SPAN_LIT(map)};
    assert_null(js_load(engine, &app, &fake_host_table, &host, &err));
    assert_string_equal(
        err.text, "app.ts:10:9: the module's own code ran for more than its limit of 3 s, here "
                  "or in what follows: leave the work to its handlers");
    app.bundle =
        SPAN_LIT("\"use strict\";\nvar x = 1;\n"
                 "exports.A = class A extends require('sallyport').Sandbox { constructor(...a) {"
                 "  super(...a); while (x) { x++; } } };");
    struct js_version *v = js_load(engine, &app, &fake_host_table, &host, &err);
    assert_non_null(v);
    struct js_instance_spec spec = {.id = SPAN_LIT("i"), .class_name = SPAN_LIT("A")};
    assert_null(js_instance_create(v, &spec, &facts, &err));
    assert_string_equal(
        err.text, "app.ts:10:9: the constructor of A ran for more than its limit of 1 s, here or "
                  "in what follows: leave the work to its handlers");
    js_unload(v);
    assert_string_equal(host.log, "");
    buf_free(&facts);
}

/* What runs after the load has the host's limits, not these. */
static void a_load_that_is_done_has_none(void **state)
{
    (void)state;
    struct error err = {0};
    struct buf facts;
    buf_init(&facts, 4096);
    struct js_app app = {
        .name = SPAN_LIT("t"),
        .bundle =
            SPAN_LIT("exports.A = class A extends require('sallyport').Sandbox {"
                     "  constructor(...a) { super(...a);"
                     "    for (let t = Date.now() + 1500, n = 0; Date.now() < t; n++); } };")};
    struct js_version *v = js_load(engine, &app, &fake_host_table, &host, &err);
    assert_non_null(v);
    js_loaded(v);
    struct js_instance_spec spec = {.id = SPAN_LIT("i"), .class_name = SPAN_LIT("A")};
    struct js_instance *inst = js_instance_create(v, &spec, &facts, &err);
    assert_non_null(inst);
    js_instance_destroy(inst);
    js_unload(v);
    buf_free(&facts);
}

/* `export { Sandbox } from`: an app has the class as it is, under the name it gives it. */
static void built_in_classes_are_classes(void **state)
{
    (void)state;
    struct error err = {0};
    struct js_app app = {
        .name = SPAN_LIT("t"),
        .bundle = SPAN_LIT(
            "const s = require('@cloudflare/sandbox'), c = require('@cloudflare/containers');\n"
            "c.Container.outbound = () => new Response('root');\n"
            "s.Sandbox.outboundHandlers = {a: () => new Response('a')};\n"
            "Object.assign(exports, {Box: s.Sandbox, Container: c.Container, "
            "ContainerProxy: c.ContainerProxy});")};
    struct js_version *version = js_load(engine, &app, &fake_host_table, &host, &err);
    assert_non_null(version);
    size_t n;
    const struct js_class *list = js_classes(version, &n);
    assert_int_equal(n, 2);
    assert_true(span_eq(list[0].name, span_str("Box")) &&
                span_eq(list[1].name, span_str("Container")));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].kind, JS_CLASS_SANDBOX);
        assert_int_not_equal(list[i].outbound, JS_HANDLER_NONE);
    }
    assert_int_equal(list[0].handler_count, 1);
    assert_int_equal(list[1].handler_count, 0);
    js_unload(version);
}

/* As config/esbuild.c makes it: the exports are handed over by a require. */
static void modules_may_await(void **state)
{
    (void)state;
    struct error err = {0};
    struct js_app app = {
        .name = SPAN_LIT("t"),
        .bundle =
            SPAN_LIT("return (async () => {\n"
                     "var S = require('builtin:@cloudflare/sandbox').Sandbox;\n"
                     "var d = await crypto.subtle.digest('SHA-256', new Uint8Array(2));\n"
                     "var f = new Function('return ' + d.byteLength);\n"
                     "class Late extends S {};\n"
                     "require('builtin:exports')({Late, get default() { return {fetch: f}; }});\n"
                     "})();")};
    struct js_version *v = js_load(engine, &app, &fake_host_table, &host, &err);
    if (v == NULL) {
        print_error("%s\n", err.text);
    }
    assert_non_null(v);
    size_t count = 0;
    const struct js_class *classes = js_classes(v, &count);
    assert_int_equal(count, 1);
    assert_true(span_eq(classes[0].name, SPAN_LIT("Late")));
    assert_true(js_worker(v).fetch);
    js_unload(v);
}

/* The engine's own timers and callbacks run in our loop. */
static void the_collector_is_pumped(void **state)
{
    (void)state;
    run("finalize");
    for (int i = 0; i < 400 && strstr(host.log, "finalized") == NULL; i++) {
        host.results[1].done = false;
        run("finalize");
    }
    assert_non_null(strstr(host.log, "finalized"));
}

static void turns_are_stamped(void **state)
{
    (void)state;
    assert_int_equal(js_turn_started_ns(), 0);
    run("pass");
    assert_int_equal(js_turn_started_ns(), 0);
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

static void rounds(const char *name, int n)
{
    uint32_t handler = handler_named("Base", name);
    for (int i = 0; i < n; i++) {
        host.results[1].done = false;
        struct js_dispatch d = {1, handler, base, {NULL, 0}};
        js_dispatch(host.version, &d);
        for (uint32_t id = 1; id < 4 && !host.results[1].done; id++) {
            if (host.fetches[id].open) {
                struct js_response res = {.status = 200, .body = true};
                js_fetch_done(host.version, id, &res);
            }
        }
        assert_true(host.results[1].done);
    }
}

static void dispatches_do_not_leak(void **state)
{
    (void)state;
    static const char *const names[] = {"pass", "header", "rewrap", "reply"};
    host.answer = false;
    for (size_t i = 0; i < 4; i++) {
        rounds(names[i], 20000);
    }
    fake_spin(&host);
    size_t before = resident_kib();
    for (size_t i = 0; i < 4; i++) {
        uint64_t t0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        rounds(names[i], 50000);
        printf("dispatch %-7s %.2f us of CPU\n", names[i],
               (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - t0) / 50000 / 1000);
        fake_spin(&host);
    }
    size_t after = resident_kib();
    printf("resident: %zu -> %zu KiB over 200,000 dispatches\n", before, after);
    assert_true(after < before + GROWTH_MAX_KIB);
}

static int teardown(void **state)
{
    (void)state;
    js_unload(host.version);
    return 0;
}

#define TEST(fn) cmocka_unit_test_setup(fn, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(classes_are_described),
        TEST(facts_of_instances),
        TEST(pass_through_is_native),
        TEST(header_set_is_a_change),
        TEST(url_and_rewrap),
        TEST(reply_reads_the_request),
        TEST(statics_and_denied),
        TEST(bodies),
        TEST(streams),
        TEST(codings),
        TEST(posts),
        TEST(errors_go_to_the_log),
        TEST(work_ends_with_its_task),
        TEST(a_reader_that_goes_away),
        TEST(unload_in_the_middle),
        TEST(shared_promises_do_not_lose_work),
        TEST(kept_objects_fail_on_the_next_request),
        TEST(services),
        TEST(logging),
        TEST(odds_and_ends),
        TEST(calls),
        TEST(web_api),
        TEST(web_crypto),
        TEST(load_errors_have_a_place),
        TEST(a_load_has_a_limit),
        TEST(a_load_that_is_done_has_none),
        TEST(modules_may_await),
        TEST(built_in_classes_are_classes),
        TEST(the_collector_is_pumped),
        TEST(turns_are_stamped),
        TEST(dispatches_do_not_leak),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
