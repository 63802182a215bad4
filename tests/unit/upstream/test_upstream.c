/* Exchanges over real sockets: framing, reuse, retries, refusals, limits. */
#include "origin.h"

#include "base/cleanup.h"
#include "tls/trust.h"
#include "upstream/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DEADLINE_MS 10000

struct fixture {
    struct loop *loop;
    struct loop_timer *deadline;
    struct tls_mint *mint;
    struct tls_server *tls_server;
    struct tls_client *tls_client;
    struct origin_server plain;  /* plain.test:80, dead.test:80 for a port nobody listens on */
    struct origin_server secure; /* secure.test:443 */
    struct origin_server wrong;  /* wrong.test:443 with a certificate for another.test */
    struct name_server names;
    struct upstream *up;
    bool allow_private;
};

/* One request of a test and all that came of it. */
struct call {
    struct fixture *f;
    struct upstream_fetch *fetch;
    bool done;
    bool hold;           /* reads no body until told */
    bool cancel_at_head; /* closes the body in the response callback */
    unsigned informs;
    uint16_t status;
    int64_t length;
    bool reused;
    bool has_body;
    char headers[4096];
    struct source *body;
    struct buf got;
    ssize_t end; /* 0, or the error the body ended with */
    size_t trailers;
    char trailer[64];
    bool failed;
    enum upstream_failure failure;
    char why[512];
    bool sent;
};

static void too_late(void *arg)
{
    (void)arg;
    fail_msg("what was waited for did not come");
}

static void call_end(struct call *c)
{
    source_close(c->body);
    c->body = NULL;
    c->done = true;
    loop_stop(c->f->loop);
}

static void call_read(void *arg)
{
    struct call *c = arg;
    for (;;) {
        char *to = buf_reserve(&c->got, 7000);
        ssize_t n = source_read(c->body, to, 7000);
        if (n > 0) {
            buf_commit(&c->got, (size_t)n);
            continue;
        }
        if (n == -EAGAIN) {
            source_watch(c->body, call_read, c);
            return;
        }
        const struct http1_header *t = NULL;
        c->end = n;
        c->trailers = n == 0 ? upstream_body_trailers(c->body, &t) : 0;
        if (c->trailers > 0) {
            snprintf(c->trailer, sizeof c->trailer, SPAN_FMT ": " SPAN_FMT, SPAN_ARG(t[0].name),
                     SPAN_ARG(t[0].value));
        }
        call_end(c);
        return;
    }
}

static void on_inform(void *arg, uint16_t status)
{
    struct call *c = arg;
    c->informs += status == 100;
}

static void on_response(void *arg, const struct upstream_response *res)
{
    struct call *c = arg;
    c->fetch = NULL;
    c->status = res->status;
    c->length = res->length;
    c->reused = res->reused;
    c->has_body = res->body != NULL;
    c->body = res->body;
    size_t at = 0;
    for (size_t i = 0; i < res->header_count; i++) {
        at += (size_t)snprintf(c->headers + at, sizeof c->headers - at, SPAN_FMT "=" SPAN_FMT "\n",
                               SPAN_ARG(res->headers[i].name), SPAN_ARG(res->headers[i].value));
    }
    if (c->body == NULL || c->cancel_at_head) {
        call_end(c);
    } else if (!c->hold) {
        call_read(c);
    } else {
        loop_stop(c->f->loop);
    }
}

static void on_failed(void *arg, enum upstream_failure failure, const char *why, bool sent)
{
    struct call *c = arg;
    c->fetch = NULL;
    c->failed = true;
    c->failure = failure;
    c->sent = sent;
    snprintf(c->why, sizeof c->why, "%s", why);
    call_end(c);
}

static const struct upstream_events events = {on_inform, on_response, on_failed};

static struct upstream_request request(bool secure, const char *host, const char *method,
                                       const char *target)
{
    return (struct upstream_request){
        .secure = secure,
        .host = span_str(host),
        .port = secure ? 443 : 80,
        .authority = span_str(host),
        .method = span_str(method),
        .target = span_str(target),
    };
}

