#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ipc/channel.h"
#include "ipc/frame.h"
#include "ipc/rights.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PLAIN = 1, WITH_FD = 2, BIG = 3 };

static const struct ipc_rule rules[] = {
    {"plain", PLAIN, 2, 0, 0},
    {"with-fd", WITH_FD, 1, 1, 3},
    {"big", BIG, 1, 0, 0},
    {0},
};
static const struct ipc_rule no_fd_rules[] = {{"plain", PLAIN, 2, 0, 0}, {0}};

struct end {
    struct loop *loop;
    struct loop_timer *deadline;
    struct ipc_channel *ch;
    int peer;
    unsigned messages;
    unsigned stop_at; /* messages after which the loop stops */
    uint16_t types[16];
    char text[16][64];
    size_t big_len;
    int fd;
    bool destroy_in_message;
    bool closed;
    char why[128];
};

static void on_message(void *arg, struct ipc_message *msg)
{
    struct end *e = arg;
    unsigned i = e->messages++;
    if (i < 16) {
        e->types[i] = msg->type;
        snprintf(e->text[i], sizeof e->text[i], SPAN_FMT, (int)(msg->fields[0].len % 64),
                 msg->fields[0].ptr);
    }
    if (msg->type == BIG) {
        e->big_len = msg->fields[0].len;
    }
    if (msg->type == WITH_FD && e->fd < 0) {
        e->fd = steal_fd(&msg->fds[0]);
    }
    if (e->destroy_in_message) {
        ipc_channel_destroy(e->ch);
        e->ch = NULL;
    }
    if (e->messages == e->stop_at) {
        loop_stop(e->loop);
    }
}

static void on_closed(void *arg, const char *why)
{
    struct end *e = arg;
    assert_false(e->closed);
    e->closed = true;
    snprintf(e->why, sizeof e->why, "%s", why);
    loop_stop(e->loop);
}

static void on_deadline(void *arg)
{
    (void)arg;
    fail_msg("nothing happened before the deadline");
}

static void end_open(struct end *e, const struct ipc_rule *r)
{
    int pair[2];
    *e = (struct end){.fd = -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    e->loop = loop_create(NULL);
    e->deadline = loop_timer_start(e->loop, 5000, 0, on_deadline, NULL);
    e->ch = ipc_channel_create(e->loop, pair[0], r, on_message, on_closed, e, NULL);
    e->peer = pair[1];
    assert_non_null(e->ch);
}

static void end_close(struct end *e)
{
    ipc_channel_destroy(e->ch);
    close_fd(&e->peer);
    close_fd(&e->fd);
    loop_timer_cancel(e->deadline);
    loop_destroy(e->loop);
}

static void raw_send(int fd, const void *bytes, size_t len, const int *fds, size_t count)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    union rights r;
    rights_attach(&m, &r, fds, count);
    assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), len);
}

static void messages_pass_in_order(void **state)
{
    (void)state;
    struct end e;
    end_open(&e, rules);
    e.stop_at = 3;
    int fds[2] = {open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY)};
    struct span two[2] = {SPAN_LIT("first"), SPAN_LIT("")};
    struct span one[1] = {SPAN_LIT("second")};
    assert_int_equal(ipc_send_blocking(e.peer, PLAIN, two, 2, NULL, 0, NULL), 0);
    assert_int_equal(ipc_send_blocking(e.peer, WITH_FD, one, 1, fds, 2, NULL), 0);
    two[0] = SPAN_LIT("third");
    assert_int_equal(ipc_send_blocking(e.peer, PLAIN, two, 2, NULL, 0, NULL), 0);
    loop_run(e.loop);
    assert_int_equal(e.messages, 3);
    assert_string_equal(e.text[0], "first");
    assert_string_equal(e.text[1], "second");
    assert_string_equal(e.text[2], "third");
    struct stat got;
    struct stat want;
    assert_int_equal(fstat(e.fd, &got), 0);
    assert_int_equal(fstat(fds[0], &want), 0);
    assert_int_equal(got.st_rdev, want.st_rdev);
    assert_int_equal(fcntl(e.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fds[0]);
    close(fds[1]);
    end_close(&e);
}

