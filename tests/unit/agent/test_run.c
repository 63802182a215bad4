/* Processes: what they are given, how they end, what is refused. */
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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void ends_are_told(void **state)
{
    (void)state;
    run("", WORDS("true"));
    expect("exit", 0);
    run("", WORDS("sh", "-c", "echo out; echo err >&2; exit 7"));
    expect("exit", 7);
    assert_string_equal(o.out, "out\n");
    assert_string_equal(o.err, "err\n");
    run("", WORDS("sh", "-c", "kill -TERM $$"));
    expect("signal", SIGTERM);
    run("", WORDS("sh", "-c", "exit 255"));
    expect("exit", 255);
}

static void refusals_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *flags;
        const char *argv[3];
        const char *cwd;
        const char *session;
        int status;
        const char *why;
    } cases[] = {
        {"", {"no-such-program"}, NULL, NULL, 127, "no-such-program: not found"},
        {"", {""}, NULL, NULL, 127, "\"\": not found"},
        {"", {"/etc/passwd"}, NULL, NULL, 126, "/etc/passwd: found but not executable"},
        {"", {"/tmp"}, NULL, NULL, 126, "/tmp: found but not executable"},
        {"", {"true"}, "/no/such", NULL, 125, "/no/such: No such file"},
        {"", {"true"}, "/etc/passwd", NULL, 125, "/etc/passwd: Not a directory"},
        {"x", {"true"}, NULL, NULL, 125, "a flag that is not known"},
        {"", {NULL}, NULL, NULL, 125, "no command"},
        {"s", {"true", "more"}, NULL, NULL, 125, "no command"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ask ask = {.flags = cases[i].flags,
                                .argv = cases[i].argv,
                                .cwd = cases[i].cwd,
                                .session = cases[i].session};
        driver_do(&d, &ask, &o);
        if (o.status != cases[i].status || strstr(o.why, cases[i].why) == NULL) {
            fail_msg("case %zu: %d %s", i, o.status, o.why);
        }
    }
    run("", WORDS("true")); /* it goes on */
    expect("exit", 0);
}

static void scripts_are_the_shells(void **state)
{
    (void)state;
    run("", WORDS("sh", "-c",
                  "printf 'echo $0 $1\\n' > script; chmod +x script; mkdir bin; "
                  "printf '#!/no/such\\n' > bad; chmod +x bad"));
    expect("exit", 0);
    run("", WORDS("./script", "word"));
    assert_string_equal(o.out, "./script word\n");
    run("", WORDS("./bad"));
    assert_int_equal(o.status, 126);
    assert_non_null(strstr(o.why, "its interpreter is not there"));
}

/* 0, 1, 2 and no other; no signal blocked or ignored; a session and a group of its own. */
static void children_inherit_nothing(void **state)
{
    (void)state;
    run("", WORDS("sh", "-c",
                  "cd /proc/self/fd && echo *; cat /proc/self/status | grep -E 'Sig(Blk|Ign)' "
                  "/proc/self/status"));
    assert_string_equal(o.out, "0 1 2 3\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    run("", WORDS("sh", "-c", "ps -o pid=,pgid=,sid= $$ | xargs; readlink /proc/self/fd/0; env"));
    char want[256];
    snprintf(want, sizeof want, "%d %d %d\n/dev/null\nOF_THE_SANDBOX=1\nPWD=%s\n", o.pid, o.pid,
             o.pid, d.dir);
    char *path = strstr(o.out, "PATH=/usr/bin:/bin\n");
    assert_non_null(path);
    memmove(path, path + 19, strlen(path + 19) + 1);
    assert_string_equal(o.out, want);
}

static void input_and_place_are_given(void **state)
{
    (void)state;
    static char bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 7);
    }
    struct ask ask = {
        .flags = "i", .argv = WORDS("cat"), .input = bytes, .input_len = sizeof bytes};
    driver_do(&d, &ask, &o);
    assert_int_equal(o.out_len, sizeof bytes);
    assert_memory_equal(o.out, bytes, sizeof bytes);
    ask = (struct ask){.argv = WORDS("sh", "-c", "pwd; echo $A$OF_THE_SANDBOX"),
                       .cwd = "/usr",
                       .env = WORDS("A=b=c", "OF_THE_SANDBOX")};
    driver_do(&d, &ask, &o);
    assert_string_equal(o.out, "/usr\nb=c\n");
}