static void call_start(struct fixture *f, struct call *c, const struct upstream_request *req)
{
    struct error err;
    c->f = f;
    buf_init(&c->got, 16u << 20);
    c->fetch = upstream_fetch_start(f->up, req, &events, c, &err);
    assert_non_null(c->fetch);
    assert_false(c->done);
}

static void run(struct fixture *f)
{
    f->deadline = loop_timer_start(f->loop, DEADLINE_MS, 0, too_late, f);
    loop_run(f->loop);
    loop_timer_cancel(f->deadline);
}

static void call_wait(struct call *c)
{
    while (!c->done) {
        run(c->f);
    }
}

static void call_free(struct call *c)
{
    buf_free(&c->got);
    *c = (struct call){0};
}

static void get(struct fixture *f, struct call *c, bool secure, const char *host, const char *path)
{
    struct upstream_request req = request(secure, host, "GET", path);
    call_start(f, c, &req);
    call_wait(c);
}

static bool got_is(const struct call *c, const char *text)
{
    return span_eq(buf_span(&c->got), span_str(text));
}

static bool allow(void *arg, struct span host)
{
    struct fixture *f = arg;
    return f->allow_private && span_eq(host, SPAN_LIT("private.test"));
}

/* Runs the loop until everything that is due now has happened. */
static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void settle(struct fixture *f)
{
    struct loop_timer *t = loop_timer_start(f->loop, 20, 0, stop_loop, f->loop);
    loop_run(f->loop);
    loop_timer_cancel(t);
}

/* ---- a request body that comes in pieces ---- */

struct drip {
    struct source source;
    struct loop *loop;
    size_t left;
    size_t burst; /* bytes given before the next pause */
    size_t given;
    ssize_t break_with; /* negative: instead of the end */
    bool *closed;
    source_ready_fn ready;
    void *arg;
    struct loop_task task;
};

static ssize_t drip_read(struct source *s, void *dst, size_t len)
{
    struct drip *d = (struct drip *)(void *)s;
    if (d->left == 0) {
        return d->break_with;
    }
    if (d->burst == 0) {
        return -EAGAIN;
    }
    size_t n = len < d->left ? len : d->left;
    n = n < d->burst ? n : d->burst;
    for (size_t i = 0; i < n; i++) {
        ((char *)dst)[i] = origin_byte(d->given + i);
    }
    d->given += n;
    d->left -= n;
    d->burst -= n;
    return (ssize_t)n;
}

static void drip_more(void *arg)
{
    struct drip *d = arg;
    source_ready_fn ready = d->ready;
    d->burst = 5000;
    d->ready = NULL;
    if (ready != NULL) {
        ready(d->arg);
    }
}

static void drip_watch(struct source *s, source_ready_fn ready, void *arg)
{
    struct drip *d = (struct drip *)(void *)s;
    d->ready = ready;
    d->arg = arg;
    if (ready != NULL) {
        loop_task_queue(&d->task);
    }
}

static void drip_close(struct source *s)
{
    struct drip *d = (struct drip *)(void *)s;
    loop_task_cancel(&d->task);
    if (d->closed != NULL) {
        *d->closed = true;
    }
    free(d);
}

static const struct source_ops drip_ops = {drip_read, drip_watch, drip_close};

static struct source *drip_make(struct fixture *f, size_t len, int64_t length, ssize_t end,
                                bool *closed)
{
    struct drip *d = calloc(1, sizeof *d);
    d->source = (struct source){&drip_ops, length};
    d->loop = f->loop;
    d->left = len;
    d->burst = 5000;
    d->break_with = end;
    d->closed = closed;
    loop_task_init(&d->task, f->loop, drip_more, d);
    return &d->source;
}

