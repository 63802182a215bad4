/* The daemon as a process, with stand-ins for its children and the real agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "harness.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DEADLINE_MS 10000u

static const char *folder;
static char text[1 << 20];
static char output[65536];

static void start(struct run *r)
{
    up_init(r);
    run_start(r, folder);
    run_expect(r, "serving http://127.0.0.1:");
}

static void again(struct run *r)
{
    run_start(r, folder);
    run_expect(r, "serving http://127.0.0.1:");
}

static void stop(struct run *r)
{
    kill(r->pid, SIGTERM);
    assert_int_equal(run_wait(r, output, sizeof output), 0);
    run_end(r);
}

/* Asks until the answer has `part`. */
static void until(struct run *r, const char *method, const char *path, const char *body,
                  const char *part)
{
    uint64_t since = clock_monotonic_ms();
    do {
        run_ask(r, method, path, body, text, sizeof text);
        if (clock_monotonic_ms() - since > DEADLINE_MS) {
            fail_msg("%s never had %s: %s", path, part, text);
        }
    } while (strstr(text, part) == NULL);
}

static void expect(struct run *r, const char *path, const char *body, int status, const char *part)
{
    int got = run_ask(r, "POST", path, body, text, sizeof text);
    if (got != status || strstr(text, part) == NULL) {
        fail_msg("POST %s %s: %d, expected %d with %s: %s", path, body, got, status, part, text);
    }
}

static void create(struct run *r, const char *name)
{
    char body[128];
    snprintf(body, sizeof body, "{\"id\":\"%s\"}", name);
    expect(r, "instances", body, 200, "\"state\":\"running\"");
}

static void instances_come_and_go(void **state)
{
    struct run r;
    (void)state;
    start(&r);
    assert_int_equal(run_ask(&r, "GET", "health", "", text, sizeof text), 200);
    assert_non_null(strstr(text, "\"mode\":\"up\""));
    assert_non_null(strstr(text, "\"listen\":\"127.0.0.1:"));
    create(&r, "alice");
    assert_non_null(strstr(text, "\"name\":\"alice\""));
    assert_non_null(strstr(text, "\"class\":\"Box\""));
    create(&r, "alice");
    create(&r, "bob");
    assert_int_equal(run_ask(&r, "GET", "instances", "", text, sizeof text), 200);
    assert_non_null(strstr(text, "\"alice\""));
    assert_non_null(strstr(text, "\"bob\""));
    expect(&r, "instances/alice/call/heard", "[]", 200, "STARTED");
    assert_int_equal(run_ask(&r, "DELETE", "instances/alice", "", text, sizeof text), 200);
    expect(&r, "instances/bob/call/heard", "[]", 200, "ENDED");
    expect(&r, "instances/bob/call/heard", "[]", 200, "REMOVE");
    assert_int_equal(run_ask(&r, "GET", "instances/alice", "", text, sizeof text), 404);
    assert_int_equal(run_ask(&r, "DELETE", "instances/alice", "", text, sizeof text), 404);
    expect(&r, "instances", "{\"id\":\"x\",\"class\":\"Missing\"}", 400, "not exported");
    expect(&r, "instances", "{\"id\":\"\"}", 400, "bad_request");
    expect(&r, "instances", "{\"id\":\"x\",\"more\":1}", 400, "bad_request");
    stop(&r);
}

static void a_name_of_two_classes_is_not_guessed(void **state)
{
    struct run r;
    char id[65];
    char path[128];
    (void)state;
    start(&r);
    create(&r, "n");
    memcpy(id, strstr(text, "\"id\":\"") + 6, 64);
    id[64] = 0;
    expect(&r, "instances", "{\"id\":\"n\",\"class\":\"Other\"}", 200, "\"Other\"");
    assert_int_equal(run_ask(&r, "GET", "instances/n", "", text, sizeof text), 409);
    assert_non_null(strstr(text, "ambiguous"));
    assert_non_null(strstr(text, id));
    snprintf(path, sizeof path, "instances/%s", id);
    assert_int_equal(run_ask(&r, "GET", path, "", text, sizeof text), 200);
    assert_non_null(strstr(text, "\"class\":\"Box\""));
    stop(&r);
}

