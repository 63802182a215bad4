/* Raw tunnels: both ways at once, back-pressure, half close, refusals. */
#include "call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct pipe_test {
    struct fixture *f;
    struct upstream_tunnel *t;
    bool opened, failed, ended;
    enum upstream_failure failure;
    unsigned writable;
    size_t to_write;
    struct buf got;
};

static void pipe_write(struct pipe_test *p)
{
    char block[10000];
    memset(block, 'x', sizeof block);
    while (p->to_write > 0) {
        size_t n = p->to_write < sizeof block ? p->to_write : sizeof block;
        ssize_t put = upstream_tunnel_write(p->t, span_of(block, n));
        assert_true(put >= 0);
        p->to_write -= (size_t)put;
        if ((size_t)put < n) {
            return;
        }
    }
    upstream_tunnel_finish(p->t);
}

static void pipe_read(void *arg)
{
    struct pipe_test *p = arg;
    struct source *s = upstream_tunnel_source(p->t);
    char *to = buf_reserve(&p->got, 9000);
    ssize_t n;
    while ((n = source_read(s, to, 9000)) > 0) {
        buf_commit(&p->got, (size_t)n);
        to = buf_reserve(&p->got, 9000);
    }
    if (n == -EAGAIN) {
        source_watch(s, pipe_read, p);
        return;
    }
    assert_int_equal(n, 0);
    p->ended = true;
    loop_stop(p->f->loop);
}

static void pipe_opened(void *arg, const char *peer)
{
    struct pipe_test *p = arg;
    p->opened = true;
    assert_int_equal(strncmp(peer, "127.0.0.1:", 10), 0);
    source_watch(upstream_tunnel_source(p->t), pipe_read, p);
    loop_stop(p->f->loop);
}

static void pipe_failed(void *arg, enum upstream_failure failure, const char *why)
{
    struct pipe_test *p = arg;
    assert_true(strlen(why) > 0);
    p->failed = true;
    p->failure = failure;
    loop_stop(p->f->loop);
}

static void pipe_writable(void *arg)
{
    struct pipe_test *p = arg;
    p->writable++;
    pipe_write(p);
}

static const struct upstream_tunnel_events pipe_events = {pipe_opened, pipe_failed, pipe_writable};

static void pipe_start(struct fixture *f, struct pipe_test *p, const char *host, uint16_t port)
{
    struct error err;
    *p = (struct pipe_test){.f = f};
    buf_init(&p->got, 16u << 20);
    p->t = upstream_tunnel_start(f->up, span_str(host), port, &pipe_events, p, &err);
    assert_non_null(p->t);
    fixture_run(f);
}

static void tunnel_both_ways(void **state)
{
    struct fixture *f = *state;
    struct pipe_test p;
    const struct span head =
        SPAN_LIT("PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
    pipe_start(f, &p, "plain.test", 80);
    assert_true(p.opened);
    assert_int_equal(upstream_tunnel_write(p.t, head), head.len);
    p.to_write = 4000000;
    pipe_write(&p);
    assert_true(p.to_write > 0); /* back-pressure: not all of it was taken at once */
    /* The origin closes when it reads our FIN, behind its whole answer. */
    fixture_run(f);
    assert_true(p.ended);
    assert_true(p.writable > 0);
    assert_true(buf_len(&p.got) > ORIGIN_BIG);
    assert_int_equal(buf_len(&f->plain.last), head.len + 4000000);
    upstream_tunnel_close(p.t);
    buf_free(&p.got);
}

static void tunnel_refused(void **state)
{
    struct fixture *f = *state;
    struct pipe_test p;
    pipe_start(f, &p, "dead.test", 80);
    assert_int_equal(p.failure, UPSTREAM_CONNECT);
    pipe_start(f, &p, "10.0.0.1", 22);
    assert_int_equal(p.failure, UPSTREAM_ADDRESS);
    assert_int_equal(f->up->open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UPSTREAM_TEST(tunnel_both_ways),
        UPSTREAM_TEST(tunnel_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