/* ---- tests ---- */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err;
    uint8_t scalar[TLS_SCALAR_BYTES] = {0};
    struct buf pem;
    f->loop = loop_create(&err);
    f->mint = tls_mint_create(SPAN_LIT("origin"), scalar, span_of("", 0), &err);
    assert_non_null(f->mint);
    f->tls_server = tls_server_create(f->mint, &err);
    buf_init(&pem, 65536);
    assert_int_equal(tls_trust_pem(tls_mint_cert(f->mint), &pem, &err), 0);
    f->tls_client = tls_client_create(buf_span(&pem), &err);
    assert_non_null(f->tls_client);
    buf_free(&pem);
    origin_start(&f->plain, f->loop, NULL, NULL);
    origin_start(&f->secure, f->loop, f->tls_server, "secure.test");
    origin_start(&f->wrong, f->loop, f->tls_server, "another.test");
    f->wrong.sni = false;
    name_server_start(&f->names, f->loop);
    char servers[64];
    snprintf(servers, sizeof servers, "127.0.0.1:%u", f->names.port);
    uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    struct upstream_resolve rules[] = {
        {.host = SPAN_LIT("plain.test"), .port = 80, .dial_port = f->plain.port},
        {.host = SPAN_LIT("secure.test"), .port = 443, .dial_port = f->secure.port},
        {.host = SPAN_LIT("wrong.test"), .port = 443, .dial_port = f->wrong.port},
        {.host = SPAN_LIT("notls.test"), .port = 443, .dial_port = f->plain.port},
        {.host = SPAN_LIT("dead.test"), .port = 80, .dial_port = 1},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        memcpy(rules[i].addr, loopback, 16);
    }
    struct upstream_config config = {
        .resolve = rules,
        .resolve_count = sizeof rules / sizeof rules[0],
        .allow_private = allow,
        .arg = f,
        .dns_servers = servers,
        .dns_ms = 400,
        .connect_ms = 2000,
        .tls_ms = 400,
        .head_ms = 400,
        .idle_ms = 60000,
    };
    f->up = upstream_create(f->loop, f->tls_client, &config, &err);
    assert_non_null(f->up);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    assert_true(list_empty(&f->up->fetches));
    upstream_destroy(f->up);
    origin_stop(&f->plain);
    origin_stop(&f->secure);
    origin_stop(&f->wrong);
    name_server_stop(&f->names);
    tls_server_destroy(f->tls_server);
    tls_client_destroy(f->tls_client);
    tls_mint_destroy(f->mint);
    loop_destroy(f->loop);
    free(f);
    return 0;
}

static void plain_and_secure(void **state)
{
    struct fixture *f = *state;
    for (int secure = 0; secure < 2; secure++) {
        const char *host = secure ? "secure.test" : "plain.test";
        for (int i = 0; i < 3; i++) {
            struct call c = {0};
            get(f, &c, secure, host, "/hello");
            assert_int_equal(c.status, 200);
            assert_int_equal(c.length, 5);
            assert_string_equal(c.headers, "X-A=1\n");
            assert_true(got_is(&c, "hello"));
            assert_int_equal(c.end, 0);
            assert_int_equal(c.reused, i > 0);
            call_free(&c);
        }
    }
    assert_int_equal(f->plain.accepted, 1);
    assert_int_equal(f->secure.accepted, 1);
}

static void every_framing(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    get(f, &c, true, "secure.test", "/chunked");
    assert_true(got_is(&c, "hello world"));
    assert_int_equal(c.trailers, 1);
    assert_string_equal(c.trailer, "X-Trailer: yes");
    call_free(&c);
    get(f, &c, true, "secure.test", "/empty");
    assert_int_equal(c.status, 204);
    assert_false(c.has_body);
    call_free(&c);
    struct upstream_request head = request(true, "secure.test", "HEAD", "/head");
    call_start(f, &c, &head);
    call_wait(&c);
    assert_int_equal(c.length, 1000);
    assert_false(c.has_body);
    assert_true(c.reused);
    call_free(&c);
    get(f, &c, true, "secure.test", "/until-close");
    assert_int_equal(c.length, -1);
    assert_true(got_is(&c, "until the end"));
    assert_int_equal(c.end, 0);
    call_free(&c);
    get(f, &c, false, "plain.test", "/until-close");
    assert_true(got_is(&c, "until the end"));
    call_free(&c);
    assert_int_equal(f->secure.accepted, 1);
}