static void signals_go_to_the_group(void **state)
{
    (void)state;
    int out[2];
    char byte;
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    const int fds[2] = {out[1], open("/dev/null", O_WRONLY | O_CLOEXEC)};
    const struct ask ask = {.argv = WORDS("sh", "-c", "sleep 60 & echo; wait")};
    const uint32_t number = driver_run(&d, &ask, fds, 2);
    driver_hear(&d);
    assert_int_equal(d.msg.type, AGENT_STARTED);
    assert_int_equal(read(out[0], &byte, 1), 1);
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    const struct span fields[] = {span_str(text), SPAN_LIT("15")};
    assert_int_equal(ipc_send_blocking(d.socket, AGENT_SIGNAL, fields, 2, NULL, 0, NULL), 0);
    driver_hear(&d);
    assert_string_equal(driver_field(&d, 1), "signal");
    assert_string_equal(driver_field(&d, 2), "15");
    assert_int_equal(read(out[0], &byte, 1), 0); /* the sleep is gone too */
    close(out[0]);
    /* To one that is none: nothing. */
    assert_int_equal(ipc_send_blocking(d.socket, AGENT_SIGNAL, fields, 2, NULL, 0, NULL), 0);
    run("", WORDS("true"));
    expect("exit", 0);
}

static void time_is_limited(void **state)
{
    (void)state;
    const uint64_t begin = clock_monotonic_ms();
    struct ask ask = {.timeout = "50", .argv = WORDS("sh", "-c", "sleep 60 & trap '' TERM; wait")};
    driver_do(&d, &ask, &o);
    expect("timeout", SIGKILL);
    assert_true(clock_monotonic_ms() - begin >= 50);
    ask = (struct ask){.timeout = "60000", .argv = WORDS("true")};
    driver_do(&d, &ask, &o);
    expect("exit", 0);
}

