#include "cli/client.h"
#include "base/cleanup.h"
#include "proto/http1/body.h"
#include "proto/http1/http1.h"
#include "proto/http1/write.h"

#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>

#define READ_BYTES (64u * 1024u)
#define PATH_MAX_  (16u * 1024u)

struct client {
    int fd;
    char *path;
    struct buf in; /* what came and was not used yet */
};

static int check_peer(int fd, const char *path, struct error *err)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
        return error_set(err, errno, "socket %s", path);
    }
    if (peer.uid != geteuid() && peer.uid != 0) {
        return error_set(err, 0, "socket %s: belongs to another user: set SALLYPORT_SOCKET", path);
    }
    return 0;
}

static int connect_to(const char *path, struct error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path) {
        return error_set(err, ENAMETOOLONG, "socket %s", path);
    }
    memcpy(addr.sun_path, path, strlen(path));
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0) {
        return error_set(err, errno, "socket %s", path);
    }
    int rc = check_peer(fd, path, err);
    return rc < 0 ? rc : steal_fd(&fd);
}

struct client *client_open(const char *path, struct error *err)
{
    int fd = connect_to(path, err);
    struct client *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        close_fd(&fd);
        return NULL;
    }
    c->fd = fd;
    c->path = strdup(path);
    buf_init(&c->in, HTTP1_RESPONSE_HEAD_MAX + 2 * READ_BYTES);
    return c;
}

void client_close(struct client *c)
{
    if (c != NULL) {
        close_fd(&c->fd);
        free(c->path);
        buf_free(&c->in);
        free(c);
    }
}

const char *client_path(const struct client *c)
{
    return c->path != NULL ? c->path : "";
}

void client_path_start(struct client_request *r, const char *method, const char *fixed)
{
    *r = (struct client_request){.method = method};
    buf_init(&r->path, PATH_MAX_);
    buf_append_str(&r->path, fixed);
}

static bool append_encoded(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        bool good = plain ? buf_append(out, text.ptr + i, 1) : buf_appendf(out, "%%%02X", c);
        if (!good) {
            return false;
        }
    }
    return true;
}

bool client_path_segment(struct client_request *r, struct span text)
{
    return buf_append_str(&r->path, "/") && append_encoded(&r->path, text);
}

bool client_path_query(struct client_request *r, const char *name, struct span value)
{
    struct span path = buf_span(&r->path);
    const char *lead = memchr(path.ptr, '?', path.len) != NULL ? "&" : "?";
    return buf_append_str(&r->path, lead) && buf_append_str(&r->path, name) &&
           buf_append_str(&r->path, "=") && append_encoded(&r->path, value);
}

static int gone(const struct client *c, int errnum, struct error *err)
{
    return error_set(err, errnum, "socket %s: the sandbox's supervisor went away", c->path);
}

static int send_all(struct client *c, struct span bytes, struct error *err)
{
    while (bytes.len > 0) {
        ssize_t n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return gone(c, errno, err);
        }
        bytes = span_from(bytes, (size_t)n);
    }
    return 0;
}

static int send_request(struct client *c, struct client_request *r, struct error *err)
{
    struct buf head;
    buf_init(&head, PATH_MAX_ + 4096);
    struct http1_request_out out = {
        .method = span_str(r->method),
        .target = buf_span(&r->path),
        .authority = SPAN_LIT("sallyport"),
        .body = r->body.len > 0 ? HTTP1_BODY_LENGTH : HTTP1_BODY_NONE,
        .length = (int64_t)r->body.len,
    };
    int rc = http1_write_request(&head, &out)
                 ? 0
                 : error_set(err, 0, "socket %s: the request is too long", c->path);
    rc = rc < 0 ? rc : send_all(c, buf_span(&head), err);
    rc = rc < 0 ? rc : send_all(c, r->body, err);
    buf_free(&head);
    return rc;
}

