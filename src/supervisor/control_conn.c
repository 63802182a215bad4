#include "supervisor/control_conn.h"

#include "base/cleanup.h"
#include "proto/http1/body.h"
#include "proto/http1/write.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>

#define READ_BYTES (32u * 1024u)
#define OUT_MAX    (64u * 1024u * 1024u)

enum conn_state { CONN_HEAD, CONN_BODY, CONN_WAIT, CONN_STREAM, CONN_RAW };

struct conn {
    struct list node;
    int fd;
    struct loop_watch *watch;
    struct supervisor *s;
    call_dispatch_fn dispatch;
    enum conn_state state;
    struct buf in;
    struct buf out;
    struct http1_scan scan;
    struct http1_body body;
    struct call *call; /* from its head to its answer */
    bool keep_alive;
    bool close_after_out;
    bool busy; /* inside conn_work: destroying waits */
    bool dead;
    void (*closed)(void *arg); /* of a stream */
    void *closed_arg;
    const struct conn_raw *raw; /* NULL: none, or it has been ended */
};

static void call_free(struct call *c)
{
    if (c->conn != NULL) {
        c->conn->call = NULL;
    }
    buf_wipe(&c->body); /* may have been a secret */
    buf_wipe(&c->gathered);
    free(c->arguments);
    free(c);
}

static bool conn_flush(struct conn *c);

static void conn_destroy(struct conn *c)
{
    conn_flush(c);
    if (c->call != NULL) {
        c->call->conn = NULL;
        if (c->state == CONN_HEAD || c->state == CONN_BODY) {
            call_free(c->call);
        }
    }
    list_remove(&c->node);
    loop_watch_cancel(c->watch);
    close_fd(&c->fd);
    buf_wipe(&c->in);
    buf_wipe(&c->out);
    free(c);
}

static void conn_end(struct conn *c)
{
    if (c->closed != NULL) {
        void (*closed)(void *arg) = c->closed;
        c->closed = NULL;
        closed(c->closed_arg);
    }
    c->dead = true;
    if (!c->busy) {
        conn_destroy(c);
    }
}

static void conn_watch(struct conn *c)
{
    /* While a call is worked on, nothing is read: the next request waits in the kernel. */
    unsigned want = c->state == CONN_WAIT ? 0 : LOOP_READ;
    loop_watch_set(c->watch, want | (buf_len(&c->out) > 0 ? LOOP_WRITE : 0));
}

/* false: the connection has ended. */
static bool conn_flush(struct conn *c)
{
    while (buf_len(&c->out) > 0) {
        struct span s = buf_span(&c->out);
        ssize_t n = send(c->fd, s.ptr, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN;
        }
        buf_consume(&c->out, (size_t)n);
    }
    return !c->close_after_out;
}

static bool answer_write(struct conn *c, unsigned status, const char *type, struct span body)
{
    const struct http1_header header = {SPAN_LIT("Content-Type"), span_str(type)};
    const struct http1_response_out r = {.status = (uint16_t)status,
                                         .version = 11,
                                         .body = HTTP1_BODY_LENGTH,
                                         .length = (int64_t)body.len,
                                         .headers = &header,
                                         .header_count = 1,
                                         .close = !c->keep_alive};
    return http1_write_response(&c->out, &r) && buf_append_span(&c->out, body);
}

/* To be freed. NULL: not UTF-8, or memory. */
static char *error_json(const char *code, const char *message, const char *hint)
{
    json_t *o =
        json_pack("{s:{s:s,s:s,s:s?}}", "error", "code", code, "message", message, "hint", hint);
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    return text;
}

/* Before there is a call that could answer. */
static void conn_refuse(struct conn *c, unsigned status, const char *why)
{
    char *text = error_json(status == 413 ? "too_large" : "bad_request", why, NULL);
    c->keep_alive = false;
    answer_write(c, status, "application/json", text != NULL ? span_str(text) : SPAN_LIT("{}"));
    free(text);
    c->close_after_out = true;
    c->state = CONN_WAIT;
    if (c->call != NULL) {
        call_free(c->call);
    }
}