/* A method needs no sandbox; a name that was never used is its object's. */
static void calls_need_no_sandbox(void **state)
{
    struct run r;
    (void)state;
    start(&r);
    expect(&r, "instances/new/call/echo", "[1,2]", 200, "[1,2]");
    assert_int_equal(run_ask(&r, "GET", "instances", "", text, sizeof text), 200);
    assert_string_equal(text, "{\"instances\":[]}");
    assert_int_equal(run_ask(&r, "GET", "instances?all=true", "", text, sizeof text), 200);
    assert_non_null(strstr(text, "\"state\":\"stopped\""));
    assert_int_equal(run_ask(&r, "PUT", "instances/new/outbound-handler", "{\"method\":\"noHttp\"}",
                             text, sizeof text),
                     200);
    /* what was set is there for its first sandbox, and after a kill of everything */
    kill(r.pid, SIGKILL);
    waitpid(r.pid, NULL, 0);
    close_fd(&r.out);
    again(&r);
    create(&r, "new");
    expect(&r, "instances/new/call/state", "[]", 200, "noHttp");
    expect(&r, "instances/0000000000000000000000000000000000000000000000000000000000000000/call/x",
           "[]", 404, "not_found");
    stop(&r);
}

static void code_has_sandboxes(void **state)
{
    struct run r;
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
    start(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(&r, "instances/c/call/container", cases[i].args, 200, cases[i].part);
    }
    expect(&r, "instances/c/call/heard", "[]", 200, "\\\"internet\\\":false");
    expect(&r, "instances/c/call/heard", "[]", 200, "exit 0\\n");
    assert_int_equal(run_ask(&r, "GET", "instances", "", text, sizeof text), 200);
    assert_string_equal(text, "{\"instances\":[]}");
    stop(&r);
}

static void an_instance_begins_with_a_command(void **state)
{
    struct run r;
    (void)state;
    static const char *const bad[] = {"\"sleep\"",       "[]",  "[\"\"]", "[1]",
                                      "[\"a\\u0000b\"]", "null"};
    start(&r);
    expect(&r, "instances", "{\"id\":\"c\",\"command\":[\"sleep\",\"50\"]}", 200,
           "\"command\":[\"sleep\",\"50\"]");
    expect(&r, "instances/c/call/container", "[\"processes\"]", 200, "command sleep 50");
    expect(&r, "instances/c/call/container", "[\"idle\"]", 200, "idle\\\":false");
    expect(&r, "instances", "{\"id\":\"c\",\"command\":[\"sleep\",\"60\"]}", 409, "\"running\"");
    create(&r, "c");
    assert_non_null(strstr(text, "\"command\":[\"sleep\",\"50\"]"));
    expect(&r, "instances", "{\"id\":\"n\",\"command\":[\"no-such\",\"x\"]}", 422,
           "not_found_inside");
    assert_non_null(strstr(text, "\"exit\":127"));
    assert_non_null(strstr(text, "the sandbox runs without it"));
    create(&r, "n");
    assert_non_null(strstr(text, "\"command\":[]"));
    expect(&r, "instances", "{\"id\":\"p\",\"command\":[\"/etc/passwd\"]}", 422, "\"exit\":126");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"id\":\"bad\",\"command\":%s}", bad[i]);
        expect(&r, "instances", body, 400, "bad_request");
    }
    expect(&r, "instances", "{\"id\":\"e\",\"command\":[\"true\"]}", 200, "\"running\"");
    until(&r, "POST", "instances/e/call/container", "[\"idle\"]", "idle\\\":true");
    expect(&r, "instances/e/call/heard", "[]", 200, "exit 0\\n");
    assert_int_equal(run_ask(&r, "DELETE", "instances/c", "", text, sizeof text), 200);
    expect(&r, "instances/e/call/heard", "[]", 200, "lost 0\\n");
    create(&r, "c");
    assert_non_null(strstr(text, "\"command\":[]"));
    stop(&r);
}

