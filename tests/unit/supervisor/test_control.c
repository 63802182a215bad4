/* The control socket against callers of every kind: malformed, large, slow, many, gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "daemon.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALLERS_MAX 512 /* as control.c has it */
#define BODY_MAX    (26u * 1024u * 1024u)

static int caller(void)
{
    int fd = run_connect(&up);
    assert_true(fd >= 0);
    return fd;
}

static void say(int fd, const char *bytes)
{
    assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

/* Reads until `part` has come or the other end closes; fails after a deadline. */
static const char *hear(int fd, const char *part)
{
    size_t len = 0;
    for (text[0] = 0; part == NULL || strstr(text, part) == NULL;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, DEADLINE_MS) != 1) {
            fail_msg("nothing more came behind: %s", text);
        }
        ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        text[len] = 0;
    }
    return text;
}

static void expect_answer(int fd, int status, const char *part)
{
    int got = 0;
    hear(fd, NULL);
    if (sscanf(text, "HTTP/1.1 %d", &got) != 1 || got != status || strstr(text, part) == NULL) {
        fail_msg("expected %d with %s: %s", status, part, text);
    }
}

static void expect_healthy(void)
{
    assert_int_equal(ask("GET", "health", ""), 200);
}

static void malformed_heads_are_refused(void **state)
{
    static char long_path[5200];
    static const struct {
        const char *head; /* "Host: x" and the blank line follow */
        int status;
        const char *part;
    } cases[] = {
        {"GET /v1/%zz HTTP/1.1", 400, "\"path: malformed\""},
        {"GET /v1/%4 HTTP/1.1", 400, "\"path: malformed\""},
        {"GET /v1/%0x HTTP/1.1", 400, "\"path: malformed\""},
        {"GET /v1/secrets/%00 HTTP/1.1", 400, "\"path: malformed\""},
        {"GET /v1/events?a=%00 HTTP/1.1", 400, "\"path: malformed\""},
        {"GET /1/2/3/4/5/6/7/8/9 HTTP/1.1", 400, "\"path: malformed\""},
        {"GET /v1/events?1&2&3&4&5&6&7&8&9 HTTP/1.1", 400, "\"path: malformed\""},
        {"OPTIONS * HTTP/1.1", 400, "bad_request"},
        {"GETGETGETGETGETGET /v1/health HTTP/1.1", 400, "too long"},
        {long_path, 400, "too long"},
        {"\x16\x03\x01", 400, "bad_request"},
        {"GET /v1/health HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", 400, "bad_request"},
        {"GET /v1/health HTTP/1.1\r\nContent-Length: -1", 400, "bad_request"},
        {"GET /v1/health HTTP/1.1\r\nContent-Length: 99999999999999999999", 400, "bad_request"},
        {"GET /v1/nothing HTTP/1.1", 404, "not_found"},
        {"GET /v2/health HTTP/1.1", 404, "not_found"},
        {"GET /v1/instances/ HTTP/1.1", 404, "not_found"},
        {"PATCH /v1/health HTTP/1.1", 405, "method_not_allowed"},
        {"GET /v1/events?other=1 HTTP/1.1", 400, "not known"},
        {"GET /v1/events?follow=perhaps HTTP/1.1", 400, "follow is"},
        {"GET /v1/events?backlog=-1 HTTP/1.1", 400, "backlog is"},
    };
    (void)state;
    snprintf(long_path, sizeof long_path, "GET /v1/%05000d HTTP/1.1", 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = caller();
        say(fd, cases[i].head);
        say(fd, "\r\nHost: x\r\nConnection: close\r\n\r\n");
        expect_answer(fd, cases[i].status, cases[i].part);
        assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
        close(fd);
    }
    expect_healthy();
}

