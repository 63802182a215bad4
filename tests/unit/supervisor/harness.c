#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "harness.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define DEADLINE_MS 10000u

void run_init(struct run *r, const char *id, const char *const *argv)
{
    *r = (struct run){.out = -1};
    snprintf(r->dir, sizeof r->dir, "/tmp/sallyport-unit-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->socket, sizeof r->socket, "%s/run/%s.sock", r->dir, id);
    spec_init(&r->spec);
    r->spec.mode = SPEC_RUN;
    r->spec.id = strdup(id);
    r->spec.app = strdup("{\"name\":\"unit\",\"module\":false,\"kv\":[{\"binding\":\"NS\","
                         "\"id\":\"ns\"}]}");
    r->spec.options = strdup("{}");
    r->spec.cwd = strdup("/");
    r->spec.state_dir = NULL;
    assert_true(asprintf(&r->spec.state_dir, "%s/state", r->dir) > 0);
    r->spec.socket = strdup(r->socket);
    r->spec.bundle_fd = memfd_create("bundle", 0);
    r->spec.map_fd = memfd_create("map", 0);
    for (size_t i = 0; argv[i] != NULL; i++) {
        spec_strings_add(&r->spec.argv, argv[i]);
    }
}

void up_init(struct run *r)
{
    run_init(r, "up", (const char *const[]){NULL});
    r->spec.mode = SPEC_UP;
    free(r->spec.id);
    r->spec.id = NULL;
    r->spec.listen = strdup("127.0.0.1:0");
}

void run_start(struct run *r, const char *folder)
{
    struct error err;
    char program[4096];
    char option[32];
    int pair[2];
    int spec = spec_write(&r->spec, &err);
    if (spec < 0) {
        fail_msg("%s", err.text);
    }
    snprintf(program, sizeof program, "%s/sallyport-supervisor", folder);
    snprintf(option, sizeof option, "--spec=%d", spec);
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    r->pid = fork();
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves none behind */
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(pair[1], 1);
        dup2(pair[1], 2);
        execl(program, program, option, (char *)NULL);
        _exit(124);
    }
    close(pair[1]);
    close(spec);
    r->out = pair[0];
}

void run_expect(struct run *r, const char *part)
{
    char text[4096] = {0};
    for (size_t len = 0; strstr(text, part) == NULL;) {
        struct pollfd p = {.fd = r->out, .events = POLLIN};
        ssize_t n = poll(&p, 1, DEADLINE_MS) == 1 && len < sizeof text - 1
                        ? read(r->out, text + len, sizeof text - 1 - len)
                        : 0;
        if (n <= 0) {
            fail_msg("the supervisor never said \"%s\": %s", part, text);
        }
        len += (size_t)n;
    }
}

int run_wait(struct run *r, char *output, size_t size)
{
    size_t len = 0;
    for (;;) {
        struct pollfd p = {.fd = r->out, .events = POLLIN};
        if (poll(&p, 1, DEADLINE_MS) != 1) {
            fail_msg("the supervisor did not end: %.*s", (int)len, output);
        }
        ssize_t n = read(r->out, output + len, size - 1 - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    output[len] = 0;
    int status;
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    r->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void run_end(struct run *r)
{
    char command[128];
    if (r->pid > 0) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
    }
    close_fd(&r->out);
    spec_free(&r->spec);
    snprintf(command, sizeof command, "rm -rf '%s'", r->dir);
    assert_int_equal(system(command), 0);
}

int run_connect(const struct run *r)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, r->socket, strlen(r->socket) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)(void *)&addr, sizeof addr) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int run_ask(struct run *r, const char *method, const char *path, const char *body, char *text,
            size_t size)
{
    cleanup_close int fd = run_connect(r);
    text[0] = 0;
    if (fd < 0) {
        return 0;
    }
    dprintf(fd,
            "%s /v1/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
            method, path, strlen(body), body);
    size_t len = 0;
    for (ssize_t n; len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0;) {
        len += (size_t)n;
    }
    text[len] = 0;
    int status = 0;
    char *end = strstr(text, "\r\n\r\n");
    if (sscanf(text, "HTTP/1.1 %d", &status) == 1 && end != NULL) {
        memmove(text, end + 4, strlen(end + 4) + 1);
    }
    return status;
}

void run_until(struct run *r, const char *path, const char *part, char *text, size_t size)
{
    uint64_t start = clock_monotonic_ms();
    while (run_ask(r, "GET", path, "", text, size) != 200 || strstr(text, part) == NULL) {
        if (clock_monotonic_ms() - start > DEADLINE_MS) {
            fail_msg("GET %s never had %s: %s", path, part, text);
        }
        /* The other side needs the processor; there is nothing that could be waited for. */
        poll(NULL, 0, 1);
    }
}

long number_of(const char *json, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(json, key);
    return at != NULL ? strtol(at + strlen(key), NULL, 10) : -1;
}
