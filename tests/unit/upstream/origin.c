#include "origin.h"

#include "proto/dns/dns.h"
#include "proto/http1/body.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct origin_conn {
    struct list node;
    struct origin_server *server;
    struct tls_conn *tls;
    struct buf in;
    struct buf out;
    bool busy;  /* a body is under way */
    bool cut;   /* RST when all is out */
    bool drain; /* finish when all is out */
    bool deaf;  /* reads no more */
    bool dead;
    unsigned served;
    char path[64];
    struct http1_body body;
};

char origin_byte(size_t i)
{
    return (char)('a' + i % 23);
}

static void conn_drop(struct origin_conn *c, bool reset)
{
    list_remove(&c->node);
    if (reset) {
        tls_conn_reset(c->tls);
    } else {
        tls_conn_destroy(c->tls);
    }
    buf_free(&c->in);
    buf_free(&c->out);
    c->dead = true;
    free(c);
}

/* false: gone. */
static bool conn_write(struct origin_conn *c)
{
    while (buf_len(&c->out) > 0) {
        struct span s = buf_span(&c->out);
        ssize_t n = tls_conn_write(c->tls, s.ptr, s.len);
        if (n <= 0) {
            return true;
        }
        buf_consume(&c->out, (size_t)n);
    }
    if (c->cut) {
        tls_conn_flush(c->tls);
        conn_drop(c, true);
        return false;
    }
    if (c->drain) {
        c->drain = false;
        tls_conn_finish(c->tls);
    }
    return true;
}

static void say(struct origin_conn *c, const char *text)
{
    assert_true(buf_append_str(&c->out, text));
}

static void say_big(struct origin_conn *c, bool chunked)
{
    static char block[60000];
    for (size_t at = 0; at < ORIGIN_BIG;) {
        size_t n = ORIGIN_BIG - at < sizeof block ? ORIGIN_BIG - at : sizeof block;
        for (size_t i = 0; i < n; i++) {
            block[i] = origin_byte(at + i);
        }
        if (chunked) {
            assert_true(buf_appendf(&c->out, "%zx;x=y\r\n", n));
        }
        assert_true(buf_append(&c->out, block, n));
        if (chunked) {
            say(c, "\r\n");
        }
        at += n;
    }
    if (chunked) {
        say(c, "0\r\nX-Sum: 42\r\n\r\n");
    }
}

static bool is(const struct origin_conn *c, const char *path)
{
    return strcmp(c->path, path) == 0;
}

