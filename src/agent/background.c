#include "agent/background.h"

#include "agent/json.h"
#include "agent/ring.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "ipc/conversations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define COMMAND_MAX 1024u         /* bytes of it that are told */
#define CHUNK       (64u * 1024u) /* as much as a pipe holds */

struct stream {
    int fd;    /* -1: at its end */
    int inner; /* until the process has it */
    int slot;  /* in the last poll, -1: not there */
    bool over; /* what comes later is kept, but no reader waits for it */
    struct ring ring;
};

struct reader {
    struct list node;
    struct to {
        int fd; /* -1: done */
        int slot;
        bool full; /* to be polled */
        uint64_t at;
        uint64_t stop;
    } to[2];
};

struct background {
    struct list node;
    uint32_t number;
    pid_t pid;
    char *label;
    char *command;
    uint64_t started_ms;
    uint64_t ended_ms; /* 0: runs */
    const char *how;
    int value;
    struct stream streams[2];
    struct list readers;
};

static size_t readers_open; /* of all */

/* ---- begin and end ---- */

static void reader_close(struct reader *r)
{
    close_fd(&r->to[0].fd);
    close_fd(&r->to[1].fd);
    list_remove(&r->node);
    readers_open--;
    free(r);
}

void background_drop(struct agent *a, struct background *b)
{
    if (b == NULL) {
        return;
    }
    while (!list_empty(&b->readers)) {
        reader_close(LIST_ENTRY(b->readers.next, struct reader, node));
    }
    for (size_t i = 0; i < 2; i++) {
        close_fd(&b->streams[i].fd);
        close_fd(&b->streams[i].inner);
        ring_free(&b->streams[i].ring);
    }
    list_remove(&b->node);
    a->background_count--;
    free(b->label);
    free(b->command);
    free(b);
}

static bool forget_oldest(struct agent *a)
{
    LIST_FOREACH(node, &a->backgrounds)
    {
        struct background *b = LIST_ENTRY(node, struct background, node);
        if (b->ended_ms != 0) {
            background_drop(a, b);
            return true;
        }
    }
    return false;
}

/* The words with spaces between them. */
static char *command_text(struct span words)
{
    const size_t len = words.len < COMMAND_MAX ? words.len : COMMAND_MAX;
    char *text = malloc(len + 1);
    for (size_t i = 0; text != NULL && i < len; i++) {
        text[i] = words.ptr[i] != '\0' ? words.ptr[i] : ' ';
    }
    if (text != NULL) {
        text[len > 0 && len == words.len ? len - 1 : len] = '\0';
    }
    return text;
}

static bool stream_open(struct stream *s)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return false;
    }
    s->fd = ends[0];
    s->inner = ends[1];
    return fcntl(s->fd, F_SETFL, O_NONBLOCK) == 0;
}

struct background *background_open(struct agent *a, uint32_t number, struct span label,
                                   struct span command, int fds[3])
{
    if (a->background_count >= AGENT_BACKGROUND_MAX && !forget_oldest(a)) {
        return NULL;
    }
    struct background *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return NULL;
    }
    *b = (struct background){.number = number, .started_ms = clock_wall_ms()};
    list_init(&b->readers);
    list_append(&a->backgrounds, &b->node);
    a->background_count++;
    b->label = strndup(label.len > 0 ? label.ptr : "", label.len);
    b->command = command_text(command);
    bool ok = b->label != NULL && b->command != NULL;
    for (size_t i = 0; i < 2; i++) {
        b->streams[i] = (struct stream){.fd = -1, .inner = -1, .slot = -1};
        ok = ok && stream_open(&b->streams[i]);
        fds[1 + i] = b->streams[i].inner;
    }
    if (!ok) {
        background_drop(a, b);
        return NULL;
    }
    return b;
}

void background_started(struct background *b, pid_t pid)
{
    if (b != NULL) {
        b->pid = pid;
        close_fd(&b->streams[0].inner);
        close_fd(&b->streams[1].inner);
    }
}

/* ---- bytes ---- */

/* false: nothing more can be read now. */
static bool stream_read(struct stream *s)
{
    static char chunk[CHUNK];
    const ssize_t n = s->fd >= 0 ? read(s->fd, chunk, sizeof chunk) : 0;
    if (n > 0) {
        ring_append(&s->ring, span_of(chunk, (size_t)n));
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_fd(&s->fd);
        s->over = true;
    }
    return false;
}

