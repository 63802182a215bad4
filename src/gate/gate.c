/*
 * The gate's transport: one socket, read with read(2) so that descriptors which a taken-over
 * sidecar passes are dropped by the kernel, written with one send(2) a turn.
 *
 * syscalls: read, sendto, setsockopt, close (and the loop's)
 */
#include "gate/core.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATE_SNDBUF (1024 * 1024)

static void wake_waiting(struct gate *g)
{
    /* A stream that still has no room puts itself back at the end: only those here now are asked.
     */
    struct list due;
    list_init(&due);
    while (!list_empty(&g->waiting)) {
        struct list *node = g->waiting.next;
        list_remove(node);
        list_append(&due, node);
    }
    g->depth++;
    while (!list_empty(&due)) {
        struct stream *s = LIST_ENTRY(due.next, struct stream, waiting);
        list_remove(&s->waiting);
        if (s->may_send == 0 || g->destroyed || g->why != NULL) {
            list_append(&g->waiting, &s->waiting);
            continue;
        }
        g->events->writable(g->arg, s->id);
    }
    g->depth--;
}

static void write_out(struct gate *g)
{
    while (buf_len(&g->out) > 0) {
        struct span out = buf_span(&g->out);
        ssize_t n = send(g->fd, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            gate_fail(g, "the other door is gone");
            return;
        }
        if (n < 0) {
            break;
        }
        buf_consume(&g->out, (size_t)n);
    }
    loop_watch_set(g->watch, LOOP_READ | (buf_len(&g->out) > 0 ? LOOP_WRITE : 0));
}

static void flush(struct gate *g)
{
    bool was_full = buf_len(&g->out) >= GATE_OUT_SOFT;
    write_out(g);
    if (g->why == NULL && was_full && buf_len(&g->out) < GATE_OUT_SOFT) {
        wake_waiting(g);
    }
}

static void release(struct gate *g)
{
    for (size_t i = 0; i < GATE_BUCKETS; i++) {
        while (g->buckets[i] != NULL) {
            gate_stream_drop(g, g->buckets[i]);
        }
    }
    buf_free(&g->out);
    free(g->in);
    free(g);
}

static void turn_end(void *arg)
{
    struct gate *g = arg;
    if (g->why == NULL) {
        flush(g);
    }
    if (g->why != NULL && !g->told && !g->destroyed) {
        g->told = true;
        g->depth++;
        g->events->closed(g->arg, g->why);
        g->depth--;
    }
    if (g->destroyed && g->depth == 0) {
        release(g);
    }
}

void gate_fail(struct gate *g, const char *why)
{
    if (g->why == NULL) {
        g->why = why;
        loop_watch_cancel(g->watch);
        g->watch = NULL;
        loop_task_queue(&g->flush);
    }
}

static void ready(void *arg, unsigned events)
{
    struct gate *g = arg;
    g->depth++;
    if ((events & LOOP_READ) != 0) {
        ssize_t n = read(g->fd, g->in + g->in_len, GATE_IN_BYTES - g->in_len);
        if (n > 0) {
            g->in_len += (size_t)n;
            gate_receive(g);
        } else if (n == 0) {
            gate_fail(g, "the other door is gone");
        } else if (errno != EAGAIN && errno != EINTR) {
            gate_fail(g, "read from the other door failed");
        }
    }
    g->depth--;
    if (g->destroyed && g->depth == 0) {
        release(g);
    } else {
        loop_task_queue(&g->flush);
    }
}

struct gate *gate_create(struct loop *loop, enum gate_side side, int fd,
                         const struct gate_events *events, void *arg, struct error *err)
{
    struct gate *g = calloc(1, sizeof *g);
    char *in = malloc(GATE_IN_BYTES);
    if (g == NULL || in == NULL) {
        free(g);
        free(in);
        close(fd);
        error_set(err, 0, "gate: out of memory");
        return NULL;
    }
    *g =
        (struct gate){.loop = loop, .side = side, .fd = fd, .events = events, .arg = arg, .in = in};
    list_init(&g->waiting);
    buf_init(&g->out, GATE_OUT_HARD);
    loop_task_init(&g->flush, loop, turn_end, g);
    /* A larger send buffer halves the switches on bulk; the kernel cuts it where it must. */
    int size = GATE_SNDBUF;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        error_set(err, errno, "gate: make its socket non-blocking");
    } else if (loop_watch_start(loop, fd, LOOP_READ, ready, g, &g->watch, err) == 0) {
        return g;
    }
    close(fd);
    release(g);
    return NULL;
}

void gate_destroy(struct gate *g)
{
    if (g == NULL || g->destroyed) {
        return;
    }
    if (g->why == NULL) {
        write_out(g); /* what was said reaches the other door if it can without waiting */
    }
    g->why = g->why != NULL ? g->why : "closed";
    g->destroyed = true;
    loop_watch_cancel(g->watch);
    g->watch = NULL;
    loop_task_cancel(&g->flush);
    close_fd(&g->fd);
    if (g->depth == 0) {
        release(g);
    }
}
