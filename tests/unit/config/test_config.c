/* config: wrangler's folder, spec, paths, bundles. Files stand in a folder of their own. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/bundle.h"
#include "config/config.h"
#include "config/esbuild.h"
#include "config/jsonc.h"
#include "config/paths.h"
#include "folder.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void remove_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static void wrangler_folder_is_read(void **state)
{
    (void)state;
    write_file("wrangler.jsonc", "{ \"name\": \"w\", \"main\": \"app.ts\", // c\n"
                                 "\"vars\": {\"N\": 1}, \"d1_databases\": [], \"migrations\": [],\n"
                                 "\"kv_namespaces\": [{\"binding\": \"K\", \"id\": \"k1\"}],\n"
                                 "\"containers\": [{\"class_name\": \"Box\"}],\n"
                                 "\"durable_objects\": {\"bindings\": [{\"name\": \"B\", "
                                 "\"class_name\": \"Box\"}]},\n"
                                 "\"sallyport\": {\"limits\": {\"turn_ms\": 50}}, }");
    write_file("app.ts", "export {};");
    write_file(".dev.vars", "TOKEN=t\n");
    struct config c;
    struct error err;
    assert_int_equal(config_load(folder, &c, &err), 0);
    cleanup_free char *app = json_dumps(c.app, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(app,
                        "{\"kv\":[{\"binding\":\"K\",\"id\":\"k1\"}],\"limits\":{\"turn_ms\":50},"
                        "\"module\":true,\"name\":\"w\",\"objects\":[{\"binding\":\"B\","
                        "\"class\":\"Box\"}],\"vars\":{\"N\":1}}");
    assert_string_equal(c.class_name, "Box");
    assert_string_equal(c.module + strlen(folder), "/app.ts");
    const struct spec_secret *token = secrets_find(&c.secrets, "TOKEN");
    assert_non_null(token);
    assert_string_equal(token->value, "t");
    assert_int_equal(c.notes.count, 1);
    assert_string_equal(c.notes.items[0],
                        "wrangler.jsonc: \"d1_databases\" has no local form and is ignored");
    config_free(&c);
}

static void every_binding_has_its_place(void **state)
{
    (void)state;
    write_file("app.ts", "");
    write_file("wrangler.jsonc",
               "{ \"name\": \"w\", \"main\": \"app.ts\",\n"
               "\"kv_namespaces\": [{\"binding\": \"K\"}],\n"
               "\"services\": [{\"binding\": \"OWN\", \"service\": \"w\", \"entrypoint\": \"E\"},"
               "              {\"binding\": \"FAR\", \"service\": \"x\"}],\n"
               "\"durable_objects\": {\"bindings\": [{\"name\": \"B\", \"class_name\": \"Box\", "
               "\"script_name\": \"x\"}]},\n"
               "\"triggers\": {\"crons\": [\"*/5 * * * MON-FRI\"]},\n"
               "\"queues\": {\"producers\": [{\"binding\": \"Q\", \"queue\": \"q\"}]},\n"
               "\"ai\": {\"binding\": \"AI\"}, \"r2_buckets\": [{\"binding\": \"R1\"}, "
               "{\"binding\": \"R2\"}],\n"
               "\"text_blobs\": {\"T\": \"t.txt\"}, \"hyperdrive\": 7, \"future\": {},\n"
               "\"send_email\": [{\"name\": \"M\"}]}");
    struct config c;
    struct error err;
    assert_int_equal(config_load(folder, &c, &err), 0);
    cleanup_free char *app = json_dumps(c.app, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        app, "{\"kv\":[{\"binding\":\"K\",\"id\":\"K\"}],\"module\":true,\"name\":\"w\","
             "\"objects\":[],\"services\":[{\"binding\":\"OWN\",\"entrypoint\":\"E\","
             "\"service\":\"w\"}],\"unsupported\":["
             "{\"binding\":\"FAR\",\"kind\":\"services\"},"
             "{\"binding\":\"B\",\"kind\":\"durable_objects\"},"
             "{\"binding\":\"Q\",\"kind\":\"queues\"},{\"binding\":\"AI\",\"kind\":\"ai\"},"
             "{\"binding\":\"R1\",\"kind\":\"r2_buckets\"},"
             "{\"binding\":\"R2\",\"kind\":\"r2_buckets\"},"
             "{\"binding\":\"T\",\"kind\":\"text_blobs\"},"
             "{\"binding\":\"M\",\"kind\":\"send_email\"}]}");
    assert_int_equal(c.crons.count, 1);
    assert_string_equal(c.crons.items[0], "*/5 * * * MON-FRI");
    static const char *const notes[] = {
        "\"services\": no other Worker is here: FAR throws when it is used",
        "\"script_name\": no other Worker is here: B throws when it is used",
        "\"queues\" has no local form: Q throws when used",
        "\"ai\" has no local form: AI throws when used",
        "\"r2_buckets\" has no local form: R1, R2 throw when used",
        "\"text_blobs\" has no local form: T throws when used",
        "\"hyperdrive\" has no local form and is ignored",
        "\"future\" has no local form and is ignored",
        "\"send_email\" has no local form: M throws when used",
    };
    assert_int_equal(c.notes.count, sizeof notes / sizeof *notes);
    for (size_t i = 0; i < c.notes.count; i++) {
        assert_string_equal(c.notes.items[i] + strlen("wrangler.jsonc: "), notes[i]);
    }
    config_free(&c);
}