/* As much as goes; a reader that was left behind goes on with the oldest there is. */
static void to_write(struct to *to, const struct stream *s)
{
    to->full = false;
    while (to->fd >= 0) {
        to->at = to->at < s->ring.start ? s->ring.start : to->at;
        struct span piece = ring_at(&s->ring, to->at);
        const uint64_t left = to->stop > to->at ? to->stop - to->at : 0;
        piece.len = piece.len < left ? piece.len : (size_t)left;
        if (piece.len == 0) {
            if (left == 0 || s->over) {
                close_fd(&to->fd);
            }
            return;
        }
        const ssize_t n = write(to->fd, piece.ptr, piece.len);
        if (n > 0) {
            to->at += (uint64_t)n;
        } else if (errno == EAGAIN) {
            to->full = true;
            return;
        } else if (errno != EINTR) {
            close_fd(&to->fd);
        }
    }
}

static void readers_serve(struct background *b)
{
    LIST_FOREACH_SAFE(node, next, &b->readers)
    {
        struct reader *r = LIST_ENTRY(node, struct reader, node);
        for (size_t i = 0; i < 2; i++) {
            to_write(&r->to[i], &b->streams[i]);
        }
        if (r->to[0].fd < 0 && r->to[1].fd < 0) {
            reader_close(r);
        }
    }
}

void background_ended(struct agent *a, struct background *b, const char *how, int value)
{
    (void)a;
    if (b == NULL) {
        return;
    }
    b->ended_ms = clock_wall_ms();
    b->how = how;
    b->value = value;
    for (size_t i = 0; i < 2; i++) {
        /* A child of it may write on: two reads are what the pipe held. */
        if (stream_read(&b->streams[i])) {
            stream_read(&b->streams[i]);
        }
        b->streams[i].over = true;
        LIST_FOREACH(node, &b->readers)
        {
            struct to *to = &LIST_ENTRY(node, struct reader, node)->to[i];
            to->stop = to->stop < b->streams[i].ring.end ? to->stop : b->streams[i].ring.end;
        }
    }
    readers_serve(b);
}

size_t background_poll(struct agent *a, struct pollfd *fds)
{
    size_t count = 0;
    LIST_FOREACH(node, &a->backgrounds)
    {
        struct background *b = LIST_ENTRY(node, struct background, node);
        for (size_t i = 0; i < 2; i++) {
            b->streams[i].slot = b->streams[i].fd >= 0 ? (int)count : -1;
            if (b->streams[i].fd >= 0) {
                fds[count++] = (struct pollfd){.fd = b->streams[i].fd, .events = POLLIN};
            }
        }
        LIST_FOREACH(at, &b->readers)
        {
            struct reader *r = LIST_ENTRY(at, struct reader, node);
            for (size_t i = 0; i < 2; i++) {
                const bool waits = r->to[i].fd >= 0;
                r->to[i].slot = waits ? (int)count : -1;
                if (waits) { /* without events: that it went away */
                    fds[count++] =
                        (struct pollfd){.fd = r->to[i].fd, .events = r->to[i].full ? POLLOUT : 0};
                }
            }
        }
    }
    return count;
}

static bool is_ready(const struct pollfd *fds, size_t count, int slot, int fd)
{
    return slot >= 0 && (size_t)slot < count && fds[slot].fd == fd && fds[slot].revents != 0;
}

void background_ready(struct agent *a, const struct pollfd *fds, size_t count)
{
    LIST_FOREACH(node, &a->backgrounds)
    {
        struct background *b = LIST_ENTRY(node, struct background, node);
        bool moved = false;
        for (size_t i = 0; i < 2; i++) {
            struct stream *s = &b->streams[i];
            if (is_ready(fds, count, s->slot, s->fd)) {
                stream_read(s);
                moved = true;
            }
        }
        LIST_FOREACH(at, &b->readers)
        {
            struct reader *r = LIST_ENTRY(at, struct reader, node);
            for (size_t i = 0; i < 2; i++) {
                if (is_ready(fds, count, r->to[i].slot, r->to[i].fd)) {
                    moved = true;
                    if ((fds[r->to[i].slot].revents & POLLERR) != 0) {
                        close_fd(&r->to[i].fd); /* nobody reads it any more */
                    }
                }
            }
        }
        if (moved) {
            readers_serve(b);
        }
    }
}

