/* The supervisor as a process, with stand-ins for its children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "harness.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *folder;
static char text[65536];

#define ARGV(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void exit_status_is_the_commands(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        int status;
        const char *output;
    } cases[] = {
        {"exit 0", 0, ""},
        {"echo out; echo err >&2; exit 7", 7, "out\nerr\n"},
        {"kill -TERM $$", 128 + SIGTERM, ""},
        {"exit 125", 125, ""},
        {"ls /proc/self/fd | tr '\\n' ' '", 0, "0 1 2 3 "}, /* 3 is ls's own */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        run_init(&r, "status", ARGV("sh", "-c", cases[i].script));
        run_start(&r, folder);
        assert_int_equal(run_wait(&r, text, sizeof text), cases[i].status);
        if (strstr(text, "sidecar") == NULL) {
            fail_msg("case %zu: %s", i, text);
        }
        const char *own = strstr(text, "sidecar\\x1b says intercept=");
        assert_non_null(own); /* its escape byte did not pass */
        size_t before = (size_t)(own - text);
        char rest[1024];
        snprintf(rest, sizeof rest, "%.*s%s", (int)before, text, strchr(own, '\n') + 1);
        assert_string_equal(rest, cases[i].output);
        struct stat st;
        assert_int_equal(stat(r.socket, &st), -1);
        run_end(&r);
    }
}

static void a_start_that_fails_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        const char *command;
        const char *class_name;
        const char *app;
        const char *why;
    } cases[] = {
        {"fail-to-build", "true", NULL, NULL, "sallyport: bind /x: no such folder: name one"},
        {"sidecar-fails", "true", NULL, NULL, "sallyport: sidecar: confine: no seccomp\n"},
        {"sidecar-sends-descriptors", "true", NULL, NULL, "descriptors that are not expected"},
        {"class", "true", "Missing", NULL, "sallyport: class Missing: not exported\n"},
        {"module", "true", NULL, "{\"name\":\"broken\",\"module\":true}",
         "sallyport: app.ts:3:7: expected \";\"\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        run_init(&r, cases[i].id, ARGV(cases[i].command));
        if (cases[i].class_name != NULL) {
            r.spec.class_name = strdup(cases[i].class_name);
        }
        if (cases[i].app != NULL) {
            free(r.spec.app);
            r.spec.app = strdup(cases[i].app);
        }
        run_start(&r, folder);
        int status = run_wait(&r, text, sizeof text);
        if (status != 125 || strstr(text, cases[i].why) == NULL) {
            fail_msg("case %zu: status %d: %s", i, status, text);
        }
        struct stat st;
        assert_int_equal(stat(r.socket, &st), -1);
        run_end(&r);
    }
}

static struct run running;

static int start_sleeper(void **state)
{
    (void)state;
    run_init(&running, "box",
             ARGV("sh", "-c", "trap 'exit 42' TERM; echo up; while :; do sleep 1; done"));
    run_start(&running, folder);
    run_expect(&running, "up\n");
    run_until(&running, "instances/box", "\"state\":\"running\"", text, sizeof text);
    return 0;
}

static int end_sleeper(void **state)
{
    (void)state;
    run_end(&running);
    return 0;
}

static int ask(const char *method, const char *path, const char *body)
{
    return run_ask(&running, method, path, body, text, sizeof text);
}

