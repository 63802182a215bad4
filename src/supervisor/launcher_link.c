#include "supervisor/launcher_link.h"

#include "base/cleanup.h"
#include "ipc/conversations.h"
#include "isolate/start_report.h"
#include "supervisor/child.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct launcher_link {
    struct loop *loop;
    const struct launcher_events *events;
    void *arg;
    struct child *child;
    struct ipc_channel *channel; /* ends with the exec of bubblewrap */
    int report_fd;
    struct loop_watch *report_watch;
    struct isolate_start_report report;
    bool told_started;
    bool child_ended;
    int status;      /* of the child, once it ended */
    bool has_failed; /* why holds the launcher's own sentence */
    char why[ERROR_TEXT_BYTES];
};

static bool report_drain(struct launcher_link *l)
{
    char bytes[1024];
    ssize_t n = read(l->report_fd, bytes, sizeof bytes);
    if (n > 0) {
        isolate_start_report_feed(&l->report, span_of(bytes, (size_t)n));
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void report_close(struct launcher_link *l)
{
    loop_watch_cancel(l->report_watch);
    l->report_watch = NULL;
    close_fd(&l->report_fd);
}

static void report_ready(void *arg, unsigned events)
{
    (void)events;
    struct launcher_link *l = arg;
    if (!report_drain(l)) {
        report_close(l);
    }
    if (l->report.started && !l->told_started) {
        l->told_started = true;
        l->events->started(l->arg);
    }
}

static void report_open(struct launcher_link *l, int fd)
{
    l->report_fd = fd;
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (loop_watch_start(l->loop, fd, LOOP_READ, report_ready, l, &l->report_watch, NULL) < 0) {
        close_fd(&l->report_fd);
    }
}

static void on_sockets(struct launcher_link *l, struct ipc_message *msg)
{
    if (l->report_fd >= 0) {
        return; /* said twice */
    }
    struct launcher_sockets s = {
        .tcp = steal_fd(&msg->fds[0]),
        .dns_udp = steal_fd(&msg->fds[1]),
        .dns_tcp = steal_fd(&msg->fds[2]),
        .netns = steal_fd(&msg->fds[3]),
    };
    report_open(l, steal_fd(&msg->fds[4]));
    l->events->sockets(l->arg, &s);
    close_fd(&s.tcp);
    close_fd(&s.dns_udp);
    close_fd(&s.dns_tcp);
    close_fd(&s.netns);
}

static void on_message(void *arg, struct ipc_message *msg)
{
    struct launcher_link *l = arg;
    switch ((enum ipc_launcher_message)msg->type) {
    case LAUNCHER_SOCKETS:
        on_sockets(l, msg);
        break;
    case LAUNCHER_FAILED:
        l->has_failed = true;
        snprintf(l->why, sizeof l->why, SPAN_FMT,
                 (int)(msg->fields[0].len < sizeof l->why ? msg->fields[0].len : sizeof l->why - 1),
                 msg->fields[0].ptr);
        break;
    case LAUNCHER_START:
    case LAUNCHER_GO:
        break;
    }
}

static void tell_end(struct launcher_link *l)
{
    int status = l->status;
    while (l->report_fd >= 0 && report_drain(l) && errno != EAGAIN) {
        errno = 0;
    }
    bool started = l->report.started;
    if (!started) {
        status = EXIT_OURS; /* it is no command's */
    }
    if (!started && !l->has_failed) {
        isolate_start_report_failure(&l->report, l->why, sizeof l->why);
    }
    l->events->ended(l->arg, started, status, l->why);
}

static void on_closed(void *arg, const char *why)
{
    (void)why; /* the exec of bubblewrap closed it, or the process's end will tell */
    struct launcher_link *l = arg;
    ipc_channel_destroy(l->channel);
    l->channel = NULL;
    if (l->child_ended) {
        tell_end(l);
    }
}

/* The end of a launcher may be heard before its last words: those are behind the channel's end. */
static void on_ended(void *arg, int status)
{
    struct launcher_link *l = arg;
    l->status = status;
    l->child_ended = true;
    if (l->channel == NULL) {
        tell_end(l);
    }
}

int launcher_link_start(struct loop *loop, const struct launcher_config *config,
                        const struct launcher_events *events, void *arg, struct launcher_link **out,
                        struct error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return error_set(err, errno, "socket for the launcher");
    }
    cleanup_close int ours = pair[0];
    cleanup_close int theirs = pair[1];
    cleanup_close int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0) {
        return error_set(err, errno, "open /dev/null");
    }
    struct launcher_link *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return error_set(err, ENOMEM, "start the launcher");
    }
    *l = (struct launcher_link){.loop = loop, .events = events, .arg = arg, .report_fd = -1};
    isolate_start_report_init(&l->report);
    struct child_spec spec = {
        .program = "sallyport-launcher",
        .id = config->id,
        .few_files = true,
        .fds = {nothing, nothing, nothing, theirs},
    };
    l->channel =
        ipc_channel_create(loop, steal_fd(&ours), ipc_launcher_says, on_message, on_closed, l, err);
    if (l->channel == NULL || child_spawn(loop, &spec, on_ended, l, &l->child, err) < 0) {
        launcher_link_destroy(l);
        return -1;
    }
    ipc_send(l->channel, LAUNCHER_START, &config->spec, 1, &config->agent, 1);
    ipc_channel_flush(l->channel); /* it works while the others are started */
    *out = l;
    return 0;
}

bool launcher_link_go(struct launcher_link *l, struct span certificate_pem)
{
    return l->channel != NULL && ipc_send(l->channel, LAUNCHER_GO, &certificate_pem, 1, NULL, 0);
}

pid_t launcher_link_pid(const struct launcher_link *l)
{
    return l != NULL ? l->report.pid : 0;
}

void launcher_link_signal(struct launcher_link *l, int signum)
{
    /* Its first process lives as long as bubblewrap, which is our child and not reaped: while the
     * child is there, the number is not another's. */
    if (l->report.started && l->report.pid > 0 && child_pid(l->child) > 0) {
        kill(l->report.pid, signum);
    } else {
        child_signal(l->child, signum);
    }
}

void launcher_link_destroy(struct launcher_link *l)
{
    if (l == NULL) {
        return;
    }
    child_destroy(l->child);
    ipc_channel_destroy(l->channel);
    report_close(l);
    free(l);
}