static void one_turn_is_gathered_and_descriptors_stay_with_their_frame(void **state)
{
    (void)state;
    struct end e;
    end_open(&e, rules);
    struct ipc_channel *sender =
        ipc_channel_create(e.loop, e.peer, no_fd_rules, on_message, on_closed, &e, NULL);
    e.peer = -1;
    e.stop_at = 7;
    int fd = open("/dev/null", O_RDONLY);
    for (int i = 0; i < 7; i++) {
        struct span f[2] = {SPAN_LIT("x"), SPAN_LIT("y")};
        bool with = i == 1 || i == 2 || i == 5;
        assert_true(ipc_send(sender, with ? WITH_FD : PLAIN, f, with ? 1 : 2, &fd, with ? 1 : 0));
    }
    close(fd); /* the channel duplicated it */
    loop_run(e.loop);
    assert_int_equal(e.types[1], WITH_FD);
    assert_int_equal(e.types[2], WITH_FD);
    assert_int_equal(e.types[5], WITH_FD);
    ipc_channel_destroy(sender);
    end_close(&e);
}

static void large_message_passes(void **state)
{
    (void)state;
    struct end e;
    end_open(&e, rules);
    struct ipc_channel *sender =
        ipc_channel_create(e.loop, e.peer, no_fd_rules, on_message, on_closed, &e, NULL);
    e.peer = -1;
    e.stop_at = 1;
    size_t len = IPC_BODY_MAX - 4;
    char *bytes = calloc(1, len + 1);
    struct span f = span_of(bytes, len + 1);
    assert_false(ipc_send(sender, BIG, &f, 1, NULL, 0));
    f.len = len;
    assert_true(ipc_send(sender, BIG, &f, 1, NULL, 0));
    assert_false(ipc_send(sender, BIG, &f, 1, NULL, 0) && ipc_send(sender, BIG, &f, 1, NULL, 0));
    loop_run(e.loop);
    assert_int_equal(e.big_len, len);
    free(bytes);
    ipc_channel_destroy(sender);
    end_close(&e);
}

static void destroy_inside_the_callback(void **state)
{
    (void)state;
    struct end e;
    end_open(&e, rules);
    e.stop_at = 1;
    e.destroy_in_message = true;
    struct span f[2] = {SPAN_LIT("a"), SPAN_LIT("b")};
    assert_int_equal(ipc_send_blocking(e.peer, PLAIN, f, 2, NULL, 0, NULL), 0);
    assert_int_equal(ipc_send_blocking(e.peer, PLAIN, f, 2, NULL, 0, NULL), 0);
    loop_run(e.loop);
    assert_int_equal(e.messages, 1);
    end_close(&e);
}

