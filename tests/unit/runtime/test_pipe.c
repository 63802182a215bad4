/* The outer ends of a process's pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/list.h"
#include "runtime/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 10000u
#define PIECE       (64u * 1024u) /* that a pump holds, and a pipe */

static struct {
    struct loop *loop;
    struct list pumps;
    int fds[2];
    bool ready;
    bool late;
    unsigned closed;
} t;

static void on_deadline(void *arg)
{
    (void)arg;
    t.late = true;
    loop_stop(t.loop);
}

static void on_ready(void *arg)
{
    *(bool *)arg = true;
    loop_stop(t.loop);
}

static void run(void)
{
    struct loop_timer *timer = loop_timer_start(t.loop, DEADLINE_MS, 0, on_deadline, NULL);
    loop_run(t.loop);
    loop_timer_cancel(timer);
    assert_false(t.late);
}

/* Until nothing is left to be done at once. */
static void on_turns(void *arg)
{
    if (--*(unsigned *)arg == 0) {
        loop_stop(t.loop);
    }
}

static void run_turns(void)
{
    unsigned left = 5;
    struct loop_timer *timer = loop_timer_start(t.loop, 0, 1, on_turns, &left);
    loop_run(t.loop);
    loop_timer_cancel(timer);
}

static int setup(void **state)
{
    struct error err;
    (void)state;
    memset(&t, 0, sizeof t);
    t.loop = loop_create(&err);
    list_init(&t.pumps);
    return pipe2(t.fds, O_CLOEXEC);
}

