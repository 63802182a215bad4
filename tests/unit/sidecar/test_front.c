/* The same program as a front door. */
#include "fixture.h"

#include "base/cleanup.h"
#include "ipc/conversations.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* curl without the name of the class. */
#define CURL "curl -sS --max-time 15 --noproxy '*' "
#define URL  "http://127.0.0.1:$PORT"

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void ready_carries_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->ready, 1);
    assert_int_equal(buf_len(&f->cert), 0);
}

static void requests(void **state)
{
    struct fixture *f = *state;
    char authority[64];
    shell_has(f, CURL "-i " URL "/hello",
              PARTS("HTTP/1.1 200 OK\r\n", "\r\nDate: ", " GMT\r\n", "\r\n\r\nhello\n"));
    /* Who asks stands where a sandbox's destination stands. */
    static const uint8_t loopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    assert_memory_equal(f->last_dest, loopback, 16);
    assert_int_not_equal(f->last_dest_port, f->port);
    assert_int_not_equal(f->last_dest_port, 0);
    assert_false(f->last_tls);
    assert_string_equal(f->last_name, "");
    snprintf(authority, sizeof authority, "127.0.0.1:%u", (unsigned)f->port);
    assert_string_equal(f->last_authority, authority);
    expect(f, CURL "-H 'Host: app.test' " URL "/authority", "GET app.test 2\n");
    expect(f, CURL URL "/chunked", "first second\n");
    expect(f, CURL "-I " URL "/hello | grep -i content-length | tr -d '\\r'",
           "Content-Length: 6\n");
    expect(f, CURL "-o /dev/null -w '%{http_code}' " URL "/status/204", "204");
    expect(f, CURL "-w '%{num_connects} ' " URL "/hello " URL "/chunked -o /dev/null -o /dev/null",
           "1 0 ");
    expect(f, "head -c 5000000 /dev/zero | " CURL "--data-binary @- " URL "/sum", "5000000 0\n");
    expect(f, "head -c 5000000 /dev/zero | " CURL "-T - " URL "/echo | wc -c", "5000000\n");
    expect(f, CURL URL "/big/20000000 | wc -c", "20000000\n");
}

static void http10_without_host(void **state)
{
    struct fixture *f = *state;
    struct result r;
    char authority[64];
    snprintf(authority, sizeof authority, "127.0.0.1:%u", (unsigned)f->port);
    raw(f, &r, SPAN_LIT("GET /chunked HTTP/1.0\r\n\r\n"));
    HAS(&r, "Connection: close");
    HAS(&r, "\r\n\r\nfirst second\n");
    assert_string_equal(f->last_authority, authority);
    result_free(&r);
}

static void pipelined(void **state)
{
    struct fixture *f = *state;
    struct result r;
    raw(f, &r,
        SPAN_LIT("GET /hello HTTP/1.1\r\nHost: a.test\r\n\r\n"
                 "POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n12345"
                 "GET /chunked HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"));
    HAS(&r, "hello\n");
    HAS(&r, "\r\n\r\n12345");
    HAS(&r, "6\r\nfirst \r\n7\r\nsecond\n\r\n0\r\nx-sum: 42\r\n\r\n");
    assert_int_equal(f->requests, 3);
    result_free(&r);
}

static void forms_that_are_not_served(void **state)
{
    struct fixture *f = *state;
    struct result r;
    raw_has(f, SPAN_LIT("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"),
            PARTS("HTTP/1.1 501", "\r\nDate: "));
    raw_has(f, SPAN_LIT("GET https://a.test/hello HTTP/1.1\r\nHost: a.test\r\n\r\n"),
            PARTS("HTTP/1.1 400"));
    raw_has(f, SPAN_LIT("GET http://b.test/hello HTTP/1.1\r\nHost: a.test\r\n\r\n"),
            PARTS("HTTP/1.1 400"));
    raw_has(f, SPAN_LIT("\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n"),
            PARTS("HTTP/1.1 400"));
    assert_int_equal(f->requests, 0);
    assert_int_equal(f->notes[GATE_NOTE_BAD_REQUEST], 0);
    raw(f, &r,
        SPAN_LIT("GET http://a.test/hello HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"));
    HAS(&r, "HTTP/1.1 200");
    assert_string_equal(f->last_authority, "a.test");
    assert_false(f->last_proxy);
    result_free(&r);
    /* An upgrade is not taken up: the request is served as HTTP/1.1 (RFC 9110 7.8). */
    raw_has(f,
            SPAN_LIT("GET /authority HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade, close\r\n"
                     "Upgrade: h2c\r\n\r\n"),
            PARTS("HTTP/1.1 200", "GET a.test 0\n"));
}

static bool has_request(void *arg)
{
    struct fixture *f = arg;
    return f->requests > 0;
}

static bool has_reset(void *arg)
{
    struct fixture *f = arg;
    return f->resets > 0;
}

