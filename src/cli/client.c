#include "cli/client_wire.h"
#include "base/cleanup.h"
#include "proto/http1/body.h"
#include "proto/http1/write.h"

#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>

#define READ_BYTES     (64u * 1024u)
#define HEAD_BYTES_MAX (20u * 1024u)

static int other_user(const char *path, struct error *err)
{
    return error_set(
        err, 0,
        "socket %s: belongs to another user: ask as that user, or set SALLYPORT_SOCKET "
        "to a socket of yours",
        path);
}

static int check_peer(int fd, const char *path, struct error *err)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
        return error_set(err, errno, "socket %s", path);
    }
    if (peer.uid != geteuid() && peer.uid != 0) {
        return other_user(path, err);
    }
    return 0;
}

static int connect_to(const char *path, struct error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path) {
        return error_set(err, 0,
                         "socket %s: longer than %zu bytes: set SALLYPORT_SOCKET to a "
                         "shorter path",
                         path, sizeof addr.sun_path - 1);
    }
    memcpy(addr.sun_path, path, strlen(path));
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0) {
        return errno == EACCES ? other_user(path, err) : error_set(err, errno, "socket %s", path);
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

/* The writer leaves out what is hop-by-hop: that is for us alone to say. */
static bool add_upgrade(struct buf *head, const char *protocol)
{
    head->end -= 2; /* the blank line */
    return buf_appendf(head, "Connection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol);
}

int client_send(struct client *c, struct client_request *r, const char *upgrade, struct error *err)
{
    struct buf head;
    buf_init(&head, HEAD_BYTES_MAX);
    struct http1_request_out out = {
        .method = span_str(r->method),
        .target = buf_span(&r->path),
        .authority = SPAN_LIT("sallyport"),
        .body = r->body.len > 0 ? HTTP1_BODY_LENGTH : HTTP1_BODY_NONE,
        .length = (int64_t)r->body.len,
    };
    bool good =
        http1_write_request(&head, &out) && (upgrade == NULL || add_upgrade(&head, upgrade));
    int rc = good ? 0 : error_set(err, 0, "socket %s: the request is too long", c->path);
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

int client_read_head(struct client *c, struct http1_response *head, struct error *err)
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

int client_read_body(struct client *c, const struct http1_head *head, client_body_fn fn, void *arg,
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

int client_keep_bytes(void *arg, struct span bytes, struct error *err)
{
    return buf_append_span(arg, bytes) ? 0 : error_set(err, EMSGSIZE, "answer");
}

int client_call(struct client *c, struct client_request *r, struct client_reply *out,
                struct error *err)
{
    struct http1_response head;
    out->status = 0;
    buf_init(&out->body, CLIENT_BODY_MAX);
    int rc = client_send(c, r, NULL, err);
    rc = rc < 0 ? rc : client_read_head(c, &head, err);
    if (rc == 0) {
        out->status = head.status;
        rc = client_read_body(c, &head.head, client_keep_bytes, &out->body, err);
    }
    buf_free(&r->path);
    return rc;
}

void client_reply_free(struct client_reply *reply)
{
    buf_free(&reply->body);
}

int client_explain(unsigned status, struct span body, struct error *err)
{
    json_t *doc = json_loadb(body.ptr, body.len, 0, NULL);
    json_t *e = json_object_get(doc, "error");
    const char *message = json_string_value(json_object_get(e, "message"));
    const char *hint = json_string_value(json_object_get(e, "hint"));
    int rc = message == NULL ? error_set(err, 0, "control socket: status %u", status)
                             : error_set(err, 0, "%s%s%s", message, hint != NULL ? ": " : "",
                                         hint != NULL ? hint : "");
    err->code = status == 404 ? ENOENT : status == 503 ? EAGAIN : 0;
    json_decref(doc);
    return rc;
}

int client_refusal(const struct client_reply *reply, struct error *err)
{
    return client_explain(reply->status, buf_span(&reply->body), err);
}

int client_do(struct client *c, struct client_request *r, struct client_reply *out,
              struct error *err)
{
    struct client_reply reply;
    int rc = client_call(c, r, &reply, err);
    if (rc == 0 && reply.status >= 400) {
        rc = client_refusal(&reply, err);
    }
    if (rc == 0 && out != NULL) {
        *out = reply;
        return 0;
    }
    client_reply_free(&reply);
    return rc;
}

int client_upgrade(struct client *c, struct client_request *r, const char *protocol,
                   struct client_reply *refused, struct error *err)
{
    struct http1_response head;
    refused->status = 0;
    buf_init(&refused->body, CLIENT_BODY_MAX);
    int rc = client_send(c, r, protocol, err);
    rc = rc < 0 ? rc : client_read_head(c, &head, err);
    buf_free(&r->path);
    if (rc < 0 || head.status == 101) {
        return rc < 0 ? rc : 1;
    }
    refused->status = head.status;
    return client_read_body(c, &head.head, client_keep_bytes, &refused->body, err);
}

int client_fd(const struct client *c)
{
    return c->fd;
}

struct buf *client_early(struct client *c)
{
    return &c->in;
}
