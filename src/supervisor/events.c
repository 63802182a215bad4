#include "supervisor/events.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

struct remembered {
    struct list node;
    enum event_kind kind;
    size_t instance_len;
    size_t line_len;
    char bytes[]; /* instance, then line */
};

struct events {
    int log_fd; /* -1: none */
    struct list ring;
    size_t ring_count;
    size_t ring_bytes;
    struct list listeners;
};

int events_open(const char *log, struct events **out, struct error *err)
{
    struct events *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return error_set(err, ENOMEM, "events");
    }
    list_init(&e->ring);
    list_init(&e->listeners);
    e->log_fd = -1;
    if (log != NULL) {
        /* A pipe without a reader, or with a slow one, must not stop us: then a line is lost. */
        e->log_fd = strcmp(log, "-") == 0
                        ? STDERR_FILENO
                        : open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
        if (e->log_fd < 0) {
            int rc = error_set(err, errno, "--log: %s", log);
            free(e);
            return rc;
        }
    }
    *out = e;
    return 0;
}

static void log_close(struct events *e)
{
    if (e->log_fd == STDERR_FILENO) {
        e->log_fd = -1; /* not ours to close */
    }
    close_fd(&e->log_fd);
}

static struct event event_of(const struct remembered *r)
{
    return (struct event){r->kind, span_of(r->bytes, r->instance_len),
                          span_of(r->bytes + r->instance_len, r->line_len)};
}

static void ring_drop_first(struct events *e)
{
    struct remembered *r = LIST_ENTRY(e->ring.next, struct remembered, node);
    list_remove(&r->node);
    e->ring_count--;
    e->ring_bytes -= r->instance_len + r->line_len;
    free(r);
}

void events_close(struct events *e)
{
    if (e == NULL) {
        return;
    }
    while (!list_empty(&e->ring)) {
        ring_drop_first(e);
    }
    log_close(e);
    free(e);
}

static void event_print(struct events *e, const struct remembered *r)
{
    if (e->log_fd < 0 || r->kind != EVENT_EGRESS) {
        return;
    }
    if (e->log_fd == STDERR_FILENO) {
        log_line(r->bytes + r->instance_len, r->line_len);
        return;
    }
    char line[EVENTS_LINE_MAX + 1];
    memcpy(line, r->bytes + r->instance_len, r->line_len);
    line[r->line_len] = '\n';
    ssize_t n = write(e->log_fd, line, r->line_len + 1);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        log_error("--log: %s: no further events are written", strerror(errno));
        log_close(e);
    }
}

static void event_add(struct events *e, enum event_kind kind, struct span instance,
                      struct span line)
{
    if (line.len == 0 || line.len > EVENTS_LINE_MAX || instance.len > EVENTS_ID_MAX) {
        return;
    }
    struct remembered *r = malloc(sizeof *r + instance.len + line.len);
    if (r == NULL) {
        return;
    }
    r->kind = kind;
    r->instance_len = instance.len;
    r->line_len = line.len;
    memcpy(r->bytes, instance.ptr, instance.len);
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        r->bytes[instance.len + i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    list_append(&e->ring, &r->node);
    e->ring_count++;
    e->ring_bytes += instance.len + line.len;
    event_print(e, r);
    struct event event = event_of(r);
    LIST_FOREACH_SAFE(node, next, &e->listeners)
    {
        struct events_listener *l = LIST_ENTRY(node, struct events_listener, node);
        l->fn(l->arg, &event);
    }
    while (e->ring_count > EVENTS_REMEMBERED || e->ring_bytes > EVENTS_REMEMBER_MAX) {
        ring_drop_first(e);
    }
}

void events_egress(struct events *e, struct span instance, struct span lines)
{
    while (lines.len > 0) {
        const char *nl = memchr(lines.ptr, '\n', lines.len);
        size_t len = nl != NULL ? (size_t)(nl - lines.ptr) : lines.len;
        event_add(e, EVENT_EGRESS, instance, span_of(lines.ptr, len));
        lines = span_from(lines, nl != NULL ? len + 1 : len);
    }
}

static void now_text(char out[40])
{
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 40 - n, ".%03ldZ", ts.tv_nsec / 1000000);
}

void events_log(struct events *e, struct events_source from, struct span level, struct span text)
{
    char time[40];
    now_text(time);
    json_t *o = json_object();
    json_object_set_new(o, "time", json_string(time));
    json_object_set_new(o, "instance", json_stringn(from.instance.ptr, from.instance.len));
    if (from.name.len > 0) {
        json_object_set_new(o, "name", json_stringn(from.name.ptr, from.name.len));
    }
    json_object_set_new(o, "level", json_stringn(level.ptr, level.len));
    json_object_set_new(o, "text", json_stringn(text.ptr, text.len));
    char *line = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (line != NULL) {
        event_add(e, EVENT_LOG, from.instance, span_str(line));
        free(line);
    }
}

void events_listen(struct events *e, struct events_listener *l)
{
    list_append(&e->listeners, &l->node);
}

void events_listener_remove(struct events_listener *l)
{
    list_remove(&l->node);
}

void events_replay(struct events *e, size_t most, void (*fn)(void *arg, const struct event *event),
                   void *arg)
{
    size_t skip = e->ring_count > most ? e->ring_count - most : 0;
    LIST_FOREACH(node, &e->ring)
    {
        if (skip > 0) {
            skip--;
            continue;
        }
        struct event event = event_of(LIST_ENTRY(node, struct remembered, node));
        fn(arg, &event);
    }
}
