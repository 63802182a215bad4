/*
 * Stands in for launcher and sidecar: speaks their conversations, does none of their work. What it
 * is comes from the name it was started by.
 */
#include "base/cleanup.h"
#include "ipc/conversations.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct buf body;
static struct ipc_message msg;

static void receive(const struct ipc_rule *rules)
{
    if (ipc_receive_blocking(IPC_CHILD_FD, rules, &msg, &body, NULL) < 0) {
        _exit(0);
    }
}

static void say(uint16_t type, const struct span *fields, size_t count, const int *fds, size_t n)
{
    if (ipc_send_blocking(IPC_CHILD_FD, type, fields, count, fds, n, NULL) < 0) {
        _exit(3);
    }
}

/* Becomes the agent itself instead of a sandbox, once it was told to go. */
static int launcher(const char *id)
{
    char socket_number[16];
    char report_number[16];
    receive(ipc_launcher_hears);
    snprintf(socket_number, sizeof socket_number, "%d", fcntl(msg.fds[0], F_DUPFD, 3));
    if (strcmp(id, "fail-to-build") == 0) {
        struct span why = SPAN_LIT("bind /x: no such folder: name one that exists");
        say(LAUNCHER_FAILED, &why, 1, NULL, 0);
        _exit(125);
    }
    int report[2];
    int any = socket(AF_UNIX, SOCK_STREAM, 0);
    if (pipe(report) < 0) {
        return 3;
    }
    int fds[5] = {any, any, any, any, report[0]};
    say(LAUNCHER_SOCKETS, NULL, 0, fds, 5);
    close(report[0]);
    close(any);
    receive(ipc_launcher_hears);
    if (msg.type != LAUNCHER_GO || !span_starts(msg.fields[0], SPAN_LIT("-----BEGIN CERT"))) {
        return 3;
    }
    dprintf(report[1], "{\"child-pid\": %d\n}\n", getpid());
    snprintf(report_number, sizeof report_number, "%d", report[1]);
    close(IPC_CHILD_FD);
    execl(FAKE_AGENT, "sallyport-agent", socket_number, report_number, (char *)NULL);
    return 127;
}

/* Lives until it is told to drain. */
static int front(void)
{
    struct span nothing = SPAN_LIT("");
    if (msg.fd_count != 4) {
        return 3;
    }
    say(SIDECAR_READY, &nothing, 1, NULL, 0);
    do {
        receive(ipc_sidecar_hears);
    } while (msg.type != SIDECAR_DRAIN);
    return 0;
}

/* The certificate is its pid: a successor must give back the one that it was given. */
static int sidecar(const char *id)
{
    char pid[24];
    struct span certificate;
    receive(ipc_sidecar_hears);
    if (msg.type == SIDECAR_FRONT) {
        return front();
    }
    if (msg.type != SIDECAR_START || msg.fd_count != 7) {
        return 3;
    }
    if (strcmp(id, "sidecar-fails") == 0) {
        struct span why = SPAN_LIT("confine: no seccomp");
        say(SIDECAR_FAILED, &why, 1, NULL, 0);
        return 1;
    }
    if (strcmp(id, "sidecar-sends-descriptors") == 0) {
        certificate = SPAN_LIT("x");
        say(SIDECAR_READY, &certificate, 1, &(int){0}, 1);
        receive(ipc_sidecar_hears);
    }
    snprintf(pid, sizeof pid, "%d", getpid());
    certificate = msg.fields[2].len > 0 ? msg.fields[2] : span_str(pid);
    certificate = span_of(strndup(certificate.ptr, certificate.len), certificate.len);
    dprintf(STDERR_FILENO, "sidecar\x1b says intercept=" SPAN_FMT "\n", SPAN_ARG(msg.fields[1]));
    say(SIDECAR_READY, &certificate, 1, NULL, 0);
    for (;;) {
        receive(ipc_sidecar_hears);
        if (msg.type == SIDECAR_INTERCEPT) {
            say(SIDECAR_READY, &certificate, 1, NULL, 0);
        }
    }
}

int main(int argc, char **argv)
{
    buf_init(&body, IPC_BODY_MAX);
    const char *id = argc > 1 ? argv[1] : "";
    return strstr(argv[0], "launcher") != NULL ? launcher(id) : sidecar(id);
}