/* The sandbox ends by itself: the runtime hears it, the next use makes a new one. */
static void a_sandbox_that_ends_is_told_and_made_anew(void **state)
{
    struct run r;
    (void)state;
    start(&r);
    create(&r, "a");
    long pid = number_of(text, "pid");
    create(&r, "b");
    kill((pid_t)pid, SIGKILL);
    until(&r, "POST", "instances/b/call/heard", "[]", "ENDED");
    until(&r, "GET", "instances", "", "{\"instances\":[{\"id\":");
    assert_null(strstr(text, "\"name\":\"a\""));
    expect(&r, "instances/a/call/container",
           "[\"run\",\"\",\"\",\"\",\"\",\"/\",\"\",\"echo\\u0000new\\u0000\"]", 200, "new");
    stop(&r);
}

static void a_dead_runtime_is_replaced(void **state)
{
    struct run r;
    (void)state;
    start(&r);
    create(&r, "a");
    assert_int_equal(run_ask(&r, "PUT", "instances/a/outbound-handler", "{\"method\":\"noHttp\"}",
                             text, sizeof text),
                     200);
    assert_int_equal(run_ask(&r, "POST", "instances/a/call/die", "[]", text, sizeof text), 503);
    until(&r, "POST", "instances/a/call/heard", "[]", "ADD");
    assert_non_null(strstr(text, "noHttp"));
    assert_non_null(strstr(text, "FRONT"));
    assert_non_null(strstr(text, "again"));
    expect(&r, "instances/a/call/container",
           "[\"run\",\"\",\"\",\"\",\"\",\"/\",\"\",\"echo\\u0000on\\u0000\"]", 200, "on");
    stop(&r);
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
    struct run r;
    (void)state;
    start(&r);
    pid_t front = child_named(r.pid, "front");
    assert_true(front > 0);
    kill(front, SIGKILL);
    until(&r, "POST", "instances/a/call/heard", "[]", "FRONT\\nFRONT");
    assert_true(child_named(r.pid, "front") != front);
    stop(&r);
}

static void alarms_ring(void **state)
{
    struct run r;
    char args[256];
    (void)state;
    start(&r);
    create(&r, "a");
    char id[65] = "";
    memcpy(id, strstr(text, "\"id\":\"") + 6, 64);
    snprintf(args, sizeof args, "[\"%s\",\"get\",\"\"]", id);
    expect(&r, "instances/a/call/alarm", args, 200, "[\"ok\",\"\"]");
    snprintf(args, sizeof args, "[\"%s\",\"set\",\"4102444800000\"]", id);
    expect(&r, "instances/a/call/alarm", args, 200, "[\"ok\",\"\"]");
    snprintf(args, sizeof args, "[\"%s\",\"get\",\"\"]", id);
    expect(&r, "instances/a/call/alarm", args, 200, "4102444800000");
    snprintf(args, sizeof args, "[\"%s\",\"delete\",\"\"]", id);
    expect(&r, "instances/a/call/alarm", args, 200, "[\"ok\",\"\"]");
    snprintf(args, sizeof args, "[\"%s\",\"get\",\"\"]", id);
    expect(&r, "instances/a/call/alarm", args, 200, "[\"ok\",\"\"]");
    snprintf(args, sizeof args, "[\"%s\",\"set\",\"soon\"]", id);
    expect(&r, "instances/a/call/alarm", args, 200, "error");
    snprintf(args, sizeof args, "[\"%s\",\"shake\",\"1\"]", id);
    expect(&r, "instances/a/call/alarm", args, 200, "error");
    /* one that fails is fired again, and says so */
    expect(&r, "instances/a/call/failFires", "[1]", 200, "null");
    snprintf(args, sizeof args, "[\"%s\",\"set\",\"1\"]", id);
    expect(&r, "instances/a/call/alarm", args, 200, "ok");
    until(&r, "POST", "instances/a/call/heard", "[]", "\\\"retryCount\\\":1,\\\"isRetry\\\":true");
    assert_non_null(strstr(text, "alarm"));
    snprintf(args, sizeof args, "[\"%s\",\"get\",\"\"]", id);
    expect(&r, "instances/a/call/alarm", args, 200, "[\"ok\",\"\"]");
    stop(&r);
}

