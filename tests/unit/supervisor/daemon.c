#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "daemon.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct run up;
const char *folder;
char text[1 << 20];
char output[65536];

static void serve(void)
{
    run_start(&up, folder);
    run_expect(&up, "serving http://127.0.0.1:");
}

int daemon_start(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    up_init(&up);
    serve();
    return 0;
}

int daemon_stop(void **state)
{
    int status = 0;
    (void)state;
    if (up.pid > 0) {
        kill(up.pid, SIGTERM);
        status = run_wait(&up, output, sizeof output);
    }
    run_end(&up);
    return status;
}

void daemon_again(void)
{
    kill(up.pid, SIGKILL);
    waitpid(up.pid, NULL, 0);
    close_fd(&up.out);
    serve();
}

int ask(const char *method, const char *path, const char *body)
{
    return run_ask(&up, method, path, body, text, sizeof text);
}

void until(const char *method, const char *path, const char *body, const char *part)
{
    uint64_t since = clock_monotonic_ms();
    do {
        ask(method, path, body);
        if (clock_monotonic_ms() - since > DEADLINE_MS) {
            fail_msg("%s never had %s: %s", path, part, text);
        }
    } while (strstr(text, part) == NULL);
}

void expect(const char *path, const char *body, int status, const char *part)
{
    int got = ask("POST", path, body);
    if (got != status || strstr(text, part) == NULL) {
        fail_msg("POST %s %s: %d, expected %d with %s: %s", path, body, got, status, part, text);
    }
}

void create(const char *name)
{
    char body[128];
    snprintf(body, sizeof body, "{\"id\":\"%s\"}", name);
    expect("instances", body, 200, "\"state\":\"running\"");
}

/* ---- exec ---- */

void duplex_open(struct duplex *d, const char *body)
{
    d->fd = run_connect(&up);
    d->len = 0;
    assert_true(d->fd >= 0);
    dprintf(d->fd,
            "POST /v1/instances/a/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
            "sallyport-exec\r\nContent-Length: %zu\r\n\r\n%s",
            strlen(body), body);
    char head[256] = "";
    for (size_t n = 0; strstr(head, "\r\n\r\n") == NULL; n++) {
        assert_true(n < sizeof head - 1);
        assert_int_equal(read(d->fd, head + n, 1), 1);
    }
    assert_non_null(strstr(head, "101 Switching Protocols"));
}

bool frame_try(struct duplex *d, unsigned char type, const void *bytes, size_t len)
{
    unsigned char head[8] = {type,
                             0,
                             0,
                             0,
                             0,
                             (unsigned char)(len >> 16),
                             (unsigned char)(len >> 8),
                             (unsigned char)len};
    return send(d->fd, head, sizeof head, MSG_NOSIGNAL) == (ssize_t)sizeof head &&
           (len == 0 || send(d->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

void frame_send(struct duplex *d, unsigned char type, const void *bytes, size_t len)
{
    assert_true(frame_try(d, type, bytes, len));
}

static void take(int fd, void *to, size_t len)
{
    for (size_t at = 0; at < len;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
        ssize_t n = read(fd, (char *)to + at, len - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
}

int frame_take(struct duplex *d)
{
    unsigned char head[8];
    take(d->fd, head, sizeof head);
    d->len = (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
    assert_true(d->len <= 65536);
    take(d->fd, d->bytes, d->len);
    d->bytes[d->len] = 0;
    return head[0];
}

int frame_take_but_credit(struct duplex *d)
{
    int type;
    do {
        type = frame_take(d);
    } while (type == 4);
    return type;
}