static void the_api_answers(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(stat(running.socket, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(ask("GET", "health", ""), 200);
    assert_int_equal(number_of(text, "pid"), running.pid);
    assert_int_equal(ask("GET", "instances", ""), 200);
    assert_non_null(strstr(text, "\"facts\":{\"class\":\"Sandbox\""));
    assert_int_equal(ask("GET", "instances/other", ""), 404);
    assert_int_equal(ask("GET", "nothing", ""), 404);
    assert_int_equal(ask("POST", "instances/box", ""), 405);
    assert_int_equal(ask("POST", "instances/box/call/echo", "[1,{\"a\":\"b\"}]"), 200);
    assert_string_equal(text, "{\"result\":[1,{\"a\":\"b\"}]}");
    assert_int_equal(ask("POST", "instances/box/call/echo", "{}"), 400);
    assert_int_equal(ask("POST", "instances/box/call/$policy", "[]"), 400);
    assert_int_equal(ask("POST", "instances/box/call/throws", "[]"), 400);
    assert_non_null(strstr(text, "\"code\":\"refused\",\"message\":\"it threw\""));
    assert_int_equal(ask("POST", "instances/box/check", "{\"urls\":[\"http://a/\",\"http://b/\"]}"),
                     200);
    assert_string_equal(text, "{\"results\":[{\"decision\":\"allow\"},{\"decision\":\"allow\"}]}");
    assert_int_equal(ask("POST", "instances/box/check", "{\"urls\":[1]}"), 400);
    assert_int_equal(ask("PUT", "instances/box/hosts/%2A.example.test", "{\"method\":\"h\"}"), 200);
    assert_string_equal(text, "{\"result\":[\"*.example.test\",\"h\"]}");
    assert_int_equal(ask("PUT", "instances/box/hosts/x", "{\"method\":\"h\",\"y\":1}"), 400);
    assert_int_equal(ask("PUT", "instances/box/hosts/%00", "{\"method\":\"h\"}"), 400);
    assert_int_equal(ask("PUT", "instances/box/allowed-hosts", "[\"a\"]"), 200);
    assert_string_equal(text, "{\"result\":[[\"a\"]]}");
}

static void secrets_rotate(void **state)
{
    (void)state;
    assert_int_equal(ask("PUT", "secrets/KEY", "v1"), 200);
    assert_int_equal(ask("POST", "instances/box/call/secret", "[]"), 200);
    assert_string_equal(text, "{\"result\":{\"KEY\":\"v1\"}}");
    assert_int_equal(ask("GET", "secrets", ""), 200);
    assert_string_equal(text, "{\"names\":[\"KEY\"]}");
    assert_int_equal(ask("PUT", "secrets/KEY", "a\x01z"), 400);
    assert_null(strstr(text, "a\\u0001"));
    assert_int_equal(ask("PUT", "secrets/KEY", ""), 400);
    assert_int_equal(ask("PUT", "secrets/1KEY", "v"), 400);
    assert_int_equal(ask("DELETE", "secrets/OTHER", ""), 404);
    assert_int_equal(ask("DELETE", "secrets/KEY", ""), 200);
}

static void write_file(const char *path, const char *bytes)
{
    char next[160];
    snprintf(next, sizeof next, "%s.new", path);
    FILE *f = fopen(next, "w");
    assert_non_null(f);
    fputs(bytes, f);
    fclose(f);
    assert_int_equal(rename(next, path), 0);
}

static void until_names(struct run *r, const char *names)
{
    run_until(r, "secrets", names, text, sizeof text);
}

static void edited_dev_vars_rotate(void **state)
{
    (void)state;
    struct run r;
    char path[128];
    run_init(&r, "vars", ARGV("sleep", "60"));
    snprintf(path, sizeof path, "%s/.dev.vars", r.dir);
    write_file(path, "ONE=1\nOURS=x\n");
    r.spec.dev_vars = strdup(path);
    r.spec.secrets = calloc(1, sizeof *r.spec.secrets);
    r.spec.secrets[0] = (struct spec_secret){strdup("ONE"), strdup("1")};
    r.spec.secret_count = 1;
    spec_strings_add(&r.spec.dev_vars_ours, "OURS");
    run_start(&r, folder);
    run_until(&r, "instances/vars", "\"state\":\"running\"", text, sizeof text);
    until_names(&r, "{\"names\":[\"ONE\"]}");
    assert_int_equal(run_ask(&r, "PUT", "secrets/ONE", "put", text, sizeof text), 200);
    write_file(path, "TWO=22\nONE=1\nOURS=y\n");
    until_names(&r, "{\"names\":[\"ONE\",\"TWO\"]}");
    assert_int_equal(run_ask(&r, "POST", "instances/vars/call/secret", "[]", text, sizeof text),
                     200);
    assert_string_equal(text, "{\"result\":{\"TWO\":\"22\"}}");
    write_file(path, "ONE=\"broken\nline\nTWO=3");
    write_file(path, "TWO=22\n");
    until_names(&r, "{\"names\":[\"TWO\"]}");
    run_end(&r);
}

static void kv_is_shared_with_the_runtime(void **state)
{
    (void)state;
    struct stat st;
    char db[128];
    snprintf(db, sizeof db, "%s/state", running.dir);
    assert_int_equal(ask("GET", "kv/NS/key", ""), 404);
    assert_int_equal(stat(db, &st), -1); /* reading makes no file */
    assert_int_equal(ask("PUT", "kv/NS/key?metadata=%7B%22a%22%3A1%7D", "value"), 200);
    assert_int_equal(ask("GET", "kv/ns/key", ""), 200);
    assert_string_equal(text, "value");
    assert_int_equal(ask("POST", "instances/box/call/kvGet", "[\"key\"]"), 200);
    assert_string_equal(text, "{\"result\":[\"ok\",\"value\"]}");
    assert_int_equal(ask("POST", "instances/box/call/kvPut", "[\"two\",\"x\"]"), 200);
    assert_int_equal(ask("GET", "kv/NS", ""), 200);
    assert_string_equal(text, "{\"keys\":[{\"name\":\"key\",\"metadata\":{\"a\":1}},"
                              "{\"name\":\"two\"}],\"list_complete\":true}");
    assert_int_equal(ask("DELETE", "kv/NS/key", ""), 200);
    assert_int_equal(ask("PUT", "kv/NS/key?nonsense=1", "value"), 400);
}

static void events_are_streamed(void **state)
{
    (void)state;
    assert_int_equal(
        ask("POST", "instances/box/call/event", "[\"{\\\"n\\\":1}\\n{\\\"n\\\":\\u001b2}\"]"), 200);
    assert_int_equal(ask("GET", "events?follow=false&instance=box", ""), 200);
    assert_non_null(strstr(text, "event: egress\ndata: {\"n\":1}\n\n"));
    assert_non_null(strstr(text, "event: egress\ndata: {\"n\": 2}\n\n"));
    assert_int_equal(ask("GET", "events?follow=perhaps", ""), 400);
}

static void a_dead_sidecar_is_replaced(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "instances/box", ""), 200);
    long first = number_of(text, "sidecar_pid");
    char ca[512];
    snprintf(ca, sizeof ca, "%s", strstr(text, "\"ca\":"));
    *strchr(ca, ',') = 0;
    uint64_t start = clock_monotonic_ms();
    assert_int_equal(kill((pid_t)first, SIGKILL), 0);
    for (long now = first; now == first || now == 0;) {
        assert_true(clock_monotonic_ms() - start < 2000);
        assert_int_equal(ask("GET", "instances/box", ""), 200);
        now = number_of(text, "sidecar_pid");
    }
    assert_non_null(strstr(text, ca)); /* the same CA */
}