static void last_words_are_heard(void **state)
{
    (void)state;
    struct end e;
    end_open(&e, rules);
    struct span f[2] = {SPAN_LIT("last"), SPAN_LIT("")};
    assert_int_equal(ipc_send_blocking(e.peer, PLAIN, f, 2, NULL, 0, NULL), 0);
    close_fd(&e.peer);
    assert_true(ipc_send(e.ch, PLAIN, f, 2, NULL, 0));
    loop_run(e.loop);
    assert_int_equal(e.messages, 1);
    assert_true(e.closed);
    assert_string_equal(e.why, "the other end went away");
    assert_false(ipc_send(e.ch, PLAIN, f, 2, NULL, 0));
    end_close(&e);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

/* Every broken frame ends the channel with its sentence and leaks no descriptor. */
static void broken_frames_end_the_channel(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        const char *bytes;
        size_t len;
        int fds;
        bool no_fd_rules;
    } cases[] = {
        {"longer than allowed", "\xff\xff\xff\xff\x01\0\0\0", 8, 0, false},
        {"not expected here", "\0\0\0\0\x09\0\0\0", 8, 0, false},
        {"wrong number of descriptors", "\0\0\0\0\x01\0\x01\0", 8, 0, false},
        {"wrong number of descriptors", "\0\0\0\0\x02\0\x00\0", 8, 0, false},
        {"missing or left over", "\x04\0\0\0\x02\0\x01\0\0\0\0\0", 12, 0, false},
        {"missing or left over", "\x09\0\0\0\x02\0\x01\0\0\0\0", 11, 2, false},
        {"missing or left over", "\x04\0\0\0\x02\0\x01\0\0\0\0\0", 12, 2, false},
        {"missing or left over", "\x08\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0", 16, 1, false},
        {"descriptors that are not", "\x08\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0", 16, 1, true},
        {"descriptors that are not", "\x04\0\0\0\x02\0\x03\0\0\0\0\0", 12, 4, false},
        {"do not fill", "\x07\0\0\0\x01\0\0\0\0\0\0\0\0\0\0", 15, 0, false},
        {"do not fill", "\x09\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0", 17, 0, false},
        {"do not fill", "\x08\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0\0", 16, 0, false},
        {"inside a message", "\x08\0\0\0\x01\0\0\0\0", 9, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned before = open_descriptors();
        struct end e;
        end_open(&e, cases[i].no_fd_rules ? no_fd_rules : rules);
        int fd = open("/dev/null", O_RDONLY);
        int fds[4] = {fd, fd, fd, fd};
        raw_send(e.peer, cases[i].bytes, cases[i].len, fds, (size_t)cases[i].fds);
        close(fd);
        close_fd(&e.peer);
        loop_run(e.loop);
        assert_true(e.closed);
        if (strstr(e.why, cases[i].why) == NULL) {
            fail_msg("case %zu: \"%s\" is not \"%s\"", i, e.why, cases[i].why);
        }
        end_close(&e);
        assert_int_equal(open_descriptors(), before);
    }
}

/* The reader must not depend on how the bytes are cut. */
static void frames_may_come_byte_by_byte(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct span f[1] = {SPAN_LIT("payload")};
    size_t size = frame_size(f, 1, 1);
    char frame[64];
    frame_write(frame, WITH_FD, f, 1, 1);
    pid_t pid = fork();
    if (pid == 0) {
        for (int round = 0; round < 2; round++) {
            for (size_t i = 0; i < size; i++) {
                raw_send(pair[1], frame + i, 1, &(int){STDOUT_FILENO}, i == 0);
            }
        }
        _exit(0);
    }
    close(pair[1]);
    struct buf body;
    buf_init(&body, IPC_BODY_MAX);
    for (int round = 0; round < 2; round++) {
        struct ipc_message msg;
        assert_int_equal(ipc_receive_blocking(pair[0], rules, &msg, &body, NULL), 0);
        assert_true(span_eq(msg.fields[0], f[0]));
        assert_int_equal(msg.fd_count, 1);
        close(msg.fds[0]);
    }
    struct ipc_message msg;
    assert_int_equal(ipc_receive_blocking(pair[0], rules, &msg, &body, NULL), -EPIPE);
    buf_free(&body);
    close(pair[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void blocking_refuses_what_the_rules_do_not_allow(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    unsigned before = open_descriptors();
    struct buf body;
    buf_init(&body, IPC_BODY_MAX);
    struct ipc_message msg;
    struct error err;
    int fds[2] = {pair[0], pair[0]};
    raw_send(pair[1], "\x04\0\0\0\x02\0\x01\0\0\0\0\0", 12, fds, 2);
    assert_int_equal(ipc_receive_blocking(pair[0], rules, &msg, &body, &err), -EPROTO);
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    raw_send(pair[1], "\xff\xff\xff\x7f\x01\0\0\0", 8, NULL, 0);
    assert_int_equal(ipc_receive_blocking(pair[0], rules, &msg, &body, &err), -EPROTO);
    assert_int_equal(open_descriptors(), before);
    buf_free(&body);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_pass_in_order),
        cmocka_unit_test(one_turn_is_gathered_and_descriptors_stay_with_their_frame),
        cmocka_unit_test(large_message_passes),
        cmocka_unit_test(destroy_inside_the_callback),
        cmocka_unit_test(last_words_are_heard),
        cmocka_unit_test(broken_frames_end_the_channel),
        cmocka_unit_test(frames_may_come_byte_by_byte),
        cmocka_unit_test(blocking_refuses_what_the_rules_do_not_allow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