/* What a path does before its body has come. false: the connection is gone. */
static bool answer_early(struct origin_conn *c)
{
    if (is(c, "/die") || (is(c, "/die-second") && c->served > 0)) {
        conn_drop(c, false);
        return false;
    }
    if (is(c, "/early")) {
        say(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n");
        c->deaf = true;
    } else if (is(c, "/continue")) {
        say(c, "HTTP/1.1 100 Continue\r\n\r\n");
    } else if (is(c, "/impatient")) {
        for (int i = 0; i < 20; i++) {
            say(c, "HTTP/1.1 102 Processing\r\n\r\n");
        }
    } else if (is(c, "/upgrade")) {
        say(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    }
    return true;
}

static void answer(struct origin_conn *c)
{
    if (is(c, "/chunked")) {
        say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Trailer: yes\r\n\r\n");
    } else if (is(c, "/until-close")) {
        say(c, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
        c->drain = true;
    } else if (is(c, "/big")) {
        assert_true(
            buf_appendf(&c->out, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", ORIGIN_BIG));
        say_big(c, false);
    } else if (is(c, "/big-chunked")) {
        say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        say_big(c, true);
    } else if (is(c, "/empty")) {
        say(c, "HTTP/1.1 204 No Content\r\n\r\n");
    } else if (is(c, "/head")) {
        say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    } else if (is(c, "/cut")) {
        say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        c->drain = true;
    } else if (is(c, "/cut-hard") || is(c, "/whole-then-cut")) {
        bool whole = is(c, "/whole-then-cut");
        assert_true(buf_appendf(&c->out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nonly this",
                                whole ? 9 : 100));
        c->cut = true;
    } else if (is(c, "/huge-head")) {
        say(c, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 200; i++) {
            assert_true(buf_appendf(&c->out, "X-%d: %0400d\r\n", i, 0));
        }
        say(c, "Content-Length: 0\r\n\r\n");
    } else if (is(c, "/both")) {
        say(c,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    } else if (is(c, "/fold")) {
        say(c, "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n");
    } else if (is(c, "/hop")) {
        say(c, "HTTP/1.1 200 OK\r\nConnection: x-named\r\nX-Named: 1\r\nX-Kept: 2\r\n"
               "Keep-Alive: timeout=9\r\nContent-Length: 2\r\n\r\nok");
    } else if (is(c, "/extra")) {
        say(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n");
    } else if (is(c, "/echo")) {
        struct span last = buf_span(&c->server->last);
        assert_true(
            buf_appendf(&c->out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", last.len));
        assert_true(buf_append_span(&c->out, last));
    } else if (!is(c, "/silence") && !is(c, "/early") && !is(c, "/upgrade")) {
        say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello");
    }
    c->served++;
}

/* One step through what was received; false: nothing more to do now, or gone. */
static bool conn_step(struct origin_conn *c, bool *gone)
{
    struct http1_request req;
    struct http1_refusal refusal;
    struct http1_piece piece;
    if (!c->busy) {
        struct http1_scan scan = {0};
        enum http1_result r = http1_request_parse(&scan, buf_span(&c->in), &req, &refusal);
        if (r == HTTP1_BAD) {
            conn_drop(c, false);
            *gone = true;
        }
        if (r != HTTP1_DONE) {
            return false;
        }
        c->server->requests++;
        buf_clear(&c->server->last);
        assert_true(buf_append(&c->server->last, buf_span(&c->in).ptr, req.head.size));
        snprintf(c->path, sizeof c->path, SPAN_FMT, SPAN_ARG(req.path));
        http1_body_init(&c->body, &req.head);
        buf_consume(&c->in, req.head.size);
        c->busy = true;
        if (!answer_early(c)) {
            *gone = true;
            return false;
        }
    }
    enum http1_step step = http1_body_feed(&c->body, buf_span(&c->in), &piece);
    assert_true(step != HTTP1_STEP_BAD);
    assert_true(buf_append_span(&c->server->last, piece.data));
    buf_consume(&c->in, piece.consumed);
    if (step == HTTP1_STEP_END) {
        answer(c);
        c->busy = false;
        return true;
    }
    return step == HTTP1_STEP_DATA;
}

static void on_readable(void *arg)
{
    struct origin_conn *c = arg;
    bool gone = false;
    if (c->deaf) {
        tls_conn_pause(c->tls, true);
        return;
    }
    char *to = buf_reserve(&c->in, 65536);
    ssize_t n = tls_conn_read(c->tls, to, 65536);
    if (n == 0) {
        c->drain = true;
        c->deaf = true;
        conn_write(c);
        return;
    }
    if (n < 0) {
        return;
    }
    buf_commit(&c->in, (size_t)n);
    while (conn_step(c, &gone)) {
    }
    if (!gone) {
        conn_write(c);
    }
}

static void on_writable(void *arg)
{
    conn_write(arg);
}

static void on_closed(void *arg, enum tls_failure failure, const char *why)
{
    (void)failure;
    (void)why;
    conn_drop(arg, false);
}

static const struct tls_conn_events events = {on_readable, on_writable, NULL, on_closed};

static void on_accept(void *arg, unsigned ready)
{
    struct origin_server *s = arg;
    struct error err;
    (void)ready;
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    struct origin_conn *c = calloc(1, sizeof *c);
    c->server = s;
    buf_init(&c->in, 1u << 20);
    buf_init(&c->out, 8u << 20);
    list_append(&s->conns, &c->node);
    s->accepted++;
    c->tls = tls_conn_create(s->loop, fd, &events, c, &err);
    assert_non_null(c->tls);
    if (s->tls != NULL) {
        assert_int_equal(tls_conn_start_server(c->tls, s->tls, span_str(s->leaf), s->sni, &err), 0);
    }
}

static int listen_loopback(int type, uint16_t *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

void origin_start(struct origin_server *s, struct loop *loop, struct tls_server *tls,
                  const char *leaf)
{
    struct error err;
    *s = (struct origin_server){.loop = loop, .tls = tls, .leaf = leaf, .sni = true};
    list_init(&s->conns);
    buf_init(&s->last, 8u << 20);
    s->fd = listen_loopback(SOCK_STREAM, &s->port);
    assert_int_equal(listen(s->fd, 512), 0);
    assert_int_equal(loop_watch_start(loop, s->fd, LOOP_READ, on_accept, s, &s->watch, &err), 0);
}

void origin_hang_up(struct origin_server *s)
{
    while (!list_empty(&s->conns)) {
        conn_drop(LIST_ENTRY(s->conns.next, struct origin_conn, node), false);
    }
}

void origin_stop(struct origin_server *s)
{
    origin_hang_up(s);
    loop_watch_cancel(s->watch);
    close(s->fd);
    buf_free(&s->last);
}

static void on_query(void *arg, unsigned ready)
{
    struct name_server *s = arg;
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    char query[4096];
    uint8_t out[DNS_ANSWER_MAX];
    struct dns_query q;
    enum dns_rcode rcode;
    (void)ready;
    ssize_t n = recvfrom(s->fd, query, sizeof query, 0, (struct sockaddr *)&from, &from_len);
    if (n < 0 || dns_query_parse(span_of(query, (size_t)n), &q, &rcode) != DNS_OK) {
        return;
    }
    bool a = q.type == DNS_A;
    s->asked += a;
    if (s->silent) {
        return;
    }
    static const uint8_t loopback6[16] = {[15] = 1};
    size_t len = s->nxdomain ? dns_answer_error(&q, DNS_NXDOMAIN, out)
                 : a         ? dns_answer_a(&q, s->v4, s->ttl, out)
                 : s->v6     ? dns_answer_aaaa(&q, loopback6, s->ttl, out)
                             : dns_answer_empty(&q, out);
    assert_int_equal(sendto(s->fd, out, len, 0, (struct sockaddr *)&from, from_len), len);
}

void name_server_start(struct name_server *s, struct loop *loop)
{
    struct error err;
    *s = (struct name_server){.loop = loop, .ttl = 60, .v4 = {127, 0, 0, 1}};
    s->fd = listen_loopback(SOCK_DGRAM, &s->port);
    assert_int_equal(loop_watch_start(loop, s->fd, LOOP_READ, on_query, s, &s->watch, &err), 0);
}

void name_server_stop(struct name_server *s)
{
    loop_watch_cancel(s->watch);
    close(s->fd);
}
