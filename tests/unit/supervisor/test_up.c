/* The daemon as a process, with stand-ins for its children and the real agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "daemon.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Of the instance that the last answer tells of. */
static void id_take(char id[65])
{
    const char *at = strstr(text, "\"id\":\"");
    assert_non_null(at);
    memcpy(id, at + 6, 64);
    id[64] = 0;
}

static void instances_come_and_go(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "health", ""), 200);
    assert_non_null(strstr(text, "\"mode\":\"up\""));
    assert_non_null(strstr(text, "\"listen\":\"127.0.0.1:"));
    create("alice");
    assert_non_null(strstr(text, "\"name\":\"alice\""));
    assert_non_null(strstr(text, "\"class\":\"Box\""));
    create("alice");
    create("bob");
    assert_int_equal(ask("GET", "instances", ""), 200);
    assert_non_null(strstr(text, "\"alice\""));
    assert_non_null(strstr(text, "\"bob\""));
    expect("instances/alice/call/heard", "[]", 200, "STARTED");
    assert_int_equal(ask("DELETE", "instances/alice", ""), 200);
    expect("instances/bob/call/heard", "[]", 200, "ENDED");
    expect("instances/bob/call/heard", "[]", 200, "REMOVE");
    assert_int_equal(ask("GET", "instances/alice", ""), 404);
    assert_int_equal(ask("DELETE", "instances/alice", ""), 404);
    expect("instances", "{\"id\":\"x\",\"class\":\"Missing\"}", 400, "not exported");
    expect("instances", "{\"id\":\"\"}", 400, "bad_request");
    expect("instances", "{\"id\":\"x\",\"more\":1}", 400, "bad_request");
}

static void a_name_of_two_classes_is_not_guessed(void **state)
{
    char id[65];
    char path[128];
    (void)state;
    create("n");
    id_take(id);
    expect("instances", "{\"id\":\"n\",\"class\":\"Other\"}", 200, "\"Other\"");
    assert_int_equal(ask("GET", "instances/n", ""), 409);
    assert_non_null(strstr(text, "ambiguous"));
    assert_non_null(strstr(text, id));
    snprintf(path, sizeof path, "instances/%s", id);
    assert_int_equal(ask("GET", path, ""), 200);
    assert_non_null(strstr(text, "\"class\":\"Box\""));
}

/* A method needs no sandbox; a name that was never used is its object's. */
static void calls_need_no_sandbox(void **state)
{
    (void)state;
    expect("instances/new/call/echo", "[1,2]", 200, "[1,2]");
    assert_int_equal(ask("GET", "instances", ""), 200);
    assert_string_equal(text, "{\"instances\":[]}");
    assert_int_equal(ask("GET", "instances?all=true", ""), 200);
    assert_non_null(strstr(text, "\"state\":\"stopped\""));
    assert_int_equal(ask("PUT", "instances/new/outbound-handler", "{\"method\":\"noHttp\"}"), 200);
    /* what was set is there for its first sandbox, and after a kill of everything */
    daemon_again();
    create("new");
    expect("instances/new/call/state", "[]", 200, "noHttp");
    expect("instances/0000000000000000000000000000000000000000000000000000000000000000/call/x",
           "[]", 404, "not_found");
}

