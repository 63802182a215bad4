/*
 * User code that rebuilds the language below the shim, and what runs beside it: nobody is answered
 * twice, nobody is left without an answer, and nothing in C believes what it is told.
 */
#include "tests/unit/js/fake_host.h"

#include "js/engine.h"

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

static struct js *engine;
static struct fake_host host;

static struct js_version *load(const char *bundle, struct error *err)
{
    struct js_app app = {.name = SPAN_LIT("test"), .bundle = span_str(bundle)};
    return js_load(engine, &app, &fake_host_table, &host, err);
}

static void load_well(const char *bundle)
{
    struct error err = {0};
    memset(&host.results, 0, sizeof host.results);
    memset(&host.calls, 0, sizeof host.calls);
    host.fetch_count = host.fetch_closed = 0;
    host.answer = true;
    host.status = 200;
    host.response_headers = "content-type\ntext/plain\n";
    host.response_body = "upstream body";
    host.log[0] = '\0';
    host.version = load(bundle, &err);
    if (host.version == NULL) {
        fail_msg("%s\n%s", err.text, host.log);
    }
}

static void unload(void)
{
    js_unload(host.version);
    for (int i = 0; i < FAKE_FETCHES; i++) {
        assert_false(host.fetches[i].open);
    }
}

static int setup(void **state)
{
    struct error err = {0};
    (void)state;
    host.loop = loop_create(&err);
    engine = js_start(host.loop, &err);
    assert_non_null(engine);
    return 0;
}

static struct fake_result *serve(uint32_t task)
{
    struct fake_request *r = &host.requests[task];
    snprintf(r->method, sizeof r->method, "GET");
    snprintf(r->url, sizeof r->url, "https://w.example/");
    snprintf(r->headers, sizeof r->headers, "Host\nw.example\n");
    js_serve(host.version, task);
    fake_wait(&host, &host.results[task].done);
    fake_spin(&host);
    return &host.results[task];
}

/* The response has left when the shim's own bookkeeping fails. */
static void a_request_is_answered_once(void **state)
{
    (void)state;
    load_well("exports.default = { async fetch(request) {"
              "  const response = await fetch('https://a.example/');"
              "  const { push } = Array.prototype;"
              "  Array.prototype.push = function () {"
              "    Array.prototype.push = push;"
              "    throw new Error('no push');"
              "  };"
              "  return response;"
              "} };");
    struct fake_result *r = serve(1);
    assert_int_equal(r->kind, JS_RESULT_RESPONSE);
    assert_int_equal(r->status, 200);
    assert_int_equal(serve(2)->status, 200);
    unload();
}

static void an_entry_that_fails_is_answered_and_ends_its_work(void **state)
{
    (void)state;
    load_well("const { resolve } = Promise;"
              "exports.default = { fetch(request) {"
              "  fetch('https://a.example/');"
              "  Promise.resolve = function () {"
              "    Promise.resolve = resolve;"
              "    throw new Error('no promise');"
              "  };"
              "  return new Promise(() => {});"
              "} };");
    struct fake_result *r = serve(1);
    assert_int_equal(r->kind, JS_RESULT_ERROR);
    assert_non_null(strstr(r->error, "internal error"));
    assert_false(r->over); /* it did not say `more` */
    assert_int_equal(host.fetch_closed, 1);
    unload();
}

/* A sloppy function may ask who called it, and with what: scripts of ours that are evaluated late
 * call what user code has put in the place of the language's own. */
static void late_scripts_hand_nothing_over(void **state)
{
    (void)state;
    load_well("let calls = 0, seen = [];"
              "globalThis.look = (fn) => {"
              "  calls++;"
              "  for (let i = 0; i < 9; i++) {"
              "    try { if (fn === null) return; seen.push(...Array.from(fn.arguments)); fn = "
              "fn.caller; }"
              "    catch { return; }"
              "  }"
              "};"
              "for (const [object, name] of [[Object, 'entries'], [Object, 'defineProperty'], "
              "[Object, 'fromEntries'],"
              "  [Object, 'keys'], [Object, 'freeze'], [Object, 'assign'], [Symbol, 'for'], "
              "[Object, 'setPrototypeOf'],"
              "  [Object, 'create'], [Array.prototype, 'map'], [Array.prototype, 'flatMap']]) {"
              "  globalThis['real_' + name] = object[name];"
              "  object[name] = new Function('look(self_' + name + '.caller); return real_' + name "
              "+ '.apply(this, arguments);');"
              "  globalThis['self_' + name] = object[name];"
              "}"
              "exports.default = { fetch() {"
              "  void Buffer; void process; void URLPattern; void caches; void crypto.subtle; void "
              "ReadableStream;"
              "  require('node:stream'); require('node:util'); require('node:crypto'); "
              "require('node:assert');"
              "  const natives = seen.filter((v) => typeof v?.codecOpen === 'function').length;"
              "  return new Response(`${calls > 20} ${natives}`);"
              "} };");
    assert_string_equal(serve(1)->body, "true 0");
    unload();
}