/* It is told when it ended, though a child holds its pipe. */
static void an_end_does_not_wait_for_children(void **state)
{
    (void)state;
    int out[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    const int fds[2] = {out[1], open("/dev/null", O_WRONLY | O_CLOEXEC)};
    const struct ask ask = {.argv = WORDS("sh", "-c", "sleep 60 & echo $!")};
    driver_run(&d, &ask, fds, 2);
    driver_hear(&d);
    driver_hear(&d);
    assert_int_equal(d.msg.type, AGENT_EXITED);
    char text[32] = {0};
    assert_true(read(out[0], text, sizeof text - 1) > 0);
    const pid_t sleeper = atoi(text);
    assert_int_equal(kill(sleeper, SIGKILL), 0);
    close(out[0]);
    /* The orphan is reaped: nobody of that number is left. */
    while (kill(sleeper, 0) == 0) {
        run("", WORDS("true"));
    }
    assert_int_equal(errno, ESRCH);
}

static void terminal_is_the_processes(void **state)
{
    (void)state;
    const int outer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(grantpt(outer) | unlockpt(outer), 0);
    const int inner = open(ptsname(outer), O_RDWR | O_NOCTTY | O_CLOEXEC);
    const int fds[3] = {inner, dup(inner), dup(inner)};
    const struct ask ask = {.flags = "it", .argv = WORDS("sh", "-c", "echo yes > /dev/tty")};
    driver_run(&d, &ask, fds, 3);
    driver_hear(&d);
    assert_int_equal(d.msg.type, AGENT_STARTED);
    char text[64] = {0};
    for (size_t len = 0; strchr(text, '\n') == NULL;) {
        ssize_t n = read(outer, text + len, sizeof text - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_string_equal(text, "yes\r\n");
    driver_hear(&d);
    assert_string_equal(driver_field(&d, 2), "0");
    close(outer);
}

static void many_at_once(void **state)
{
    (void)state;
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    size_t ended = 0;
    size_t started = 0;
    for (int i = 0; i < 200; i++) {
        const int fds[2] = {dup(null), dup(null)};
        const struct ask ask = {.argv = WORDS("sh", "-c", "exit 3")};
        driver_run(&d, &ask, fds, 2);
    }
    while (ended < 200) {
        driver_hear(&d);
        started += d.msg.type == AGENT_STARTED;
        ended += d.msg.type == AGENT_EXITED && strcmp(driver_field(&d, 2), "3") == 0;
    }
    assert_int_equal(started, 200);
    close(null);
}

/* ---- ends of the agent ---- */

static void main_process(const char *script, int status)
{
    struct driver m;
    driver_start(&m);
    const struct ask ask = {.flags = "m", .argv = WORDS("sh", "-c", script)};
    driver_do(&m, &ask, &o);
    assert_int_equal(driver_wait(&m), status);
}

static void the_main_process_ends_all(void **state)
{
    (void)state;
    main_process("exit 9", 9);
    main_process("kill -KILL $$", 128 + SIGKILL);
    struct driver m;
    driver_start(&m);
    const struct ask ask = {.flags = "m", .argv = WORDS("no-such-program")};
    driver_do(&m, &ask, &o);
    assert_int_equal(o.status, 127);
    assert_int_equal(driver_wait(&m), 127);
}

static void signals_reach_the_main_process(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct driver m;
        int out[2];
        char byte;
        char script[128];
        driver_start(&m);
        snprintf(script, sizeof script, "trap 'exit 7' %d; echo; while :; do sleep 0.01; done",
                 signals[i]);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        const int fds[2] = {out[1], open("/dev/null", O_WRONLY | O_CLOEXEC)};
        const struct ask ask = {.flags = "m", .argv = WORDS("sh", "-c", script)};
        driver_run(&m, &ask, fds, 2);
        assert_int_equal(read(out[0], &byte, 1), 1);
        assert_int_equal(kill(m.pid, signals[i]), 0);
        assert_int_equal(driver_wait(&m), 7);
        close(out[0]);
    }
}

static void without_a_main_process_a_signal_ends_all(void **state)
{
    (void)state;
    struct driver m;
    driver_start(&m);
    int out[2];
    char byte;
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    const int fds[2] = {out[1], open("/dev/null", O_WRONLY | O_CLOEXEC)};
    const struct ask ask = {
        .argv = WORDS("sh", "-c", "trap 'exit 5' TERM; echo; while :; do sleep 0.01; done")};
    driver_run(&m, &ask, fds, 2);
    driver_hear(&m);
    assert_int_equal(read(out[0], &byte, 1), 1);
    assert_int_equal(kill(m.pid, SIGTERM), 0);
    driver_hear(&m);
    assert_int_equal(m.msg.type, AGENT_EXITED);
    assert_string_equal(driver_field(&m, 2), "5");
    assert_int_equal(driver_wait(&m), 128 + SIGTERM);
    close(out[0]);
}

static void it_ends_with_the_supervisor(void **state)
{
    (void)state;
    struct driver m;
    driver_start(&m);
    assert_int_equal(shutdown(m.socket, SHUT_WR), 0);
    assert_int_equal(driver_wait(&m), 125);
}

int main(void)
{
    const struct CMUnitTest one_agent[] = {
        cmocka_unit_test(ends_are_told),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(scripts_are_the_shells),
        cmocka_unit_test(children_inherit_nothing),
        cmocka_unit_test(input_and_place_are_given),
        cmocka_unit_test(signals_go_to_the_group),
        cmocka_unit_test(time_is_limited),
        cmocka_unit_test(an_end_does_not_wait_for_children),
        cmocka_unit_test(terminal_is_the_processes),
        cmocka_unit_test(many_at_once),
    };
    const struct CMUnitTest ends[] = {
        cmocka_unit_test(the_main_process_ends_all),
        cmocka_unit_test(signals_reach_the_main_process),
        cmocka_unit_test(without_a_main_process_a_signal_ends_all),
        cmocka_unit_test(it_ends_with_the_supervisor),
    };
    int failed = cmocka_run_group_tests_name("one agent", one_agent, one_start, one_end);
    return failed + cmocka_run_group_tests_name("ends", ends, NULL, NULL);
}