/* The spare must be warm for this, else the takeover takes a start longer. */
static void a_dead_runtime_is_replaced_with_its_state_and_secrets(void **state)
{
    (void)state;
    assert_int_equal(ask("PUT", "secrets/KEY", "v2"), 200);
    assert_int_equal(ask("PUT", "instances/box/outbound-handler", "{\"method\":\"noHttp\"}"), 200);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(ask("GET", "instances/box", ""), 200);
        long first = number_of(text, "runtime_pid");
        assert_int_equal(ask("POST", "instances/box/call/die", "[]"), 503);
        uint64_t start = clock_monotonic_ms();
        while (ask("POST", "instances/box/call/state", "[]") != 200) {
            assert_true(clock_monotonic_ms() - start < 2000);
        }
        assert_string_equal(text, "{\"result\":[\"noHttp\"]}");
        assert_int_equal(ask("POST", "instances/box/call/secret", "[]"), 200);
        assert_string_equal(text, "{\"result\":{\"KEY\":\"v2\"}}");
        assert_int_equal(ask("GET", "instances/box", ""), 200);
        assert_int_not_equal(number_of(text, "runtime_pid"), first);
    }
}

static void signals_reach_the_command(void **state)
{
    (void)state;
    kill(running.pid, SIGTERM);
    assert_int_equal(run_wait(&running, text, sizeof text), 42);
}

static void delete_ends_it(void **state)
{
    (void)state;
    assert_int_equal(ask("DELETE", "instances/box", ""), 200);
    assert_int_equal(run_wait(&running, text, sizeof text), 128 + SIGKILL);
}

static bool alive(long pid)
{
    char path[64];
    char stat_text[256] = {0};
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return false;
    }
    size_t n = fread(stat_text, 1, sizeof stat_text - 1, f);
    fclose(f);
    const char *after = n > 0 ? strrchr(stat_text, ')') : NULL;
    return after != NULL && after[2] != 'Z' && after[2] != 'X';
}

static void all_die_with_the_supervisor(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "instances/box", ""), 200);
    long pids[] = {number_of(text, "pid"), number_of(text, "sidecar_pid"),
                   number_of(text, "runtime_pid")};
    kill(running.pid, SIGKILL);
    run_wait(&running, text, sizeof text);
    uint64_t start = clock_monotonic_ms();
    for (size_t i = 0; i < 3; i++) {
        assert_true(pids[i] > 0);
        while (alive(pids[i])) {
            assert_true(clock_monotonic_ms() - start < 5000);
        }
    }
}

static void a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    (void)state;
    struct run second;
    run_init(&second, "box", ARGV("true"));
    free(second.spec.socket);
    second.spec.socket = strdup(running.socket);
    run_start(&second, folder);
    int status = run_wait(&second, text, sizeof text);
    if (status != 125 || strstr(text, "another sallyport has it") == NULL) {
        fail_msg("status %d: %s", status, text);
    }
    kill(running.pid, SIGKILL);
    run_wait(&running, text, sizeof text);
    struct stat st;
    assert_int_equal(stat(running.socket, &st), 0);
    run_start(&second, folder);
    assert_int_equal(run_wait(&second, text, sizeof text), 0);
    assert_int_equal(stat(running.socket, &st), -1);
    run_end(&second);
}