static void code_has_sandboxes(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        const char *part;
    } cases[] = {
        {"[\"idle\"]", "idle\\\":true"},
        {"[\"stop\"]", "\"payload\":\"{}\""},
        {"[\"run\",\"\",\"\",\"\",\"\",\"/\",\"\",\"echo\\u0000one\\u0000\"]",
         "\"out\":\"one\\n\""},
        {"[\"run\",\"i\",\"\",\"\",\"\",\"/\",\"\",\"cat\\u0000\"]", "\"out\":\"input\""},
        {"[\"run\",\"s\",\"\",\"\",\"\",\"\",\"X=y\\u0000\",\"echo $X\\u0000\"]",
         "\"out\":\"y\\n\""},
        {"[\"run\",\"\",\"\",\"\",\"\",\"/\",\"\",\"no-such\\u0000\"]", "\"payload\":\"127: "},
        {"[\"run\",\"\",\"\",\"\",\"\",\"/\",\"\",\"/etc/passwd\\u0000\"]", "\"payload\":\"126: "},
        {"[\"run\",\"xyz\",\"\",\"\",\"\",\"/\",\"\",\"true\\u0000\"]", "\"ok\":\"error\""},
        {"[\"run\",\"b\",\"\",\"\",\"label\",\"/\",\"\",\"sleep\\u000050\\u0000\"]", "\"fds\":0"},
        {"[\"processes\"]", "label"},
        {"[\"idle\"]", "idle\\\":true"},
        {"[\"session\",\"create\",\"mine\",\"/\",\"\"]", "\"ok\":\"ok\""},
        {"[\"session\",\"list\"]", "mine"},
        {"[\"session\",\"nonsense\"]", "\"ok\":\"error\""},
        {"[\"signal\",\"0\",\"9\"]", "\"ok\":\"error\""},
        {"[\"signal\",\"1\",\"99\"]", "\"ok\":\"error\""},
        {"[\"forget\",\"x\"]", "\"ok\":\"error\""},
        {"[\"logs\",\"77\"]", "\"ok\":\"error\""},
        {"[\"connect\",\"0\"]", "\"ok\":\"error\""},
        {"[\"connect\",\"1\"]", "ECONNREFUSED"},
        {"[\"nonsense\"]", "no such call"},
        {"[\"start\",\"{\\\"env\\\":{\\\"A B\\\":\\\"x\\\"}}\"]", "\"ok\":\"ok\""}, /* it runs */
        {"[\"destroy\"]", "\"payload\":\"{}\""},
        {"[\"start\",\"{\\\"env\\\":{\\\"A B\\\":\\\"x\\\"}}\"]", "option env"},
        {"[\"start\",\"[]\"]", "not a JSON object"},
        {"[\"start\",\"{\\\"other\\\":1}\"]", "no such option"},
        {"[\"signal\",\"1\",\"9\"]", "does not run"},
        {"[\"start\",\"{\\\"entrypoint\\\":[\\\"sleep\\\",\\\"60\\\"],\\\"internet\\\":false}\"]",
         "\"payload\":\"{}\""},
        {"[\"stop\",\"15\"]", "\"payload\":\"{}\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect("instances/c/call/container", cases[i].args, 200, cases[i].part);
    }
    expect("instances/c/call/heard", "[]", 200, "\\\"internet\\\":false");
    expect("instances/c/call/heard", "[]", 200, "exit 0\\n");
    assert_int_equal(ask("GET", "instances", ""), 200);
    assert_string_equal(text, "{\"instances\":[]}");
}

static void an_instance_begins_with_a_command(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"sleep\"",       "[]",  "[\"\"]", "[1]",
                                      "[\"a\\u0000b\"]", "null"};
    expect("instances", "{\"id\":\"c\",\"command\":[\"sleep\",\"50\"]}", 200,
           "\"command\":[\"sleep\",\"50\"]");
    expect("instances/c/call/container", "[\"processes\"]", 200, "command sleep 50");
    expect("instances/c/call/container", "[\"idle\"]", 200, "idle\\\":false");
    expect("instances", "{\"id\":\"c\",\"command\":[\"sleep\",\"60\"]}", 409, "\"running\"");
    create("c");
    assert_non_null(strstr(text, "\"command\":[\"sleep\",\"50\"]"));
    expect("instances", "{\"id\":\"n\",\"command\":[\"no-such\",\"x\"]}", 422, "not_found_inside");
    assert_non_null(strstr(text, "\"exit\":127"));
    assert_non_null(strstr(text, "the sandbox runs without it"));
    create("n");
    assert_non_null(strstr(text, "\"command\":[]"));
    expect("instances", "{\"id\":\"p\",\"command\":[\"/etc/passwd\"]}", 422, "\"exit\":126");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"id\":\"bad\",\"command\":%s}", bad[i]);
        expect("instances", body, 400, "bad_request");
    }
    expect("instances", "{\"id\":\"e\",\"command\":[\"true\"]}", 200, "\"running\"");
    until("POST", "instances/e/call/container", "[\"idle\"]", "idle\\\":true");
    expect("instances/e/call/heard", "[]", 200, "exit 0\\n");
    assert_int_equal(ask("DELETE", "instances/c", ""), 200);
    expect("instances/e/call/heard", "[]", 200, "lost 0\\n");
    create("c");
    assert_non_null(strstr(text, "\"command\":[]"));
}

