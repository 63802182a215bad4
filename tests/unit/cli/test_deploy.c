/* deploy and its watch: files of a Worker change, the test is the daemon. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/deploy.h"
#include "cli/find.h"
#include "cli/follow.h"
#include "cli/watch.h"
#include "fake.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct place {
    struct fake fake;
    char worker[96];
    pid_t pid;
    int told; /* what follow prints */
};

static void path_in(const struct place *p, const char *name, char out[160])
{
    snprintf(out, 160, "%s/%s", p->worker, name);
}

static void write_file(const struct place *p, const char *name, const char *text)
{
    char path[160];
    path_in(p, name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* As editors do: aside, then over the old one. */
static void save_file(const struct place *p, const char *name, const char *text)
{
    char aside[160];
    char path[160];
    path_in(p, ".#aside", aside);
    path_in(p, name, path);
    write_file(p, ".#aside", text);
    assert_int_equal(rename(aside, path), 0);
}

static int enter(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    char cache[96];
    fake_open(&p->fake);
    snprintf(p->worker, sizeof p->worker, "%s/worker", p->fake.folder);
    snprintf(cache, sizeof cache, "%s/cache", p->fake.folder);
    setenv("XDG_CACHE_HOME", cache, 1);
    mkdir(p->worker, 0700);
    write_file(p, "wrangler.jsonc",
               "{\"name\": \"w\", \"main\": \"app.ts\", \"triggers\": {\"crons\": [\"0 * * * *\"]},"
               "\"containers\": [{\"class_name\": \"Box\"}]}");
    write_file(p, "util.ts", "export const k = 'one';");
    write_file(p, "app.ts", "import { k } from './util';\nexport default { k };");
    p->told = -1;
    *state = p;
    return 0;
}

static int leave(void **state)
{
    struct place *p = *state;
    close_fd(&p->told);
    fake_close(&p->fake);
    unsetenv("XDG_CACHE_HOME");
    free(p);
    return 0;
}

static void a_configuration_becomes_a_body(void **state)
{
    struct place *p = *state;
    struct deploy d;
    struct deploy again;
    struct error err;
    write_file(p, ".dev.vars", "K=hidden\n");
    assert_int_equal(deploy_read(p->worker, &d, &err), 0);
    assert_int_equal(json_object_size(d.body), 9);
    assert_string_equal(json_string_value(json_object_get(d.body, "class")), "Box");
    json_t *crons = json_object_get(d.body, "crons");
    assert_string_equal(json_string_value(json_array_get(crons, 0)), "0 * * * *");
    const char *bundle = json_string_value(json_object_get(d.body, "bundle"));
    assert_non_null(strstr(bundle, "\"one\""));
    /* Values of secrets have another way. */
    cleanup_free char *text = json_dumps(d.body, 0);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "/.dev.vars"));
    assert_int_equal(deploy_read(p->worker, &again, &err), 0);
    assert_true(d.hash == again.hash);
    deploy_free(&again);
    write_file(p, "util.ts", "export const k = 'two';");
    assert_int_equal(deploy_read(p->worker, &again, &err), 0);
    assert_true(d.hash != again.hash);
    deploy_free(&again);
    deploy_free(&d);
    write_file(p, "app.ts", "export default {\n  a b\n};");
    assert_true(deploy_read(p->worker, &d, &err) < 0);
    assert_non_null(strstr(err.text, "/worker/app.ts:2:5: "));
    deploy_free(&d);
}

static void begin_watch(const struct place *p, struct watch *w)
{
    struct error err;
    struct spec_strings files = {NULL, 0};
    size_t added = 0;
    char path[160];
    path_in(p, "app.ts", path);
    assert_true(spec_strings_add(&files, path));
    assert_int_equal(watch_open(w, &err), 0);
    assert_int_equal(watch_files(w, &files, &added, &err), 0);
    assert_int_equal(added, 1);
    assert_int_equal(watch_files(w, &files, &added, &err), 0);
    assert_int_equal(added, 1);
    spec_strings_free(&files);
}