/* Percent-decodes in place; false for a broken escape or a NUL. */
static bool decode(char *text, size_t *len)
{
    size_t to = 0;
    for (size_t i = 0; i < *len; i++) {
        unsigned char b = (unsigned char)text[i];
        if (b == '%') {
            char hex[3] = {0};
            char *end;
            if (i + 2 >= *len) {
                return false;
            }
            hex[0] = text[i + 1];
            hex[1] = text[i + 2];
            b = (unsigned char)strtoul(hex, &end, 16);
            if (end != hex + 2 || hex[0] == '+' || hex[0] == '-' || hex[0] == ' ') {
                return false;
            }
            i += 2;
        }
        if (b == 0) {
            return false;
        }
        text[to++] = (char)b;
    }
    *len = to;
    return true;
}

static bool query_split(struct call *c, char *text)
{
    char *save = NULL;
    for (char *p = strtok_r(text, "&", &save); p != NULL; p = strtok_r(NULL, "&", &save)) {
        if (c->query_count == CONTROL_QUERY_MAX) {
            return false;
        }
        char *eq = strchr(p, '=');
        char *value = eq != NULL ? eq + 1 : p + strlen(p);
        size_t name_len = eq != NULL ? (size_t)(eq - p) : strlen(p);
        size_t value_len = strlen(value);
        if (!decode(p, &name_len) || !decode(value, &value_len)) {
            return false;
        }
        c->query[c->query_count++] =
            (struct call_query){span_of(p, name_len), span_of(value, value_len)};
    }
    return true;
}

/* The path is split before it is decoded: a segment may hold a slash. */
static bool target_split(struct call *c)
{
    char *mark = strchr(c->target, '?');
    if (mark != NULL) {
        *mark = 0;
        if (!query_split(c, mark + 1)) {
            return false;
        }
    }
    for (char *p = c->target; *p == '/';) {
        char *start = p + 1;
        size_t len = strcspn(start, "/");
        p = start + len;
        bool more = *p == '/';
        if (c->segment_count == CONTROL_SEGMENTS_MAX || !decode(start, &len)) {
            return false;
        }
        c->segments[c->segment_count++] = span_of(start, len);
        if (!more) {
            break;
        }
    }
    return c->segment_count > 0;
}

/* The one call that carries a whole app. */
static bool is_app(const struct call *c)
{
    return strcmp(c->method, "PUT") == 0 && c->segment_count == 2 &&
           span_eq(c->segments[1], SPAN_LIT("app"));
}

static void head_take(struct conn *c, const struct http1_request *r)
{
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL || r->path.len > CONTROL_TARGET_MAX || r->method.len >= sizeof call->method) {
        free(call);
        conn_refuse(c, 400, "path or method: too long");
        return;
    }
    call->conn = c;
    call->s = c->s;
    memcpy(call->method, r->method.ptr, r->method.len);
    memcpy(call->target, r->path.ptr, r->path.len);
    call->upgrade = span_ieq(r->head.upgrade, SPAN_LIT(CONTROL_UPGRADE));
    buf_init(&call->body, CONTROL_BODY_MAX);
    buf_init(&call->gathered, CONTROL_BODY_MAX);
    c->call = call;
    if (!target_split(call)) {
        conn_refuse(c, 400, "path: malformed");
        return;
    }
    if (is_app(call)) {
        call->body.ceiling = CONTROL_APP_MAX;
    }
    /* Said before it is sent: then it need not be. */
    if (r->head.body == HTTP1_BODY_LENGTH && (uint64_t)r->head.length > call->body.ceiling) {
        conn_refuse(c, 413, "body: too large");
        return;
    }
    c->keep_alive = r->head.keep_alive;
    http1_body_init(&c->body, &r->head);
    if (r->expect_continue) {
        buf_append_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    c->state = CONN_BODY;
}