/* The sandbox ends by itself: the runtime hears it, the next use makes a new one. */
static void a_sandbox_that_ends_is_told_and_made_anew(void **state)
{
    (void)state;
    create("a");
    long pid = number_of(text, "pid");
    create("b");
    kill((pid_t)pid, SIGKILL);
    until("POST", "instances/b/call/heard", "[]", "ENDED");
    until("GET", "instances", "", "{\"instances\":[{\"id\":");
    assert_null(strstr(text, "\"name\":\"a\""));
    expect("instances/a/call/container",
           "[\"run\",\"\",\"\",\"\",\"\",\"/\",\"\",\"echo\\u0000new\\u0000\"]", 200, "new");
}

static void a_dead_runtime_is_replaced(void **state)
{
    (void)state;
    create("a");
    assert_int_equal(ask("PUT", "instances/a/outbound-handler", "{\"method\":\"noHttp\"}"), 200);
    assert_int_equal(ask("POST", "instances/a/call/die", "[]"), 503);
    until("POST", "instances/a/call/heard", "[]", "ADD");
    assert_non_null(strstr(text, "noHttp"));
    assert_non_null(strstr(text, "FRONT"));
    assert_non_null(strstr(text, "again"));
    expect("instances/a/call/container",
           "[\"run\",\"\",\"\",\"\",\"\",\"/\",\"\",\"echo\\u0000on\\u0000\"]", 200, "on");
}

static pid_t child_named(pid_t parent, const char *name)
{
    char path[64];
    char words[256];
    DIR *d = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *e; d != NULL && found == 0 && (e = readdir(d)) != NULL;) {
        int ppid = 0;
        snprintf(path, sizeof path, "/proc/%.20s/stat", e->d_name);
        FILE *f = fopen(path, "r");
        if (f == NULL || fscanf(f, "%*d %*s %*c %d", &ppid) != 1 || ppid != parent) {
            if (f != NULL) {
                fclose(f);
            }
            continue;
        }
        fclose(f);
        snprintf(path, sizeof path, "/proc/%.20s/cmdline", e->d_name);
        f = fopen(path, "r");
        size_t n = f != NULL ? fread(words, 1, sizeof words - 1, f) : 0;
        words[n] = 0;
        if (f != NULL) {
            fclose(f);
        }
        if (memmem(words, n, name, strlen(name)) != NULL) {
            found = (pid_t)strtol(e->d_name, NULL, 10);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return found;
}

static void a_dead_front_door_is_replaced(void **state)
{
    (void)state;
    pid_t front = child_named(up.pid, "front");
    assert_true(front > 0);
    kill(front, SIGKILL);
    until("POST", "instances/a/call/heard", "[]", "FRONT\\nFRONT");
    assert_true(child_named(up.pid, "front") != front);
}

/* One call of ctx.storage's alarms. */
static void alarm_call(const char *id, const char *op, const char *time, const char *part)
{
    char args[256];
    snprintf(args, sizeof args, "[\"%s\",\"%s\",\"%s\"]", id, op, time);
    expect("instances/a/call/alarm", args, 200, part);
}

static void alarms_ring(void **state)
{
    (void)state;
    create("a");
    char id[65];
    id_take(id);
    alarm_call(id, "get", "", "[\"ok\",\"\"]");
    alarm_call(id, "set", "4102444800000", "[\"ok\",\"\"]");
    alarm_call(id, "get", "", "4102444800000");
    alarm_call(id, "delete", "", "[\"ok\",\"\"]");
    alarm_call(id, "get", "", "[\"ok\",\"\"]");
    alarm_call(id, "set", "soon", "error");
    alarm_call(id, "shake", "1", "error");
    /* one that fails is fired again, and says so */
    expect("instances/a/call/failFires", "[1]", 200, "null");
    alarm_call(id, "set", "1", "ok");
    until("POST", "instances/a/call/heard", "[]", "\\\"retryCount\\\":1,\\\"isRetry\\\":true");
    assert_non_null(strstr(text, "alarm"));
    alarm_call(id, "get", "", "[\"ok\",\"\"]");
}

static void an_alarm_outlives_a_kill(void **state)
{
    char at[24];
    (void)state;
    create("a");
    char id[65];
    id_take(id);
    snprintf(at, sizeof at, "%llu", (unsigned long long)clock_wall_ms() + 700);
    alarm_call(id, "set", at, "ok");
    daemon_again();
    until("POST", "instances/a/call/heard", "[]", "FIRE alarm");
    assert_non_null(strstr(text, id));
    assert_non_null(strstr(text, "Box a"));
}

static void scheduled_is_run_by_hand(void **state)
{
    (void)state;
    expect("scheduled", "{\"cron\":\"*/5 * * * *\"}", 200, "{}");
    expect("scheduled", "", 200, "{}");
    expect("scheduled", "{\"corn\":\"x\"}", 400, "bad_request");
    expect("instances/a/call/heard", "[]", 200, "*/5 * * * *");
}

#define APP(name)                                                                                  \
    "{\"app\":{\"name\":\"" name "\",\"module\":true},\"bundle\":\"x\",\"map\":\"{}\"}"

static void deploys(void **state)
{
    (void)state;
    /* one that does not load never reaches the runtime that serves */
    assert_int_equal(ask("PUT", "app", APP("broken")), 400);
    assert_non_null(strstr(text, "app.ts:3:7: expected"));
    assert_int_equal(ask("PUT", "app", APP("hungry")), 400);
    assert_non_null(strstr(text, "CPU or memory limit while it loaded"));
    expect("instances/a/call/heard", "[]", 200, "FRONT\\n");
    assert_null(strstr(text, "DEPLOY"));
    assert_int_equal(ask("PUT", "app", APP("refused")), 400);
    assert_non_null(strstr(text, "src/index.ts:2:5"));
    assert_int_equal(ask("PUT", "app", "{\"app\":{}}"), 400);
    assert_int_equal(ask("PUT", "app", "nonsense"), 400);
    assert_int_equal(
        ask("PUT", "app", "{\"app\":{},\"bundle\":\"\",\"map\":\"\",\"crons\":[\"* *\"]}"), 400);
    assert_non_null(strstr(text, "five fields"));
    assert_int_equal(ask("PUT", "app", APP("second")), 200);
    assert_non_null(strstr(text, "\"version\":2"));
    assert_non_null(strstr(text, "\"second\":true"));
    assert_int_equal(ask("GET", "health", ""), 200);
    assert_non_null(strstr(text, "\"app\":\"second\""));
    /* a successor of the runtime begins with it */
    assert_int_equal(ask("POST", "instances/a/call/die", "[]"), 503);
    until("PUT", "app", APP("third"), "\"version\":3");
    assert_non_null(strstr(text, "\"before\":{\"classes\":[],\"second\":true}"));
}

static void write_vars(const char *name, const char *vars, char path[128])
{
    snprintf(path, 128, "%s/%s", up.dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    assert_true(fputs(vars, f) >= 0);
    fclose(f);
}

static void deploy_vars(const char *path)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"app\":{\"name\":\"n\",\"module\":true},\"bundle\":\"x\",\"map\":\"{}\","
             "\"dev_vars\":%s%s%s}",
             path != NULL ? "\"" : "", path != NULL ? path : "null", path != NULL ? "\"" : "");
    assert_int_equal(ask("PUT", "app", body), 200);
}