static void what_counts_ends_the_wait(void **state)
{
    struct place *p = *state;
    struct watch w;
    struct error err;
    char path[160];
    begin_watch(p, &w);
    write_file(p, "app.ts", "1");
    assert_int_equal(watch_wait(&w, &err), 0);
    save_file(p, "app.ts", "2");
    assert_int_equal(watch_wait(&w, &err), 0);
    write_file(p, "util.tsx", "found before util.ts");
    assert_int_equal(watch_wait(&w, &err), 0);
    write_file(p, ".dev.vars", "A=there was none");
    assert_int_equal(watch_wait(&w, &err), 0);
    path_in(p, "app.ts", path);
    unlink(path);
    assert_int_equal(watch_wait(&w, &err), 0);
    w.broken = true;
    path_in(p, "sub", path);
    mkdir(path, 0700);
    assert_int_equal(watch_wait(&w, &err), 0);
    write_file(p, "sub/deep.ts", "in a folder that came later");
    assert_int_equal(watch_wait(&w, &err), 0);
    watch_close(&w);
}

static void what_does_not_count_is_passed_over(void **state)
{
    struct place *p = *state;
    struct watch w;
    struct error err;
    char path[160];
    begin_watch(p, &w);
    /* The wait goes on over these and ends with the last. */
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        _exit(watch_wait(&w, &err) == 0 ? 0 : 1);
    }
    close(ends[1]);
    write_file(p, ".app.ts.swp", "x");
    write_file(p, "run.log", "x");
    path_in(p, "sub", path);
    mkdir(path, 0700);
    assert_false(fake_readable(ends[0], 4 * WATCH_QUIET_MS));
    write_file(p, "app.ts", "x");
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(ends[0]);
    watch_close(&w);
}

static void begin_follow(struct place *p)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    p->pid = fork();
    if (p->pid == 0) {
        struct error err;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        follow(p->worker, &err);
        dprintf(2, "%s", err.text);
        _exit(125);
    }
    close(ends[1]);
    p->told = ends[0];
}

static void health(struct place *p, pid_t pid)
{
    char json[64];
    char *body;
    int conn = fake_accept(&p->fake);
    char *text = fake_request(conn, &body);
    assert_int_equal(strncmp(text, "GET /v1/health ", 15), 0);
    snprintf(json, sizeof json, "{\"pid\":%d}", (int)pid);
    fake_answer(conn, 200, json);
    free(text);
    close(conn);
}

/* The next deploy must carry `part`; it is answered. */
static void deploys(struct place *p, const char *part, unsigned status, const char *answer)
{
    char *body;
    int conn = fake_accept(&p->fake);
    char *text = fake_request(conn, &body);
    assert_int_equal(strncmp(text, "PUT /v1/app ", 12), 0);
    if (strstr(body, part) == NULL) {
        fail_msg("expected %s in %s", part, body);
    }
    fake_answer(conn, status, answer);
    free(text);
    close(conn);
}

/* Refused for now, on the connection that then carries the next try. */
static void busy_then_deploys(struct place *p, const char *part, const char *answer)
{
    char *body;
    int conn = fake_accept(&p->fake);
    char *text = fake_request(conn, &body);
    fake_answer(conn, 503, "{\"error\":{\"message\":\"being replaced\",\"hint\":null}}");
    free(text);
    text = fake_request(conn, &body);
    assert_non_null(strstr(body, part));
    fake_answer(conn, 200, answer);
    free(text);
    close(conn);
}

static void tells(struct place *p, const char *expected)
{
    char text[1024];
    size_t len = 0;
    do {
        assert_true(len < sizeof text - 1 && fake_readable(p->told, FAKE_WAIT_MS));
        ssize_t n = read(p->told, text + len, 1);
        assert_int_equal(n, 1);
        len++;
    } while (text[len - 1] != '\n');
    text[len] = '\0';
    if (strstr(text, expected) == NULL) {
        fail_msg("%s: expected %s", text, expected);
    }
}

#define FACTS(list) "{\"classes\":[" list "],\"fetch\":true}"
#define BOX(h)      "{\"name\":\"Box\",\"handlers\":[" h "],\"hosts\":[],\"outbound\":false}"

