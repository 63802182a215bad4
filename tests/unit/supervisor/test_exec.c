/* exec of the control API, gathered and upgraded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "daemon.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void exec_gathers(void **state)
{
    (void)state;
    expect("instances/nobody/exec", "{\"argv\":[\"true\"]}", 404, "not_found");
    create("a");
    expect("instances/a/exec",
           "{\"argv\":[\"sh\",\"-c\",\"cat; echo $X >&2; exit "
           "3\"],\"env\":[\"X=y\"],\"input\":\"in\"}",
           200, "\"exitCode\":3");
    assert_non_null(strstr(text, "\"stdout\":\"in\""));
    assert_non_null(strstr(text, "\"stderr\":\"y\\n\""));
    expect("instances/a/exec", "{\"argv\":[\"printf\",\"\\\\377\"]}", 200,
           "\"stdoutBase64\":true,\"stdout\":\"/w==\"");
    expect("instances/a/exec", "{\"argv\":[\"no-such\"]}", 422, "\"exit\":127");
    expect("instances/a/exec", "{\"argv\":[\"/etc/passwd\"]}", 422, "\"exit\":126");
    expect("instances/a/exec", "{\"argv\":[\"sleep\",\"9\"],\"timeout_ms\":50}", 200,
           "\"timedOut\":true");
    expect("instances/a/exec", "{\"argv\":[\"sh\",\"-c\",\"kill -9 $$\"]}", 200, "\"signal\":9");
    expect("instances/a/exec", "{\"argv\":[]}", 400, "bad_request");
    expect("instances/a/exec", "{\"argv\":[\"x\"],\"shell\":\"x\"}", 400, "bad_request");
    expect("instances/a/exec", "{}", 400, "bad_request");
    expect("instances/a/exec", "{\"argv\":[\"sh\",\"-c\",\"head -c 9000000 /dev/zero\"]}", 200,
           "\"truncated\":true");
}

static void exec_goes_both_ways(void **state)
{
    static struct duplex d;
    (void)state;
    create("a");
    duplex_open(&d, "{\"argv\":[\"cat\"],\"stdin\":true}");
    frame_send(&d, 0, "hello", 5);
    assert_int_equal(frame_take_but_credit(&d), 1);
    assert_string_equal((char *)d.bytes, "hello");
    frame_send(&d, 0, NULL, 0);
    assert_int_equal(frame_take_but_credit(&d), 3);
    assert_int_equal(d.bytes[0], 0);
    assert_int_equal(d.bytes[1], 0);
    assert_int_equal(read(d.fd, d.bytes, 1), 0);
    close(d.fd);

    duplex_open(&d, "{\"argv\":[\"sh\",\"-c\",\"echo e >&2; exec sleep 60\"]}");
    assert_int_equal(frame_take(&d), 2);
    frame_send(&d, 6, "\x0f", 1);
    assert_int_equal(frame_take(&d), 3);
    assert_int_equal(d.bytes[0], 1);
    assert_int_equal(d.bytes[1], 15);
    close(d.fd);

    duplex_open(&d,
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
}

/* 20 MiB through a reader that stops at first; the daemon holds no more than a little of it. */
static void a_slow_reader_stops_the_process(void **state)
{
    static struct duplex d;
    (void)state;
    create("a");
    duplex_open(&d, "{\"argv\":[\"head\",\"-c\",\"20000000\",\"/dev/zero\"]}");
    assert_int_equal(ask("GET", "health", ""), 200);
    size_t total = 0;
    while (frame_take(&d) == 1) {
        total += d.len;
    }
    assert_int_equal(total, 20000000);
    close(d.fd);
}

/* One that takes no credit into account, sends what no client may, or leaves: its process ends. */
static void a_client_that_breaks_a_rule_ends_its_process(void **state)
{
    static struct duplex d;
    static char junk[65536];
    (void)state;
    create("a");
    for (int how = 0; how < 4; how++) {
        char byte;
        duplex_open(&d, "{\"argv\":[\"sleep\",\"77\"],\"stdin\":true}");
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
        until("POST", "instances/a/exec",
              "{\"argv\":[\"sh\",\"-c\",\"ps ax | grep -c '[s]leep 77'\"]}", "\"stdout\":\"0\\n\"");
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(exec_gathers),
        WITH_DAEMON(exec_goes_both_ways),
        WITH_DAEMON(a_slow_reader_stops_the_process),
        WITH_DAEMON(a_client_that_breaks_a_rule_ends_its_process),
    };
    if (argc != 2) {
        return 2;
    }
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