/* `.dev.vars` may appear, be another, and go, with a deploy. */
static void deploys_bring_their_secrets(void **state)
{
    char one[128];
    char two[128];
    (void)state;
    write_vars(".dev.vars", "ONE=1\nKEPT=1\n", one);
    write_vars("other.vars", "TWO=2\nKEPT=1\nSAME=3\n", two);
    assert_int_equal(ask("PUT", "secrets/HAND", "put"), 200);
    deploy_vars(one);
    until("GET", "secrets", "", "{\"names\":[\"HAND\",\"ONE\",\"KEPT\"]}");
    /* what was put by hand since is not put back by a file that says the same as before */
    assert_int_equal(ask("PUT", "secrets/KEPT", "by hand"), 200);
    deploy_vars(two);
    until("GET", "secrets", "", "{\"names\":[\"HAND\",\"KEPT\",\"TWO\",\"SAME\"]}");
    expect("instances/a/call/secret", "[]", 200, "{\"ONE\":\"\"}"); /* the last it was told */
    /* it is that one that is watched now */
    write_vars(".dev.vars", "NEVER=1\n", one);
    write_vars("other.vars", "LATER=2\nKEPT=1\n", two);
    until("GET", "secrets", "", "{\"names\":[\"HAND\",\"KEPT\",\"LATER\"]}");
    deploy_vars(NULL);
    until("GET", "secrets", "", "{\"names\":[\"HAND\"]}");
}

/* ---- start and end ---- */

