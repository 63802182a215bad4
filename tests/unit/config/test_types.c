/* types: what a configuration makes of `env`, and names that would end what they stand in. */
#include "base/cleanup.h"
#include "config/types.h"
#include "folder.h"

#include <sys/stat.h>

static int make_project(void **state)
{
    char path[128];
    if (make_folder(state) < 0) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/src", folder);
    return mkdir(path, 0700);
}

/* The text for a file in `below`, a folder in that of the test. */
static char *types_of(const char *wrangler, const char *dev_vars, const char *below)
{
    write_file("wrangler.jsonc", wrangler);
    write_file("src/index.ts", "export {};");
    write_file(".dev.vars", dev_vars);
    struct config c;
    struct error err = {0, ""};
    struct buf out;
    char place[128];
    snprintf(place, sizeof place, "%s%s", folder, below);
    if (config_load(folder, &c, &err) < 0 || types_write(&c, place, "Env", &out, &err) < 0) {
        fail_msg("%s", err.text);
    }
    char *text = strndup(buf_span(&out).ptr, buf_len(&out));
    buf_free(&out);
    config_free(&c);
    assert_non_null(text);
    assert_true(strncmp(text, TYPES_MARKER, strlen(TYPES_MARKER)) == 0);
    return text;
}

static const char *body_of(const char *text)
{
    const char *body = strstr(text, "declare namespace Cloudflare {");
    assert_non_null(body);
    return body;
}

#define MAIN "{\"name\": \"w\", \"main\": \"src/index.ts\", "

static void a_worker_is_typed(void **state)
{
    (void)state;
    cleanup_free char *text = types_of(
        MAIN "\"vars\": {\"TEAM\": \"blue\", \"TIMES\": 3, \"RATIO\": 0.1, \"EXACT\": "
             "0.30000000000000004, \"ON\": true, \"NONE\": null, \"LIST\": {\"a\": [1, \"x\"]}, "
             "\"TOKEN\": \"of vars\"},\n"
             "\"kv_namespaces\": [{\"binding\": \"KEYS\", \"id\": \"k\"}],\n"
             "\"durable_objects\": {\"bindings\": [{\"name\": \"BOX\", \"class_name\": \"Box\"},\n"
             "{\"name\": \"TWICE\", \"class_name\": \"Box\"},\n"
             "{\"name\": \"FAR\", \"class_name\": \"F\", \"script_name\": \"other\"}]},\n"
             "\"services\": [{\"binding\": \"SELF\", \"service\": \"w\"}, {\"binding\": \"ENTRY\", "
             "\"service\": \"w\", \"entrypoint\": \"Entry\"}, {\"binding\": \"ELSE\", "
             "\"service\": \"other\"}],\n"
             "\"r2_buckets\": [{\"binding\": \"FILES\"}], \"queues\": {\"producers\": "
             "[{\"binding\": \"JOBS\"}]}}",
        "TOKEN=value-that-stays-out\n", "");
    assert_string_equal(
        body_of(text),
        "declare namespace Cloudflare {\n"
        "\tinterface GlobalProps {\n"
        "\t\tmainModule: typeof import(\"./src/index\");\n"
        "\t\tdurableNamespaces: \"Box\";\n"
        "\t}\n"
        "\tinterface Env {\n"
        "\t\tTEAM: \"blue\";\n"
        "\t\tTIMES: 3;\n"
        "\t\tRATIO: 0.1;\n"
        "\t\tEXACT: 0.30000000000000004;\n"
        "\t\tON: true;\n"
        "\t\tNONE: null;\n"
        "\t\tLIST: {\"a\":[1,\"x\"]};\n"
        "\t\tTOKEN: string;\n"
        "\t\tKEYS: KVNamespace;\n"
        "\t\tBOX: DurableObjectNamespace<import(\"./src/index\").Box>;\n"
        "\t\tTWICE: DurableObjectNamespace<import(\"./src/index\").Box>;\n"
        "\t\tFAR: DurableObjectNamespace /* has no local form: throws when it is used */;\n"
        "\t\tELSE: Fetcher /* has no local form: throws when it is used */;\n"
        "\t\tFILES: R2Bucket /* has no local form: throws when it is used */;\n"
        "\t\tJOBS: Queue /* has no local form: throws when it is used */;\n"
        "\t\tSELF: Service<typeof import(\"./src/index\").default>;\n"
        "\t\tENTRY: Service<typeof import(\"./src/index\").Entry>;\n"
        "\t}\n"
        "}\n"
        "interface Env extends Cloudflare.Env {}\n");
    assert_null(strstr(text, "value-that-stays-out"));
    assert_null(strstr(text, "of vars"));
}

/* Whatever stands in the configuration: one member a line, nothing but ASCII, no comment of ours
 * that ends early. */
