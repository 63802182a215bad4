/* base and loop: ceilings hold, sources end, tasks run at the end of the turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/source.h"
#include "loop/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void buf_keeps_its_ceiling(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_true(buf_append_str(&b, "12345678"));
    assert_false(buf_append_str(&b, "90a"));
    assert_int_equal(buf_len(&b), 8);
    buf_consume(&b, 5);
    assert_true(buf_append_str(&b, "abcdefg"));
    assert_false(buf_append_str(&b, "x"));
    assert_true(span_eq(buf_span(&b), SPAN_LIT("678abcdefg")));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_free(&b);
}

static void buf_formats(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    for (int i = 0; i < 200; i++) {
        assert_true(buf_appendf(&b, "%d,", i % 10));
    }
    assert_int_equal(buf_len(&b), 400);
    buf_wipe(&b);
    assert_int_equal(buf_len(&b), 0);
}

static void error_reads_as_a_sentence(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(error_set(&err, ENOENT, "open %s", "x"), -ENOENT);
    assert_string_equal(err.text, "open x: No such file or directory");
    error_prefix(&err, "config");
    assert_string_equal(err.text, "config: open x: No such file or directory");
    assert_int_equal(error_set(NULL, 0, "nobody listens"), -1);
}

/* Nobody reads descriptor 2 any more: lines are lost, the caller goes on. */
static void a_full_log_does_not_block(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    int kept = dup(STDERR_FILENO);
    assert_int_equal(dup2(pair[1], STDERR_FILENO), STDERR_FILENO);
    static char line[48 * 1024]; /* one and a half of them fit */
    memset(line, 'x', sizeof line);
    alarm(20); /* a write that blocked ends the test */
    log_line(line, 1024);
    for (int i = 0; i < 200; i++) {
        log_line(line, i % 2 == 0 ? sizeof line : 1024);
    }
    alarm(0);
    static char got[64 * 1024];
    assert_int_equal(read(pair[0], got, 1025), 1025);
    assert_int_equal(got[1024], '\n');
    assert_true(read(pair[0], got, sizeof got) > 0);
    log_line("last", 4); /* stands alone, whatever was lost before it */
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    close(pair[1]);
    size_t n = 0;
    ssize_t r;
    while ((r = read(pair[0], got + n, sizeof got - n)) > 0) {
        n += (size_t)r;
    }
    assert_true(n >= 6);
    assert_memory_equal(got + n - 6, "\nlast\n", 6);
    close(kept);
    close(pair[0]);
}

static void bytes_source_ends(void **state)
{
    (void)state;
    struct source *s = source_from_bytes(SPAN_LIT("hello"));
    char dst[3];
    assert_int_equal(s->length, 5);
    assert_int_equal(source_read(s, dst, 3), 3);
    assert_int_equal(source_read(s, dst, 3), 2);
    assert_memory_equal(dst, "lo", 2);
    assert_int_equal(source_read(s, dst, 3), 0);
    source_close(s);
}

struct turn {
    struct loop *loop;
    struct loop_task first, second;
    struct loop_watch *watch;
    struct loop_timer *timer;
    int order[8];
    int n;
    int fd[2];
};

static void second_task(void *arg)
{
    struct turn *t = arg;
    t->order[t->n++] = 3;
}

static void first_task(void *arg)
{
    struct turn *t = arg;
    t->order[t->n++] = 2;
    loop_task_queue(&t->second);
}

static void readable(void *arg, unsigned events)
{
    struct turn *t = arg;
    assert_int_equal(events, LOOP_READ);
    char c;
    assert_int_equal(read(t->fd[0], &c, 1), 1);
    t->order[t->n++] = 1;
    loop_task_queue(&t->first);
    loop_task_queue(&t->first);
    loop_watch_cancel(t->watch);
    t->watch = NULL;
}

static void stop_after(void *arg)
{
    struct turn *t = arg;
    loop_stop(t->loop);
}

static void tasks_run_at_the_end_of_the_turn(void **state)
{
    (void)state;
    struct turn t = {0};
    t.loop = loop_create(NULL);
    assert_int_equal(pipe(t.fd), 0);
    loop_task_init(&t.first, t.loop, first_task, &t);
    loop_task_init(&t.second, t.loop, second_task, &t);
    assert_int_equal(loop_watch_start(t.loop, t.fd[0], LOOP_READ, readable, &t, &t.watch, NULL), 0);
    assert_int_equal(write(t.fd[1], "x", 1), 1);
    t.timer = loop_timer_start(t.loop, 20, 0, stop_after, &t);
    loop_run(t.loop);
    assert_int_equal(t.n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(t.order[i], i + 1);
    }
    loop_timer_cancel(t.timer);
    loop_destroy(t.loop);
    close(t.fd[0]);
    close(t.fd[1]);
}

static void read_one(void *arg, unsigned events)
{
    struct turn *t = arg;
    char c;
    (void)events;
    ssize_t n = read(t->fd[0], &c, 1);
    t->order[t->n++] = n < 0 ? -errno : (int)n;
    if (n <= 0) {
        loop_watch_cancel(t->watch);
        t->watch = NULL;
        loop_stop(t->loop);
    }
}

/* The other end closed with our byte unread: an error, behind bytes that are still to be read. */
static void what_came_before_an_error_is_read(void **state)
{
    (void)state;
    struct turn t = {0};
    t.loop = loop_create(NULL);
    t.timer = loop_timer_start(t.loop, 5000, 0, stop_after, &t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, t.fd), 0);
    assert_int_equal(write(t.fd[0], "x", 1), 1);
    assert_int_equal(write(t.fd[1], "abc", 3), 3);
    close(t.fd[1]);
    assert_int_equal(loop_watch_start(t.loop, t.fd[0], LOOP_READ, read_one, &t, &t.watch, NULL), 0);
    loop_run(t.loop);
    assert_int_equal(t.n, 4);
    assert_int_equal(t.order[2], 1);
    assert_int_equal(t.order[3], -ECONNRESET);
    loop_timer_cancel(t.timer);
    loop_destroy(t.loop);
    close(t.fd[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_keeps_its_ceiling),
        cmocka_unit_test(buf_formats),
        cmocka_unit_test(error_reads_as_a_sentence),
        cmocka_unit_test(a_full_log_does_not_block),
        cmocka_unit_test(bytes_source_ends),
        cmocka_unit_test(tasks_run_at_the_end_of_the_turn),
        cmocka_unit_test(what_came_before_an_error_is_read),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
