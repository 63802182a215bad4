/* Requests over a socket that came connected: to a server inside a sandbox. */
#include "call.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection to the plain origin, as one that was joined with a port inside. */
static int join(struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(f->plain.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void start(struct fixture *f, struct call *c, const char *path, int *fd)
{
    struct upstream_request req = call_request(false, "plain.test", "GET", path);
    req.connected = fd;
    call_start(f, c, &req);
    assert_int_equal(*fd, -1); /* taken */
}

static void one_request_each(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 1; i <= 3; i++) {
        struct call c = {0};
        int fd = join(f);
        start(f, &c, "/hello", &fd);
        call_wait(&c);
        assert_int_equal(c.status, 200);
        assert_true(call_got(&c, "hello"));
        assert_false(c.reused);
        call_free(&c);
        fixture_settle(f);
        assert_int_equal(f->plain.accepted, i);
        assert_int_equal(f->up->open, 0); /* not kept, though the origin would have */
    }
    assert_int_equal(f->names.asked, 0);
}

/* It is nobody else's: not of a dialled origin of the same name, and the other way round. */
static void apart_from_what_is_dialled(void **state)
{
    struct fixture *f = *state;
    struct call dialled = {0};
    struct call joined = {0};
    call_get(f, &dialled, false, "plain.test", "/hello");
    call_free(&dialled);
    int fd = join(f);
    start(f, &joined, "/hello", &fd);
    call_wait(&joined);
    assert_false(joined.reused);
    call_free(&joined);
    assert_int_equal(f->plain.accepted, 2);
    call_get(f, &dialled, false, "plain.test", "/hello");
    assert_true(dialled.reused);
    call_free(&dialled);
    assert_int_equal(f->plain.accepted, 2);
}

/* Nothing is dialled in its place when it breaks. */
static void never_sent_again(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    int fd = join(f);
    start(f, &c, "/die", &fd);
    call_wait(&c);
    assert_true(c.failed);
    assert_ptr_equal(strstr(c.why, "the container: "), c.why); /* no name that was not dialled */
    assert_int_equal(f->plain.requests, 1);
    assert_int_equal(f->plain.accepted, 1);
    assert_int_equal(f->up->open, 0);
    call_free(&c);
}

static void cancelled(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    int fd = join(f);
    int was = fd;
    start(f, &c, "/silence", &fd);
    upstream_fetch_cancel(c.fetch);
    c.fetch = NULL;
    fixture_settle(f);
    assert_int_equal(fcntl(was, F_GETFD), -1);
    assert_int_equal(f->up->open, 0);
    call_free(&c);
}

static void taken_also_when_it_fails(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct upstream_request req = call_request(false, "plain.test", "GET", "/a b");
    for (int i = 0; i < 2; i++) {
        int fd = join(f);
        int was = fd;
        req.connected = &fd;
        f->up->open += i == 1 ? UPSTREAM_CONNECTIONS_MAX : 0; /* as if they were there */
        req.target = i == 1 ? SPAN_LIT("/hello") : req.target;
        struct call c = {0};
        assert_null(upstream_fetch_start(f->up, &req, &call_events, &c, &err));
        assert_int_equal(fd, -1);
        assert_int_equal(fcntl(was, F_GETFD), -1);
    }
    assert_non_null(strstr(err.text, "too many connections"));
    f->up->open -= UPSTREAM_CONNECTIONS_MAX;
    assert_int_equal(f->up->open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UPSTREAM_TEST(one_request_each),         UPSTREAM_TEST(apart_from_what_is_dialled),
        UPSTREAM_TEST(never_sent_again),         UPSTREAM_TEST(cancelled),
        UPSTREAM_TEST(taken_also_when_it_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