/* By the length that is said, before any of it is sent. */
static void large_bodies_are_refused_by_their_length(void **state)
{
    static const char *const heads[] = {
        "PUT /v1/kv/ns/key HTTP/1.1\r\nHost: x\r\nContent-Length: 27262977\r\n\r\n",
        "PUT /v1/kv/ns/key HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        "Content-Length: 27262977\r\n\r\n",
        "POST /v1/app HTTP/1.1\r\nHost: x\r\nContent-Length: 27262977\r\n\r\n",
        "PUT /v1/app HTTP/1.1\r\nHost: x\r\nContent-Length: 167772161\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        int fd = caller();
        say(fd, heads[i]);
        expect_answer(fd, 413, "\"too_large\"");
        assert_null(strstr(text, "100 Continue"));
        close(fd);
    }
    /* what may be sent is asked for */
    int fd = caller();
    say(fd, "PUT /v1/secrets/KEY HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            "Connection: close\r\nContent-Length: 1\r\n\r\n");
    hear(fd, "100 Continue\r\n\r\n");
    say(fd, "v");
    expect_answer(fd, 200, "{}");
    close(fd);
}

/* Of a body without a length no more than the ceiling is kept. */
static void chunked_bodies_have_a_ceiling(void **state)
{
    static char chunk[65536];
    char head[16];
    size_t sent = 0;
    (void)state;
    int fd = caller();
    say(fd, "PUT /v1/kv/ns/key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    snprintf(head, sizeof head, "%zx\r\n", sizeof chunk);
    memset(chunk, 'x', sizeof chunk);
    while (sent < BODY_MAX + 4 * sizeof chunk &&
           send(fd, head, strlen(head), MSG_NOSIGNAL) == (ssize_t)strlen(head) &&
           send(fd, chunk, sizeof chunk, MSG_NOSIGNAL) == (ssize_t)sizeof chunk &&
           send(fd, "\r\n", 2, MSG_NOSIGNAL) == 2) {
        sent += sizeof chunk;
    }
    assert_in_range(sent, BODY_MAX - sizeof chunk, BODY_MAX + 4 * sizeof chunk);
    expect_answer(fd, 413, "\"too_large\"");
    close(fd);
    fd = caller();
    say(fd, "PUT /v1/kv/ns/key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    expect_answer(fd, 400, "\"body: malformed\"");
    close(fd);
    expect_healthy();
}

static void requests_come_in_any_pieces(void **state)
{
    static const char two[] = "GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
                              "PUT /v1/secrets/KEY HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
                              "ab"
                              "GET /v1/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    (void)state;
    for (size_t piece = 1; piece <= sizeof two; piece = piece == 1 ? sizeof two - 1 : piece * 2) {
        int fd = caller();
        for (size_t at = 0; at < sizeof two - 1; at += piece) {
            size_t n = sizeof two - 1 - at < piece ? sizeof two - 1 - at : piece;
            assert_int_equal(send(fd, two + at, n, MSG_NOSIGNAL), n);
        }
        expect_answer(fd, 200, "{\"names\":[\"KEY\"]}");
        const char *first = strstr(text, "\"mode\":\"up\"");
        const char *second = strstr(text, "\r\n\r\n{}HTTP/1.1 200");
        assert_true(first != NULL && second != NULL && first < second);
        close(fd);
    }
}

/* It has said all that it will, and waits for the answer. */
static void half_closed_callers_are_answered(void **state)
{
    (void)state;
    int fd = caller();
    say(fd, "POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"id\":\"a\"}");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_answer(fd, 200, "\"state\":\"running\"");
    close(fd);
}

/* What one began goes on; the answer is nobody's. */
static void callers_that_leave_are_no_harm(void **state)
{
    static const char *const parts[] = {
        "",
        "GET /v1/hea",
        "PUT /v1/secrets/KEY HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        "POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"id\":\"a\"}",
        "POST /v1/instances/a/exec HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n"
        "{\"argv\":[\"true\"]}",
        "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int fd = caller();
        say(fd, parts[i]);
        close(fd);
    }
    until("GET", "instances", "", "\"state\":\"running\"");
    assert_int_equal(ask("GET", "secrets", ""), 200);
    assert_string_equal(text, "{\"names\":[]}");
    expect("instances/a/exec", "{\"argv\":[\"true\"]}", 200, "\"exitCode\":0");
}

static size_t descriptors(void)
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)up.pid);
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

static void until_descriptors(size_t most)
{
    const uint64_t since = clock_monotonic_ms();
    while (descriptors() > most) {
        assert_true(clock_monotonic_ms() - since < DEADLINE_MS);
    }
}

