#include "fixture.h"

#include "base/cleanup.h"
#include "ipc/conversations.h"
#include "isolate/secretmem.h"
#include "isolate/userns.h"
#include "tls/tls.h"
#include "tls/trust.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void too_late(void *arg)
{
    (void)arg;
    fail_msg("what was waited for did not come");
}

struct wait {
    struct fixture *f;
    bool (*done)(void *arg);
    void *arg;
};

static void wait_check(void *arg)
{
    struct wait *w = arg;
    if (w->done(w->arg)) {
        loop_stop(w->f->loop);
    }
}

void fixture_run(struct fixture *f, bool (*done)(void *arg), void *arg)
{
    struct wait w = {f, done, arg};
    f->deadline = loop_timer_start(f->loop, DEADLINE_MS, 0, too_late, f);
    struct loop_timer *often = loop_timer_start(f->loop, 0, 2, wait_check, &w);
    loop_run(f->loop);
    loop_timer_cancel(often);
    loop_timer_cancel(f->deadline);
}

static int listener(int type, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int one = 1;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    if (type == SOCK_STREAM) {
        assert_int_equal(listen(fd, 512), 0);
    } else {
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    }
    getsockname(fd, (struct sockaddr *)&at, &len);
    *port = ntohs(at.sin_port);
    return fd;
}

static void on_message(void *arg, struct ipc_message *msg)
{
    struct fixture *f = arg;
    if (msg->type == SIDECAR_FAILED) {
        print_message("sidecar: " SPAN_FMT "\n", SPAN_ARG(msg->fields[0]));
        return;
    }
    buf_clear(&f->cert);
    buf_append_span(&f->cert, msg->fields[0]);
    f->ready++;
}

static void on_control_closed(void *arg, const char *why)
{
    struct fixture *f = arg;
    (void)why;
    f->control_closed = true;
}

static bool is_ready(void *arg)
{
    struct fixture *f = arg;
    return f->ready > 0 || f->control_closed;
}

static int gate_pair(struct fixture *f)
{
    struct error err;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->gate = gate_create(f->loop, GATE_OUTER, fds[0], &outer_events, f, &err);
    assert_non_null(f->gate);
    f->gate_closed = false;
    return fds[1];
}

static void spawn(struct fixture *f, int channel)
{
    const char *program = getenv("SIDECAR");
    const char *preload = getenv("NOMEM");
    if (program == NULL || (f->fail_at > 0 && preload == NULL)) {
        print_error("SIDECAR or NOMEM is not set\n");
        abort();
    }
    f->pid = fork();
    if (f->pid == 0) {
        dup2(channel, 3);
        if (f->fail_at > 0) {
            char text[32];
            snprintf(text, sizeof text, "%lu", f->fail_at);
            setenv(f->fail_name, text, 1);
            setenv("LD_PRELOAD", preload, 1);
        }
        execl(program, "sallyport-sidecar", "t1", (char *)NULL);
        _exit(127);
    }
    assert_true(f->pid > 0);
}

bool fixture_try_start(struct fixture *f, bool intercept)
{
    struct error err;
    int channel[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
    spawn(f, channel[1]);
    close(channel[1]);
    f->control_closed = false;
    f->ready = 0;
    f->control = ipc_channel_create(f->loop, channel[0], ipc_sidecar_says, on_message,
                                    on_control_closed, f, &err);
    assert_non_null(f->control);
    cleanup_close int inner = gate_pair(f);
    struct span fields[] = {SPAN_LIT("t1"), intercept ? SPAN_LIT("1") : SPAN_LIT("0"),
                            buf_span(&f->cert)};
    int fds[] = {f->tcp, f->dns_udp, f->dns_tcp, inner, f->key, f->user_ns, f->net_ns};
    int front_fds[] = {f->tcp, inner, f->user_ns, f->net_ns};
    if (f->front) {
        assert_true(ipc_send(f->control, SIDECAR_FRONT, fields, 1, front_fds, 4));
    } else {
        assert_true(ipc_send(f->control, SIDECAR_START, fields, 3, fds, 7));
    }
    fixture_run(f, is_ready, f);
    return f->ready > 0;
}

void fixture_start(struct fixture *f, bool intercept)
{
    assert_true(fixture_try_start(f, intercept));
}

static void ca_write(struct fixture *f)
{
    struct error err;
    struct buf pem;
    buf_init(&pem, 65536);
    if (!f->front) {
        assert_int_equal(tls_trust_pem(buf_span(&f->cert), &pem, &err), 0);
    }
    snprintf(f->dir, sizeof f->dir, "/tmp/sallyport-sidecar-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->ca_path, sizeof f->ca_path, "%s/ca.pem", f->dir);
    FILE *out = fopen(f->ca_path, "w");
    fwrite(buf_span(&pem).ptr, 1, buf_len(&pem), out);
    fclose(out);
    buf_free(&pem);
}

static int setup(void **state, bool front, bool intercept)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->front = front;
    struct error err;
    char text[256];
    f->loop = loop_create(&err);
    buf_init(&f->cert, TLS_CA_DER_MAX);
    f->tcp = listener(SOCK_STREAM, &f->port);
    f->dns_tcp = listener(SOCK_STREAM, &f->dns_tcp_port);
    f->dns_udp = listener(SOCK_DGRAM, &f->dns_port);
    f->key = isolate_secretmem_create(TLS_SCALAR_BYTES, NULL, &err);
    assert_true(f->key >= 0);
    if (isolate_userns_make_empty(getuid(), getgid(), &f->user_ns, &f->net_ns, &err) < 0) {
        fail_msg("%s", err.text);
    }
    fixture_start(f, intercept);
    ca_write(f);
    snprintf(text, sizeof text, "%u", (unsigned)f->port);
    setenv("PORT", text, 1);
    snprintf(text, sizeof text, "%u", (unsigned)f->dns_port);
    setenv("DNS", text, 1);
    snprintf(text, sizeof text, "%u", (unsigned)f->dns_tcp_port);
    setenv("DNSTCP", text, 1);
    setenv("CA", f->ca_path, 1);
    snprintf(
        text, sizeof text,
        "curl -sS --max-time 15 --http1.1 --noproxy '' --cacert %s --connect-to ::127.0.0.1:%u",
        f->ca_path, (unsigned)f->port);
    setenv("C", text, 1);
    *state = f;
    return 0;
}

int fixture_setup(void **state)
{
    return setup(state, false, true);
}

int fixture_setup_tunnel(void **state)
{
    return setup(state, false, false);
}

int fixture_setup_front(void **state)
{
    return setup(state, true, false);
}

void fixture_kill(struct fixture *f)
{
    if (f->pid > 0) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
        f->pid = 0;
    }
    gate_destroy(f->gate);
    f->gate = NULL;
    ipc_channel_destroy(f->control);
    f->control = NULL;
    outer_forget(f);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    fixture_kill(f);
    unlink(f->ca_path);
    rmdir(f->dir);
    int *fds[] = {&f->tcp, &f->dns_udp, &f->dns_tcp, &f->key, &f->user_ns, &f->net_ns};
    for (size_t i = 0; i < 6; i++) {
        close_fd(fds[i]);
    }
    loop_destroy(f->loop);
    buf_free(&f->cert);
    free(f);
    return 0;
}

