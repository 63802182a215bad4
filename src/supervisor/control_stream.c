/* GET /v1/events: what happened and what happens, as server-sent events. */
#include "supervisor/control_routes.h"
#include "supervisor/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct stream {
    struct events_listener listener;
    struct conn *conn;
    size_t lost;                      /* lines since the reader last kept up */
    char instance[EVENTS_ID_MAX + 1]; /* "" for all */
};

static const char *const kind_names[] = {[EVENT_EGRESS] = "egress", [EVENT_LOG] = "log"};

static bool block_write(struct stream *st, const char *kind, struct span data)
{
    struct buf block;
    buf_init(&block, EVENTS_LINE_MAX + 64);
    bool ok = buf_appendf(&block, "event: %s\ndata: ", kind) && buf_append_span(&block, data) &&
              buf_append_str(&block, "\n\n") && conn_stream_write(st->conn, buf_span(&block));
    buf_free(&block);
    return ok;
}

static void on_event(void *arg, const struct event *e)
{
    struct stream *st = arg;
    if (st->instance[0] != 0 && !span_eq(e->instance, span_str(st->instance))) {
        return;
    }
    if (st->lost > 0) {
        char text[48];
        snprintf(text, sizeof text, "{\"lines\":%zu}", st->lost);
        if (block_write(st, "lost", span_str(text))) {
            st->lost = 0;
        }
    }
    if (st->lost > 0 || !block_write(st, kind_names[e->kind], e->line)) {
        st->lost++;
    }
}

static void on_closed(void *arg)
{
    struct stream *st = arg;
    events_listener_remove(&st->listener);
    free(st);
}

/* NULL, or what is wrong. */
static const char *parse(const struct call *c, struct stream *st, bool *follow, size_t *backlog)
{
    const struct span *instance = control_query(c, "instance");
    const struct span *f = control_query(c, "follow");
    const struct span *n = control_query(c, "backlog");
    *follow = f == NULL || span_eq(*f, SPAN_LIT("true"));
    *backlog = n == NULL ? EVENTS_REMEMBERED : 0;
    for (size_t i = 0; n != NULL && i < n->len; i++) {
        if (n->ptr[i] < '0' || n->ptr[i] > '9' || i > 6) {
            return "query: backlog is a number";
        }
        *backlog = *backlog * 10 + (size_t)(n->ptr[i] - '0');
    }
    if (instance != NULL) {
        struct object o;
        struct error err;
        /* One that is not known is taken as an id: its events may be to come. */
        if (objects_find(c->s, *instance, &o, NULL, &err) == 1) {
            memcpy(st->instance, o.id, strlen(o.id));
        } else if (instance->len <= EVENTS_ID_MAX) {
            memcpy(st->instance, instance->ptr, instance->len);
        } else {
            return "query: instance is an id or a name that is known";
        }
    }
    return *follow || span_eq(*f, SPAN_LIT("false")) ? NULL : "query: follow is true or false";
}

void control_events_stream(struct call *c)
{
    static const char *const known[] = {"instance", "follow", "backlog", NULL};
    static_assert(EVENTS_REMEMBER_MAX + EVENTS_REMEMBERED * 128u <= CONTROL_STREAM_MAX,
                  "nothing that is remembered is lost on its way");
    struct events *events = c->s->events;
    bool follow;
    size_t backlog;
    if (!control_query_only(c, known)) {
        return;
    }
    struct stream *st = calloc(1, sizeof *st);
    const char *wrong = st != NULL ? parse(c, st, &follow, &backlog) : "out of memory";
    if (wrong != NULL) {
        free(st);
        call_reply_error(c, 400, "bad_request", wrong, NULL);
        return;
    }
    st->listener.fn = on_event;
    st->listener.arg = st;
    list_init(&st->listener.node);
    st->conn = call_stream(c, "text/event-stream", on_closed, st);
    if (st->conn == NULL) {
        free(st);
        return;
    }
    events_replay(events, backlog, on_event, st);
    if (follow) {
        events_listen(events, &st->listener);
    } else {
        conn_stream_end(st->conn);
        free(st);
    }
}