/* ---- what is asked ---- */

static struct background *find(struct agent *a, uint32_t number)
{
    LIST_FOREACH(node, &a->backgrounds)
    {
        struct background *b = LIST_ENTRY(node, struct background, node);
        if (b->number == number) {
            return b;
        }
    }
    return NULL;
}

static bool describe(struct buf *out, const struct background *b, size_t command_max)
{
    const struct span command = {b->command, strnlen(b->command, command_max)};
    bool ok = buf_appendf(out, "{\"process\":%u,\"pid\":%d,\"label\":", b->number, b->pid) &&
              json_string(out, span_str(b->label)) && buf_append_str(out, ",\"command\":") &&
              json_string(out, command) &&
              buf_appendf(out, ",\"running\":%s,\"started_ms\":%llu",
                          b->ended_ms == 0 ? "true" : "false", (unsigned long long)b->started_ms);
    if (b->ended_ms != 0) {
        ok = ok && buf_appendf(out, ",\"how\":\"%s\",\"number\":%d,\"ended_ms\":%llu", b->how,
                               b->value, (unsigned long long)b->ended_ms);
    }
    return ok && buf_append_str(out, "}");
}

static bool describe_all(struct agent *a, struct buf *out, size_t command_max)
{
    bool ok = buf_append_str(out, "[");
    LIST_FOREACH(node, &a->backgrounds)
    {
        ok = ok && (node == a->backgrounds.next || buf_append_str(out, ",")) &&
             describe(out, LIST_ENTRY(node, struct background, node), command_max);
    }
    return ok && buf_append_str(out, "]");
}

/* The commands are cut as far as the answer must be to fit into a frame. */
static void tell_processes(struct agent *a, struct span seq)
{
    struct buf out;
    buf_init(&out, AGENT_BODY_MAX - 1024);
    for (size_t most = COMMAND_MAX;; most /= 4) {
        buf_clear(&out);
        if (describe_all(a, &out, most)) {
            say_reply(a, seq, true, buf_span(&out));
            break;
        }
        if (most == 0) {
            say_error(a, seq, "processes: the list is too long: forget those that ended");
            break;
        }
    }
    buf_free(&out);
}

static void tell_logs(struct agent *a, struct ipc_message *msg)
{
    const struct span seq = msg->fields[0];
    struct background *b = find(a, number_read(msg->fields[1]));
    if (b == NULL) {
        say_error(a, seq, "logs: no such background process");
        return;
    }
    struct reader *r = readers_open < BACKGROUND_READERS_MAX ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        say_error(a, seq, "logs: too many readers");
        return;
    }
    const bool follow = span_eq(msg->fields[2], SPAN_LIT("follow"));
    for (size_t i = 0; i < 2; i++) {
        const struct ring *ring = &b->streams[i].ring;
        r->to[i] = (struct to){.fd = steal_fd(&msg->fds[i]),
                               .slot = -1,
                               .at = ring->start,
                               .stop = follow && !b->streams[i].over ? UINT64_MAX : ring->end};
        fcntl(r->to[i].fd, F_SETFL, O_NONBLOCK);
    }
    list_append(&b->readers, &r->node);
    readers_open++;
    say_reply(a, seq, true, SPAN_LIT("{}"));
    readers_serve(b);
}

static void forget(struct agent *a, const struct ipc_message *msg)
{
    struct background *b = find(a, number_read(msg->fields[1]));
    if (b == NULL || b->ended_ms == 0) {
        say_error(a, msg->fields[0],
                  b == NULL ? "forget: no such background process" : "forget: it still runs");
        return;
    }
    background_drop(a, b);
    say_reply(a, msg->fields[0], true, SPAN_LIT("{}"));
}

void background_message(struct agent *a, struct ipc_message *msg)
{
    switch (msg->type) {
    case AGENT_PROCESSES:
        tell_processes(a, msg->fields[0]);
        break;
    case AGENT_LOGS:
        tell_logs(a, msg);
        break;
    default:
        forget(a, msg);
        break;
    }
}