static void assert_config_fails(const char *json, const char *expected)
{
    write_file("wrangler.jsonc", json);
    struct config c;
    struct error err;
    assert_true(config_load(folder, &c, &err) < 0);
    if (strstr(err.text, expected) == NULL) {
        fail_msg("%s: expected %s", err.text, expected);
    }
}

static void wrangler_mistakes_have_a_place(void **state)
{
    (void)state;
    write_file("app.ts", "");
    assert_config_fails("{\"name\": \"x\"}", "wrangler.jsonc:1:1: expected \"main\"");
    assert_config_fails("{\"main\": \"none.ts\"}", "wrangler.jsonc:1:10: module none.ts: No such");
    assert_config_fails("{\"main\": \"app.ts\",\n\"vars\": []}", ":2:9: expected an object");
    assert_config_fails("{\"main\": \"app.ts\", \"kv_namespaces\": [{\"id\": \"K\"}]}",
                        ":1:38: expected an object with \"binding\" and \"id\"");
    assert_config_fails("{\"main\": \"app.ts\",\n\"services\": [{\"binding\": \"S\"}]}",
                        ":2:14: expected an object with \"binding\" and \"service\"");
    assert_config_fails(
        "{\"main\": \"app.ts\",\n\"triggers\": {\"crons\": [\"* * * * *\", \"* * *\"]}}",
        ":2:37: expected five fields, as \"*/5 * * * *\"");
    assert_config_fails("{\"main\": \"app.ts\", \"triggers\": [\"* * * * *\"]}",
                        ":1:32: expected an object: { \"crons\"");
    assert_config_fails("{\"main\": \"app.ts\", \"containers\": [{\"class_name\": \"B\", "
                        "\"max_instances\": 0}]}",
                        "expected a number above 0");
    assert_config_fails("{\"main\": \"app.ts\", \"containers\": {}}", ":1:34: expected an array");
    assert_config_fails("{\"main\": \"app.ts\", \"compatibility_date\": \"soon\"}", "a date as");
    assert_config_fails("{\"main\": \"app.ts\", \"sallyport\": {\"x\": 1}}", "\"x\" is not known");
    assert_config_fails("{\"main\": \"app.ts\", \"sallyport\": {\"limits\": {\"turn_ms\": 0}}}",
                        "with a number above 0");
}