static int teardown(void **state)
{
    (void)state;
    loop_destroy(t.loop);
    return 0;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void count_closed(void *arg)
{
    (void)arg;
    t.closed++;
}

/* ---- output ---- */

static void output_comes_and_ends(void **state)
{
    struct error err;
    char got[16];
    (void)state;
    struct source *s = pipe_source(t.loop, t.fds[0], &err);
    assert_non_null(s);
    pipe_source_closed(s, count_closed, NULL);
    assert_int_equal(source_read(s, got, sizeof got), -EAGAIN);
    source_watch(s, on_ready, &t.ready);
    assert_false(t.ready); /* never from inside */
    assert_int_equal(write(t.fds[1], "abc", 3), 3);
    run();
    assert_true(t.ready);
    assert_int_equal(source_read(s, got, 2), 2);
    assert_int_equal(source_read(s, got, sizeof got), 1);
    assert_int_equal(source_read(s, got, sizeof got), -EAGAIN);
    t.ready = false;
    source_watch(s, on_ready, &t.ready);
    source_watch(s, NULL, NULL); /* no more */
    assert_int_equal(write(t.fds[1], "d", 1), 1);
    run_turns();
    assert_false(t.ready);
    source_watch(s, on_ready, &t.ready);
    run();
    assert_int_equal(source_read(s, got, sizeof got), 1);
    source_watch(s, on_ready, &t.ready);
    close(t.fds[1]);
    run();
    assert_int_equal(source_read(s, got, sizeof got), 0);
    assert_int_equal(t.closed, 0);
    source_close(s);
    assert_int_equal(t.closed, 1);
    assert_false(is_open(t.fds[0]));
}

/* A stranger has the pipe still: what the process wrote comes, and then the end. */
static void output_ends_with_its_process(void **state)
{
    struct error err;
    char got[16];
    (void)state;
    struct source *s = pipe_source(t.loop, t.fds[0], &err);
    assert_int_equal(write(t.fds[1], "abc", 3), 3);
    pipe_source_over(s);
    assert_int_equal(source_read(s, got, sizeof got), 3);
    assert_int_equal(source_read(s, got, sizeof got), 0);
    source_watch(s, on_ready, &t.ready);
    assert_false(t.ready);
    run();
    assert_true(t.ready);
    source_close(s);
    close(t.fds[1]);
}

static void a_reader_that_waits_hears_of_the_end(void **state)
{
    struct error err;
    char got[16];
    (void)state;
    struct source *s = pipe_source(t.loop, t.fds[0], &err);
    source_watch(s, on_ready, &t.ready);
    pipe_source_over(s);
    assert_false(t.ready);
    run();
    assert_int_equal(source_read(s, got, sizeof got), 0);
    source_watch(s, on_ready, &t.ready);
    t.ready = false;
    source_close(s); /* no callback after it */
    run_turns();
    assert_false(t.ready);
    close(t.fds[1]);
}

/* ---- input ---- */

/* Bytes that count up; `have` of them are there already. */
struct counting {
    struct source source; /* first */
    size_t at;
    size_t have;
    size_t all;
    int error;
    unsigned closed;
    source_ready_fn ready;
    void *arg;
};

static ssize_t counting_read(struct source *s, void *dst, size_t len)
{
    struct counting *c = (struct counting *)(void *)s;
    size_t n = c->have - c->at < len ? c->have - c->at : len;
    for (size_t i = 0; i < n; i++) {
        ((unsigned char *)dst)[i] = (unsigned char)((c->at + i) % 251);
    }
    c->at += n;
    return n > 0 ? (ssize_t)n : c->at == c->all ? c->error : -EAGAIN;
}

static void counting_watch(struct source *s, source_ready_fn ready, void *arg)
{
    struct counting *c = (struct counting *)(void *)s;
    c->ready = ready;
    c->arg = arg;
}

static void counting_close(struct source *s)
{
    ((struct counting *)(void *)s)->closed++;
}

static const struct source_ops counting_ops = {counting_read, counting_watch, counting_close};

static void more(void *arg)
{
    struct counting *c = arg;
    source_ready_fn ready = c->ready;
    c->have = c->all;
    c->ready = NULL;
    ready(c->arg);
}

static void pump(struct counting *c, const void *tag)
{
    struct error err;
    c->source = (struct source){&counting_ops, -1};
    struct pump_spec spec = {t.loop, &t.pumps, tag, t.fds[1], &c->source};
    assert_int_equal(pump_start(&spec, &err), 0);
    assert_int_equal(c->at, 0); /* nothing is read from inside */
}

/* Reads what has come; its number. */
static size_t drain(size_t from)
{
    unsigned char got[8192];
    size_t n = 0;
    ssize_t r;
    fcntl(t.fds[0], F_SETFL, O_NONBLOCK);
    while ((r = read(t.fds[0], got, sizeof got)) > 0) {
        for (ssize_t i = 0; i < r; i++) {
            assert_int_equal(got[i], (from + n + (size_t)i) % 251);
        }
        n += (size_t)r;
    }
    return n;
}

static void input_waits_for_its_reader(void **state)
{
    struct counting c = {.have = 1024 * 1024, .all = 1024 * 1024};
    size_t got = 0;
    (void)state;
    pump(&c, &c);
    run_turns();
    assert_in_range(c.at, 1, 2 * PIECE); /* a full pipe, and one piece */
    assert_int_equal(c.closed, 0);
    while (got < c.all) {
        size_t before = c.at;
        size_t n = drain(got);
        assert_true(n > 0);
        got += n;
        run_turns();
        assert_true(c.at - before <= n + PIECE);
    }
    assert_int_equal(c.closed, 1);
    assert_false(is_open(t.fds[1]));
    assert_true(list_empty(&t.pumps));
    close(t.fds[0]);
}

static void input_waits_for_its_source(void **state)
{
    struct counting c = {.have = 10, .all = 20};
    (void)state;
    pump(&c, &c);
    run_turns();
    assert_int_equal(drain(0), 10);
    assert_int_equal(c.closed, 0);
    assert_true(is_open(t.fds[1]));
    more(&c);
    run_turns();
    assert_int_equal(drain(10), 10);
    assert_int_equal(c.closed, 1);
    assert_false(is_open(t.fds[1]));
    close(t.fds[0]);
}

static void input_that_breaks_ends_the_pipe(void **state)
{
    struct counting c = {.have = 10, .all = 10, .error = -ECONNRESET};
    (void)state;
    pump(&c, &c);
    run_turns();
    assert_int_equal(drain(0), 10);
    assert_int_equal(c.closed, 1);
    assert_false(is_open(t.fds[1]));
    close(t.fds[0]);
}

/* Of a socket the reader sees which end it is. */
static void a_socket_tells_a_whole_source_from_one_that_broke(void **state)
{
    static const struct {
        int error;
        short revents; /* of the reader, behind the bytes */
    } cases[] = {{0, POLLRDHUP}, {-ECONNRESET, POLLRDHUP | POLLHUP}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct counting c = {.have = 10, .all = 10, .error = cases[i].error};
        struct pollfd p = {.events = POLLRDHUP};
        close(t.fds[0]);
        close(t.fds[1]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t.fds), 0);
        pump(&c, &c);
        run_turns();
        assert_int_equal(drain(0), 10);
        assert_int_equal(c.closed, 1);
        p.fd = t.fds[0];
        assert_int_equal(poll(&p, 1, 0), 1);
        assert_int_equal(p.revents, cases[i].revents);
        /* it is held until the process has ended */
        assert_int_equal(is_open(t.fds[1]), cases[i].error == 0);
        pump_stop(&t.pumps, &c);
        assert_false(is_open(t.fds[1]));
        assert_true(list_empty(&t.pumps));
        t.fds[1] = dup(t.fds[0]); /* for the next to close */
    }
    close(t.fds[0]);
    close(t.fds[1]);
}

