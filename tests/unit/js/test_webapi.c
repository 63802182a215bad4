/*
 * The lesser web APIs and the modules of Node's, in an engine of their own: their ceilings leave
 * garbage behind. The assertions stand in webapi.js and nodeapi.js.
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

static const char env_json[] = "{\"vars\":{\"TEXT\":\"var\",\"OBJECT\":{}},\"secrets\":[\"S3\"]}";

/* The page's text is "ok", or what failed. */
static const char main_script[] =
    "const text = (list) => new Response(list.length === 0 ? 'ok' : list.join('\\n'));\n"
    "const pages = {\n"
    "  nodeapi: async () => text(await runNodeApiTests()),\n"
    "  webapi: async () => text(await runWebApiTests()),\n"
    "  fixed: () => {\n"
    "    const { readable, writable } = new FixedLengthStream(5);\n"
    "    new Response('fixed').body.pipeTo(writable);\n"
    "    return new Response(readable);\n"
    "  },\n"
    "  short: () => {\n"
    "    const { readable, writable } = new FixedLengthStream(6);\n"
    "    new Response('fixed').body.pipeTo(writable).catch(() => {});\n"
    "    return new Response(readable);\n"
    "  },\n"
    "};\n"
    "exports.default = { fetch: (request) => pages[new URL(request.url).pathname.slice(1)]() };\n";

static bool append_file(struct buf *out, const char *name)
{
    char path[512];
    char chunk[4096];
    const char *dir = getenv("TEST_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/%s", dir != NULL ? dir : "tests/unit/js", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) {
        assert_true(buf_append(out, chunk, n));
    }
    fclose(f);
    return buf_append_str(out, "\n");
}

static struct js_version *load(const char *script, struct error *err)
{
    struct js_app app = {
        .name = SPAN_LIT("test"), .bundle = span_str(script), .env = span_str(env_json)};
    struct js_version *v = js_load(engine, &app, &fake_host_table, &host, err);
    if (v != NULL) {
        js_loaded(v);
    }
    return v;
}

static int setup(void **state)
{
    (void)state;
    struct error err = {0};
    struct buf bundle;
    buf_init(&bundle, 1u << 20);
    host.loop = loop_create(&err);
    engine = js_start(host.loop, &err);
    assert_non_null(engine);
    assert_true(append_file(&bundle, "webapi.js"));
    assert_true(append_file(&bundle, "nodeapi.js"));
    assert_true(buf_append(&bundle, main_script, sizeof main_script));
    snprintf(host.secret, sizeof host.secret, "s3cret");
    host.version = load(buf_span(&bundle).ptr, &err);
    if (host.version == NULL) {
        fail_msg("%s\n%s", err.text, host.log);
    }
    buf_free(&bundle);
    return 0;
}

static struct fake_result *page(const char *name)
{
    memset(host.results, 0, sizeof host.results);
    snprintf(host.requests[1].method, sizeof host.requests[1].method, "GET");
    snprintf(host.requests[1].url, sizeof host.requests[1].url, "https://a.example/%s", name);
    js_serve(host.version, 1);
    struct fake_result *r = &host.results[1];
    fake_wait(&host, &r->done);
    if (r->kind == JS_RESULT_ERROR) {
        fail_msg("%s: %s", name, r->error);
    }
    if (r->body_kind == JS_BODY_SOURCE) {
        fake_wait(&host, &r->body_ended);
    }
    fake_spin(&host);
    return r;
}

static void web_api(void **state)
{
    (void)state;
    assert_string_equal(page("webapi")->body, "ok");
}

static void modules_of_node(void **state)
{
    (void)state;
    assert_string_equal(page("nodeapi")->body, "ok");
}

static void a_fixed_length_is_told(void **state)
{
    (void)state;
    const struct fake_result *r = page("fixed");
    assert_string_equal(r->body, "fixed");
    assert_int_equal(r->body_length, 5);
    assert_false(r->body_broken);
    r = page("short");
    assert_int_equal(r->body_length, 6);
    assert_true(r->body_broken);
}

/* By `process`, in a Worker that imports nothing. */
static void a_module_of_node_without_an_import(void **state)
{
    (void)state;
    struct error err = {0};
    struct js_version *others = host.version;
    host.version = load("exports.default = { fetch: () => new Response(typeof "
                        "process.getBuiltinModule('node:async_hooks').AsyncLocalStorage) };",
                        &err);
    assert_non_null(host.version);
    assert_string_equal(page("builtin")->body, "function");
    js_unload(host.version);
    host.version = others;
}

static int teardown(void **state)
{
    (void)state;
    js_unload(host.version);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(web_api),
        cmocka_unit_test(modules_of_node),
        cmocka_unit_test(a_fixed_length_is_told),
        cmocka_unit_test(a_module_of_node_without_an_import),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
