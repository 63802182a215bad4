#include "supervisor/link.h"

#include "base/cleanup.h"
#include "ipc/conversations.h"
#include "supervisor/child.h"
#include "supervisor/voice.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

static void end_if_both(struct link *l)
{
    if (l->channel_ended && l->child_ended) {
        l->ended(l->arg, l->why);
    }
}

static void on_message(void *arg, struct ipc_message *msg)
{
    struct link *l = arg;
    l->message(l->arg, msg);
}

static void on_closed(void *arg, const char *why)
{
    struct link *l = arg;
    l->channel_ended = true;
    if (!l->child_ended) {
        /* Gone by itself: its status will say more. Else it broke a rule. */
        if (l->why[0] == 0 && strncmp(why, IPC_GONE, sizeof IPC_GONE - 1) != 0) {
            snprintf(l->why, sizeof l->why, "%s", why);
        }
        child_signal(l->child, SIGKILL);
    }
    end_if_both(l);
}

/* NULL: a status without a meaning of its own. */
static const char *meaning_of(int status)
{
    switch (status) {
    case IPC_RUNTIME_EXIT_CPU:
        return "a turn of JavaScript ran over the CPU limit";
    case IPC_RUNTIME_EXIT_MEMORY:
        return "JavaScript passed the memory ceiling";
    case IPC_RUNTIME_EXIT_LOAD:
        return "the module ran over the CPU or memory limit while it loaded: leave the work to "
               "its handlers";
    default:
        return NULL;
    }
}

static void on_ended(void *arg, int status)
{
    struct link *l = arg;
    l->child_ended = true;
    const char *meaning = meaning_of(status);
    if (l->why[0] == 0 && meaning != NULL) {
        snprintf(l->why, sizeof l->why, "%s", meaning);
    } else if (l->why[0] == 0) {
        snprintf(l->why, sizeof l->why,
                 status > 128 ? "ended by signal %d" : "ended with status %d",
                 status > 128 ? status - 128 : status);
    }
    end_if_both(l);
}

int link_open(struct loop *loop, const struct link_spec *spec, struct link *out, struct error *err)
{
    *out = (struct link){.message = spec->message, .ended = spec->ended, .arg = spec->arg};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return error_set(err, errno, "socket for %s", spec->program);
    }
    cleanup_close int ours = pair[0];
    cleanup_close int theirs = pair[1];
    cleanup_close int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    cleanup_close int stderr_fd = -1;
    if (nothing < 0) {
        return error_set(err, errno, "open /dev/null");
    }
    int rc = voice_open(loop, &out->voice, &stderr_fd, err);
    if (rc < 0) {
        return rc;
    }
    struct child_spec child = {
        .program = spec->program, .id = spec->id, .fds = {nothing, nothing, stderr_fd, theirs}};
    out->channel =
        ipc_channel_create(loop, steal_fd(&ours), spec->hears, on_message, on_closed, out, err);
    if (out->channel == NULL ||
        (rc = child_spawn(loop, &child, on_ended, out, &out->child, err)) < 0) {
        link_close(out);
        return rc < 0 ? rc : -1;
    }
    return 0;
}

void link_failed(struct link *l, struct span sentence)
{
    size_t len = sentence.len < sizeof l->why - 1 ? sentence.len : sizeof l->why - 1;
    memcpy(l->why, sentence.ptr, len);
    l->why[len] = 0;
}

bool link_send(struct link *l, uint16_t type, const struct span *fields, size_t field_count,
               const int *fds, size_t fd_count)
{
    return l->channel != NULL && ipc_send(l->channel, type, fields, field_count, fds, fd_count);
}

void link_flush(struct link *l)
{
    if (l->channel != NULL) {
        ipc_channel_flush(l->channel);
    }
}

pid_t link_pid(const struct link *l)
{
    return child_pid(l->child);
}

void link_kill(struct link *l)
{
    child_signal(l->child, SIGKILL);
}

void link_close(struct link *l)
{
    child_destroy(l->child);
    ipc_channel_destroy(l->channel);
    voice_close(l->voice);
    l->child = NULL;
    l->channel = NULL;
    l->voice = NULL;
}