static void a_client_that_leaves_is_told(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    say(fd, "GET /silent HTTP/1.1\r\nHost: a.test\r\n\r\n");
    fixture_run(f, has_request, f);
    assert_int_equal(f->resets, 0);
    close(fd);
    fixture_run(f, has_reset, f);
    expect(f, CURL URL "/hello", "hello\n");
}

static void expect_continue(void **state)
{
    struct fixture *f = *state;
    struct result r;
    expect(f,
           "head -c 2000000 /dev/zero | " CURL "-H 'Expect: 100-continue' --data-binary @- " URL
           "/sum",
           "2000000 0\n");
    raw(f, &r,
        SPAN_LIT("POST /early HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n"
                 "Content-Length: 10\r\n\r\n"));
    HAS(&r, "HTTP/1.1 200");
    assert_false(result_has(&r, "HTTP/1.1 100"));
    result_free(&r);
}

static void no_gate(void **state)
{
    struct fixture *f = *state;
    struct result r;
    fixture_gate_end(f);
    for (int i = 0; i < 3; i++) {
        shell(f, &r, CURL "-i " URL "/hello");
        HAS(&r, "HTTP/1.1 503");
        HAS(&r, "sallyport-error: gate");
        result_free(&r);
    }
    fixture_gate_new(f);
    expect(f, CURL URL "/hello", "hello\n");
}

static bool ended(void *arg)
{
    struct fixture *f = arg;
    return f->control_closed;
}

static bool waits_twice(void *arg)
{
    struct fixture *f = arg;
    return f->requests == 2;
}

static void drains(void **state)
{
    struct fixture *f = *state;
    struct result r;
    char got[512];
    cleanup_close int busy = dial(f);
    cleanup_close int idle = dial(f);
    cleanup_close int fresh = dial(f);
    cleanup_close int half = dial(f);
    say(busy, "GET /later HTTP/1.1\r\nHost: a.test\r\n\r\n");
    say(idle, "GET /hello HTTP/1.1\r\nHost: a.test\r\n\r\n");
    say(half, "GET /hello HTTP/1.1\r\nHost: ");
    fixture_run(f, waits_twice, f);
    assert_true(recv(idle, got, sizeof got, MSG_PEEK) > 0);

    close_fd(&f->tcp);
    assert_true(ipc_send(f->control, SIDECAR_DRAIN, NULL, 0, NULL, 0));
    gather(f, &r, idle);
    HAS(&r, "hello\n");
    result_free(&r);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(f->port)};
    cleanup_close int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&at, sizeof at), -1);
    /* A request that was on its way is answered still. */
    say(half, "a.test\r\n\r\n");
    gather(f, &r, half);
    HAS(&r, "HTTP/1.1 200");
    HAS(&r, "Connection: close");
    result_free(&r);
    gather(f, &r, fresh);
    assert_int_equal(buf_len(&r.out), 0);
    assert_false(r.reset);
    result_free(&r);
    assert_false(f->control_closed);
    outer_answer(f);
    gather(f, &r, busy);
    HAS(&r, "HTTP/1.1 200");
    HAS(&r, "Connection: close");
    HAS(&r, "hello\n");
    result_free(&r);
    close_fd(&busy);
    close_fd(&half);
    close_fd(&idle);
    close_fd(&fresh);
    fixture_run(f, ended, f);
    int status = 0;
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    f->pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A confined process: no way to the network but its clients. */
static void confined(void **state)
{
    struct fixture *f = *state;
    char text[64];
    snprintf(text, sizeof text, "%d", (int)f->pid);
    setenv("SPID", text, 1);
    expect(f, CURL URL "/hello", "hello\n");
    shell_has(f, "grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/$SPID/status",
              PARTS("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"));
}

/* More connections than there is place for: those that wait for nothing make room. */
static void idle_ones_make_room(void **state)
{
    struct fixture *f = *state;
    expect(f,
           "/usr/bin/python3 - <<'END'\n"
           "import os, resource, socket\n"
           "resource.setrlimit(resource.RLIMIT_NOFILE, (4400, resource.getrlimit("
           "resource.RLIMIT_NOFILE)[1]))\n"
           "to = ('127.0.0.1', int(os.environ['PORT']))\n"
           "many = [socket.create_connection(to, timeout=15) for _ in range(4300)]\n"
           "last = many[-1]\n"
           "last.sendall(b'GET /hello HTTP/1.1\\r\\nHost: a.test\\r\\n\\r\\n')\n"
           "print(last.recv(9).decode())\n"
           "END",
           "HTTP/1.1 \n");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_front, fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(ready_carries_nothing),
        CASE(requests),
        CASE(http10_without_host),
        CASE(pipelined),
        CASE(forms_that_are_not_served),
        CASE(a_client_that_leaves_is_told),
        CASE(expect_continue),
        CASE(no_gate),
        CASE(drains),
        CASE(confined),
        CASE(idle_ones_make_room),
    };
    setenv("SIDECAR", argc > 1 ? argv[1] : "build/sallyport-sidecar", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
