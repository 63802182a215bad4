/*
 * Stands in for launcher, sidecar and runtime: speaks their conversations, does none of their work.
 * What it is comes from the name it was started by.
 */
#include "base/cleanup.h"
#include "ipc/conversations.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
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

/* The certificate is its pid: a successor must give back the one that it was given. */
static int sidecar(const char *id)
{
    char pid[24];
    struct span certificate;
    receive(ipc_sidecar_hears);
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

static struct span seq;

static void reply(struct span ok, struct span payload)
{
    struct span fields[3] = {seq, ok, payload};
    say(RUNTIME_REPLY, fields, 3, NULL, 0);
}

static void ask_and_relay(uint16_t type, const struct span *fields, size_t count)
{
    char kept[24];
    snprintf(kept, sizeof kept, SPAN_FMT, SPAN_ARG(seq));
    say(type, fields, count, NULL, 0);
    receive(ipc_runtime_hears);
    seq = span_str(kept);
    if (msg.type == RUNTIME_KV_DONE) {
        json_t *o = json_pack("[s%,s%]", msg.fields[1].ptr, msg.fields[1].len, msg.fields[2].ptr,
                              msg.fields[2].len);
        reply(SPAN_LIT("ok"), span_str(json_dumps(o, JSON_COMPACT)));
    } else {
        reply(msg.fields[1],
              span_eq(msg.fields[1], SPAN_LIT("ok")) ? SPAN_LIT("null") : msg.fields[2]);
    }
}

static char state[8192];
static char secret[8192];

static void called(struct span id, struct span method, struct span arguments)
{
    static char copy[8192];
    snprintf(copy, sizeof copy, SPAN_FMT, SPAN_ARG(arguments));
    json_t *args = json_loads(copy, 0, NULL);
    const char *first = json_string_value(json_array_get(args, 0));
    const char *second = json_string_value(json_array_get(args, 1));
    if (span_eq(method, SPAN_LIT("die"))) {
        _exit(9);
    } else if (span_eq(method, SPAN_LIT("throws"))) {
        reply(SPAN_LIT("error"), SPAN_LIT("it threw"));
    } else if (span_eq(method, SPAN_LIT("state"))) {
        reply(SPAN_LIT("ok"), span_str(state));
    } else if (span_eq(method, SPAN_LIT("secret"))) {
        reply(SPAN_LIT("ok"), span_str(secret));
    } else if (span_eq(method, SPAN_LIT("setOutboundHandler"))) {
        snprintf(state, sizeof state, "%s", copy);
        struct span f[3] = {SPAN_LIT("77"), id, span_str(state)};
        ask_and_relay(RUNTIME_STATE, f, 3);
    } else if (span_eq(method, SPAN_LIT("kvGet"))) {
        struct span f[6] = {SPAN_LIT("5"), SPAN_LIT("get"), SPAN_LIT("ns"), span_str(first)};
        ask_and_relay(RUNTIME_KV, f, 6);
    } else if (span_eq(method, SPAN_LIT("kvPut"))) {
        struct span f[6] = {SPAN_LIT("6"),   SPAN_LIT("put"),  SPAN_LIT("ns"),
                            span_str(first), span_str(second), SPAN_LIT("{}")};
        ask_and_relay(RUNTIME_KV, f, 6);
    } else if (span_eq(method, SPAN_LIT("event"))) {
        struct span f[2] = {id, span_str(first)};
        say(RUNTIME_EVENT, f, 2, NULL, 0);
        reply(SPAN_LIT("ok"), SPAN_LIT("null"));
    } else {
        reply(SPAN_LIT("ok"), span_str(copy));
    }
}

static void runtime_message(void)
{
    static char number[24];
    struct span fact = SPAN_LIT("{\"classes\":[]}");
    snprintf(number, sizeof number, SPAN_FMT, SPAN_ARG(msg.fields[0]));
    seq = span_str(number);
    switch (msg.type) {
    case RUNTIME_SECRET:
        snprintf(secret, sizeof secret, "{\"" SPAN_FMT "\":\"" SPAN_FMT "\"}",
                 SPAN_ARG(msg.fields[1]), SPAN_ARG(msg.fields[2]));
        reply(SPAN_LIT("ok"), SPAN_LIT("null"));
        break;
    case RUNTIME_START:
        if (memmem(msg.fields[0].ptr, msg.fields[0].len, "broken", 6) != NULL) {
            fact = SPAN_LIT("app.ts:3:7: expected \";\"");
            say(RUNTIME_FAILED, &fact, 1, NULL, 0);
            _exit(1);
        }
        say(RUNTIME_READY, &fact, 1, NULL, 0);
        break;
    case RUNTIME_INSTANCE_ADD:
        snprintf(state, sizeof state, SPAN_FMT, SPAN_ARG(msg.fields[5]));
        if (state[0] == 0) {
            snprintf(state, sizeof state, "null");
        }
        if (span_eq(msg.fields[2], SPAN_LIT("Missing"))) {
            reply(SPAN_LIT("error"), SPAN_LIT("class Missing: not exported"));
        } else {
            reply(SPAN_LIT("ok"), SPAN_LIT("{\"class\":\"Sandbox\",\"intercept_https\":false}"));
        }
        break;
    case RUNTIME_CALL:
        called(msg.fields[1], msg.fields[2], msg.fields[3]);
        break;
    case RUNTIME_INSTANCE_ENDED:
    case RUNTIME_INSTANCE_REMOVE:
        reply(SPAN_LIT("ok"), SPAN_LIT("null"));
        break;
    case RUNTIME_CHECK:
        reply(SPAN_LIT("ok"), SPAN_LIT("{\"decision\":\"allow\"}"));
        break;
    default:
        break;
    }
}

int main(int argc, char **argv)
{
    buf_init(&body, IPC_BODY_MAX);
    const char *id = argc > 1 ? argv[1] : "";
    if (strstr(argv[0], "launcher") != NULL) {
        return launcher(id);
    }
    if (strstr(argv[0], "sidecar") != NULL) {
        return sidecar(id);
    }
    for (;;) {
        receive(ipc_runtime_hears);
        runtime_message();
    }
}
