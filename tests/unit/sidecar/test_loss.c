/* The outer door goes away while a whole response waits for a slow client that still sends. */
#include "sidecar/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
/* after the headers it needs */
#include <cmocka.h>

#define ROUND_MS     2
#define ROUNDS       5000
#define STILL_ROUNDS 20

static struct sidecar s;
static struct gate *outer;
static uint32_t asked;

static void on_request(void *arg, uint32_t stream, const struct gate_request *req)
{
    (void)arg, (void)req;
    asked = stream;
}

static void on_data(void *arg, uint32_t stream, struct span bytes)
{
    (void)arg, (void)stream, (void)bytes;
}

static void on_end(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count)
{
    (void)arg, (void)stream, (void)trailers, (void)count;
}

static void on_reset(void *arg, uint32_t stream, enum gate_reset reason)
{
    (void)arg, (void)stream, (void)reason;
}

static void on_closed(void *arg, const char *why)
{
    (void)arg, (void)why;
}

static void on_writable(void *arg, uint32_t stream)
{
    (void)arg, (void)stream;
}

static const struct gate_events events = {.request = on_request,
                                          .data = on_data,
                                          .end = on_end,
                                          .reset = on_reset,
                                          .writable = on_writable,
                                          .closed = on_closed};

static void on_round(void *arg)
{
    (void)arg;
    loop_stop(s.loop);
}

static void run(void)
{
    struct loop_timer *timer = loop_timer_start(s.loop, ROUND_MS, 0, on_round, NULL);
    loop_run(s.loop);
    loop_timer_cancel(timer);
}

static bool asked_for(void)
{
    return asked != 0;
}

static bool gate_gone(void)
{
    return s.gate == NULL;
}

static bool answered(void)
{
    return ((struct client *)(void *)s.clients.next)->response == RESPONSE_DONE;
}

static bool alone(void)
{
    return s.client_count == 0;
}

static void until(bool (*done)(void))
{
    for (int i = 0; !done(); i++) {
        assert_true(i < ROUNDS);
        run();
    }
}

/* A connection whose two ends hold little; the far end. */
static int slow_client(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof addr;
    int small = 4096;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(bind(listener, (const struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
    client_accept(&s, accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    close(listener);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void gate_lost_while_an_answer_waits(void **state)
{
    (void)state;
    static char block[65536];
    struct error err;
    int fds[2];
    s.loop = loop_create(&err);
    s.names = dns_names_create(16);
    list_init(&s.clients);
    list_init(&s.dns_clients);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(sidecar_gate_open(&s, fds[0], &err), 0);
    outer = gate_create(s.loop, GATE_OUTER, fds[1], &events, NULL, &err);

    int fd = slow_client();
    say(fd, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nsome");
    until(asked_for);
    struct gate_response res = {.status = 200, .length = -1};
    assert_true(gate_send_response(outer, asked, &res));
    /* Until no credit comes back: the client's connection and its output are full. */
    for (int still = 0; still < STILL_ROUNDS; still++) {
        while (gate_send_data(outer, asked, span_of(block, sizeof block)) > 0) {
            still = 0;
        }
        run();
    }
    gate_send_end(outer, asked, NULL, 0);
    until(answered);
    assert_int_equal(s.client_count, 1);
    gate_destroy(outer);
    until(gate_gone);

    /* What still comes belongs to the old request: it must be neither sent on nor taken for a new
     * one, whatever it looks like. */
    say(fd, "GET /smuggled HTTP/1.1\r\nHost: b.test\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        run();
    }
    struct client *c = (struct client *)(void *)s.clients.next;
    assert_int_equal(s.client_count, 1);
    assert_false(c->keep);
    close(fd);
    until(alone);
    dns_names_destroy(s.names);
    loop_destroy(s.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gate_lost_while_an_answer_waits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