static void big_bodies(void **state)
{
    struct fixture *f = *state;
    const char *paths[] = {"/big", "/big-chunked"};
    for (int i = 0; i < 4; i++) {
        struct call c = {0};
        get(f, &c, i % 2, i % 2 ? "secure.test" : "plain.test", paths[i / 2]);
        assert_int_equal(c.end, 0);
        assert_int_equal(buf_len(&c.got), ORIGIN_BIG);
        for (size_t at = 0; at < ORIGIN_BIG; at += 997) {
            assert_int_equal(buf_span(&c.got).ptr[at], origin_byte(at));
        }
        assert_int_equal(c.trailers, i / 2);
        call_free(&c);
    }
    assert_int_equal(f->plain.accepted, 1);
}

static void slow_reader_holds_the_sender(void **state)
{
    struct fixture *f = *state;
    struct call c = {.hold = true};
    struct upstream_request req = request(true, "secure.test", "GET", "/big");
    call_start(f, &c, &req);
    run(f);
    assert_int_equal(c.status, 200);
    settle(f);
    struct conn *conn = LIST_ENTRY(f->up->conns.next, struct conn, all);
    assert_true(buf_len(&conn->in) <= CONN_READ);
    call_read(&c);
    call_wait(&c);
    assert_int_equal(buf_len(&c.got), ORIGIN_BIG);
    call_free(&c);
}

static void request_head_is_ours(void **state)
{
    struct fixture *f = *state;
    const struct http1_header headers[] = {
        {SPAN_LIT("Accept"), SPAN_LIT("a/b")},
        {SPAN_LIT("host"), SPAN_LIT("evil.test")},
        {SPAN_LIT("Content-Length"), SPAN_LIT("7")},
        {SPAN_LIT("transfer-encoding"), SPAN_LIT("chunked")},
        {SPAN_LIT("Connection"), SPAN_LIT("close")},
        {SPAN_LIT("X-Two"), SPAN_LIT("1")},
        {SPAN_LIT("X-Two"), SPAN_LIT("2")},
    };
    struct upstream_request req = request(false, "plain.test", "POST", "/echo?q=%2e%2e");
    struct call c = {0};
    req.target = SPAN_LIT("/echo");
    req.headers = headers;
    req.header_count = sizeof headers / sizeof headers[0];
    call_start(f, &c, &req);
    call_wait(&c);
    assert_true(got_is(&c, "POST /echo HTTP/1.1\r\nHost: plain.test\r\nAccept: a/b\r\nX-Two: 1\r\n"
                           "X-Two: 2\r\nContent-Length: 0\r\n\r\n"));
    call_free(&c);
}

static void smuggling_is_refused_at_the_start(void **state)
{
    struct fixture *f = *state;
    struct error err;
    const struct http1_header crlf = {SPAN_LIT("X"), SPAN_LIT("1\r\nY: 2")};
    const struct http1_header name = {SPAN_LIT("X: 1\r\nY"), SPAN_LIT("2")};
    struct upstream_request req = request(false, "plain.test", "GET", "/");
    bool closed = false;
    req.headers = &crlf;
    req.header_count = 1;
    req.body = drip_make(f, 1, 1, 0, &closed);
    assert_null(upstream_fetch_start(f->up, &req, &events, NULL, &err));
    assert_true(closed);
    req.body = NULL;
    req.headers = &name;
    assert_null(upstream_fetch_start(f->up, &req, &events, NULL, &err));
    req.header_count = 0;
    req.target = SPAN_LIT("/ HTTP/1.1\r\nX: y");
    assert_null(upstream_fetch_start(f->up, &req, &events, NULL, &err));
    req = request(false, "plain.test", "CONNECT", "/");
    assert_null(upstream_fetch_start(f->up, &req, &events, NULL, &err));
    req = request(false, "Plain.test.", "GET", "/");
    assert_null(upstream_fetch_start(f->up, &req, &events, NULL, &err));
}