void fixture_gate_end(struct fixture *f)
{
    gate_destroy(f->gate);
    f->gate = NULL;
    outer_forget(f);
}

void fixture_gate_new(struct fixture *f)
{
    cleanup_close int inner = gate_pair(f);
    assert_true(ipc_send(f->control, SIDECAR_GATE, NULL, 0, &inner, 1));
}

struct reader {
    struct fixture *f;
    int fd;
    struct result *r;
    struct loop_watch *watch;
    bool done;
};

static void reader_ready(void *arg, unsigned events)
{
    struct reader *rd = arg;
    (void)events;
    char *to = buf_reserve(&rd->r->out, 65536);
    assert_non_null(to);
    ssize_t n = read(rd->fd, to, 65536);
    if (n > 0) {
        buf_commit(&rd->r->out, (size_t)n);
    } else if (n == 0 || errno != EAGAIN) {
        rd->r->reset = n < 0 && errno == ECONNRESET;
        rd->done = true;
        loop_watch_set(rd->watch, 0);
    }
}

static bool reader_done(void *arg)
{
    struct reader *rd = arg;
    return rd->done;
}

void gather(struct fixture *f, struct result *r, int fd)
{
    struct error err;
    struct reader rd = {.f = f, .fd = fd, .r = r};
    *r = (struct result){0};
    buf_init(&r->out, 256u << 20);
    assert_int_equal(loop_watch_start(f->loop, fd, LOOP_READ, reader_ready, &rd, &rd.watch, &err),
                     0);
    fixture_run(f, reader_done, &rd);
    loop_watch_cancel(rd.watch);
}

void shell(struct fixture *f, struct result *r, const char *command)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    gather(f, r, fds[0]);
    close(fds[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void expect(struct fixture *f, const char *command, const char *output)
{
    struct result r;
    shell(f, &r, command);
    struct span got = buf_span(&r.out);
    if (!span_eq(got, span_str(output))) {
        fail_msg("%s: exit %d: " SPAN_FMT, command, r.status, SPAN_ARG(got));
    }
    result_free(&r);
}

int dial(struct fixture *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(f->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

void raw(struct fixture *f, struct result *r, struct span bytes)
{
    cleanup_close int fd = dial(f);
    assert_int_equal(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
    gather(f, r, fd);
}

void result_free(struct result *r)
{
    buf_free(&r->out);
}

bool result_has(const struct result *r, const char *text)
{
    struct span out = buf_span(&r->out);
    return memmem(out.ptr, out.len, text, strlen(text)) != NULL;
}

static void result_has_all(struct result *r, const char *const *parts)
{
    for (; *parts != NULL; parts++) {
        HAS(r, *parts);
    }
    result_free(r);
}

void shell_has(struct fixture *f, const char *command, const char *const *parts)
{
    struct result r;
    shell(f, &r, command);
    result_has_all(&r, parts);
}

void raw_has(struct fixture *f, struct span bytes, const char *const *parts)
{
    struct result r;
    raw(f, &r, bytes);
    result_has_all(&r, parts);
}
