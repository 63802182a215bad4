/* cli: options and their grammars, the view of files. */
#include "base/cleanup.h"
#include "cli/client.h"
#include "cli/grammar.h"
#include "cli/run_options.h"
#include "cli/run_paths.h"
#include "cli/view.h"
#include "config/paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>

static const struct command probe = {
    .name = "probe", .options = run_option_table, .stop_at_operand = true};

static void options_stop_at_the_command(void **state)
{
    (void)state;
    char *argv[] = {"--allow", "a", "--allow=b", "-cdir", "--no-internet", "curl", "--allow", "c"};
    struct run_options o = {.config = NULL};
    struct error err;
    int n = 0;
    assert_int_equal(args_read(&probe, 8, argv, &o, &n, &err), 0);
    assert_int_equal(o.allow.count, 2);
    assert_string_equal(o.allow.items[1], "b");
    assert_string_equal(o.config, "dir");
    assert_true(o.no_internet);
    assert_int_equal(n, 3);
    assert_string_equal(argv[0], "curl");
    assert_string_equal(argv[2], "c");
    run_options_free(&o);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    char *argv[] = {"--id", "x", "--", "--allow"};
    struct run_options o = {.config = NULL};
    struct error err;
    int n = 0;
    assert_int_equal(args_read(&probe, 4, argv, &o, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_string_equal(argv[0], "--allow");
}

static void assert_args_fail(int argc, char **argv, const char *expected)
{
    struct run_options o = {.config = NULL};
    struct error err;
    int n = 0;
    assert_int_equal(args_read(&probe, argc, argv, &o, &n, &err), -1);
    assert_string_equal(err.text, expected);
    run_options_free(&o);
}

static void wrong_options_are_named(void **state)
{
    (void)state;
    assert_args_fail(1, (char *[]){"--frob=x"}, "--frob: no such option");
    assert_args_fail(1, (char *[]){"-z"}, "-z: no such option");
    assert_args_fail(1, (char *[]){"--id"}, "--id: ID is missing");
    assert_args_fail(1, (char *[]){"--no-internet=1"}, "--no-internet: takes no value");
    assert_args_fail(4, (char *[]){"--id", "a", "--id", "b"}, "--id: given twice");
}

struct word {
    const char *text;
    bool good;
};

#define CHECK_ALL(table, check)                                                                    \
    for (size_t i = 0; i < sizeof(table) / sizeof *(table); i++) {                                 \
        struct error err_ = {0, ""};                                                               \
        bool got_ = check((table)[i].text, &err_) == 0;                                            \
        if (got_ != (table)[i].good) {                                                             \
            fail_msg("\"%s\": %s %s", (table)[i].text,                                             \
                     got_ ? "was taken" : "was refused:", err_.text);                              \
        }                                                                                          \
    }

static void ids(void **state)
{
    (void)state;
    static const struct word table[] = {
        {"a", true},
        {"A.b_c-9", true},
        {"", false},
        {".a", false},
        {"-a", false},
        {"a/b", false},
        {"a b", false},
        {"../x", false},
        {"0123456789012345678901234567890123456789012345678901234567890123", true},
        {"01234567890123456789012345678901234567890123456789012345678901234", false},
    };
    CHECK_ALL(table, grammar_id)
}

static void host_globs(void **state)
{
    (void)state;
    static const struct word table[] = {
        {"example.com", true},
        {"*.example.com", true},
        {"*", true},
        {"Example.COM.", true},
        {"10.0.0.0/8", true},
        {"fd00::/8", true},
        {"[fd00::]/8", true},
        {"[::1]", true},
        {"[*]", true},
        {"b\xc3\xbc"
         "cher.de",
         true},
        {"a b", false},
        {"", false},
        {"http://x/", false},
        {"x/y", false},
        {"10.0.0.0/33", false},
        {"x:443", false},
        {"a,b", false},
        {"u@h", false},
        {"a\tb", false},
        {"10.0.0.0/", false},
    };
    CHECK_ALL(table, grammar_host_glob)
}

static void endpoints(void **state)
{
    (void)state;
    static const struct word table[] = {
        {"github.com:22", true}, {"[::1]:22", true}, {"github.com", false}, {":22", false},
        {"a:0", false},          {"a:65536", false}, {"a:2x", false},       {"a b:22", false},
    };
    CHECK_ALL(table, grammar_endpoint)
}

static void listens(void **state)
{
    (void)state;
    static const struct word table[] = {
        {"127.0.0.1:8787", true},   {"[::1]:0", true},
        {"0.0.0.0:65535", true},    {"[::]:80", true},
        {"localhost:80", false},    {"8787", false},
        {":8787", false},           {"127.0.0.1:", false},
        {"127.0.0.1:65536", false}, {"::1:80", false},
        {"[::1]", false},           {"[127.0.0.1]:80", false},
        {"[]:80", false},           {"", false},
        {"127.0.0.1:80x", false},   {"1.2.3.4.5:80", false},
        {"127.0.0.1:00", false},
    };
    CHECK_ALL(table, grammar_listen)
}

static void names(void **state)
{
    (void)state;
    char text[1026];
    struct error err;
    static const struct word table[] = {
        {"a", true}, {"user/1 ä", true}, {"..", true}, {"", false}, {"\xff", false},
    };
    CHECK_ALL(table, grammar_name)
    memset(text, 'n', sizeof text);
    text[1025] = '\0';
    assert_true(grammar_name(text, &err) < 0);
    text[1024] = '\0';
    assert_int_equal(grammar_name(text, &err), 0);
}

static void resolves(void **state)
{
    (void)state;
    static const struct word table[] = {
        {"a.test:443:127.0.0.1", true},
        {"a.test:443:127.0.0.1:8443", true},
        {"a.test:80:[::1]:8080", true},
        {"a.test:80:[::1]", true},
        {"192.0.2.9:80:127.0.0.1:80", true},
        {"a.test:443", false},
        {"a.test:443:localhost", false},
        {"a.test:443:::1", false},
        {"a.test:443:127.0.0.1:", false},
        {"a.test:443:127.0.0.1:0", false},
        {"nonsense", false},
        {"a.test:443:127.0.0.1:1:2", false},
    };
    CHECK_ALL(table, grammar_resolve)
}

static void injects(void **state)
{
    (void)state;
    struct grammar_inject in;
    struct error err;
    assert_int_equal(grammar_inject("api.*.test: X-Key:  Bearer ${K}: x ", &in, &err), 0);
    assert_true(span_eq(in.host, SPAN_LIT("api.*.test")));
    assert_true(span_eq(in.header, SPAN_LIT("X-Key")));
    assert_true(span_eq(in.value, SPAN_LIT("Bearer ${K}: x")));
    assert_int_equal(grammar_inject("[::1]:a:b", &in, &err), 0);
    assert_true(span_eq(in.host, SPAN_LIT("[::1]")));
    static const char *const bad[] = {"",
                                      "a",
                                      "a: b",
                                      "a: b:",
                                      "a b: c: d",
                                      "a: b c: d",
                                      "a: Host: x",
                                      "a: Content-Length: 1",
                                      "a: b: c\nd: e",
                                      "a: Transfer-Encoding: chunked"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true(grammar_inject(bad[i], &in, &err) < 0);
    }
}

static int count_name(void *arg, struct span name, struct error *err)
{
    (void)err;
    *(int *)arg += (int)name.len;
    return 0;
}

static void placeholders(void **state)
{
    (void)state;
    int sum = 0;
    struct error err;
    assert_int_equal(grammar_placeholders(SPAN_LIT("a ${BC} $ {} ${D}"), count_name, &sum, &err),
                     0);
    assert_int_equal(sum, 3);
    assert_true(grammar_placeholders(SPAN_LIT("${x"), count_name, &sum, &err) < 0);
}

static void secrets_never_stand_in_argv(void **state)
{
    (void)state;
    struct grammar_secret in;
    struct error err;
    assert_int_equal(grammar_secret("TOKEN", &in, &err), 0);
    assert_int_equal(grammar_secret("T=env:V", &in, &err), 0);
    assert_string_equal(in.from, "V");
    assert_int_equal(grammar_secret("T=file:/x:y", &in, &err), 0);
    assert_string_equal(in.from, "/x:y");
    assert_int_equal(grammar_secret("T=fd:7", &in, &err), 0);
    assert_int_equal(in.fd, 7);
    assert_true(grammar_secret("T=hunter2", &in, &err) < 0);
    assert_null(strstr(err.text, "hunter2"));
    assert_true(grammar_secret("T=fd:x", &in, &err) < 0);
    assert_true(grammar_secret("1T", &in, &err) < 0);
}

static void binds(void **state)
{
    (void)state;
    struct grammar_bind in;
    struct error err;
    assert_int_equal(grammar_bind("src:/dst:ro", &in, &err), 0);
    assert_true(in.read_only && span_eq(in.source, SPAN_LIT("src")));
    assert_true(span_eq(in.target, SPAN_LIT("/dst")));
    assert_int_equal(grammar_bind("src:ro", &in, &err), 0);
    assert_true(in.read_only && in.target.len == 0);
    assert_true(grammar_bind(":/x", &in, &err) < 0);
    assert_true(grammar_bind("a:b", &in, &err) < 0);
    assert_true(grammar_bind("a:/b:/c", &in, &err) < 0);
    assert_true(grammar_bind("", &in, &err) < 0);
}

struct place {
    char top[64];
    char project[96];
    char state[96];
    char old[4096];
};

static int enter(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->top, "/tmp/sallyport-view-XXXXXX");
    if (mkdtemp(p->top) == NULL || getcwd(p->old, sizeof p->old) == NULL) {
        return -1;
    }
    snprintf(p->project, sizeof p->project, "%s/home/project", p->top);
    snprintf(p->state, sizeof p->state, "%s/home/state", p->top);
    char home[96];
    snprintf(home, sizeof home, "%s/home", p->top);
    *state = p;
    return paths_make_dir(p->project, NULL) < 0 || chdir(p->project) < 0 || setenv("HOME", home, 1);
}

static int leave(void **state)
{
    struct place *p = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", p->top);
    int rc = chdir(p->old) < 0 || system(command) != 0;
    free(p);
    return rc;
}

static void the_daemon_binds_nothing_by_itself(void **state)
{
    struct place *p = *state;
    struct run_options o = {.daemon = true};
    struct spec_strings files = {NULL, 0};
    struct spec s;
    struct error err;
    spec_init(&s);
    assert_int_equal(view_fill(&o, &files, &s, &err), 0);
    assert_int_equal(s.bind_count, 0);
    assert_string_equal(s.cwd, "/workspace");
    spec_free(&s);
    assert_true(spec_strings_add(&o.bind, p->project));
    assert_int_equal(view_fill(&o, &files, &s, &err), 0);
    assert_int_equal(s.bind_count, 1);
    assert_string_equal(s.cwd, "/workspace");
    spec_free(&s);
    run_options_free(&o);
}

static void assert_state_fails(const char *dir, const char *expected)
{
    struct run_options o = {.daemon = true, .state = dir};
    struct spec s;
    struct error err;
    spec_init(&s);
    assert_true(run_paths_fill(&o, &s, &err) < 0);
    if (strstr(err.text, expected) == NULL) {
        fail_msg("%s: expected %s", err.text, expected);
    }
    spec_free(&s);
}

static void the_state_folder_is_checked_and_not_made(void **state)
{
    struct place *p = *state;
    struct run_options o = {.daemon = true, .state = "new/deep/../st"};
    struct spec s;
    struct error err;
    char expected[128];
    spec_init(&s);
    assert_int_equal(setenv("SALLYPORT_SOCKET", "/tmp/s/c.sock", 1), 0);
    assert_int_equal(run_paths_fill(&o, &s, &err), 0);
    snprintf(expected, sizeof expected, "%s/new/st", p->project);
    assert_string_equal(s.state_dir, expected);
    assert_string_equal(s.private_paths.items[0], expected);
    assert_string_equal(s.socket, "/tmp/s/c.sock");
    assert_int_equal(access("new", F_OK), -1);
    spec_free(&s);
    fclose(fopen("file", "w"));
    assert_state_fails("file", "Not a directory: name one that you can write with --state DIR");
    assert_state_fails("file/below", "Not a directory");
    unsetenv("SALLYPORT_SOCKET");
}

/* One --bind (or none) seen from the project folder. */
static int view(const struct place *p, const char *bind, const char *secret_file, struct spec *s,
                struct error *err)
{
    struct run_options o = {.config = NULL};
    struct spec_strings files = {NULL, 0};
    spec_init(s);
    assert_true(spec_strings_add(&s->private_paths, p->state));
    if (bind != NULL) {
        assert_true(spec_strings_add(&o.bind, bind));
    }
    if (secret_file != NULL) {
        assert_true(spec_strings_add(&files, secret_file));
    }
    int rc = view_fill(&o, &files, s, err);
    run_options_free(&o);
    spec_strings_free(&files);
    return rc;
}

static void the_current_folder_is_the_default(void **state)
{
    struct place *p = *state;
    struct spec s;
    struct error err;
    assert_int_equal(view(p, NULL, NULL, &s, &err), 0);
    assert_int_equal(s.bind_count, 1);
    assert_string_equal(s.binds[0].source, p->project);
    assert_string_equal(s.cwd, p->project);
    spec_free(&s);
    assert_int_equal(view(p, "..//project:/w:ro", NULL, &s, &err), 0);
    assert_string_equal(s.binds[0].source, p->project);
    assert_string_equal(s.cwd, "/w");
    spec_free(&s);
}

static void assert_view_fails(const struct place *p, const char *bind, const char *secret_file,
                              const char *expected)
{
    struct spec s;
    struct error err;
    assert_true(view(p, bind, secret_file, &s, &err) < 0);
    if (strstr(err.text, expected) == NULL) {
        fail_msg("%s: expected %s", err.text, expected);
    }
    spec_free(&s);
}

static void folders_that_lead_out_are_refused(void **state)
{
    struct place *p = *state;
    char file[128];
    struct spec s;
    struct error err;
    assert_view_fails(p, "/", NULL, "is the whole system");
    assert_view_fails(p, "..", NULL, "is your home folder or holds it");
    assert_view_fails(p, p->top, NULL, "is your home folder or holds it");
    assert_view_fails(p, "none", NULL, "No such file");
    assert_int_equal(paths_make_dir(p->state, NULL), 0);
    assert_view_fails(p, p->state, NULL, "meets our own state");
    assert_int_equal(symlink(p->state, "link"), 0);
    assert_view_fails(p, "link", NULL, "meets our own state");
    snprintf(file, sizeof file, "%s/token", p->project);
    assert_view_fails(p, NULL, file, "holds the secret file");
    snprintf(file, sizeof file, "%s/.env.token", p->project);
    assert_int_equal(view(p, NULL, file, &s, &err), 0);
    spec_free(&s);
}

static void paths_of_requests_are_encoded(void **state)
{
    (void)state;
    struct client_request r;
    client_path_start(&r, "PUT", "/v1/kv");
    assert_true(client_path_segment(&r, SPAN_LIT("a/b *")));
    assert_true(client_path_query(&r, "x", SPAN_LIT("&=")));
    assert_true(client_path_query(&r, "y", SPAN_LIT("1")));
    struct span path = buf_span(&r.path);
    assert_true(span_eq(path, SPAN_LIT("/v1/kv/a%2Fb%20%2A?x=%26%3D&y=1")));
    buf_free(&r.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stop_at_the_command),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(ids),
        cmocka_unit_test(host_globs),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(listens),
        cmocka_unit_test(names),
        cmocka_unit_test(resolves),
        cmocka_unit_test(injects),
        cmocka_unit_test(placeholders),
        cmocka_unit_test(secrets_never_stand_in_argv),
        cmocka_unit_test(binds),
        cmocka_unit_test_setup_teardown(the_current_folder_is_the_default, enter, leave),
        cmocka_unit_test_setup_teardown(folders_that_lead_out_are_refused, enter, leave),
        cmocka_unit_test_setup_teardown(the_daemon_binds_nothing_by_itself, enter, leave),
        cmocka_unit_test_setup_teardown(the_state_folder_is_checked_and_not_made, enter, leave),
        cmocka_unit_test(paths_of_requests_are_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