static void a_list_of_classes_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {"[[1, 2], {}, null]", "[{}]", "[{ name: 1 }]",
                                        "[{ name: 'A', handlers: [[]], hosts: 1 }]", "'x'"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char bundle[256];
        struct error err = {0};
        snprintf(bundle, sizeof bundle,
                 "Array.prototype.toJSON = function () {"
                 "  delete Array.prototype.toJSON;"
                 "  return %s;"
                 "};",
                 lists[i]);
        assert_null(load(bundle, &err));
        assert_non_null(strstr(err.text, "the classes cannot be listed"));
    }
}

static struct js_instance *create(const char *id, uint32_t task)
{
    struct error err = {0};
    struct buf facts;
    buf_init(&facts, 1024);
    struct js_instance_spec spec = {
        .id = span_str(id), .class_name = SPAN_LIT("Box"), .task = task, .owner = &host};
    struct js_instance *inst = js_instance_create(host.version, &spec, &facts, &err);
    buf_free(&facts);
    assert_non_null(inst);
    return inst;
}

static const char *call(struct js_instance *inst, const char *method)
{
    memset(&host.calls, 0, sizeof host.calls);
    js_call(inst, 2, span_str(method), SPAN_LIT("[]"));
    fake_wait(&host, &host.calls[2].done);
    assert_string_equal(host.calls[2].error, "");
    fake_spin(&host);
    return host.calls[2].result;
}

/* What code has kept of an object that is gone reaches no other, though its number is given anew.
 */
static void an_object_that_is_gone_is_nobody_else(void **state)
{
    (void)state;
    load_well(
        "const { Sandbox } = require('@cloudflare/sandbox');"
        "let old;"
        "const told = (e) => `${e.message}`.includes('gone') ? 'gone' : `${e}`;"
        "exports.Box = class extends Sandbox {"
        "  keep() { old = { self: this, storage: this.ctx.storage, container: this.ctx.container "
        "}; return 'kept'; }"
        "  async use() {"
        "    const tries = [() => old.storage.get('k'), () => old.storage.setAlarm(4e12),"
        "      () => old.storage.transactionSync(() => 1), () => old.storage.sql.exec('SELECT 1'),"
        "      () => old.self.setAllowedHosts(['evil.example']), () => old.self.exec('true'),"
        "      () => old.container.getTcpPort(80).fetch('http://box/')];"
        "    const seen = [];"
        "    for (const t of tries) {"
        "      try { seen.push(`${await t()}`); } catch (e) { seen.push(told(e)); }"
        "    }"
        "    return seen.join();"
        "  }"
        "  alarm() {}"
        "};");
    struct js_instance *first = create("first", 10);
    uint32_t number = first->number;
    assert_string_equal(call(first, "keep"), "\"kept\"");
    js_instance_destroy(first);
    struct js_instance *second = create("second", 10);
    assert_int_equal(second->number, number);
    host.policy[0] = '\0';
    host.fetch_count = 0;
    assert_string_equal(call(second, "use"), "\"gone,gone,gone,gone,gone,gone,gone\"");
    assert_string_equal(host.policy, "");
    assert_int_equal(host.fetch_count, 0);
    js_instance_destroy(second);
    unload();
}

static size_t error_len;

static void note_error(void *arg, uint32_t task, const struct js_result *res)
{
    error_len = res->error.len;
    fake_host_table.done(arg, task, res);
}