static void other_paths_say_what_was_expected(void **state)
{
    (void)state;
    struct config c;
    struct error err;
    assert_true(config_load(folder, &c, &err) < 0);
    assert_non_null(strstr(err.text, "no wrangler.jsonc or wrangler.json in this folder"));
    write_file("wrangler.json", "{}");
    write_file("wrangler.jsonc", "{}");
    assert_true(config_load(folder, &c, &err) < 0);
    assert_non_null(strstr(err.text, "both wrangler.jsonc and wrangler.json are there"));
    remove_file("wrangler.json");
    remove_file("wrangler.jsonc");
    write_file("wrangler.toml", "");
    assert_true(config_load(folder, &c, &err) < 0);
    assert_non_null(strstr(err.text, "TOML is not read: write it as JSON once: python3 -c"));
    assert_non_null(strstr(err.text, "< wrangler.toml > wrangler.jsonc"));
    assert_true(config_load("/no/such/place", &c, &err) < 0);
    assert_string_equal(err.text, "config /no/such/place: No such file or directory");
}

static int empty_memfd(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd > 2);
    return fd;
}

static struct spec whole_spec(void)
{
    struct spec s;
    spec_init(&s);
    s.id = strdup("box-1");
    s.app = strdup("{\"name\":\"x\",\"module\":false}");
    s.options = strdup("{}");
    s.state_dir = strdup("/var/lib/x");
    s.socket = strdup("/run/x.sock");
    s.cwd = strdup("/work");
    s.bundle_fd = empty_memfd();
    s.map_fd = empty_memfd();
    s.secrets = calloc(1, sizeof *s.secrets);
    s.secrets[s.secret_count++] = (struct spec_secret){strdup("K"), strdup("v\"ä")};
    s.binds = calloc(1, sizeof *s.binds);
    s.binds[s.bind_count++] = (struct spec_bind){strdup("/a"), strdup("/b"), true};
    assert_true(spec_strings_add(&s.argv, "true") && spec_strings_add(&s.env, "A=b"));
    return s;
}

static void spec_survives_the_way(void **state)
{
    (void)state;
    struct error err;
    struct spec s = whole_spec();
    struct spec got;
    int fd = spec_write(&s, &err);
    assert_true(fd > 2);
    /* The reader would get its own descriptors by exec; here it takes over these. */
    s.bundle_fd = s.map_fd = -1;
    assert_int_equal(spec_read(fd, &got, &err), 0);
    assert_string_equal(got.id, "box-1");
    assert_int_equal(got.secret_count, 1);
    assert_string_equal(got.secrets[0].value, "v\"ä");
    assert_string_equal(got.binds[0].target, "/b");
    assert_true(got.binds[0].read_only);
    assert_string_equal(got.argv.items[0], "true");
    assert_string_equal(got.app, "{\"name\":\"x\",\"module\":false}");
    assert_null(got.class_name);
    spec_free(&got);
    spec_free(&s);
}

static void assert_spec_fails(const char *json, const char *expected)
{
    struct spec s;
    struct error err;
    assert_true(spec_parse(span_str(json), &s, &err) < 0);
    if (strstr(err.text, expected) == NULL) {
        fail_msg("%s: expected %s", err.text, expected);
    }
}

static void spec_is_strict(void **state)
{
    (void)state;
#define HEAD                                                                                       \
    "{\"mode\":\"check\",\"id\":\"x\",\"app\":{},\"options\":{},\"state_dir\":\"/"                 \
    "s\",\"check_method\":\"GET\",\"check_urls\":[\"u\"]"
    assert_spec_fails("{}", "spec: mode: missing");
    assert_spec_fails(HEAD ",\"bundle_fd\":0,\"map_fd\":1}",
                      "bundle_fd: descriptor 0 is not a memfd");
    assert_spec_fails(HEAD ",\"bundle_fd\":70000,\"map_fd\":1}", "bundle_fd: expected a number");
    assert_spec_fails(HEAD ",\"surprise\":1}", "unknown field \"surprise\"");
    assert_spec_fails(HEAD ",\"bundle_fd\":9,\"map_fd\":9,\"home\":\"rel\"}",
                      "home: not an absolute");
    assert_spec_fails(HEAD ",\"bundle_fd\":9,\"map_fd\":9,\"binds\":[{\"source\":\"/a\"}]}",
                      "binds: target: missing");
    assert_spec_fails(HEAD ",\"bundle_fd\":9,\"map_fd\":9,\"masks\":[1]}",
                      "masks: expected a string");
    assert_spec_fails("{\"mode\":\"run\",\"mode\":\"run\"}", "line 1");
    assert_spec_fails("{\"mode\":\"fly\"}", "mode: not one of the known words");
}