/* No end of a process will be told that could close it. */
static void a_socket_without_a_process_is_not_held(void **state)
{
    struct counting c = {.have = 10, .all = 10};
    (void)state;
    close(t.fds[0]);
    close(t.fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t.fds), 0);
    pump(&c, NULL);
    run_turns();
    assert_int_equal(drain(0), 10);
    assert_int_equal(c.closed, 1);
    assert_false(is_open(t.fds[1]));
    assert_true(list_empty(&t.pumps));
    close(t.fds[0]);
}

static void nobody_reads_the_input(void **state)
{
    struct counting c = {.have = 10, .all = 20};
    (void)state;
    close(t.fds[0]);
    pump(&c, &c);
    run_turns();
    assert_int_equal(c.closed, 1);
    assert_false(is_open(t.fds[1]));
    assert_true(list_empty(&t.pumps));
}

static void pumps_are_stopped_by_their_tag(void **state)
{
    struct counting one = {.have = 0, .all = 1};
    struct counting two = {.have = 0, .all = 1};
    int first[2];
    (void)state;
    pump(&one, &one);
    memcpy(first, t.fds, sizeof first);
    assert_int_equal(pipe2(t.fds, O_CLOEXEC), 0);
    pump(&two, &two);
    pump_stop(&t.pumps, &one); /* before it began */
    run_turns();
    assert_int_equal(one.closed, 1);
    assert_int_equal(two.closed, 0);
    assert_false(is_open(first[1]));
    assert_true(is_open(t.fds[1]));
    pump_stop(&t.pumps, NULL);
    assert_int_equal(two.closed, 1);
    assert_true(list_empty(&t.pumps));
    close(first[0]);
    close(t.fds[0]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(output_comes_and_ends),
        TEST(output_ends_with_its_process),
        TEST(a_reader_that_waits_hears_of_the_end),
        TEST(input_waits_for_its_reader),
        TEST(input_waits_for_its_source),
        TEST(input_that_breaks_ends_the_pipe),
        TEST(a_socket_tells_a_whole_source_from_one_that_broke),
        TEST(a_socket_without_a_process_is_not_held),
        TEST(nobody_reads_the_input),
        TEST(pumps_are_stopped_by_their_tag),
    };
    signal(SIGPIPE, SIG_IGN); /* as confine_early has it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