/* What is written of an error is bounded, whatever it is made of. */
static void errors_have_an_end(void **state)
{
    (void)state;
    static const char *const makes[] = {
        "const e = new Error('m'.repeat(1e6)); e.cause = e; return e;",
        "let e = new Error('last'); for (let i = 0; i < 1e5; i++) e = new Error(`m${i}`, { cause: "
        "e });"
        "return e;",
        "const o = {}; o.e = new Error('x', { cause: o }); return o.e;",
        "const o = { e: new Error('x') }; o.e.cause = { o, s: 's'.repeat(1e6) }; return o;",
        "const row = Array(100).fill('s'.repeat(1e4)); return "
        "Array(100).fill(Array(100).fill(row));",
        "const e = new Error('x'); Object.defineProperty(e, 'stack', { value: "
        "'f@u:1:1\\n'.repeat(1e6) });"
        "return e;",
    };
    for (size_t i = 0; i < sizeof makes / sizeof makes[0]; i++) {
        char bundle[512];
        snprintf(bundle, sizeof bundle,
                 "exports.default = { fetch() { throw (() => { %s })(); } };", makes[i]);
        load_well(bundle);
        struct js_host table = fake_host_table;
        table.done = note_error;
        host.version->host = &table;
        while (host.version->warm_timer != NULL) {
            fake_spin(&host);
        }
        error_len = 0;
        assert_int_equal(serve(1)->kind, JS_RESULT_ERROR);
        assert_in_range(error_len, 1, 400000);
        unload();
    }
}

/* A body that is read as a whole is as long as its sender makes it, up to a point. */
static void a_body_without_end_is_not_taken_in(void **state)
{
    (void)state;
    load_well("exports.default = { async fetch() {"
              "  const r = await fetch('https://a.example/');"
              "  return new Response(await r.text().then((t) => `${t.length}`, (e) => `${e}`));"
              "} };");
    static const size_t limit = 128u * 1024 * 1024;
    char *body = calloc(limit + 1, 1);
    assert_non_null(body);
    host.response_body = body;
    host.response_len = limit;
    assert_string_equal(serve(1)->body, "134217728");
    host.response_len = limit + 1;
    memset(&host.results[1], 0, sizeof host.results[1]);
    assert_string_equal(serve(1)->body, "TypeError: Memory limit exceeded before EOF.");
    host.response_len = 0;
    unload();
    free(body);
}

/* The reader is told; it does not wait for what cannot come. */
static void a_chunk_that_does_not_fit_breaks_its_body(void **state)
{
    (void)state;
    load_well("exports.default = { fetch: () => new Response(new ReadableStream({"
              "  start(c) { c.enqueue(new Uint8Array(128 * 1024 * 1024 + 1)); },"
              "})) };");
    struct fake_result *r = serve(1);
    fake_wait(&host, &r->body_ended);
    assert_true(r->body_broken);
    fake_spin(&host);
    unload();
}

/* What the shim can no longer let go of, C does. */
static void unloading_closes_what_is_open(void **state)
{
    (void)state;
    load_well("exports.default = { fetch() {"
              "  Array.prototype[Symbol.iterator] = () => { throw new Error('no list'); };"
              "  return fetch('https://a.example/');"
              "} };");
    host.answer = false;
    js_serve(host.version, 1);
    assert_int_equal(host.fetch_count, 1);
    host.log[0] = '\0';
    unload();
    assert_non_null(strstr(host.log, "no list"));
}

/* An event that code has spoilt takes none with it that waits behind. */
static void a_spoilt_event_holds_up_no_other(void **state)
{
    (void)state;
    load_well("const { Sandbox } = require('@cloudflare/sandbox');"
              "exports.Box = class extends Sandbox { one() { return 1; } };"
              "const { shift } = Array.prototype;"
              "exports.default = { async fetch(request, env) {"
              "  const box = env.Sandbox.getByName('x');"
              "  await box.one();"
              "  Array.prototype.shift = function () {"
              "    Array.prototype.shift = shift;"
              "    throw new Error('no shift');"
              "  };"
              "  box.one();"
              "  return new Response(`${await box.one()} ${await box.one()}`);"
              "} };");
    assert_string_equal(serve(1)->body, "1 1");
    assert_non_null(strstr(host.log, "no shift"));
    fake_objects_destroy(&host);
    unload();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_once),
        cmocka_unit_test(an_entry_that_fails_is_answered_and_ends_its_work),
        cmocka_unit_test(late_scripts_hand_nothing_over),
        cmocka_unit_test(a_list_of_classes_that_is_none_is_refused),
        cmocka_unit_test(an_object_that_is_gone_is_nobody_else),
        cmocka_unit_test(errors_have_an_end),
        cmocka_unit_test(a_body_without_end_is_not_taken_in),
        cmocka_unit_test(a_chunk_that_does_not_fit_breaks_its_body),
        cmocka_unit_test(unloading_closes_what_is_open),
        cmocka_unit_test(a_spoilt_event_holds_up_no_other),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
