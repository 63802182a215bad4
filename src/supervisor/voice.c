#include "supervisor/voice.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

struct voice {
    int fd;
    struct loop_watch *watch;
    char line[VOICE_LINE_MAX];
    size_t len;
    uint64_t since_ms;
    unsigned lines;
};

static void line_print(struct voice *v)
{
    uint64_t now = clock_monotonic_ms();
    if (now - v->since_ms > VOICE_SPAN_MS) {
        v->since_ms = now;
        v->lines = 0;
    }
    if (++v->lines > VOICE_LINES_MAX) {
        v->len = 0;
        return;
    }
    char out[VOICE_LINE_MAX * 4 + 64];
    size_t at = 0;
    for (size_t i = 0; i < v->len; i++) {
        unsigned char c = (unsigned char)v->line[i];
        if (c < 0x20 || c == 0x7f) {
            at += (size_t)snprintf(out + at, 5, "\\x%02x", c);
        } else {
            out[at++] = (char)c;
        }
    }
    if (v->lines == VOICE_LINES_MAX) {
        at += (size_t)snprintf(out + at, 48, " (further lines are dropped)");
    }
    log_line(out, at);
    v->len = 0;
}

/* false: nothing more will come. */
static bool drain(struct voice *v)
{
    char bytes[4096];
    ssize_t n = read(v->fd, bytes, sizeof bytes);
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            line_print(v);
        } else if (v->len < sizeof v->line) {
            v->line[v->len++] = bytes[i];
        }
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void voice_ready(void *arg, unsigned events)
{
    (void)events;
    struct voice *v = arg;
    if (!drain(v)) {
        loop_watch_cancel(v->watch);
        v->watch = NULL;
    }
}

int voice_open(struct loop *loop, struct voice **out, int *write_fd, struct error *err)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0) {
        return error_set(err, errno, "pipe for a child's messages");
    }
    struct voice *v = calloc(1, sizeof *v);
    int flags = fcntl(pair[0], F_GETFL);
    if (v == NULL || fcntl(pair[0], F_SETFL, flags | O_NONBLOCK) < 0 ||
        loop_watch_start(loop, pair[0], LOOP_READ, voice_ready, v, &v->watch, err) < 0) {
        close(pair[0]);
        close(pair[1]);
        free(v);
        return error_set(err, ENOMEM, "pipe for a child's messages");
    }
    v->fd = pair[0];
    *write_fd = pair[1];
    *out = v;
    return 0;
}

void voice_close(struct voice *v)
{
    if (v == NULL) {
        return;
    }
    if (v->watch != NULL) {
        /* The child has ended: its last words are in the pipe, which holds 64 KiB at most. */
        errno = 0;
        for (int i = 0; i < 16 && drain(v) && errno != EAGAIN; i++) {
        }
        loop_watch_cancel(v->watch);
    }
    if (v->len > 0) {
        line_print(v);
    }
    close_fd(&v->fd);
    free(v);
}
