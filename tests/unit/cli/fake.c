#include "fake.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

void fake_open(struct fake *f)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(f->folder, "/tmp/sallyport-fake-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/s", f->folder);
    strcpy(addr.sun_path, f->path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(setenv("SALLYPORT_SOCKET", f->path, 1), 0);
}

void fake_close(struct fake *f)
{
    char command[128];
    close(f->listener);
    unsetenv("SALLYPORT_SOCKET");
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
}

int fake_readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

int fake_accept(struct fake *f)
{
    struct timeval limit = {.tv_sec = FAKE_WAIT_MS / 1000};
    assert_true(fake_readable(f->listener, FAKE_WAIT_MS));
    int conn = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(conn >= 0);
    setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return conn;
}

char *fake_request(int conn, char **body)
{
    size_t room = 1 << 20;
    char *text = calloc(1, room);
    size_t len = 0;
    char *end = NULL;
    assert_non_null(text);
    while (end == NULL) {
        assert_true(len < room - 1);
        assert_int_equal(read(conn, text + len, 1), 1);
        end = strstr(text, "\r\n\r\n");
        len++;
    }
    *body = end + 4;
    const char *length = strstr(text, "Content-Length: ");
    size_t want = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
    assert_true(len + want < room);
    for (size_t got = 0; got < want;) {
        ssize_t n = read(conn, text + len + got, want - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    return text;
}

void fake_answer(int conn, unsigned status, const char *json)
{
    dprintf(conn, "HTTP/1.1 %u X\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(json), json);
}