static void uploads(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        bool chunked = i % 2;
        bool secure = i / 2;
        bool closed = false;
        size_t len = 700001;
        struct call c = {0};
        struct upstream_request req =
            request(secure, secure ? "secure.test" : "plain.test", "PUT", "/up");
        req.body = drip_make(f, len, chunked ? -1 : (int64_t)len, 0, &closed);
        call_start(f, &c, &req);
        call_wait(&c);
        assert_true(closed);
        assert_true(got_is(&c, "hello"));
        struct span last = buf_span(secure ? &f->secure.last : &f->plain.last);
        struct span body = span_from(last, last.len - len);
        assert_int_equal(memcmp(body.ptr - 4, "\r\n\r\n", 4), 0);
        for (size_t at = 0; at < len; at += 13) {
            assert_int_equal(body.ptr[at], origin_byte(at));
        }
        call_free(&c);
    }
    assert_int_equal(f->secure.accepted, 1);
}

static void continue_passes(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    struct upstream_request req = request(true, "secure.test", "POST", "/continue");
    req.expect_continue = true;
    req.body = drip_make(f, 9000, 9000, 0, NULL);
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.informs, 1);
    assert_int_equal(c.status, 200);
    assert_non_null(memmem(buf_span(&f->secure.last).ptr, buf_len(&f->secure.last),
                           "Expect: 100-continue\r\n", 22));
    call_free(&c);
}

static void early_answer_wins(void **state)
{
    struct fixture *f = *state;
    bool closed = false;
    struct call c = {0};
    struct upstream_request req = request(true, "secure.test", "POST", "/early");
    req.body = drip_make(f, 100u << 20, 100 << 20, 0, &closed);
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.status, 413);
    assert_true(got_is(&c, "no\n"));
    assert_true(closed);
    call_free(&c);
    assert_true(list_empty(&f->up->conns));
}

static void broken_upload(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        struct call c = {0};
        struct upstream_request req = request(true, "secure.test", "POST", "/up");
        /* broken; shorter than it said; broken and chunked */
        req.body = drip_make(f, 20000, i < 2 ? 30000 : -1, i == 1 ? 0 : -EIO, NULL);
        call_start(f, &c, &req);
        call_wait(&c);
        assert_true(c.failed);
        assert_int_equal(c.failure, UPSTREAM_CANCELLED);
        assert_true(c.sent);
        call_free(&c);
    }
    assert_int_equal(buf_len(&f->secure.last) < 30000, 1);
}

static void malformed_responses(void **state)
{
    struct fixture *f = *state;
    const char *paths[] = {"/both", "/fold", "/upgrade", "/die", "/huge-head", "/impatient"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct call c = {0};
        get(f, &c, true, "secure.test", paths[i]);
        assert_true(c.failed);
        assert_int_equal(c.failure, UPSTREAM_PROTOCOL);
        call_free(&c);
    }
    assert_true(list_empty(&f->up->conns));
}

static void truncated_bodies(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    get(f, &c, true, "secure.test", "/cut");
    assert_int_equal(c.end, -ECONNRESET);
    assert_true(got_is(&c, "only this"));
    call_free(&c);
    get(f, &c, false, "plain.test", "/cut");
    assert_int_equal(c.end, -ECONNRESET);
    call_free(&c);
    get(f, &c, true, "secure.test", "/cut-hard");
    assert_int_equal(c.end, -ECONNRESET);
    call_free(&c);
    assert_true(list_empty(&f->up->conns));
}

static void hop_by_hop_goes(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    get(f, &c, false, "plain.test", "/hop");
    assert_string_equal(c.headers, "X-Kept=2\n");
    call_free(&c);
    struct conn *conn = LIST_ENTRY(f->up->conns.next, struct conn, all);
    assert_int_equal(conn->idle_ms, 8000);
}