static void each_change_is_deployed(void **state)
{
    struct place *p = *state;
    begin_follow(p);
    health(p, 1); /* not our child: what the daemon has is not known */
    deploys(p, "one", 200, "{\"version\":2,\"facts\":" FACTS(BOX("")) "}");
    tells(p, "deployed w, version 2, in ");
    save_file(p, "util.ts", "export const k = 'two';");
    deploys(p, "two", 200,
            "{\"version\":3,\"before\":" FACTS(BOX("\"old\"")) ",\"facts\":" FACTS(
                BOX("\"new\"") ",{\"name\":\"More\"}") "}");
    tells(p, "version 3");
    tells(p, "  - Box handler old\n");
    tells(p, "  + Box handler new\n");
    tells(p, "  + More\n");
    /* A mistake is told once and waited for; the old code stays. */
    write_file(p, "util.ts", "export const k = ;");
    tells(p, "/worker/util.ts:1:18: Unexpected \";\": the code before it goes on\n");
    write_file(p, "util.ts", "export const k = 'throws';");
    deploys(p, "throws", 400, "{\"error\":{\"message\":\"util.ts:1:1: boom\",\"hint\":null}}");
    tells(p, "sallyport: util.ts:1:1: boom: the code before it goes on\n");
    write_file(p, "util.ts", "export const k = 'three';");
    busy_then_deploys(p, "three", "{\"version\":4,\"facts\":" FACTS(BOX("")) "}");
    tells(p, "version 4");
    /* The same bytes again are no change: the next deploy is that of the configuration. */
    write_file(p, "util.ts", "export const k = 'three';");
    write_file(p, "wrangler.jsonc", "{\"name\": \"renamed\", \"main\": \"app.ts\"}");
    deploys(p, "renamed", 200, "{\"version\":5,\"facts\":" FACTS(BOX("")) "}");
    tells(p, "deployed renamed, version 5");
    /* Without a daemon there is nothing to do. */
    unlink(p->fake.path);
    write_file(p, "util.ts", "export const k = 'four';");
    int status = 0;
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    assert_int_equal(WEXITSTATUS(status), 125);
}

/* A start is known to 10 ms, a stamp to 20: until the two cannot meet. */
static void let_settle(const struct place *p)
{
    struct stat st;
    char path[160];
    path_in(p, "app.ts", path);
    assert_int_equal(stat(path, &st), 0);
    uint64_t changed = (uint64_t)st.st_ctim.tv_sec * 1000 + (uint64_t)st.st_ctim.tv_nsec / 1000000;
    while (clock_wall_ms() < changed + 60) {
        poll(NULL, 0, 5);
    }
}

static void what_the_daemon_read_is_not_deployed_again(void **state)
{
    struct place *p = *state;
    /* This process is older than the files: all of them count as changed since. */
    begin_follow(p);
    health(p, getpid());
    deploys(p, "one", 200, "{\"version\":2,\"facts\":" FACTS(BOX("")) "}");
    tells(p, "version 2");
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    close_fd(&p->told);
    /* A daemon younger than the files: a process between this one and the follower. */
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    let_settle(p);
    pid_t daemon = fork();
    if (daemon == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        begin_follow(p);
        char byte;
        (void)!write(ends[1], &p->pid, sizeof p->pid);
        while (read(p->told, &byte, 1) == 1) {
            (void)!write(ends[1], &byte, 1);
        }
        _exit(0);
    }
    close(ends[1]);
    p->told = ends[0];
    assert_int_equal(read(p->told, &p->pid, sizeof p->pid), (ssize_t)sizeof p->pid);
    health(p, daemon);
    write_file(p, "util.ts", "export const k = 'after';");
    deploys(p, "after", 200, "{\"version\":2,\"facts\":" FACTS(BOX("")) "}");
    kill(p->pid, SIGKILL);
    waitpid(daemon, NULL, 0);
}

int main(void)
{
#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, enter, leave)
    const struct CMUnitTest tests[] = {
        IN_PLACE(a_configuration_becomes_a_body),
        IN_PLACE(what_counts_ends_the_wait),
        IN_PLACE(what_does_not_count_is_passed_over),
        IN_PLACE(each_change_is_deployed),
        IN_PLACE(what_the_daemon_read_is_not_deployed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