static void an_alarm_outlives_a_kill(void **state)
{
    struct run r;
    char args[256];
    (void)state;
    start(&r);
    create(&r, "a");
    char id[65] = "";
    memcpy(id, strstr(text, "\"id\":\"") + 6, 64);
    snprintf(args, sizeof args, "[\"%s\",\"set\",\"%llu\"]", id,
             (unsigned long long)clock_wall_ms() + 700);
    expect(&r, "instances/a/call/alarm", args, 200, "ok");
    kill(r.pid, SIGKILL);
    waitpid(r.pid, NULL, 0);
    close_fd(&r.out);
    again(&r);
    until(&r, "POST", "instances/a/call/heard", "[]", "FIRE alarm");
    assert_non_null(strstr(text, id));
    assert_non_null(strstr(text, "Box a"));
    stop(&r);
}

static void scheduled_is_run_by_hand(void **state)
{
    struct run r;
    (void)state;
    start(&r);
    expect(&r, "scheduled", "{\"cron\":\"*/5 * * * *\"}", 200, "{}");
    expect(&r, "scheduled", "", 200, "{}");
    expect(&r, "scheduled", "{\"corn\":\"x\"}", 400, "bad_request");
    expect(&r, "instances/a/call/heard", "[]", 200, "*/5 * * * *");
    stop(&r);
}

#define APP(name)                                                                                  \
    "{\"app\":{\"name\":\"" name "\",\"module\":true},\"bundle\":\"x\",\"map\":\"{}\"}"

static void deploys(void **state)
{
    struct run r;
    (void)state;
    start(&r);
    /* one that does not load never reaches the runtime that serves */
    assert_int_equal(run_ask(&r, "PUT", "app", APP("broken"), text, sizeof text), 400);
    assert_non_null(strstr(text, "app.ts:3:7: expected"));
    assert_int_equal(run_ask(&r, "PUT", "app", APP("hungry"), text, sizeof text), 400);
    assert_non_null(strstr(text, "CPU or memory limit while it loaded"));
    expect(&r, "instances/a/call/heard", "[]", 200, "FRONT\\n");
    assert_null(strstr(text, "DEPLOY"));
    assert_int_equal(run_ask(&r, "PUT", "app", APP("refused"), text, sizeof text), 400);
    assert_non_null(strstr(text, "src/index.ts:2:5"));
    assert_int_equal(run_ask(&r, "PUT", "app", "{\"app\":{}}", text, sizeof text), 400);
    assert_int_equal(run_ask(&r, "PUT", "app", "nonsense", text, sizeof text), 400);
    assert_int_equal(run_ask(&r, "PUT", "app",
                             "{\"app\":{},\"bundle\":\"\",\"map\":\"\",\"crons\":[\"* *\"]}", text,
                             sizeof text),
                     400);
    assert_non_null(strstr(text, "five fields"));
    assert_int_equal(run_ask(&r, "PUT", "app", APP("second"), text, sizeof text), 200);
    assert_non_null(strstr(text, "\"version\":2"));
    assert_non_null(strstr(text, "\"second\":true"));
    assert_int_equal(run_ask(&r, "GET", "health", "", text, sizeof text), 200);
    assert_non_null(strstr(text, "\"app\":\"second\""));
    /* a successor of the runtime begins with it */
    assert_int_equal(run_ask(&r, "POST", "instances/a/call/die", "[]", text, sizeof text), 503);
    until(&r, "PUT", "app", APP("third"), "\"version\":3");
    assert_non_null(strstr(text, "\"before\":{\"classes\":[],\"second\":true}"));
    stop(&r);
}