static void spec_of_up_has_its_own_needs(void **state)
{
    (void)state;
#define UP                                                                                         \
    "{\"mode\":\"up\",\"app\":{},\"options\":{},\"state_dir\":\"/s\",\"socket\":\"/k\","           \
    "\"cwd\":\"/workspace\",\"bundle_fd\":0,\"map_fd\":1"
    assert_spec_fails(UP "}", "mode up: listen, cwd and socket are needed");
    assert_spec_fails(UP ",\"listen\":\"127.0.0.1:1\",\"watch\":true}", "watch needs a config");
    assert_spec_fails(UP ",\"listen\":\"127.0.0.1:1\",\"config\":\"x\"}",
                      "config: not an absolute");
    /* All it needs: only the descriptors of this test are not memfds. */
    assert_spec_fails(UP ",\"listen\":\"127.0.0.1:1\",\"crons\":[\"* * * * *\"]}",
                      "bundle_fd: descriptor 0 is not a memfd");
    assert_spec_fails("{\"mode\":\"run\",\"app\":{},\"options\":{},\"state_dir\":\"/s\","
                      "\"bundle_fd\":0,\"map_fd\":1}",
                      "id: missing");
}

static void paths_are_cleaned(void **state)
{
    (void)state;
    static const char *const table[][3] = {
        {"/a/b", "c", "/a/b/c"}, {"/a/b", "../c", "/a/c"}, {"/a", "/x//y/./z/", "/x/y/z"},
        {"/a", "../../..", "/"}, {"/", ".", "/"},          {"/a/b/", "", "/a/b"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        cleanup_free char *got = paths_clean(table[i][0], table[i][1]);
        assert_string_equal(got, table[i][2]);
    }
}

static void sockets_have_a_length(void **state)
{
    (void)state;
    char long_path[200];
    memset(long_path, 'x', sizeof long_path);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    struct error err;
    char *out = NULL;
    assert_int_equal(setenv("SALLYPORT_SOCKET", long_path, 1), 0);
    assert_true(paths_control_socket(&out, &err) < 0);
    assert_non_null(strstr(err.text, "longer than 107 bytes"));
    assert_int_equal(setenv("SALLYPORT_SOCKET", "/tmp/s/c.sock", 1), 0);
    assert_int_equal(paths_run_socket("a", &out, &err), 0);
    assert_string_equal(out, "/tmp/s/run-a.sock");
    free(out);
    unsetenv("SALLYPORT_SOCKET");
}

static void esbuild_complaints_become_one_line(void **state)
{
    (void)state;
    struct error err;
    esbuild_explain("/p",
                    SPAN_LIT("\xe2\x9c\x98 [ERROR] Expected \";\" but found \"x\"\n\n"
                             "    src/a.ts:3:5:\n      3 \xe2\x94\x82 let x\n\n"
                             "\xe2\x9c\x98 [ERROR] second\n\n    src/b.ts:1:0:\n"),
                    &err);
    assert_string_equal(err.text, "/p/src/a.ts:3:6: Expected \";\" but found \"x\" (and 1 more)");
    esbuild_explain("/p", SPAN_LIT("\xe2\x9c\x98 [ERROR] alone\n"), &err);
    assert_string_equal(err.text, "esbuild: alone");
    esbuild_explain("/p", SPAN_LIT("[ERROR] m\n    :::\n    x:9999999999999999999999999999:1:\n"),
                    &err);
    assert_string_equal(err.text, "esbuild: m");
    esbuild_explain("/p", SPAN_LIT(""), &err);
    assert_string_equal(err.text, "esbuild: no reason given");
}

static char *read_all(int fd)
{
    static char text[65536];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

/* The cache wants sources whose stamps cannot hide another change. */
static void let_settle(const char *name)
{
    struct stat st;
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(stat(path, &st), 0);
    uint64_t changed = (uint64_t)st.st_ctim.tv_sec * 1000 + (uint64_t)st.st_ctim.tv_nsec / 1000000;
    uint64_t wait = st.st_ctim.tv_nsec != 0 ? 60 : 2100;
    while (clock_wall_ms() < changed + wait) {
        poll(NULL, 0, 5);
    }
}

static bool has_input(const struct bundle *b, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t i = 0;
    while (i < b->inputs.count && strcmp(b->inputs.items[i], path) != 0) {
        i++;
    }
    return i < b->inputs.count;
}

static void bundle_is_made_and_kept(void **state)
{
    (void)state;
    char cache[128];
    char module[128];
    struct bundle b;
    struct error err;
    snprintf(cache, sizeof cache, "%s-cache", folder);
    snprintf(module, sizeof module, "%s/app.ts", folder);
    setenv("XDG_CACHE_HOME", cache, 1);
    write_file("package.json", "{}");
    write_file("util.ts", "export const k: number = 1;");
    write_file("app.ts",
               "import { Sandbox } from '@cloudflare/sandbox';\nimport { k } from './util';\n"
               "export class Box extends Sandbox { x = k }\n");
    let_settle("app.ts");
    assert_int_equal(bundle_make(module, folder, &b, &err), 0);
    assert_false(b.from_cache);
    assert_int_equal(b.inputs.count, 3);
    assert_non_null(strstr(read_all(b.script_fd), "require(\"@cloudflare/sandbox\")"));
    assert_null(strstr(read_all(b.script_fd), "sourceMappingURL"));
    assert_non_null(strstr(read_all(b.map_fd), "\"sources\":[\"app.ts\",\"util.ts\"]"));
    assert_true(write(b.script_fd, "x", 1) < 0);
    bundle_free(&b);

    assert_int_equal(bundle_make(module, folder, &b, &err), 0);
    assert_true(b.from_cache);
    assert_int_equal(b.inputs.count, 3);
    assert_non_null(strstr(read_all(b.script_fd), "class extends"));
    bundle_free(&b);

    write_file("util.ts", "export const k: number = 2;");
    assert_int_equal(bundle_make(module, folder, &b, &err), 0);
    assert_false(b.from_cache);
    bundle_free(&b);

    write_file("app.ts", "import { Sandbox } from '@cloudflare/sandbox';\n"
                         "import { k } from './util';\n"
                         "export class Box extends Sandbox { x = k as number }\n"
                         "export const later = await Promise.resolve(1);\n");
    assert_int_equal(bundle_make(module, folder, &b, &err), 0);
    assert_int_equal(b.inputs.count, 3);
    const char *script = read_all(b.script_fd);
    assert_int_equal(strncmp(script, "return (async () => {\n", 22), 0);
    assert_non_null(strstr(script, "__require(\"builtin:@cloudflare/sandbox\")"));
    assert_non_null(strstr(script, "__require(\"builtin:exports\")("));
    assert_null(strstr(script, "\nimport "));
    assert_null(strstr(script, "\nexport "));
    bundle_free(&b);

    write_file("app.ts", "import x from 'not-there'; await x();\n");
    assert_true(bundle_make(module, folder, &b, &err) < 0);
    assert_string_equal(err.text + strlen(folder), "/app.ts:1:15: Could not resolve \"not-there\"");

    write_file("app.ts", "import x from 'not-there'; x();\n");
    assert_true(bundle_make(module, folder, &b, &err) < 0);
    assert_string_equal(err.text + strlen(folder), "/app.ts:1:15: Could not resolve \"not-there\"");
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s", cache);
    assert_int_equal(system(command), 0);
    unsetenv("XDG_CACHE_HOME");
}

/* What a Worker's project says to its bundler counts; what decides stands among the inputs. */
static void bundle_reads_the_tsconfig(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why; /* after the folder */
    } bad[] = {
        {"{", "/tsconfig.json:1:2: expected "},
        {"{ \"compilerOptions\": { \"jsx\": 1 } }", "/tsconfig.json:1:31: expected a string"},
        {"{ \"compilerOptions\": { \"paths\": { \"a\": \"b\" } } }",
         "/tsconfig.json:1:33: expected an object with a list of strings for each pattern"},
        {"{ \"extends\": \"./no\" }", "/no.json: No such file or directory"},
        {"{ \"extends\": \"./tsconfig.json\" }", "/tsconfig.json: more than 8 files extend"},
    };
    char cache[128];
    char module[128];
    struct bundle b;
    struct error err;
    snprintf(cache, sizeof cache, "%s/cache", folder);
    snprintf(module, sizeof module, "%s/app.tsx", folder);
    setenv("XDG_CACHE_HOME", cache, 1);
    write_file("deep.ts", "export const deep = 1;");
    write_file("app.tsx", "import { deep } from '@lib/deep';\n"
                          "export class A { y = deep; z = <b>1</b>; }\n");
    write_file("base.json",
               "{ \"compilerOptions\": { \"jsxFactory\": \"theirs\", \"jsx\": \"react\",\n"
               "  \"paths\": { \"@lib/*\": [\"./no/*\", \"./*\"] } } }");
    write_file("tsconfig.json",
               "{ // of the project\n  \"extends\": \"./base\",\n"
               "  \"compilerOptions\": { \"jsxFactory\": \"ours\", \"strict\": true, },\n}");
    for (int i = 0; i < 2; i++) {
        let_settle("tsconfig.json");
        if (bundle_make(module, folder, &b, &err) != 0) {
            fail_msg("%s", err.text);
        }
        assert_false(b.from_cache); /* a file in ./no would come first */
        const char *script = read_all(b.script_fd);
        assert_non_null(strstr(script, "ours(\"b\""));
        assert_non_null(strstr(script, "deep = 1"));
        assert_true(has_input(&b, "tsconfig.json") && has_input(&b, "base.json"));
        bundle_free(&b);
    }
    /* The paths of one file, the base of the other. */
    write_file("tsconfig.json",
               "{ \"extends\": \"./base.json\", \"compilerOptions\": { \"paths\": { "
               "\"@lib/*\": [\"*\"] } } }");
    write_file("base.json", "{ \"compilerOptions\": { \"baseUrl\": \"./other\" } }");
    assert_true(bundle_make(module, folder, &b, &err) < 0);
    assert_non_null(strstr(err.text, "Could not resolve \"@lib/deep\""));
    write_file("base.json", "{ \"compilerOptions\": { \"baseUrl\": \"./other/..\" } }");
    assert_int_equal(bundle_make(module, folder, &b, &err), 0);
    bundle_free(&b);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file("tsconfig.json", bad[i].text);
        assert_true(bundle_make(module, folder, &b, &err) < 0);
        const char *why = strstr(err.text, folder);
        if (why == NULL || strncmp(why + strlen(folder), bad[i].why, strlen(bad[i].why)) != 0) {
            fail_msg("%s", err.text);
        }
    }
    unsetenv("XDG_CACHE_HOME");
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(wrangler_folder_is_read),
        IN_FOLDER(every_binding_has_its_place),
        IN_FOLDER(wrangler_mistakes_have_a_place),
        IN_FOLDER(other_paths_say_what_was_expected),
        cmocka_unit_test(spec_survives_the_way),
        cmocka_unit_test(spec_is_strict),
        cmocka_unit_test(spec_of_up_has_its_own_needs),
        cmocka_unit_test(paths_are_cleaned),
        cmocka_unit_test(sockets_have_a_length),
        cmocka_unit_test(esbuild_complaints_become_one_line),
        IN_FOLDER(bundle_is_made_and_kept),
        IN_FOLDER(bundle_reads_the_tsconfig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
