#include "runtime/relay.h"

#include <errno.h>

static void ready(void *arg)
{
    relay_pump(arg);
}

static void let_go(struct relay *r, struct source *source)
{
    if (r->lent && source != NULL) {
        source_watch(source, NULL, NULL);
    } else {
        source_close(source);
    }
}

static void finish(struct relay *r, int result)
{
    struct source *source = r->source;
    if (result == 0) {
        const struct gate_header *trailers = NULL;
        size_t count = r->trailers != NULL ? r->trailers(source, &trailers) : 0;
        gate_send_end(r->gate, r->stream, trailers, count);
    }
    r->source = NULL;
    let_go(r, source);
    r->done(r->arg, result);
}

/* Fills one frame. Returns what the last read returned; *moved says how much was written. */
static ssize_t fill(struct source *s, char *to, size_t room, size_t *moved)
{
    *moved = 0;
    ssize_t n = -EAGAIN;
    while (*moved < room) {
        n = source_read(s, to + *moved, room - *moved);
        if (n <= 0) {
            break;
        }
        *moved += (size_t)n;
    }
    return n;
}

static ssize_t move_direct(struct relay *r)
{
    size_t room;
    size_t moved = 0;
    char *to = gate_send_reserve(r->gate, r->stream, &room);
    ssize_t n = fill(r->source, to, room, &moved);
    gate_send_commit(r->gate, r->stream, moved);
    r->bytes += moved;
    return n;
}

static ssize_t move_copy(struct relay *r, size_t room)
{
    /* On the stack: a source that runs JavaScript may start another relay while it is read. */
    __attribute__((uninitialized)) char bounce[16 * 1024];
    struct source *source = r->source;
    ssize_t n = source_read(source, bounce, room < sizeof bounce ? room : sizeof bounce);
    if (n > 0 && r->source == source) {
        r->bytes += gate_send_data(r->gate, r->stream, span_of(bounce, (size_t)n));
    }
    return n;
}

void relay_pump(struct relay *r)
{
    if (r->source == NULL || r->running) {
        return;
    }
    r->running = true;
    ssize_t n = 1;
    while (n > 0 && r->source != NULL) {
        size_t room = gate_send_room(r->gate, r->stream);
        if (room == 0) {
            break;
        }
        n = r->direct ? move_direct(r) : move_copy(r, room);
    }
    r->running = false;
    if (r->source != NULL && n == -EAGAIN) {
        source_watch(r->source, ready, r);
    } else if (r->source != NULL && n <= 0) {
        finish(r, (int)n);
    }
}

void relay_start(struct relay *r)
{
    relay_pump(r);
}

void relay_stop(struct relay *r)
{
    struct source *source = r->source;
    r->source = NULL;
    let_go(r, source);
}
