#include "cli/client_wire.h"

#include <errno.h>

struct events {
    client_event_fn fn;
    void *arg;
    struct buf line;
    char event[64];
};

static bool is_field(struct span line, const char *name, struct span *value)
{
    size_t n = strlen(name);
    if (line.len <= n || memcmp(line.ptr, name, n) != 0 || line.ptr[n] != ':') {
        return false;
    }
    *value = span_from(line, n + 1);
    if (value->len > 0 && value->ptr[0] == ' ') {
        *value = span_from(*value, 1);
    }
    return true;
}

/* 1: the reader has enough. */
static int take_line(struct events *e, struct span line)
{
    struct span value;
    if (is_field(line, "event", &value)) {
        size_t n = value.len < sizeof e->event - 1 ? value.len : sizeof e->event - 1;
        memcpy(e->event, value.ptr, n);
        e->event[n] = '\0';
    } else if (is_field(line, "data", &value)) {
        return e->fn(e->arg, span_str(e->event), value) ? 0 : 1;
    }
    return 0;
}

static int take_bytes(void *arg, struct span bytes, struct error *err)
{
    struct events *e = arg;
    if (!buf_append_span(&e->line, bytes)) {
        return error_set(err, EMSGSIZE, "event");
    }
    for (;;) {
        struct span all = buf_span(&e->line);
        const char *end = all.len > 0 ? memchr(all.ptr, '\n', all.len) : NULL;
        if (end == NULL) {
            return 0;
        }
        size_t len = (size_t)(end - all.ptr);
        int rc = take_line(e, span_of(all.ptr, len));
        buf_consume(&e->line, len + 1);
        if (rc != 0) {
            return rc;
        }
    }
}

int client_events(struct client *c, struct client_request *r, client_event_fn fn, void *arg,
                  struct error *err)
{
    struct http1_response head;
    struct events e = {.fn = fn, .arg = arg};
    struct buf refusal;
    buf_init(&e.line, CLIENT_BODY_MAX);
    buf_init(&refusal, CLIENT_BODY_MAX);
    int rc = client_send(c, r, NULL, err);
    rc = rc < 0 ? rc : client_read_head(c, &head, err);
    if (rc == 0 && head.status >= 400) {
        unsigned status = head.status;
        rc = client_read_body(c, &head.head, client_keep_bytes, &refusal, err);
        rc = rc < 0 ? rc : client_explain(status, buf_span(&refusal), err);
    } else if (rc == 0) {
        rc = client_read_body(c, &head.head, take_bytes, &e, err);
    }
    buf_free(&e.line);
    buf_free(&refusal);
    buf_free(&r->path);
    return rc;
}