/* ---- exec ---- */

static void exec_gathers(void **state)
{
    struct run r;
    (void)state;
    start(&r);
    expect(&r, "instances/nobody/exec", "{\"argv\":[\"true\"]}", 404, "not_found");
    create(&r, "a");
    expect(&r, "instances/a/exec",
           "{\"argv\":[\"sh\",\"-c\",\"cat; echo $X >&2; exit "
           "3\"],\"env\":[\"X=y\"],\"input\":\"in\"}",
           200, "\"exitCode\":3");
    assert_non_null(strstr(text, "\"stdout\":\"in\""));
    assert_non_null(strstr(text, "\"stderr\":\"y\\n\""));
    expect(&r, "instances/a/exec", "{\"argv\":[\"printf\",\"\\\\377\"]}", 200,
           "\"stdoutBase64\":true,\"stdout\":\"/w==\"");
    expect(&r, "instances/a/exec", "{\"argv\":[\"no-such\"]}", 422, "\"exit\":127");
    expect(&r, "instances/a/exec", "{\"argv\":[\"/etc/passwd\"]}", 422, "\"exit\":126");
    expect(&r, "instances/a/exec", "{\"argv\":[\"sleep\",\"9\"],\"timeout_ms\":50}", 200,
           "\"timedOut\":true");
    expect(&r, "instances/a/exec", "{\"argv\":[\"sh\",\"-c\",\"kill -9 $$\"]}", 200,
           "\"signal\":9");
    expect(&r, "instances/a/exec", "{\"argv\":[]}", 400, "bad_request");
    expect(&r, "instances/a/exec", "{\"argv\":[\"x\"],\"shell\":\"x\"}", 400, "bad_request");
    expect(&r, "instances/a/exec", "{}", 400, "bad_request");
    expect(&r, "instances/a/exec", "{\"argv\":[\"sh\",\"-c\",\"head -c 9000000 /dev/zero\"]}", 200,
           "\"truncated\":true");
    stop(&r);
}

struct duplex {
    int fd;
    size_t len;
    unsigned char bytes[1 << 17];
};

static void duplex_open(struct run *r, struct duplex *d, const char *body)
{
    d->fd = run_connect(r);
    d->len = 0;
    assert_true(d->fd >= 0);
    dprintf(d->fd,
            "POST /v1/instances/a/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
            "sallyport-exec\r\nContent-Length: %zu\r\n\r\n%s",
            strlen(body), body);
    char head[256] = "";
    for (size_t n = 0; strstr(head, "\r\n\r\n") == NULL; n++) {
        assert_true(n < sizeof head - 1);
        assert_int_equal(read(d->fd, head + n, 1), 1);
    }
    assert_non_null(strstr(head, "101 Switching Protocols"));
}