/* More bytes into c->in; 0 at the end of the stream. */
static ssize_t read_more(struct client *c, struct error *err)
{
    char *to = buf_reserve(&c->in, READ_BYTES);
    if (to == NULL) {
        return error_set(err, EMSGSIZE, "socket %s: answer", c->path);
    }
    ssize_t n;
    do {
        n = recv(c->fd, to, READ_BYTES, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return gone(c, errno, err);
    }
    buf_commit(&c->in, (size_t)n);
    return n;
}

static int read_head(struct client *c, struct http1_response *head, struct error *err)
{
    struct http1_scan scan = {0};
    struct http1_refusal why;
    for (;;) {
        enum http1_result got =
            http1_response_parse(&scan, buf_span(&c->in), HTTP1_ASKED_OTHER, head, &why);
        if (got == HTTP1_BAD) {
            return error_set(err, 0, "socket %s: no HTTP answer: %s", c->path, why.why);
        }
        if (got == HTTP1_DONE) {
            buf_consume(&c->in, head->head.size);
            return 0;
        }
        ssize_t n = read_more(c, err);
        if (n <= 0) {
            return n < 0 ? -1 : gone(c, 0, err);
        }
    }
}

typedef int (*body_fn)(void *arg, struct span bytes, struct error *err);

/* Feeds the body to fn; 1 from fn ends the reading early. */
static int read_body(struct client *c, const struct http1_head *head, body_fn fn, void *arg,
                     struct error *err)
{
    struct http1_body body;
    struct http1_piece piece;
    http1_body_init(&body, head);
    for (;;) {
        enum http1_step step = http1_body_feed(&body, buf_span(&c->in), &piece);
        int rc = step == HTTP1_STEP_DATA ? fn(arg, piece.data, err) : 0;
        buf_consume(&c->in, piece.consumed);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
        if (step == HTTP1_STEP_BAD) {
            return error_set(err, 0, "socket %s: no HTTP answer: %s", c->path, body.why);
        }
        if (step == HTTP1_STEP_END) {
            return 0;
        }
        if (step == HTTP1_STEP_MORE) {
            ssize_t n = read_more(c, err);
            if (n < 0) {
                return -1;
            }
            if (n == 0) {
                return http1_body_eof(&body) ? 0 : gone(c, 0, err);
            }
        }
    }
}

static int keep_bytes(void *arg, struct span bytes, struct error *err)
{
    return buf_append_span(arg, bytes) ? 0 : error_set(err, EMSGSIZE, "answer");
}

int client_call(struct client *c, struct client_request *r, struct client_reply *out,
                struct error *err)
{
    struct http1_response head;
    out->status = 0;
    buf_init(&out->body, CLIENT_BODY_MAX);
    int rc = send_request(c, r, err);
    rc = rc < 0 ? rc : read_head(c, &head, err);
    if (rc == 0) {
        out->status = head.status;
        rc = read_body(c, &head.head, keep_bytes, &out->body, err);
    }
    buf_free(&r->path);
    return rc;
}

void client_reply_free(struct client_reply *reply)
{
    buf_free(&reply->body);
}

static int explain(unsigned status, struct span body, struct error *err)
{
    json_t *doc = json_loadb(body.ptr, body.len, 0, NULL);
    json_t *e = json_object_get(doc, "error");
    const char *message = json_string_value(json_object_get(e, "message"));
    const char *hint = json_string_value(json_object_get(e, "hint"));
    int rc = message == NULL ? error_set(err, 0, "control socket: status %u", status)
                             : error_set(err, 0, "%s%s%s", message, hint != NULL ? ": " : "",
                                         hint != NULL ? hint : "");
    err->code = status == 404 ? ENOENT : 0;
    json_decref(doc);
    return rc;
}

int client_do(struct client *c, struct client_request *r, struct client_reply *out,
              struct error *err)
{
    struct client_reply reply;
    int rc = client_call(c, r, &reply, err);
    if (rc == 0 && reply.status >= 400) {
        rc = explain(reply.status, buf_span(&reply.body), err);
    }
    if (rc == 0 && out != NULL) {
        *out = reply;
        return 0;
    }
    client_reply_free(&reply);
    return rc;
}

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
    int rc = send_request(c, r, err);
    rc = rc < 0 ? rc : read_head(c, &head, err);
    if (rc == 0 && head.status >= 400) {
        unsigned status = head.status;
        rc = read_body(c, &head.head, keep_bytes, &refusal, err);
        rc = rc < 0 ? rc : explain(status, buf_span(&refusal), err);
    } else if (rc == 0) {
        rc = read_body(c, &head.head, take_bytes, &e, err);
    }
    buf_free(&e.line);
    buf_free(&refusal);
    buf_free(&r->path);
    return rc;
}