/* Each has sent half a head, and says no more. */
static void slow_callers_keep_nobody_waiting(void **state)
{
    int fds[CALLERS_MAX];
    (void)state;
    expect_healthy();
    const size_t idle = descriptors();
    for (size_t i = 0; i < CALLERS_MAX; i++) {
        fds[i] = caller();
        say(fds[i], "GET /v1/health HT");
        if (i == CALLERS_MAX - 2) {
            expect_healthy(); /* there is room for one */
        }
    }
    int more = caller();
    expect_answer(more, 503, "\"unavailable\"");
    close(more);
    say(fds[7], "TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect_answer(fds[7], 200, "\"mode\":\"up\"");
    for (size_t i = 0; i < CALLERS_MAX; i++) {
        close(fds[i]);
    }
    until_descriptors(idle);
    expect_healthy();
}

/* The lowest number that the daemon has not in use. */
static rlim_t descriptor_next(void)
{
    char path[64];
    for (rlim_t n = 0;; n++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)up.pid, (int)n);
        if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
            return n;
        }
    }
}

/* Without a descriptor for it a caller is turned away, and does not wake the daemon for ever. */
static void no_descriptor_is_left(void **state)
{
    struct rlimit usual;
    (void)state;
    expect_healthy();
    assert_int_equal(prlimit(up.pid, RLIMIT_NOFILE, NULL, &usual), 0);
    struct rlimit none = {descriptor_next(), usual.rlim_max};
    assert_int_equal(prlimit(up.pid, RLIMIT_NOFILE, &none, NULL), 0);
    for (int i = 0; i < 3; i++) {
        int fd = caller();
        expect_answer(fd, 503, "\"unavailable\"");
        close(fd);
    }
    assert_int_equal(prlimit(up.pid, RLIMIT_NOFILE, &usual, NULL), 0);
    expect_healthy();
}

/* What has come of a stream. */
struct followed {
    size_t lines;
    size_t lost;
};

static void followed_line(struct followed *f, const char *line)
{
    if (strncmp(line, "data: {\"lines\":", 15) == 0) {
        f->lost += (size_t)number_of(line, "lines");
    } else if (strncmp(line, "data: ", 6) == 0) {
        f->lines++;
    }
}

/* Takes what is there. */
static void follow(int fd, struct followed *f)
{
    static char line[1 << 17];
    static size_t len;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 0) == 1) {
        assert_true(len < sizeof line - 1);
        ssize_t n = read(fd, line + len, sizeof line - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
        line[len] = 0;
        for (char *nl; (nl = memchr(line, '\n', len)) != NULL;) {
            *nl = 0;
            followed_line(f, line);
            len -= (size_t)(nl + 1 - line);
            memmove(line, nl + 1, len);
        }
    }
}

/* A follower that does not read loses lines, and hears how many; one that left is forgotten. */
static void slow_followers_lose_lines(void **state)
{
    static char args[8000];
    struct followed seen = {0, 0};
    const uint64_t since = clock_monotonic_ms();
    size_t said = 0;
    (void)state;
    create("a");
    int slow = caller();
    int gone = caller();
    say(slow, "GET /v1/events?backlog=0 HTTP/1.1\r\nHost: x\r\n\r\n");
    say(gone, "GET /v1/events?backlog=0 HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(slow, "text/event-stream");
    hear(gone, "text/event-stream");
    close(gone);
    /* 2.4 MiB: more than is kept for it, and its socket holds */
    snprintf(args, sizeof args, "[\"{\\\"n\\\":%07000d}\"]", 1);
    for (; said < 350; said++) {
        expect("instances/a/call/event", args, 200, "");
    }
    while (seen.lost == 0 || seen.lines + seen.lost < said) {
        if (clock_monotonic_ms() - since > 2 * DEADLINE_MS) {
            fail_msg("%zu lines and %zu lost of %zu", seen.lines, seen.lost, said);
        }
        follow(slow, &seen);
        expect("instances/a/call/event", "[\"{\\\"n\\\":2}\"]", 200, "");
        said++;
        follow(slow, &seen);
    }
    assert_int_equal(seen.lines + seen.lost, said);
    close(slow);
    expect_healthy();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(malformed_heads_are_refused),
        WITH_DAEMON(large_bodies_are_refused_by_their_length),
        WITH_DAEMON(chunked_bodies_have_a_ceiling),
        WITH_DAEMON(requests_come_in_any_pieces),
        WITH_DAEMON(half_closed_callers_are_answered),
        WITH_DAEMON(callers_that_leave_are_no_harm),
        WITH_DAEMON(slow_callers_keep_nobody_waiting),
        WITH_DAEMON(no_descriptor_is_left),
        WITH_DAEMON(slow_followers_lose_lines),
    };
    if (argc != 2) {
        return 2;
    }
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
