#include "call.h"

#include "tls/trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DEADLINE_MS 10000

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

void call_read(void *arg)
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

const struct upstream_events call_events = {on_inform, on_response, on_failed};

struct upstream_request call_request(bool secure, const char *host, const char *method,
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

void call_start(struct fixture *f, struct call *c, const struct upstream_request *req)
{
    struct error err;
    c->f = f;
    buf_init(&c->got, 16u << 20);
    c->fetch = upstream_fetch_start(f->up, req, &call_events, c, &err);
    assert_non_null(c->fetch);
    assert_false(c->done);
}

void fixture_run(struct fixture *f)
{
    f->deadline = loop_timer_start(f->loop, DEADLINE_MS, 0, too_late, f);
    loop_run(f->loop);
    loop_timer_cancel(f->deadline);
}

void call_wait(struct call *c)
{
    while (!c->done) {
        fixture_run(c->f);
    }
}

void call_free(struct call *c)
{
    buf_free(&c->got);
    *c = (struct call){0};
}

void call_get(struct fixture *f, struct call *c, bool secure, const char *host, const char *path)
{
    struct upstream_request req = call_request(secure, host, "GET", path);
    call_start(f, c, &req);
    call_wait(c);
}

bool call_got(const struct call *c, const char *text)
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

void fixture_settle(struct fixture *f)
{
    struct loop_timer *t = loop_timer_start(f->loop, 20, 0, stop_loop, f->loop);
    loop_run(f->loop);
    loop_timer_cancel(t);
}

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

struct source *drip_make(struct fixture *f, size_t len, int64_t length, ssize_t end, bool *closed)
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

int fixture_setup(void **state)
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
        .dns_ms = 1000,
        .connect_ms = 5000,
        .tls_ms = 5000,
        .head_ms = 2000,
        .idle_ms = 60000,
    };
    f->up = upstream_create(f->loop, f->tls_client, &config, &err);
    assert_non_null(f->up);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
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