static void who_has_it_is_said(void **state)
{
    struct run second;
    char pid[32];
    (void)state;
    snprintf(pid, sizeof pid, "process %d", (int)up.pid);
    up_init(&second);
    free(second.spec.state_dir);
    second.spec.state_dir = strdup(up.spec.state_dir);
    run_start(&second, folder);
    assert_int_equal(run_wait(&second, output, sizeof output), 125);
    assert_non_null(strstr(output, pid));
    assert_non_null(strstr(output, up.socket));
    assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
    run_end(&second);

    up_init(&second);
    free(second.spec.socket);
    second.spec.socket = strdup(up.socket);
    run_start(&second, folder);
    assert_int_equal(run_wait(&second, output, sizeof output), 125);
    assert_non_null(strstr(output, pid));
    assert_int_equal(ask("GET", "health", ""), 200);
    run_end(&second);

    up_init(&second);
    free(second.spec.listen);
    const char *at = strstr(text, "\"listen\":\"") + 10;
    second.spec.listen = strndup(at, strcspn(at, "\""));
    run_start(&second, folder);
    assert_int_equal(run_wait(&second, output, sizeof output), 125);
    assert_non_null(strstr(output, "the port is in use"));
    assert_non_null(strstr(output, "--listen"));
    run_end(&second);
}

static void an_app_that_does_not_load_ends_it(void **state)
{
    struct run r;
    (void)state;
    up_init(&r);
    free(r.spec.app);
    r.spec.app = strdup("{\"name\":\"broken\",\"module\":true}");
    run_start(&r, folder);
    assert_int_equal(run_wait(&r, output, sizeof output), 125);
    assert_non_null(strstr(output, "app.ts:3:7"));
    run_end(&r);
}

static void nothing_is_left_at_the_end(void **state)
{
    char path[256];
    (void)state;
    create("a");
    create("b");
    long inside = number_of(text, "pid");
    pid_t front = child_named(up.pid, "front");
    kill(up.pid, SIGTERM);
    assert_int_equal(run_wait(&up, output, sizeof output), 0);
    assert_int_equal(kill((pid_t)inside, 0), -1);
    assert_int_equal(kill(front, 0), -1);
    assert_int_equal(access(up.socket, F_OK), -1);
    snprintf(path, sizeof path, "%s/daemon.lock", up.spec.state_dir);
    assert_int_equal(access(path, F_OK), -1);
}

static void the_second_signal_ends_at_once(void **state)
{
    static struct duplex d;
    (void)state;
    create("a");
    /* it hears no SIGTERM: the end of the sandbox would take five seconds */
    duplex_open(&d,
                "{\"argv\":[\"sh\",\"-c\",\"trap '' TERM; echo x; while :; do sleep 1; done\"]}");
    assert_int_equal(frame_take(&d), 1);
    kill(up.pid, SIGTERM);
    until("POST", "instances/other/exec", "{\"argv\":[\"true\"]}", "");
    kill(up.pid, SIGINT);
    uint64_t since = clock_monotonic_ms();
    assert_int_equal(run_wait(&up, output, sizeof output), 128 + SIGINT);
    assert_true(clock_monotonic_ms() - since < 3000);
    close(d.fd);
}

/* Without an answer to wait for, and with nothing left. */
static void sigquit_ends_at_once(void **state)
{
    (void)state;
    create("a");
    long inside = number_of(text, "pid");
    kill(up.pid, SIGQUIT);
    assert_int_equal(run_wait(&up, output, sizeof output), 128 + SIGQUIT);
    assert_int_equal(kill((pid_t)inside, 0), -1);
    assert_int_equal(access(up.socket, F_OK), -1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(instances_come_and_go),
        WITH_DAEMON(a_name_of_two_classes_is_not_guessed),
        WITH_DAEMON(calls_need_no_sandbox),
        WITH_DAEMON(code_has_sandboxes),
        WITH_DAEMON(an_instance_begins_with_a_command),
        WITH_DAEMON(a_sandbox_that_ends_is_told_and_made_anew),
        WITH_DAEMON(a_dead_runtime_is_replaced),
        WITH_DAEMON(a_dead_front_door_is_replaced),
        WITH_DAEMON(alarms_ring),
        WITH_DAEMON(an_alarm_outlives_a_kill),
        WITH_DAEMON(scheduled_is_run_by_hand),
        WITH_DAEMON(deploys),
        WITH_DAEMON(deploys_bring_their_secrets),
        WITH_DAEMON(who_has_it_is_said),
        cmocka_unit_test(an_app_that_does_not_load_ends_it),
        WITH_DAEMON(nothing_is_left_at_the_end),
        WITH_DAEMON(the_second_signal_ends_at_once),
        WITH_DAEMON(sigquit_ends_at_once),
    };
    if (argc != 2) {
        return 2;
    }
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