/* What a killed run left is taken away by the next one in the same folder. */
static void left_sockets_are_swept(void **state)
{
    (void)state;
    struct run dead;
    struct run next;
    struct stat st;
    char left[sizeof dead.socket];
    run_init(&dead, "dead", ARGV("sleep", "60"));
    run_init(&next, "next", ARGV("true"));
    snprintf(left, sizeof left, "%s/run/run-dead.sock", dead.dir);
    strcpy(dead.socket, left);
    free(dead.spec.socket);
    dead.spec.socket = strdup(left);
    free(next.spec.socket);
    assert_true(asprintf(&next.spec.socket, "%s/run/run-next.sock", dead.dir) > 0);
    run_start(&dead, folder);
    run_until(&dead, "instances/dead", "\"state\":\"running\"", text, sizeof text);
    kill(dead.pid, SIGKILL);
    run_wait(&dead, text, sizeof text);
    assert_int_equal(stat(left, &st), 0);
    run_start(&next, folder);
    assert_int_equal(run_wait(&next, text, sizeof text), 0);
    assert_int_equal(stat(left, &st), -1);
    run_end(&dead);
    run_end(&next);
}

/* What its objects store is there while it runs; of an id that was chosen it stays. */
static void objects_of_a_run_have_a_folder(void **state)
{
    static const struct {
        bool has_module;
        bool keep;
        int while_it_runs; /* of stat */
        int behind_it;
    } cases[] = {{true, false, 0, -1}, {true, true, 0, 0}, {false, false, -1, -1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r;
        struct stat st;
        char dir[160];
        char file[192];
        run_init(&r, "own", ARGV("sleep", "60"));
        r.spec.config = cases[i].has_module ? strdup("/app/wrangler.jsonc") : NULL;
        r.spec.keep_state = cases[i].keep;
        snprintf(dir, sizeof dir, "%s/run-own", r.spec.state_dir);
        snprintf(file, sizeof file, "%s/objects/Box", dir);
        run_start(&r, folder);
        run_until(&r, "instances/own", "\"state\":\"running\"", text, sizeof text);
        assert_int_equal(stat(dir, &st), cases[i].while_it_runs);
        /* as the runtime makes it: a folder of the class, the object's file in it */
        assert_int_equal(mkdir(file, 0700), cases[i].while_it_runs);
        strcat(file, "/x.db");
        assert_true(cases[i].while_it_runs != 0 || mknod(file, S_IFREG | 0600, 0) == 0);
        kill(r.pid, SIGTERM);
        run_wait(&r, text, sizeof text);
        assert_int_equal(stat(dir, &st), cases[i].behind_it);
        assert_int_equal(stat(file, &st), cases[i].behind_it);
        run_end(&r);
    }
}

static void check_prints_a_line_each(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, "check", ARGV("unused"));
    r.spec.mode = SPEC_CHECK;
    r.spec.check_method = strdup("GET");
    spec_strings_add(&r.spec.check_urls, "http://a/");
    spec_strings_add(&r.spec.check_urls, "http://b/");
    run_start(&r, folder);
    assert_int_equal(run_wait(&r, text, sizeof text), 0);
    assert_string_equal(text, "{\"decision\":\"allow\"}\n{\"decision\":\"allow\"}\n");
    run_end(&r);
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : ".";
#define WITH_BOX(t) cmocka_unit_test_setup_teardown(t, start_sleeper, end_sleeper)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_status_is_the_commands),
        cmocka_unit_test(a_start_that_fails_says_why),
        WITH_BOX(the_api_answers),
        WITH_BOX(secrets_rotate),
        cmocka_unit_test(edited_dev_vars_rotate),
        WITH_BOX(kv_is_shared_with_the_runtime),
        WITH_BOX(events_are_streamed),
        WITH_BOX(a_dead_sidecar_is_replaced),
        WITH_BOX(a_dead_runtime_is_replaced_with_its_state_and_secrets),
        WITH_BOX(signals_reach_the_command),
        WITH_BOX(delete_ends_it),
        WITH_BOX(all_die_with_the_supervisor),
        WITH_BOX(a_stale_socket_is_replaced_and_a_live_one_is_not),
        cmocka_unit_test(left_sockets_are_swept),
        cmocka_unit_test(objects_of_a_run_have_a_folder),
        cmocka_unit_test(check_prints_a_line_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