/* true: something was done, look again. */
static bool head_step(struct conn *c)
{
    struct http1_request r;
    struct http1_refusal refusal;
    if (buf_len(&c->in) == 0) {
        return false;
    }
    switch (http1_request_parse(&c->scan, buf_span(&c->in), &r, &refusal)) {
    case HTTP1_MORE:
        return false;
    case HTTP1_BAD:
        conn_refuse(c, refusal.status, refusal.why);
        return false;
    case HTTP1_DONE:
        break;
    }
    head_take(c, &r);
    buf_consume(&c->in, r.head.size);
    c->scan = (struct http1_scan){0};
    return c->state == CONN_BODY;
}

static bool body_step(struct conn *c)
{
    struct http1_piece piece;
    enum http1_step step = http1_body_feed(&c->body, buf_span(&c->in), &piece);
    if (step == HTTP1_STEP_DATA && !buf_append_span(&c->call->body, piece.data)) {
        conn_refuse(c, 413, "body: too large");
        return false;
    }
    if (piece.consumed > 0 && buf_len(&c->in) > 0) {
        explicit_bzero(c->in.mem + c->in.start, piece.consumed);
    }
    buf_consume(&c->in, piece.consumed);
    if (step == HTTP1_STEP_BAD) {
        conn_refuse(c, 400, "body: malformed");
        return false;
    }
    if (step == HTTP1_STEP_END) {
        c->state = CONN_WAIT;
        c->dispatch(c->call);
    }
    return step == HTTP1_STEP_DATA || (step == HTTP1_STEP_END && c->state == CONN_HEAD);
}

static void raw_step(struct conn *c)
{
    struct span bytes = buf_span(&c->in);
    if (bytes.len > 0) {
        if (c->raw != NULL) {
            c->raw->received(c->closed_arg, bytes);
        }
        buf_clear(&c->in);
    }
}

/* Works through what is there; the connection may be gone afterwards. */
static void conn_work(struct conn *c)
{
    c->busy = true;
    bool again = true;
    while (again && !c->dead) {
        again = c->state == CONN_HEAD ? head_step(c) : c->state == CONN_BODY ? body_step(c) : false;
    }
    if (c->state == CONN_RAW && !c->dead) {
        raw_step(c);
    }
    bool waited = buf_len(&c->out) > 0;
    bool open = !c->dead && conn_flush(c);
    if (open && waited && buf_len(&c->out) == 0 && c->state == CONN_RAW && c->raw != NULL) {
        c->raw->drained(c->closed_arg);
        open = conn_flush(c);
    }
    c->busy = false;
    if (c->dead || !open) {
        conn_end(c);
        return;
    }
    conn_watch(c);
}

static void conn_ready(void *arg, unsigned events)
{
    struct conn *c = arg;
    if ((events & LOOP_READ) != 0 && c->state != CONN_WAIT) {
        char *to = buf_reserve(&c->in, READ_BYTES);
        ssize_t n = to != NULL ? recv(c->fd, to, READ_BYTES, MSG_DONTWAIT) : 0;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            conn_end(c);
            return;
        }
        buf_commit(&c->in, n > 0 ? (size_t)n : 0);
        if (c->state == CONN_STREAM) {
            buf_clear(&c->in); /* nothing is to be said on a stream */
        }
    }
    conn_work(c);
}

struct conn *conn_create(struct loop *loop, int fd, struct supervisor *s, struct list *all,
                         call_dispatch_fn dispatch, struct error *err)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL || loop_watch_start(loop, fd, LOOP_READ, conn_ready, c, &c->watch, err) < 0) {
        free(c);
        close(fd);
        return NULL;
    }
    c->fd = fd;
    c->s = s;
    c->dispatch = dispatch;
    buf_init(&c->in, HTTP1_REQUEST_HEAD_MAX + READ_BYTES + HTTP1_TRAILERS_MAX);
    buf_init(&c->out, OUT_MAX);
    list_append(all, &c->node);
    return c;
}

