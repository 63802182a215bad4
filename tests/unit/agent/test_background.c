/* Background processes: what is kept of their output, and those who read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "one.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEADLINE_MS 10000u
#define KEPT        (1024u * 1024u)
#define FOLLOWERS   256 /* BACKGROUND_READERS_MAX */
#define PROCESSES   256 /* AGENT_BACKGROUND_MAX */

/* Starts it; its number. */
static uint32_t begin(const char *label, const char *script)
{
    const struct ask ask = {.flags = "b", .label = label, .argv = WORDS("sh", "-c", script)};
    const uint32_t number = driver_run(&d, &ask, NULL, 0);
    do { /* the end of another may come between */
        driver_hear(&d);
    } while (d.msg.type == AGENT_EXITED);
    assert_int_equal(d.msg.type, AGENT_STARTED);
    return number;
}

static const char *text_of(uint32_t number)
{
    static char text[16];
    snprintf(text, sizeof text, "%u", number);
    return text;
}

static void hear_end(uint32_t number)
{
    do {
        driver_hear(&d);
    } while (d.msg.type != AGENT_EXITED || (uint32_t)atoi(driver_field(&d, 0)) != number);
}

struct reader {
    int out;
    int err;
};

static bool logs_try(uint32_t number, const char *follow, struct reader *r)
{
    int out[2];
    int err[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    *r = (struct reader){out[0], err[0]};
    return driver_call(&d, AGENT_LOGS, WORDS(text_of(number), follow), (int[]){out[1], err[1]});
}

static struct reader logs(uint32_t number, const char *follow)
{
    struct reader r;
    assert_true(logs_try(number, follow, &r));
    return r;
}

static void reader_close(struct reader *r)
{
    close_fd(&r->out);
    close_fd(&r->err);
}

static void wait_for(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
}

/* Has to come next. */
static void comes(int fd, const char *wanted)
{
    char got[256];
    const size_t len = strlen(wanted);
    for (size_t at = 0; at < len;) {
        wait_for(fd);
        ssize_t n = read(fd, got + at, len - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    assert_memory_equal(got, wanted, len);
}

static void ends(int fd)
{
    char byte;
    wait_for(fd);
    assert_int_equal(read(fd, &byte, 1), 0);
}

/* To the end, into `to` with a NUL; its length. */
static size_t rest(int fd, char *to, size_t room)
{
    size_t len = 0;
    for (;;) {
        wait_for(fd);
        ssize_t n = read(fd, to + len, room - 1 - len);
        assert_true(n >= 0 && len + (size_t)n < room - 1);
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    to[len] = '\0';
    return len;
}

static void both_streams_are_kept(void **state)
{
    struct reader r;
    (void)state;
    const uint32_t n = begin("name", "echo out; echo err >&2; exit 3");
    hear_end(n);
    for (int i = 0; i < 2; i++) { /* as often as one likes, also followed */
        r = logs(n, i == 0 ? "" : "follow");
        comes(r.out, "out\n");
        comes(r.err, "err\n");
        ends(r.out);
        ends(r.err);
        reader_close(&r);
    }
    assert_true(driver_call(&d, AGENT_PROCESSES, WORDS(NULL), NULL));
    assert_non_null(strstr(driver_field(&d, 2), "\"label\":\"name\""));
    assert_non_null(strstr(driver_field(&d, 2), "\"running\":false"));
    assert_non_null(strstr(driver_field(&d, 2), "\"how\":\"exit\",\"number\":3"));
    assert_true(driver_call(&d, AGENT_FORGET, WORDS(text_of(n)), NULL));
    assert_false(driver_call(&d, AGENT_FORGET, WORDS(text_of(n)), NULL));
    assert_false(logs_try(n, "", &r));
    ends(r.out); /* what was refused is closed */
    reader_close(&r);
}

/* Each has all of it from the oldest on, whenever it came, and the end. */
static void several_followers(void **state)
{
    struct reader r[3];
    (void)state;
    run("", WORDS("mkfifo", "go", "go2"));
    const uint32_t n = begin("", "echo one; read x < go; echo two; read x < go2; echo three");
    r[0] = logs(n, "follow");
    comes(r[0].out, "one\n");
    r[1] = logs(n, "follow");
    comes(r[1].out, "one\n");
    struct reader now = logs(n, "");
    comes(now.out, "one\n");
    ends(now.out); /* it does not follow */
    ends(now.err);
    reader_close(&now);
    assert_false(driver_call(&d, AGENT_FORGET, WORDS(text_of(n)), NULL)); /* it runs */
    run("", WORDS("sh", "-c", "echo > go"));
    comes(r[0].out, "two\n");
    comes(r[1].out, "two\n");
    r[2] = logs(n, "follow");
    comes(r[2].out, "one\ntwo\n");
    reader_close(&r[1]); /* one leaves; the others hear the rest */
    run("", WORDS("sh", "-c", "echo > go2"));
    comes(r[0].out, "three\n");
    comes(r[2].out, "three\n");
    ends(r[0].out);
    ends(r[2].out);
    ends(r[2].err);
    reader_close(&r[0]);
    reader_close(&r[2]);
}

/* More than is kept comes while one does not read: the process goes on, the one that reads misses
 * nothing, the slow one has what its pipe held and then the last of it. */
static void a_slow_follower_holds_nobody(void **state)
{
    static char bytes[2 * KEPT];
    char wanted[8];
    (void)state;
    /* Two, so that a wait never meets the writer that ended the one before. */
    run("", WORDS("mkfifo", "slow-go0", "slow-go1"));
    const uint32_t n = begin("", "for i in $(seq 100 143); do read x < slow-go$((i % 2)); "
                                 "yes $i | head -c 65536; done; echo end");
    struct reader slow = logs(n, "follow");
    struct reader quick = logs(n, "follow");
    for (int round = 100; round <= 143; round++) {
        snprintf(wanted, sizeof wanted, "%d\n", round);
        run("", WORDS("sh", "-c", round % 2 == 0 ? "echo > slow-go0" : "echo > slow-go1"));
        for (size_t at = 0; at < 65536; at += 4) {
            comes(quick.out, wanted);
        }
    }
    comes(quick.out, "end\n");
    ends(quick.out);
    reader_close(&quick);
    size_t total = rest(slow.out, bytes, sizeof bytes);
    assert_in_range(total, KEPT, KEPT + 2u * 65536u);
    assert_memory_equal(bytes, "100\n", 4);
    assert_string_equal(bytes + total - 8, "143\nend\n");
    reader_close(&slow);
    /* later: the last that is kept */
    struct reader late = logs(n, "");
    assert_int_equal(rest(late.out, bytes, sizeof bytes), KEPT);
    assert_string_equal(bytes + KEPT - 8, "143\nend\n");
    reader_close(&late);
}

/* Its end is told though a child of it holds the output; what that writes later is kept. */
static void children_write_on(void **state)
{
    char bytes[256];
    (void)state;
    run("", WORDS("mkfifo", "child-go"));
    const uint32_t n = begin("", "echo first; (read x < child-go; echo late; echo > child-go) &");
    hear_end(n);
    struct reader r = logs(n, "follow");
    assert_int_equal(rest(r.out, bytes, sizeof bytes), 6);
    assert_string_equal(bytes, "first\n");
    reader_close(&r);
    run("", WORDS("sh", "-c", "echo > child-go; read x < child-go"));
    const uint64_t since = clock_monotonic_ms();
    do {
        assert_true(clock_monotonic_ms() - since < DEADLINE_MS);
        r = logs(n, "");
        rest(r.out, bytes, sizeof bytes);
        reader_close(&r);
    } while (strcmp(bytes, "first\nlate\n") != 0);
}

/* The oldest that ended makes room; while all run there is none. */
static void processes_have_a_ceiling(void **state)
{
    (void)state;
    struct driver m;
    struct outcome r;
    driver_start(&m);
    for (int i = 0; i < PROCESSES; i++) {
        const struct ask ask = {.flags = "b", .argv = WORDS(i == 0 ? "true" : "sleep", "1000")};
        driver_run(&m, &ask, NULL, 0);
    }
    for (int started = 0, ended = 0; started < PROCESSES || ended < 1;) {
        driver_hear(&m);
        started += m.msg.type == AGENT_STARTED;
        ended += m.msg.type == AGENT_EXITED;
    }
    const struct ask more = {.flags = "b", .argv = WORDS("sleep", "1000")};
    driver_run(&m, &more, NULL, 0);
    driver_hear(&m);
    assert_int_equal(m.msg.type, AGENT_STARTED);
    driver_run(&m, &more, NULL, 0);
    driver_hear(&m);
    assert_int_equal(m.msg.type, AGENT_REFUSED);
    assert_non_null(strstr(driver_field(&m, 2), "too many background processes"));
    /* the list of all of them fits into an answer; others are started as ever */
    assert_true(driver_call(&m, AGENT_PROCESSES, WORDS(NULL), NULL));
    const struct ask plain = {.argv = WORDS("true")};
    driver_do(&m, &plain, &r);
    assert_string_equal(r.how, "exit");
    assert_int_equal(driver_end(&m), 128 + SIGKILL);
}

/* All that may be at once, though what it was started with allows fewer descriptors. */
static void followers_have_a_ceiling(void **state)
{
    static struct reader r[FOLLOWERS];
    static uint32_t numbers[PROCESSES];
    struct rlimit usual;
    struct reader more;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    const struct rlimit few = {256, usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    const struct driver before = d;
    driver_start(&d);
    const struct rlimit many = {usual.rlim_max < 4096 ? usual.rlim_max : 4096, usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
    for (int i = 0; i < PROCESSES; i++) {
        numbers[i] = begin("", "echo here; exec sleep 1000");
    }
    for (int i = 0; i < FOLLOWERS; i++) {
        r[i] = logs(numbers[i], "follow");
        comes(r[i].out, "here\n");
    }
    assert_false(logs_try(numbers[0], "", &more));
    assert_non_null(strstr(driver_field(&d, 2), "too many readers"));
    reader_close(&more);
    /* a child has what the agent was started with */
    run("", WORDS("sh", "-c", "ulimit -n"));
    assert_string_equal(o.out, "256\n");
    /* one that leaves makes room */
    reader_close(&r[0]);
    const uint64_t since = clock_monotonic_ms();
    while (!logs_try(numbers[1], "", &more)) {
        reader_close(&more);
        assert_true(clock_monotonic_ms() - since < DEADLINE_MS);
    }
    comes(more.out, "here\n");
    ends(more.out);
    reader_close(&more);
    assert_int_equal(driver_end(&d), 128 + SIGKILL);
    for (int i = 1; i < FOLLOWERS; i++) {
        ends(r[i].out);
        reader_close(&r[i]);
    }
    d = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_streams_are_kept),        cmocka_unit_test(several_followers),
        cmocka_unit_test(a_slow_follower_holds_nobody), cmocka_unit_test(children_write_on),
        cmocka_unit_test(processes_have_a_ceiling),     cmocka_unit_test(followers_have_a_ceiling),
    };
    return cmocka_run_group_tests(tests, one_start, one_end);
}
