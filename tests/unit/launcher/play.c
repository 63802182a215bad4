#include "play.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "ipc/channel.h"
#include "ipc/conversations.h"
#include "isolate/userns.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

json_t *play_spec(const char *dir)
{
    return json_pack("{s:s, s:s, s:[{s:s, s:s, s:b}]}", "id", "play-1", "cwd", dir, "binds", "src",
                     dir, "dst", dir, "ro", 0);
}

static void become_launcher(const struct play *p, int channel)
{
    if (p->who == PLAY_AS_ORDINARY && geteuid() == 0 &&
        isolate_userns_become(PLAY_ORDINARY, PLAY_ORDINARY, NULL) < 0) {
        _exit(125);
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int spare[3];
    for (int i = 0; i < 3; i++) { /* first out of the way of 0, 1, 2, 3 */
        spare[i] = fcntl(null, F_DUPFD_CLOEXEC, 10);
    }
    channel = fcntl(channel, F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 3; i++) {
        dup2(spare[i], i);
    }
    dup2(channel, IPC_CHILD_FD);
    if (p->home != NULL) {
        setenv("HOME", p->home, 1);
    }
    unsetenv("XDG_CACHE_HOME");
    execl(PLAY_LAUNCHER, "sallyport-launcher", "play-1", (char *)NULL);
    _exit(125);
}

static bool play_receive(struct play *p, uint16_t type)
{
    struct ipc_message msg;
    struct buf body;
    struct error err;
    buf_init(&body, IPC_BODY_MAX);
    bool ok = false;
    if (ipc_receive_blocking(p->channel, ipc_launcher_says, &msg, &body, &err) < 0) {
        snprintf(p->failure, sizeof(p->failure), "%s", err.text);
    } else if (msg.type == LAUNCHER_FAILED) {
        snprintf(p->failure, sizeof(p->failure), SPAN_FMT, SPAN_ARG(msg.fields[0]));
    } else if (msg.type == type) {
        int *to[] = {&p->tcp, &p->dns_udp, &p->dns_tcp, &p->net, &p->report};
        for (size_t i = 0; i < 5; i++) {
            *to[i] = steal_fd(&msg.fds[i]);
        }
        ok = true;
    }
    buf_free(&body);
    return ok;
}

/* The command waits for the agent in its socket. */
static bool play_command(struct play *p)
{
    struct buf argv;
    cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = p->stdio[i] >= 0 ? p->stdio[i] : null;
    }
    buf_init(&argv, IPC_BODY_MAX);
    for (size_t i = 0; p->argv[i] != NULL; i++) {
        buf_append(&argv, p->argv[i], strlen(p->argv[i]) + 1);
    }
    const struct span fields[8] = {SPAN_LIT("1"), p->tty ? SPAN_LIT("mit") : SPAN_LIT("mi"),
                                   SPAN_LIT("0"), {0},
                                   {0},           {0},
                                   {0},           buf_span(&argv)};
    bool ok = ipc_send_blocking(p->agent, AGENT_RUN, fields, 8, fds, 3, NULL) >= 0;
    buf_free(&argv);
    return ok;
}

bool play_start(struct play *p)
{
    int pair[2];
    int agent[2];
    struct error err;
    p->tcp = p->dns_udp = p->dns_tcp = p->net = p->report = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, agent) != 0) {
        return false;
    }
    p->agent = agent[0];
    fflush(NULL);
    p->pid = fork();
    if (p->pid == 0) {
        become_launcher(p, pair[1]);
    }
    close(pair[1]);
    p->channel = pair[0];
    char *text = json_dumps(p->spec, JSON_COMPACT);
    struct span field = span_str(text);
    bool ok = ipc_send_blocking(p->channel, LAUNCHER_START, &field, 1, &agent[1], 1, &err) >= 0;
    close(agent[1]);
    ok = ok && play_command(p) && play_receive(p, LAUNCHER_SOCKETS);
    free(text);
    return ok;
}

/* READY, then what became of the command. */
static bool play_command_started(struct play *p)
{
    struct ipc_message msg = {0};
    struct buf body;
    struct error err;
    buf_init(&body, IPC_BODY_MAX);
    for (int i = 0; i < 2; i++) {
        if (ipc_receive_blocking(p->agent, ipc_agent_says, &msg, &body, &err) < 0) {
            snprintf(p->failure, sizeof(p->failure), "agent: %.900s", err.text);
            break;
        }
    }
    if (msg.type == AGENT_REFUSED) {
        snprintf(p->failure, sizeof(p->failure), SPAN_FMT, SPAN_ARG(msg.fields[2]));
    }
    buf_free(&body);
    return msg.type == AGENT_STARTED;
}

bool play_go(struct play *p)
{
    struct span field = span_str(PLAY_CA);
    char bytes[512];
    isolate_start_report_init(&p->start);
    if (ipc_send_blocking(p->channel, LAUNCHER_GO, &field, 1, NULL, 0, NULL) < 0) {
        (void)play_receive(p, UINT16_MAX); /* it went before: its last words are still there */
        return false;
    }
    while (!p->start.started) {
        ssize_t n = read(p->report, bytes, sizeof(bytes));
        if (n <= 0) {
            /* The launcher's own words, when it said any; else bubblewrap's. */
            if (!play_receive(p, UINT16_MAX) && p->start.len > 0) {
                isolate_start_report_failure(&p->start, p->failure, sizeof(p->failure));
            }
            return false;
        }
        isolate_start_report_feed(&p->start, span_of(bytes, (size_t)n));
    }
    return play_command_started(p);
}

int play_end(struct play *p)
{
    int status = -1;
    waitpid(p->pid, &status, 0);
    int *fds[] = {&p->tcp, &p->dns_udp, &p->dns_tcp, &p->net, &p->report, &p->channel, &p->agent};
    for (size_t i = 0; i < 7; i++) {
        close_fd(fds[i]);
    }
    json_decref(p->spec);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int play_run(struct play *p, char *out, size_t size)
{
    int pipes[2];
    size_t len = 0;
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return -1;
    }
    p->stdio[0] = -1;
    p->stdio[1] = p->stdio[2] = pipes[1];
    bool ok = play_start(p) && play_go(p);
    close(pipes[1]);
    for (ssize_t n; ok && (n = read(pipes[0], out + len, size - 1 - len)) > 0;) {
        len += (size_t)n;
    }
    out[len] = '\0';
    close(pipes[0]);
    if (!ok) {
        snprintf(out, size, "%s", p->failure);
    }
    return play_end(p);
}
