/*
 * User code that rebuilds the language below the shim, and what runs beside it: nobody is answered
 * twice, nobody is left without an answer, and nothing in C believes what it is told.
 */
#include "tests/unit/js/fake_host.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_once),
        cmocka_unit_test(an_entry_that_fails_is_answered_and_ends_its_work),
        cmocka_unit_test(a_list_of_classes_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
