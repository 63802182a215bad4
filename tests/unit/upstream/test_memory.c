/* Memory that runs out at each place in turn: an exchange then fails in words, or succeeds; it
 * neither crashes nor hangs nor leaks. The origin is a process of its own, which has memory. */
#include "origin.h"

#include "tls/trust.h"
#include "upstream/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 20000
#define PLACES_MAX  5000

/* How many more allocations succeed; negative: all. */
static long left = -1;
static bool ran_out;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool may_allocate(void)
{
    if (left < 0) {
        return true;
    }
    if (left == 0) {
        ran_out = true;
        left = -1; /* one failure, then memory is back: errors must not poison what follows */
        return false;
    }
    left--;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t size)
{
    return may_allocate() ? __real_realloc(p, size) : NULL;
}

struct fixture {
    struct loop *loop;
    struct tls_client *tls;
    uint16_t port;
    pid_t origin;
    bool responded, failed, ended;
    struct source *body;
};

static void too_late(void *arg)
{
    (void)arg;
    fail_msg("what was waited for did not come");
}

static void body_read(void *arg)
{
    struct fixture *f = arg;
    char sink[3000];
    ssize_t n;
    do {
        n = source_read(f->body, sink, sizeof sink);
    } while (n > 0);
    if (n == -EAGAIN) {
        source_watch(f->body, body_read, f);
        return;
    }
    source_close(f->body);
    f->body = NULL;
    f->ended = n == 0;
    loop_stop(f->loop);
}

static void on_response(void *arg, const struct upstream_response *res)
{
    struct fixture *f = arg;
    f->responded = true;
    f->body = res->body;
    body_read(f);
}

static void on_failed(void *arg, enum upstream_failure failure, const char *why, bool sent)
{
    struct fixture *f = arg;
    (void)failure;
    (void)why;
    (void)sent;
    f->failed = true;
    loop_stop(f->loop);
}

static const struct upstream_events events = {NULL, on_response, on_failed};

/* Two exchanges on what may be one connection. false: it could not even be started. */
static bool exchange(struct fixture *f, struct upstream *up, const char *path)
{
    static const char upload[20000];
    struct upstream_request req = {
        .secure = true,
        .host = SPAN_LIT("secure.test"),
        .port = 443,
        .authority = SPAN_LIT("secure.test"),
        .method = SPAN_LIT("PUT"),
        .target = span_str(path),
        .body = source_from_bytes(span_of(upload, sizeof upload)),
    };
    struct error err;
    f->responded = f->failed = f->ended = false;
    if (upstream_fetch_start(up, &req, &events, f, &err) == NULL) {
        return false;
    }
    struct loop_timer *deadline = loop_timer_start(f->loop, DEADLINE_MS, 0, too_late, f);
    loop_run(f->loop);
    loop_timer_cancel(deadline);
    assert_true(f->responded != f->failed);
    return f->ended;
}

static struct upstream *create(struct fixture *f)
{
    struct error err;
    struct upstream_resolve rule = {.host = SPAN_LIT("secure.test"),
                                    .port = 443,
                                    .addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
                                    .dial_port = f->port};
    struct upstream_config config = {.resolve = &rule,
                                     .resolve_count = 1,
                                     .dns_servers = "127.0.0.1:1",
                                     .tls_ms = 5000,
                                     .head_ms = 5000};
    return upstream_create(f->loop, f->tls, &config, &err);
}

static void every_place_in_turn(void **state)
{
    struct fixture *f = *state;
    long place = 0;
    do {
        assert_true(place < PLACES_MAX);
        ran_out = false;
        left = place++;
        struct upstream *up = create(f);
        if (up != NULL) {
            exchange(f, up, "/chunked");
            exchange(f, up, "/hello");
        }
        left = -1;
        if (up != NULL) {
            /* Whatever happened, the next one works. */
            assert_true(exchange(f, up, "/hello"));
        }
        upstream_destroy(up);
    } while (ran_out);
    print_message("%ld places\n", place - 1);
    assert_true(place > 20);
}

static void origin_main(int port_pipe, int cert_pipe)
{
    struct error err;
    uint8_t scalar[TLS_SCALAR_BYTES] = {0};
    struct origin_server server;
    struct loop *loop = loop_create(&err);
    struct tls_mint *mint = tls_mint_create(SPAN_LIT("origin"), scalar, span_of("", 0), &err);
    struct tls_server *tls = tls_server_create(mint, &err);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    origin_start(&server, loop, tls, "secure.test");
    struct span cert = tls_mint_cert(mint);
    if (write(port_pipe, &server.port, sizeof server.port) != sizeof server.port ||
        write(cert_pipe, cert.ptr, cert.len) != (ssize_t)cert.len) {
        _exit(1);
    }
    close(cert_pipe);
    loop_run(loop);
    _exit(0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err;
    int port[2];
    int cert[2];
    char der[TLS_CA_DER_MAX];
    struct buf pem;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(port), 0);
    assert_int_equal(pipe(cert), 0);
    f->origin = fork();
    assert_true(f->origin >= 0);
    if (f->origin == 0) {
        origin_main(port[1], cert[1]);
    }
    close(port[1]);
    close(cert[1]);
    assert_int_equal(read(port[0], &f->port, sizeof f->port), sizeof f->port);
    ssize_t len = read(cert[0], der, sizeof der);
    assert_true(len > 0);
    close(port[0]);
    close(cert[0]);
    buf_init(&pem, 65536);
    assert_int_equal(tls_trust_pem(span_of(der, (size_t)len), &pem, &err), 0);
    f->loop = loop_create(&err);
    f->tls = tls_client_create(buf_span(&pem), &err);
    assert_non_null(f->tls);
    assert_int_equal(tls_client_warm(f->tls, &err), 0);
    buf_free(&pem);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    kill(f->origin, SIGKILL);
    waitpid(f->origin, NULL, 0);
    tls_client_destroy(f->tls);
    loop_destroy(f->loop);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_place_in_turn, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