static void unasked_bytes_end_a_connection(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    get(f, &c, false, "plain.test", "/extra");
    assert_true(got_is(&c, "ok"));
    call_free(&c);
    assert_true(list_empty(&f->up->conns));
}

static void stale_connection_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    get(f, &c, true, "secure.test", "/hello");
    call_free(&c);
    get(f, &c, true, "secure.test", "/die-second");
    assert_false(c.failed);
    assert_int_equal(c.status, 200);
    assert_false(c.reused);
    call_free(&c);
    /* The same for a method that may not be sent twice. */
    struct upstream_request post = request(true, "secure.test", "POST", "/die-second");
    call_start(f, &c, &post);
    call_wait(&c);
    assert_true(c.failed);
    assert_int_equal(c.failure, UPSTREAM_PROTOCOL);
    assert_true(c.sent);
    call_free(&c);
    /* ... but a connection that is seen to be closed is not even tried. */
    get(f, &c, true, "secure.test", "/hello");
    call_free(&c);
    origin_hang_up(&f->secure);
    post = request(true, "secure.test", "POST", "/hello");
    call_start(f, &c, &post);
    call_wait(&c);
    assert_int_equal(c.status, 200);
    call_free(&c);
}

static void idle_hang_up_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    get(f, &c, true, "secure.test", "/hello");
    call_free(&c);
    origin_hang_up(&f->secure);
    settle(f);
    assert_true(list_empty(&f->up->conns));
}

static void certificates(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    get(f, &c, true, "wrong.test", "/hello");
    assert_true(c.failed);
    assert_int_equal(c.failure, UPSTREAM_CERTIFICATE);
    assert_non_null(strstr(c.why, "wrong.test: certificate: "));
    assert_int_equal(f->wrong.requests, 0);
    call_free(&c);
}

static void no_tls_there(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    /* The other end waits for the rest of a request line that never comes. */
    f->plain.tls = NULL;
    get(f, &c, true, "notls.test", "/hello");
    assert_true(c.failed);
    assert_true(c.failure == UPSTREAM_TIMEOUT || c.failure == UPSTREAM_PROTOCOL);
    call_free(&c);
}

static void nobody_listens(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    get(f, &c, false, "dead.test", "/hello");
    assert_int_equal(c.failure, UPSTREAM_CONNECT);
    assert_non_null(strstr(c.why, "Connection refused"));
    assert_false(c.sent);
    call_free(&c);
}

static void silence_ends_in_time(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    get(f, &c, true, "secure.test", "/silence");
    assert_int_equal(c.failure, UPSTREAM_TIMEOUT);
    assert_true(c.sent);
    call_free(&c);
}

static void private_addresses(void **state)
{
    struct fixture *f = *state;
    const char *hosts[] = {"127.0.0.1",       "[::1]",           "10.1.2.3",
                           "169.254.169.254", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
                           "198.18.1.1",      "[fd00:5a11::1]",  "metadata.google.internal",
                           "rebind.test",     "private.test"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct upstream_request req = request(false, hosts[i], "GET", "/");
        struct error err;
        struct call c = {0};
        c.f = f;
        buf_init(&c.got, 100);
        c.fetch = upstream_fetch_start(f->up, &req, &events, &c, &err);
        if (c.fetch == NULL) {
            continue; /* not the canonical spelling of that address: refused at once */
        }
        call_wait(&c);
        assert_true(c.failed);
        assert_int_equal(c.failure, UPSTREAM_ADDRESS);
        assert_false(c.sent);
        call_free(&c);
    }
    assert_int_equal(f->plain.accepted, 0);
}

static void private_when_allowed(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    struct upstream_request req = request(false, "private.test", "GET", "/hello");
    f->allow_private = true;
    req.port = f->plain.port;
    req.authority = SPAN_LIT("private.test:8080");
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.status, 200);
    call_free(&c);
    /* The answer is kept for its time. */
    assert_int_equal(f->names.asked, 1);
    origin_hang_up(&f->plain);
    settle(f);
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.status, 200);
    assert_int_equal(f->names.asked, 1);
    call_free(&c);
    /* The port is part of what is reused: another one is dialled anew and refused. */
    req.port = 1;
    call_start(f, &c, &req);
    call_wait(&c);
    assert_int_equal(c.failure, UPSTREAM_CONNECT);
    call_free(&c);
}