static void hostile_names_stay_in_their_literals(void **state)
{
    (void)state;
    cleanup_free char *text = types_of(
        MAIN
        "\"vars\": {\"a b\": \"quo\\\"te\\\\\", \"*/ } x\": \"*/\\n}\\u2028//\", "
        "\"x\\\";\\n} declare const y: 1; //\": 1, \"\": 2, \"9a\": 3, \"gr\\u00fc\\u202en\": "
        "{\"*/\\n\": \"`${y}`\"}},\n"
        "\"kv_namespaces\": [{\"binding\": \"K: 1; }\\n\", \"id\": \"k\"}],\n"
        "\"durable_objects\": {\"bindings\": [{\"name\": \"O\\t*/\", \"class_name\": "
        "\"X>; } /* \\\" \\n\"}]},\n"
        "\"services\": [{\"binding\": \"S\", \"service\": \"w\", \"entrypoint\": \"a.b\\\"]\"}],\n"
        "\"r2_buckets\": [{\"binding\": \"R2 */ \\r\\n\"}]}",
        "", "");
    assert_string_equal(
        body_of(text),
        "declare namespace Cloudflare {\n"
        "\tinterface GlobalProps {\n"
        "\t\tmainModule: typeof import(\"./src/index\");\n"
        "\t\tdurableNamespaces: \"X>; } /* \\\" \\n\";\n"
        "\t}\n"
        "\tinterface Env {\n"
        "\t\t\"a b\": \"quo\\\"te\\\\\";\n"
        "\t\t\"*/ } x\": \"*/\\n}\\u2028//\";\n"
        "\t\t\"x\\\";\\n} declare const y: 1; //\": 1;\n"
        "\t\t\"\": 2;\n"
        "\t\t\"9a\": 3;\n"
        "\t\t\"gr\\u00FC\\u202En\": {\"*/\\n\":\"`${y}`\"};\n"
        "\t\t\"K: 1; }\\n\": KVNamespace;\n"
        "\t\t\"O\\t*/\": DurableObjectNamespace<InstanceType<(typeof import(\"./src/index\"))"
        "[\"X>; } /* \\\" \\n\"]>>;\n"
        "\t\t\"R2 */ \\r\\n\": R2Bucket /* has no local form: throws when it is used */;\n"
        "\t\tS: Service<(typeof import(\"./src/index\"))[\"a.b\\\"]\"]>;\n"
        "\t}\n"
        "}\n"
        "interface Env extends Cloudflare.Env {}\n");
}

static void every_kind_that_is_absent_has_a_type(void **state)
{
    (void)state;
    cleanup_free char *text = types_of(
        MAIN "\"ai\": {\"binding\": \"A\"}, \"browser\": {\"binding\": \"B\"}, \"workflows\": "
             "[{\"binding\": \"W\"}], \"text_blobs\": {\"T\": \"x\"}, \"version_metadata\": "
             "{\"binding\": \"V\"}, \"d1_databases\": [{\"binding\": \"D\"}]}",
        "", "");
    assert_non_null(strstr(text, "\t\tA: Ai /*"));
    assert_non_null(strstr(text, "\t\tB: Fetcher /*"));
    assert_non_null(strstr(text, "\t\tW: Workflow /*"));
    assert_non_null(strstr(text, "\t\tT: string /*"));
    assert_non_null(strstr(text, "\t\tV: WorkerVersionMetadata /*"));
    assert_non_null(strstr(text, "\t\tD: D1Database /*"));
    assert_null(strstr(text, "unknown"));
}

static void imports_lead_from_the_file_to_the_module(void **state)
{
    (void)state;
    static const struct {
        const char *below;
        const char *import;
    } cases[] = {
        {"", "import(\"./src/index\")"},         {"/src", "import(\"./index\")"},
        {"/sr", "import(\"../src/index\")"},     {"/src/a", "import(\"../index\")"},
        {"/a/b", "import(\"../../src/index\")"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cleanup_free char *text = types_of(MAIN "}", "", cases[i].below);
        if (strstr(text, cases[i].import) == NULL) {
            fail_msg("%s: %s", cases[i].below, text);
        }
    }
}

static void a_module_alone_has_its_secrets(void **state)
{
    (void)state;
    write_file("src/a\"b.mts", "export {};");
    write_file("src/.dev.vars", "KEY=v\n");
    char path[128];
    snprintf(path, sizeof path, "%s/src/a\"b.mts", folder);
    struct config c;
    struct error err;
    struct buf out;
    assert_int_equal(config_load(path, &c, &err), 0);
    assert_int_equal(types_write(&c, "/", "Mine", &out, &err), 0);
    cleanup_free char *text = strndup(buf_span(&out).ptr, buf_len(&out));
    char expected[256];
    snprintf(expected, sizeof expected, "typeof import(\".%s/src/a\\\"b.mjs\");\n", folder);
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, "\tinterface Env {\n\t\tKEY: string;\n\t}\n"));
    assert_non_null(strstr(text, "\ninterface Mine extends Cloudflare.Env {}\n"));
    buf_free(&out);
    config_free(&c);
}

static void a_path_that_is_no_text_is_refused(void **state)
{
    (void)state;
    char name[] = "src/\xff.ts";
    write_file(name, "export {};");
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct config c;
    struct error err;
    struct buf out;
    assert_int_equal(config_load(path, &c, &err), 0);
    assert_int_equal(types_write(&c, folder, "Env", &out, &err), -1);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_worker_is_typed, make_project, remove_folder),
        cmocka_unit_test_setup_teardown(hostile_names_stay_in_their_literals, make_project,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_kind_that_is_absent_has_a_type, make_project,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(imports_lead_from_the_file_to_the_module, make_project,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_module_alone_has_its_secrets, make_project,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_path_that_is_no_text_is_refused, make_project,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
