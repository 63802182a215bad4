#include "runtime/pipe.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE (64u * 1024u)

static int nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* ---- output ---- */

struct pipe_source {
    struct source source; /* first */
    int fd;
    struct loop_watch *watch;
    bool over; /* the process has ended */
    source_ready_fn ready;
    void *ready_arg;
    struct loop_task wake;
    void (*closed)(void *arg);
    void *closed_arg;
};

static ssize_t pipe_read(struct source *s, void *dst, size_t len)
{
    struct pipe_source *p = (struct pipe_source *)(void *)s;
    ssize_t n;
    do {
        n = read(p->fd, dst, len);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return n;
    }
    return errno == EAGAIN ? (p->over ? 0 : -EAGAIN) : -errno;
}

static void tell(void *arg)
{
    struct pipe_source *p = arg;
    source_ready_fn ready = p->ready;
    p->ready = NULL;
    loop_watch_set(p->watch, 0);
    if (ready != NULL) {
        ready(p->ready_arg);
    }
}

static void readable(void *arg, unsigned events)
{
    (void)events;
    tell(arg);
}

static void pipe_watch(struct source *s, source_ready_fn ready, void *arg)
{
    struct pipe_source *p = (struct pipe_source *)(void *)s;
    p->ready = ready;
    p->ready_arg = arg;
    loop_task_cancel(&p->wake);
    if (ready != NULL && p->over) {
        loop_task_queue(&p->wake);
    } else {
        loop_watch_set(p->watch, ready != NULL ? LOOP_READ : 0);
    }
}

static void pipe_close(struct source *s)
{
    struct pipe_source *p = (struct pipe_source *)(void *)s;
    loop_task_cancel(&p->wake);
    loop_watch_cancel(p->watch);
    close(p->fd);
    if (p->closed != NULL) {
        p->closed(p->closed_arg);
    }
    free(p);
}

static const struct source_ops pipe_ops = {pipe_read, pipe_watch, pipe_close};

struct source *pipe_source(struct loop *loop, int fd, struct error *err)
{
    struct pipe_source *p = calloc(1, sizeof *p);
    if (p == NULL || nonblocking(fd) != 0 ||
        loop_watch_start(loop, fd, 0, readable, p, &p->watch, err) != 0) {
        close(fd);
        free(p);
        error_set(err, 0, "a pipe of a process could not be watched");
        return NULL;
    }
    p->source = (struct source){&pipe_ops, -1};
    p->fd = fd;
    loop_task_init(&p->wake, loop, tell, p);
    return &p->source;
}

void pipe_source_over(struct source *s)
{
    struct pipe_source *p = (struct pipe_source *)(void *)s;
    p->over = true;
    if (p->ready != NULL) {
        loop_task_queue(&p->wake);
    }
}

void pipe_source_closed(struct source *s, void (*closed)(void *arg), void *arg)
{
    struct pipe_source *p = (struct pipe_source *)(void *)s;
    p->closed = closed;
    p->closed_arg = arg;
}

/* ---- input ---- */

struct pump {
    struct list node;
    const void *tag;
    struct source *source;
    int fd;
    struct loop_watch *watch;
    size_t at; /* of piece, written */
    size_t len;
    struct loop_task start;
    char piece[PIECE];
};

static void pump_free(struct pump *p)
{
    list_remove(&p->node);
    loop_task_cancel(&p->start);
    loop_watch_cancel(p->watch);
    close(p->fd);
    source_close(p->source);
    free(p);
}

static void pump_run(void *arg);

/* false: it waits, or is gone. */
static bool pump_write(struct pump *p)
{
    while (p->at < p->len) {
        ssize_t n = write(p->fd, p->piece + p->at, p->len - p->at);
        if (n > 0) {
            p->at += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            loop_watch_set(p->watch, LOOP_WRITE);
            return false;
        } else if (n < 0 && errno != EINTR) {
            pump_free(p); /* nobody reads any more */
            return false;
        }
    }
    return true;
}

/* All was written. */
static void pump_end(struct pump *p)
{
    if (p->tag == NULL || shutdown(p->fd, SHUT_WR) != 0) {
        pump_free(p); /* nobody would stop it, it is a pipe, or nobody reads any more */
        return;
    }
    loop_watch_cancel(p->watch);
    p->watch = NULL;
    source_close(p->source);
    p->source = NULL;
}

static void pump_run(void *arg)
{
    struct pump *p = arg;
    while (pump_write(p)) {
        ssize_t n = source_read(p->source, p->piece, sizeof p->piece);
        if (n == -EAGAIN) {
            source_watch(p->source, pump_run, p);
            return;
        }
        if (n == 0) {
            pump_end(p);
            return;
        }
        if (n < 0) {
            pump_free(p);
            return;
        }
        p->at = 0;
        p->len = (size_t)n;
    }
}

static void writable(void *arg, unsigned events)
{
    struct pump *p = arg;
    (void)events;
    loop_watch_set(p->watch, 0);
    pump_run(p);
}

int pump_start(const struct pump_spec *spec, struct error *err)
{
    struct pump *p = malloc(sizeof *p);
    if (p == NULL || nonblocking(spec->fd) != 0 ||
        loop_watch_start(spec->loop, spec->fd, 0, writable, p, &p->watch, err) != 0) {
        close(spec->fd);
        source_close(spec->source);
        free(p);
        return error_set(err, 0, "the input of a process could not be written");
    }
    p->tag = spec->tag;
    p->source = spec->source;
    p->fd = spec->fd;
    p->at = p->len = 0;
    list_append(spec->pumps, &p->node);
    /* The source may run JavaScript: not from inside a callback of it. */
    loop_task_init(&p->start, spec->loop, pump_run, p);
    loop_task_queue(&p->start);
    return 0;
}

void pump_stop(struct list *pumps, const void *tag)
{
    LIST_FOREACH_SAFE(node, next, pumps)
    {
        struct pump *p = LIST_ENTRY(node, struct pump, node);
        if (tag == NULL || p->tag == tag) {
            pump_free(p);
        }
    }
}