static void second_address_is_tried(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    struct upstream_request req = request(false, "private.test", "GET", "/hello");
    f->allow_private = true;
    f->names.v6 = true;
    f->names.ttl = 0;
    req.port = f->plain.port;
    for (unsigned i = 1; i <= 2; i++) {
        call_start(f, &c, &req);
        call_wait(&c);
        assert_int_equal(c.status, 200);
        /* A time to live of 0 is respected. */
        assert_int_equal(f->names.asked, i);
        call_free(&c);
        origin_hang_up(&f->plain);
        settle(f);
    }
}

static void names_fail(void **state)
{
    struct fixture *f = *state;
    struct call c = {0};
    f->names.nxdomain = true;
    get(f, &c, false, "no.such.test", "/");
    assert_int_equal(c.failure, UPSTREAM_DNS);
    assert_string_equal(c.why, "no.such.test: no such host");
    assert_int_equal(f->names.asked, 1); /* no search domain was tried */
    call_free(&c);
    f->names.silent = true;
    get(f, &c, false, "slow.test", "/");
    assert_int_equal(c.failure, UPSTREAM_TIMEOUT);
    call_free(&c);
}

static void many_at_once(void **state)
{
    struct fixture *f = *state;
    enum { N = 300 }; /* more than UPSTREAM_PER_ORIGIN_MAX */
    struct call *calls = calloc(N, sizeof *calls);
    for (int i = 0; i < N; i++) {
        struct upstream_request req = request(false, "plain.test", "GET", "/hello");
        call_start(f, &calls[i], &req);
    }
    for (int i = 0; i < N; i++) {
        call_wait(&calls[i]);
        assert_int_equal(calls[i].status, 200);
        call_free(&calls[i]);
    }
    assert_true(f->plain.accepted <= UPSTREAM_PER_ORIGIN_MAX);
    free(calls);
}

static void cancel_anywhere(void **state)
{
    struct fixture *f = *state;
    struct upstream_request req = request(true, "secure.test", "POST", "/silence");
    for (int turns = 0; turns < 3; turns++) {
        bool closed = false;
        struct call c = {0};
        req.body = drip_make(f, 1000000, 1000000, 0, &closed);
        call_start(f, &c, &req);
        for (int i = 0; i < turns; i++) {
            settle(f);
        }
        upstream_fetch_cancel(c.fetch);
        assert_true(closed);
        settle(f);
        assert_false(c.done);
        call_free(&c);
    }
    struct call c = {.cancel_at_head = true};
    get(f, &c, true, "secure.test", "/big");
    assert_int_equal(c.status, 200);
    call_free(&c);
    struct call waiting = {0};
    struct upstream_request slow = request(false, "slow.test", "GET", "/");
    f->names.silent = true;
    call_start(f, &waiting, &slow);
    upstream_fetch_cancel(waiting.fetch);
    call_free(&waiting);
    assert_true(list_empty(&f->up->conns));
}

/* ---- tunnels ---- */

struct pipe_test {
    struct fixture *f;
    struct upstream_tunnel *t;
    bool opened, failed, ended;
    enum upstream_failure failure;
    unsigned writable;
    size_t to_write;
    struct buf got;
};

static void pipe_write(struct pipe_test *p)
{
    char block[10000];
    memset(block, 'x', sizeof block);
    while (p->to_write > 0) {
        size_t n = p->to_write < sizeof block ? p->to_write : sizeof block;
        ssize_t put = upstream_tunnel_write(p->t, span_of(block, n));
        assert_true(put >= 0);
        p->to_write -= (size_t)put;
        if ((size_t)put < n) {
            return;
        }
    }
    upstream_tunnel_finish(p->t);
}