void conn_destroy_all(struct list *all)
{
    while (!list_empty(all)) {
        conn_end(LIST_ENTRY(all->next, struct conn, node));
    }
}

/* The connection goes on with its next request. */
static void answered(struct conn *c)
{
    c->state = CONN_HEAD;
    c->close_after_out = c->close_after_out || !c->keep_alive;
    if (!c->busy) {
        conn_work(c);
    }
}

void call_reply(struct call *c, unsigned status, const char *type, struct span body)
{
    struct conn *conn = c->conn;
    call_free(c);
    if (conn == NULL) {
        return;
    }
    if (!answer_write(conn, status, type, body)) {
        conn->keep_alive = false;
    }
    answered(conn);
}

void call_reply_json(struct call *c, struct span json)
{
    call_reply(c, 200, "application/json", json);
}

void call_reply_error(struct call *c, unsigned status, const char *code, const char *message,
                      const char *hint)
{
    char *text = error_json(code, message, hint);
    call_reply(c, status, "application/json",
               text != NULL ? span_str(text)
                            : SPAN_LIT("{\"error\":{\"code\":\"internal\",\"message\":\"an answer "
                                       "that is not UTF-8\",\"hint\":null}}"));
    free(text);
}

struct conn *call_stream(struct call *c, const char *type, void (*closed)(void *arg), void *arg)
{
    struct conn *conn = c->conn;
    call_free(c);
    if (conn == NULL) {
        return NULL;
    }
    struct http1_header header = {SPAN_LIT("Content-Type"), span_str(type)};
    struct http1_response_out r = {.status = 200,
                                   .version = 11,
                                   .body = HTTP1_BODY_CHUNKED,
                                   .length = -1,
                                   .headers = &header,
                                   .header_count = 1,
                                   .close = true};
    http1_write_response(&conn->out, &r);
    conn->state = CONN_STREAM;
    conn->closed = closed;
    conn->closed_arg = arg;
    return conn;
}

bool conn_stream_write(struct conn *c, struct span bytes)
{
    if (buf_len(&c->out) + bytes.len > CONTROL_STREAM_MAX || !http1_write_chunk(&c->out, bytes)) {
        return false;
    }
    loop_watch_set(c->watch, LOOP_READ | LOOP_WRITE);
    return true;
}

void conn_stream_end(struct conn *c)
{
    c->closed = NULL;
    http1_write_last_chunk(&c->out, NULL, 0);
    c->close_after_out = true;
    loop_watch_set(c->watch, LOOP_READ | LOOP_WRITE);
}

struct conn *call_upgrade(struct call *c, const struct conn_raw *events, void *arg)
{
    struct conn *conn = c->conn;
    call_free(c);
    if (conn == NULL) {
        return NULL;
    }
    buf_append_str(&conn->out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                               "Upgrade: " CONTROL_UPGRADE "\r\n\r\n");
    conn->state = CONN_RAW;
    conn->raw = events;
    conn->closed = events->closed;
    conn->closed_arg = arg;
    loop_watch_set(conn->watch, LOOP_READ | LOOP_WRITE);
    return conn;
}

size_t conn_raw_waiting(const struct conn *c)
{
    return buf_len(&c->out);
}

bool conn_raw_write(struct conn *c, struct span bytes)
{
    if (buf_len(&c->out) + bytes.len > 2u * CONTROL_RAW_MAX || !buf_append_span(&c->out, bytes)) {
        return false;
    }
    loop_watch_set(c->watch, LOOP_READ | LOOP_WRITE);
    return true;
}

void conn_raw_end(struct conn *c)
{
    c->closed = NULL;
    c->raw = NULL;
    c->close_after_out = true;
    loop_watch_set(c->watch, LOOP_READ | LOOP_WRITE);
}