/* false: the other end has closed. */
static bool frame_try(struct duplex *d, unsigned char type, const void *bytes, size_t len)
{
    unsigned char head[8] = {type,
                             0,
                             0,
                             0,
                             0,
                             (unsigned char)(len >> 16),
                             (unsigned char)(len >> 8),
                             (unsigned char)len};
    return send(d->fd, head, sizeof head, MSG_NOSIGNAL) == (ssize_t)sizeof head &&
           (len == 0 || send(d->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static void frame_send(struct duplex *d, unsigned char type, const void *bytes, size_t len)
{
    assert_true(frame_try(d, type, bytes, len));
}

static void take(int fd, void *to, size_t len)
{
    for (size_t at = 0; at < len;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
        ssize_t n = read(fd, (char *)to + at, len - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
}

/* The next frame: its type; the payload in d->bytes. */
static int frame_take(struct duplex *d)
{
    unsigned char head[8];
    take(d->fd, head, sizeof head);
    d->len = (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
    assert_true(d->len <= 65536);
    take(d->fd, d->bytes, d->len);
    d->bytes[d->len] = 0;
    return head[0];
}

static int frame_take_but_credit(struct duplex *d)
{
    int type;
    do {
        type = frame_take(d);
    } while (type == 4);
    return type;
}

static void exec_goes_both_ways(void **state)
{
    struct run r;
    static struct duplex d;
    (void)state;
    start(&r);
    create(&r, "a");
    duplex_open(&r, &d, "{\"argv\":[\"cat\"],\"stdin\":true}");
    frame_send(&d, 0, "hello", 5);
    assert_int_equal(frame_take_but_credit(&d), 1);
    assert_string_equal((char *)d.bytes, "hello");
    frame_send(&d, 0, NULL, 0);
    assert_int_equal(frame_take_but_credit(&d), 3);
    assert_int_equal(d.bytes[0], 0);
    assert_int_equal(d.bytes[1], 0);
    assert_int_equal(read(d.fd, d.bytes, 1), 0);
    close(d.fd);

    duplex_open(&r, &d, "{\"argv\":[\"sh\",\"-c\",\"echo e >&2; exec sleep 60\"]}");
    assert_int_equal(frame_take(&d), 2);
    frame_send(&d, 6, "\x0f", 1);
    assert_int_equal(frame_take(&d), 3);
    assert_int_equal(d.bytes[0], 1);
    assert_int_equal(d.bytes[1], 15);
    close(d.fd);

    duplex_open(&r, &d,
                "{\"argv\":[\"sh\",\"-c\",\"stty size; read x; stty size\"],\"stdin\":true,\"tty\":"
                "{\"rows\":11,\"cols\":22}}");
    assert_int_equal(frame_take_but_credit(&d), 1);
    assert_non_null(strstr((char *)d.bytes, "11 22"));
    frame_send(&d, 5, "\x00\x21\x00\x2c", 4);
    frame_send(&d, 0, "\n", 1);
    char seen[4096] = "";
    size_t len = 0;
    while (frame_take_but_credit(&d) == 1 && len + d.len < sizeof seen) {
        memcpy(seen + len, d.bytes, d.len);
        len += d.len;
    }
    assert_non_null(strstr(seen, "33 44"));
    close(d.fd);
    stop(&r);
}

/* 20 MiB through a reader that stops at first; the daemon holds no more than a little of it. */
static void a_slow_reader_stops_the_process(void **state)
{
    struct run r;
    static struct duplex d;
    (void)state;
    start(&r);
    create(&r, "a");
    duplex_open(&r, &d, "{\"argv\":[\"head\",\"-c\",\"20000000\",\"/dev/zero\"]}");
    assert_int_equal(run_ask(&r, "GET", "health", "", text, sizeof text), 200);
    size_t total = 0;
    while (frame_take(&d) == 1) {
        total += d.len;
    }
    assert_int_equal(total, 20000000);
    close(d.fd);
    stop(&r);
}

/* One that takes no credit into account, sends what no client may, or leaves: its process ends. */
static void a_client_that_breaks_a_rule_ends_its_process(void **state)
{
    struct run r;
    static struct duplex d;
    static char junk[65536];
    (void)state;
    start(&r);
    create(&r, "a");
    for (int how = 0; how < 4; how++) {
        char byte;
        duplex_open(&r, &d, "{\"argv\":[\"sleep\",\"77\"],\"stdin\":true}");
        /* It is closed on us while we send. */
        if (how == 0) { /* over its credit */
            for (int n = 0; n < 8 && frame_try(&d, 0, junk, 65536); n++) {
            }
        } else if (how == 1) {
            frame_try(&d, 3, "xx", 2);
        } else if (how == 2) {
            assert_int_equal(send(d.fd, "\0\0\0\1nonsense", 12, MSG_NOSIGNAL), 12);
        } else {
            shutdown(d.fd, SHUT_WR);
        }
        ssize_t n;
        while ((n = read(d.fd, &byte, 1)) > 0) {
        }
        close(d.fd);
        until(&r, "POST", "instances/a/exec",
              "{\"argv\":[\"sh\",\"-c\",\"ps ax | grep -c '[s]leep 77'\"]}", "\"stdout\":\"0\\n\"");
    }
    stop(&r);
}

/* ---- start and end ---- */

static void who_has_it_is_said(void **state)
{
    struct run first;
    struct run second;
    char pid[32];
    (void)state;
    start(&first);
    snprintf(pid, sizeof pid, "process %d", (int)first.pid);
    up_init(&second);
    free(second.spec.state_dir);
    second.spec.state_dir = strdup(first.spec.state_dir);
    run_start(&second, folder);
    assert_int_equal(run_wait(&second, output, sizeof output), 125);
    assert_non_null(strstr(output, pid));
    assert_non_null(strstr(output, first.socket));
    assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
    run_end(&second);

    up_init(&second);
    free(second.spec.socket);
    second.spec.socket = strdup(first.socket);
    run_start(&second, folder);
    assert_int_equal(run_wait(&second, output, sizeof output), 125);
    assert_non_null(strstr(output, pid));
    assert_int_equal(run_ask(&first, "GET", "health", "", text, sizeof text), 200);
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
    stop(&first);
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
    struct run r;
    char path[256];
    (void)state;
    start(&r);
    create(&r, "a");
    create(&r, "b");
    long inside = number_of(text, "pid");
    pid_t front = child_named(r.pid, "front");
    kill(r.pid, SIGTERM);
    assert_int_equal(run_wait(&r, output, sizeof output), 0);
    assert_int_equal(kill((pid_t)inside, 0), -1);
    assert_int_equal(kill(front, 0), -1);
    assert_int_equal(access(r.socket, F_OK), -1);
    snprintf(path, sizeof path, "%s/daemon.lock", r.spec.state_dir);
    assert_int_equal(access(path, F_OK), -1);
    run_end(&r);
}

static void the_second_signal_ends_at_once(void **state)
{
    struct run r;
    static struct duplex d;
    (void)state;
    start(&r);
    create(&r, "a");
    /* it hears no SIGTERM: the end of the sandbox would take five seconds */
    duplex_open(&r, &d,
                "{\"argv\":[\"sh\",\"-c\",\"trap '' TERM; echo x; while :; do sleep 1; done\"]}");
    assert_int_equal(frame_take(&d), 1);
    kill(r.pid, SIGTERM);
    until(&r, "POST", "instances/other/exec", "{\"argv\":[\"true\"]}", "");
    kill(r.pid, SIGINT);
    uint64_t since = clock_monotonic_ms();
    assert_int_equal(run_wait(&r, output, sizeof output), 128 + SIGINT);
    assert_true(clock_monotonic_ms() - since < 3000);
    close(d.fd);
    run_end(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_come_and_go),
        cmocka_unit_test(a_name_of_two_classes_is_not_guessed),
        cmocka_unit_test(calls_need_no_sandbox),
        cmocka_unit_test(code_has_sandboxes),
        cmocka_unit_test(an_instance_begins_with_a_command),
        cmocka_unit_test(a_sandbox_that_ends_is_told_and_made_anew),
        cmocka_unit_test(a_dead_runtime_is_replaced),
        cmocka_unit_test(a_dead_front_door_is_replaced),
        cmocka_unit_test(alarms_ring),
        cmocka_unit_test(an_alarm_outlives_a_kill),
        cmocka_unit_test(scheduled_is_run_by_hand),
        cmocka_unit_test(deploys),
        cmocka_unit_test(exec_gathers),
        cmocka_unit_test(exec_goes_both_ways),
        cmocka_unit_test(a_slow_reader_stops_the_process),
        cmocka_unit_test(a_client_that_breaks_a_rule_ends_its_process),
        cmocka_unit_test(who_has_it_is_said),
        cmocka_unit_test(an_app_that_does_not_load_ends_it),
        cmocka_unit_test(nothing_is_left_at_the_end),
        cmocka_unit_test(the_second_signal_ends_at_once),
    };
    if (argc != 2) {
        return 2;
    }
    folder = argv[1];
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