static void pipe_read(void *arg)
{
    struct pipe_test *p = arg;
    struct source *s = upstream_tunnel_source(p->t);
    char *to = buf_reserve(&p->got, 9000);
    ssize_t n;
    while ((n = source_read(s, to, 9000)) > 0) {
        buf_commit(&p->got, (size_t)n);
        to = buf_reserve(&p->got, 9000);
    }
    if (n == -EAGAIN) {
        source_watch(s, pipe_read, p);
        return;
    }
    assert_int_equal(n, 0);
    p->ended = true;
    loop_stop(p->f->loop);
}

static void pipe_opened(void *arg, const char *peer)
{
    struct pipe_test *p = arg;
    p->opened = true;
    assert_int_equal(strncmp(peer, "127.0.0.1:", 10), 0);
    source_watch(upstream_tunnel_source(p->t), pipe_read, p);
    loop_stop(p->f->loop);
}

static void pipe_failed(void *arg, enum upstream_failure failure, const char *why)
{
    struct pipe_test *p = arg;
    assert_true(strlen(why) > 0);
    p->failed = true;
    p->failure = failure;
    loop_stop(p->f->loop);
}

static void pipe_writable(void *arg)
{
    struct pipe_test *p = arg;
    p->writable++;
    pipe_write(p);
}

static const struct upstream_tunnel_events pipe_events = {pipe_opened, pipe_failed, pipe_writable};

static void pipe_start(struct fixture *f, struct pipe_test *p, const char *host, uint16_t port)
{
    struct error err;
    *p = (struct pipe_test){.f = f};
    buf_init(&p->got, 16u << 20);
    p->t = upstream_tunnel_start(f->up, span_str(host), port, &pipe_events, p, &err);
    assert_non_null(p->t);
    run(f);
}

static void tunnel_both_ways(void **state)
{
    struct fixture *f = *state;
    struct pipe_test p;
    const struct span head =
        SPAN_LIT("PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
    pipe_start(f, &p, "plain.test", 80);
    assert_true(p.opened);
    assert_int_equal(upstream_tunnel_write(p.t, head), head.len);
    p.to_write = 4000000;
    pipe_write(&p);
    assert_true(p.to_write > 0); /* back-pressure: not all of it was taken at once */
    /* The origin closes when it reads our FIN, behind its whole answer. */
    run(f);
    assert_true(p.ended);
    assert_true(p.writable > 0);
    assert_true(buf_len(&p.got) > ORIGIN_BIG);
    assert_int_equal(buf_len(&f->plain.last), head.len + 4000000);
    upstream_tunnel_close(p.t);
    buf_free(&p.got);
}

static void tunnel_refused(void **state)
{
    struct fixture *f = *state;
    struct pipe_test p;
    pipe_start(f, &p, "dead.test", 80);
    assert_int_equal(p.failure, UPSTREAM_CONNECT);
    pipe_start(f, &p, "10.0.0.1", 22);
    assert_int_equal(p.failure, UPSTREAM_ADDRESS);
    assert_int_equal(f->up->open, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain_and_secure),
        TEST(every_framing),
        TEST(big_bodies),
        TEST(slow_reader_holds_the_sender),
        TEST(request_head_is_ours),
        TEST(smuggling_is_refused_at_the_start),
        TEST(uploads),
        TEST(continue_passes),
        TEST(early_answer_wins),
        TEST(broken_upload),
        TEST(malformed_responses),
        TEST(truncated_bodies),
        TEST(hop_by_hop_goes),
        TEST(unasked_bytes_end_a_connection),
        TEST(stale_connection_is_replaced),
        TEST(idle_hang_up_is_noticed),
        TEST(certificates),
        TEST(no_tls_there),
        TEST(nobody_listens),
        TEST(silence_ends_in_time),
        TEST(private_addresses),
        TEST(private_when_allowed),
        TEST(second_address_is_tried),
        TEST(names_fail),
        TEST(many_at_once),
        TEST(cancel_anywhere),
        TEST(tunnel_both_ways),
        TEST(tunnel_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
