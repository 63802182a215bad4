/* exec_stream: our descriptors against the frames; the test is the supervisor's end. */
#include "cli/exec_stream.h"
#include "base/cleanup.h"
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct talk {
    struct fake fake;
    int conn;   /* the supervisor's end */
    int in;     /* what is written here the client reads as its input */
    int out;    /* its output */
    int errors; /* its descriptor 2 */
    pid_t pid;
};

static void become_client(const char *path, const int fds[3], bool tty)
{
    struct error err;
    struct client_request r;
    struct client_reply reply;
    int status = 0;
    for (int i = 0; i < 3; i++) {
        dup2(fds[i], i);
    }
    close_range(3, ~0U, 0);
    exec_block_signals();
    struct client *c = client_open(path, &err);
    client_path_start(&r, "POST", "/v1/instances/x/exec");
    r.body = SPAN_LIT("{}");
    int rc = c != NULL ? client_upgrade(c, &r, "sallyport-exec", &reply, &err) : -1;
    rc = rc > 0 ? exec_stream_run(c, tty, &status, &err) : -1;
    if (rc < 0) {
        dprintf(2, "%s", err.text);
        status = 125;
    }
    _exit(status);
}

/* in_out: one descriptor for both (a terminal), or -1 for pipes. */
static void begin(struct talk *t, int in_out)
{
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    int errors[2];
    fake_open(&t->fake);
    assert_int_equal(pipe2(errors, O_CLOEXEC), 0);
    if (in_out < 0) {
        assert_true(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    }
    t->pid = fork();
    if (t->pid == 0) {
        int fds[] = {in_out < 0 ? in[0] : in_out, in_out < 0 ? out[1] : in_out, errors[1]};
        become_client(t->fake.path, fds, in_out >= 0);
    }
    close_fd(&in[0]);
    close_fd(&out[1]);
    close_fd(&errors[1]);
    t->in = in[1];
    t->out = out[0];
    t->errors = errors[0];
    t->conn = fake_accept(&t->fake);
    char *body;
    char *text = fake_request(t->conn, &body);
    assert_non_null(strstr(text, "Connection: Upgrade\r\nUpgrade: sallyport-exec\r\n\r\n"));
    assert_string_equal(body, "{}");
    free(text);
}

static void put(struct talk *t, const void *bytes, size_t len)
{
    assert_int_equal(send(t->conn, bytes, len, MSG_NOSIGNAL), len);
}

#define SWITCH       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
#define PUT(t, text) put(t, text, sizeof(text) - 1)

static void read_exactly(int fd, void *to, size_t len)
{
    for (size_t got = 0; got < len;) {
        assert_true(fake_readable(fd, FAKE_WAIT_MS));
        ssize_t n = read(fd, (char *)to + got, len - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
}

/* The next frame of the client; its payload in `to`, its length returned. */
static size_t next_frame(struct talk *t, int type, void *to, size_t room)
{
    unsigned char h[8];
    read_exactly(t->conn, h, 8);
    assert_int_equal(h[0], type);
    size_t len = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
    assert_true(len <= room);
    read_exactly(t->conn, to, len);
    return len;
}

static void assert_ends(struct talk *t, int status, const char *errors)
{
    char text[512];
    size_t len = 0;
    ssize_t n;
    while (len < sizeof text - 1 && (n = read(t->errors, text + len, sizeof text - 1 - len)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    assert_string_equal(text, errors);
    int got = 0;
    assert_int_equal(waitpid(t->pid, &got, 0), t->pid);
    assert_true(WIFEXITED(got));
    assert_int_equal(WEXITSTATUS(got), status);
    close_fd(&t->conn);
    close_fd(&t->in);
    close_fd(&t->out);
    close_fd(&t->errors);
    fake_close(&t->fake);
}

static void frames_behind_the_answer_count(void **state)
{
    (void)state;
    struct talk t;
    char got[5];
    begin(&t, -1);
    PUT(&t, SWITCH "\1\0\0\0\0\0\0\5a\0b\xff\n"
                   "\2\0\0\0\0\0\0\2e!"
                   "\3\0\0\0\0\0\0\2\0\7");
    read_exactly(t.out, got, 5);
    assert_memory_equal(got, "a\0b\xff\n", 5);
    assert_ends(&t, 7, "e!");
}

static void a_frame_may_come_in_pieces(void **state)
{
    (void)state;
    static const char text[] = SWITCH "\1\0\0\0\0\0\0\2ok\3\0\0\0\0\0\0\2\1\11";
    struct talk t;
    char got[2];
    begin(&t, -1);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        put(&t, text + i, 1);
    }
    read_exactly(t.out, got, 2);
    assert_memory_equal(got, "ok", 2);
    assert_ends(&t, 128 + 9, "");
}

static void input_waits_for_credit(void **state)
{
    (void)state;
    struct talk t;
    static char sent[150000];
    static char got[150000];
    size_t len = 0;
    char mark;
    begin(&t, -1);
    PUT(&t, SWITCH);
    for (size_t i = 0; i < sizeof sent; i++) {
        sent[i] = (char)(i * 31 >> 3);
    }
    pid_t writer = fork();
    if (writer == 0) {
        ssize_t n = 0;
        for (size_t at = 0; at < sizeof sent && n >= 0; at += (size_t)n) {
            n = write(t.in, sent + at, sizeof sent - at);
        }
        _exit(n < 0);
    }
    close_fd(&t.in);
    while (len < 65536) {
        len += next_frame(&t, 0, got + len, 65536 - len);
    }
    /* It is awake and sends no more: it has no credit. */
    PUT(&t, "\1\0\0\0\0\0\0\1m");
    read_exactly(t.out, &mark, 1);
    assert_int_equal(recv(t.conn, &mark, 1, MSG_DONTWAIT), -1);
    PUT(&t, "\4\0\0\0\0\0\0\4\0\2\0\0");
    while (len < sizeof sent) {
        len += next_frame(&t, 0, got + len, sizeof got - len);
    }
    assert_memory_equal(got, sent, sizeof sent);
    assert_int_equal(next_frame(&t, 0, got, 0), 0);
    int status = 1;
    assert_true(waitpid(writer, &status, 0) == writer && status == 0);
    PUT(&t, "\3\0\0\0\0\0\0\2\0\0");
    assert_ends(&t, 0, "");
}

/* As many frames as fit while nobody reads the output; how many bytes of output that were. */
static size_t fill(struct talk *t)
{
    static char frame[8 + 1000] = "\1\0\0\0\0\0\3\350";
    size_t sent = 0;
    size_t part = 0;
    for (;;) {
        ssize_t n = send(t->conn, frame + part, sizeof frame - part, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            struct pollfd p = {.fd = t->conn, .events = POLLOUT};
            if (poll(&p, 1, 200) == 0) {
                break;
            }
            continue;
        }
        part = (part + (size_t)n) % sizeof frame;
        sent += part == 0 ? 1000 : 0;
    }
    /* The rest of the frame that was cut, behind what is read meanwhile. */
    char bytes[4096];
    size_t read_back = 0;
    while (part != 0) {
        ssize_t n = send(t->conn, frame + part, sizeof frame - part, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            part = (part + (size_t)n) % sizeof frame;
            sent += part == 0 ? 1000 : 0;
        } else {
            read_exactly(t->out, bytes, 1000);
            read_back += 1000;
        }
    }
    return sent - read_back;
}

static void a_slow_reader_stops_the_sender(void **state)
{
    (void)state;
    struct talk t;
    static char bytes[65536];
    unsigned char number = 0;
    begin(&t, -1);
    PUT(&t, SWITCH);
    size_t left = fill(&t);
    assert_true(left < 2 * 1024 * 1024);
    /* Signals go on while the output stands. */
    kill(t.pid, SIGTERM);
    assert_int_equal(next_frame(&t, 6, &number, 1), 1);
    assert_int_equal(number, SIGTERM);
    while (left > 0) {
        size_t n = left < sizeof bytes ? left : sizeof bytes;
        read_exactly(t.out, bytes, n);
        left -= n;
    }
    PUT(&t, "\3\0\0\0\0\0\0\2\1\17");
    assert_ends(&t, 128 + SIGTERM, "");
}

static void nobody_reads_any_more(void **state)
{
    (void)state;
    struct talk t;
    char end;
    begin(&t, -1);
    close_fd(&t.out);
    PUT(&t, SWITCH "\1\0\0\0\0\0\0\1x");
    assert_int_equal(recv(t.conn, &end, 1, 0), 0);
    assert_ends(&t, 128 + SIGPIPE, "");
}

static void failures_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *why;
    } table[] = {
#define ROW(b, w) {b, sizeof(b) - 1, w}
        ROW("", "exec: the supervisor went away: `sallyport ps` lists what runs"),
        ROW("\1\0\0\0\0\1\0\1",
            "exec: the supervisor's answer is not understood: are sallyport and "
            "the daemon of the same version?"),
        ROW("\11\0\0\0\0\0\0\0", "exec: the supervisor's answer is not understood: are sallyport "
                                 "and the daemon of the same version?"),
        ROW("\3\0\0\0\0\0\0\1\0", "exec: the supervisor's answer is not understood: are sallyport "
                                  "and the daemon of the same version?"),
        ROW("\3\0\0\0\0\0\0\2\3\0", "exec: the sandbox ended"),
        ROW("\3\0\0\0\0\0\0\6\3\0gone", "exec: gone"),
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct talk t;
        begin(&t, -1);
        PUT(&t, SWITCH);
        put(&t, table[i].bytes, table[i].len);
        shutdown(t.conn, SHUT_WR);
        assert_ends(&t, 125, table[i].why);
    }
}

static bool is_raw(int terminal)
{
    struct termios now;
    return tcgetattr(terminal, &now) == 0 && (now.c_lflag & (ICANON | ECHO | ISIG)) == 0;
}

static void a_terminal_is_raw_meanwhile(void **state)
{
    (void)state;
    struct talk t;
    struct winsize size = {.ws_row = 30, .ws_col = 100};
    unsigned char got[8];
    int outer, inner;
    assert_int_equal(openpty(&outer, &inner, NULL, NULL, &size), 0);
    assert_false(is_raw(inner));
    begin(&t, inner);
    PUT(&t, SWITCH "\1\0\0\0\0\0\0\3a\r\n");
    read_exactly(outer, got, 3);
    assert_memory_equal(got, "a\r\n", 3);
    assert_true(is_raw(inner));
    /* Ctrl-C is a byte like others. */
    assert_int_equal(write(outer, "\3", 1), 1);
    assert_int_equal(next_frame(&t, 0, got, 8), 1);
    assert_int_equal(got[0], 3);
    size.ws_row = 0x0102;
    assert_int_equal(ioctl(outer, TIOCSWINSZ, &size), 0);
    kill(t.pid, SIGWINCH);
    assert_int_equal(next_frame(&t, 5, got, 8), 4);
    assert_memory_equal(got, "\1\2\0\144", 4);
    PUT(&t, "\3\0\0\0\0\0\0\2\0\0");
    t.in = t.out = -1;
    assert_ends(&t, 0, "");
    assert_false(is_raw(inner));
    close(outer);
    close(inner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_behind_the_answer_count),
        cmocka_unit_test(a_frame_may_come_in_pieces),
        cmocka_unit_test(input_waits_for_credit),
        cmocka_unit_test(a_slow_reader_stops_the_sender),
        cmocka_unit_test(nobody_reads_any_more),
        cmocka_unit_test(failures_say_why),
        cmocka_unit_test(a_terminal_is_raw_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
