#include "tls/conn.h"
#include "tls/trust.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define DEADLINE_MS 10000

/* Two ends in one loop; each counts what it saw. */
struct end {
    struct fixture *f;
    struct tls_conn *conn;
    struct buf got;
    size_t to_send; /* bytes of the pattern still to be written */
    size_t sent;
    bool hold; /* leaves its bytes where they are */
    bool handshaken;
    bool eof;
    ssize_t last;
    bool closed;
    enum tls_failure failure;
    char why[TLS_WHY_BYTES];
};

struct fixture {
    struct loop *loop;
    struct loop_timer *deadline;
    struct tls_mint *mint;
    struct tls_server *server;
    struct tls_client *client;
    struct end a; /* client */
    struct end b; /* server */
    bool (*until)(struct fixture *f);
};

static void check(struct fixture *f)
{
    if (f->until(f)) {
        loop_stop(f->loop);
    }
}

static void send_more(struct end *e)
{
    char block[4096];
    while (e->to_send > 0) {
        size_t n = e->to_send < sizeof block ? e->to_send : sizeof block;
        for (size_t i = 0; i < n; i++) {
            block[i] = (char)((e->sent + i) % 251);
        }
        ssize_t put = tls_conn_write(e->conn, block, n);
        if (put <= 0) {
            return;
        }
        e->sent += (size_t)put;
        e->to_send -= (size_t)put;
    }
}

static void on_readable(void *arg)
{
    struct end *e = arg;
    char *to;
    if (e->hold) {
        tls_conn_pause(e->conn, true);
        return;
    }
    while ((to = buf_reserve(&e->got, 3000)) != NULL) {
        e->last = tls_conn_read(e->conn, to, 3000);
        if (e->last <= 0) {
            break;
        }
        buf_commit(&e->got, (size_t)e->last);
    }
    e->eof = e->eof || e->last == 0;
    check(e->f);
}

static void on_writable(void *arg)
{
    send_more(arg);
}

static void on_handshaken(void *arg)
{
    struct end *e = arg;
    e->handshaken = true;
    send_more(e);
    check(e->f);
}

static void on_closed(void *arg, enum tls_failure failure, const char *why)
{
    struct end *e = arg;
    e->closed = true;
    e->failure = failure;
    snprintf(e->why, sizeof e->why, "%s", why);
    tls_conn_destroy(e->conn);
    e->conn = NULL;
    check(e->f);
}

static const struct tls_conn_events events = {on_readable, on_writable, on_handshaken, on_closed};

static void too_late(void *arg)
{
    (void)arg;
    fail_msg("what was waited for did not come");
}

static void run(struct fixture *f, bool (*until)(struct fixture *f))
{
    f->until = until;
    f->deadline = loop_timer_start(f->loop, DEADLINE_MS, 0, too_late, f);
    if (!until(f)) {
        loop_run(f->loop);
    }
    loop_timer_cancel(f->deadline);
    assert_true(until(f));
}

static void end_open(struct fixture *f, struct end *e, int fd)
{
    struct error err;
    *e = (struct end){.f = f};
    buf_init(&e->got, 16u << 20);
    e->conn = tls_conn_create(f->loop, fd, &events, e, &err);
    assert_non_null(e->conn);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err;
    uint8_t scalar[TLS_SCALAR_BYTES] = {0};
    struct buf pem;
    int fds[2];
    f->loop = loop_create(&err);
    f->mint = tls_mint_create(SPAN_LIT("t"), scalar, span_of("", 0), &err);
    assert_non_null(f->mint);
    f->server = tls_server_create(f->mint, &err);
    buf_init(&pem, 65536);
    assert_int_equal(tls_trust_pem(tls_mint_cert(f->mint), &pem, &err), 0);
    f->client = tls_client_create(buf_span(&pem), &err);
    assert_non_null(f->client);
    buf_free(&pem);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    end_open(f, &f->a, fds[0]);
    end_open(f, &f->b, fds[1]);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tls_conn_destroy(f->a.conn);
    tls_conn_destroy(f->b.conn);
    buf_free(&f->a.got);
    buf_free(&f->b.got);
    tls_server_destroy(f->server);
    tls_client_destroy(f->client);
    tls_mint_destroy(f->mint);
    loop_destroy(f->loop);
    free(f);
    return 0;
}

static void start(struct fixture *f, const char *server_name, const char *client_host,
                  const char *alpn)
{
    struct error err;
    bool sni = client_host[0] > '9';
    assert_int_equal(tls_conn_start_server(f->b.conn, f->server, span_str(server_name), sni, &err),
                     0);
    assert_int_equal(tls_conn_start_client(f->a.conn, f->client, span_str(client_host), 443,
                                           span_str(alpn), &err),
                     0);
}

static bool both_open(struct fixture *f)
{
    return f->a.handshaken && f->b.handshaken;
}

static bool b_closed(struct fixture *f)
{
    return f->b.closed;
}

static bool b_has_some(struct fixture *f)
{
    return buf_len(&f->b.got) > 0;
}

static bool both_closed(struct fixture *f)
{
    return f->a.closed && f->b.closed;
}

static bool b_has_all(struct fixture *f)
{
    return buf_len(&f->b.got) >= f->a.sent + f->a.to_send;
}

static bool a_has_all(struct fixture *f)
{
    return buf_len(&f->a.got) >= f->b.sent + f->b.to_send;
}

static bool b_eof(struct fixture *f)
{
    return f->b.eof;
}

static bool b_cut(struct fixture *f)
{
    return f->b.last == -ECONNABORTED;
}

static void assert_pattern(const struct end *e, size_t len)
{
    struct span got = buf_span(&e->got);
    assert_int_equal(got.len, len);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal((unsigned char)got.ptr[i], i % 251);
    }
}

static void clear_bytes_pass_and_end(void **state)
{
    struct fixture *f = *state;
    f->a.to_send = 3u << 20;
    send_more(&f->a);
    run(f, b_has_all);
    assert_pattern(&f->b, 3u << 20);
    assert_false(tls_conn_secure(f->a.conn));
    tls_conn_finish(f->a.conn);
    run(f, b_eof);
    f->b.to_send = 100; /* half-closed: the other way still works */
    send_more(&f->b);
    tls_conn_finish(f->b.conn);
    run(f, both_closed);
    assert_int_equal(f->a.failure, TLS_CLOSED);
}

static void tls_carries_both_ways(void **state)
{
    struct fixture *f = *state;
    f->a.to_send = 2u << 20;
    f->b.to_send = 3u << 20;
    start(f, "api.example.test", "api.example.test", "\x08http/1.1");
    run(f, both_open);
    assert_true(span_eq(tls_conn_alpn(f->a.conn), SPAN_LIT("http/1.1")));
    assert_true(span_eq(tls_conn_alpn(f->b.conn), SPAN_LIT("http/1.1")));
    run(f, b_has_all);
    run(f, a_has_all);
    assert_pattern(&f->b, 2u << 20);
    assert_pattern(&f->a, 3u << 20);
    tls_conn_finish(f->a.conn);
    run(f, b_eof);
    tls_conn_finish(f->b.conn);
    run(f, both_closed);
}

static void bytes_read_before_are_fed_in(void **state)
{
    struct fixture *f = *state;
    struct error err;
    char hello[4096];
    assert_int_equal(
        tls_conn_start_client(f->a.conn, f->client, SPAN_LIT("a.test"), 443, span_of("", 0), &err),
        0);
    run(f, b_has_some);
    size_t len = buf_len(&f->b.got);
    assert_in_range(len, 1, sizeof hello);
    memcpy(hello, buf_span(&f->b.got).ptr, len);
    buf_clear(&f->b.got);
    assert_int_equal(tls_conn_unread(f->b.conn, span_of(hello, len), &err), 0);
    assert_int_equal(tls_conn_start_server(f->b.conn, f->server, SPAN_LIT("a.test"), true, &err),
                     0);
    f->a.to_send = 5;
    run(f, both_open);
    run(f, b_has_all);
    assert_int_equal(buf_len(&f->b.got), 5);
}

static void ip_literal_without_sni(void **state)
{
    struct fixture *f = *state;
    start(f, "192.0.2.1", "192.0.2.1", "");
    run(f, both_open);
    assert_int_equal(tls_conn_alpn(f->b.conn).len, 0);
}

static void wrong_name_is_a_certificate_failure(void **state)
{
    struct fixture *f = *state;
    struct error err;
    assert_int_equal(
        tls_conn_start_server(f->b.conn, f->server, SPAN_LIT("other.test"), false, &err), 0);
    assert_int_equal(
        tls_conn_start_client(f->a.conn, f->client, SPAN_LIT("a.test"), 443, span_of("", 0), &err),
        0);
    run(f, both_closed);
    assert_int_equal(f->a.failure, TLS_CERTIFICATE);
    assert_string_equal(f->a.why, "hostname mismatch");
    assert_int_equal(f->b.failure, TLS_CA_REJECTED);
}

static void unknown_ca_is_told_to_both(void **state)
{
    struct fixture *f = *state;
    struct error err;
    tls_client_destroy(f->client);
    f->client = tls_client_create(span_of("", 0), &err);
    start(f, "a.test", "a.test", "");
    run(f, both_closed);
    assert_int_equal(f->a.failure, TLS_CERTIFICATE);
    assert_string_equal(f->a.why, "unable to get local issuer certificate");
    assert_int_equal(f->b.failure, TLS_CA_REJECTED);
}

/* The sniffer read one name, OpenSSL another. */
static void two_readings_of_sni_fail(void **state)
{
    struct fixture *f = *state;
    struct error err;
    assert_int_equal(tls_conn_start_server(f->b.conn, f->server, SPAN_LIT("b.test"), true, &err),
                     0);
    assert_int_equal(
        tls_conn_start_client(f->a.conn, f->client, SPAN_LIT("a.test"), 443, span_of("", 0), &err),
        0);
    SSL_set_verify(f->a.conn->ssl, SSL_VERIFY_NONE, NULL);
    f->a.to_send = 10;
    run(f, b_closed);
    assert_int_equal(f->b.failure, TLS_PROTOCOL);
    assert_false(f->b.handshaken);
    assert_int_equal(buf_len(&f->b.got), 0);
}

static void only_h2_offered_is_refused(void **state)
{
    struct fixture *f = *state;
    start(f, "a.test", "a.test", "\x02h2");
    run(f, both_closed);
    assert_int_equal(f->a.failure, TLS_PROTOCOL);
}

static void fin_without_close_notify_is_seen(void **state)
{
    struct fixture *f = *state;
    start(f, "a.test", "a.test", "");
    run(f, both_open);
    f->a.to_send = 10;
    send_more(&f->a);
    run(f, b_has_all);
    shutdown(tls_conn_fd(f->a.conn), SHUT_WR);
    run(f, b_cut);
    assert_false(f->b.eof);
}

static void paused_reader_stalls_the_writer(void **state)
{
    struct fixture *f = *state;
    start(f, "a.test", "a.test", "");
    run(f, both_open);
    f->b.hold = true;
    tls_conn_pause(f->b.conn, true);
    f->a.to_send = 8u << 20;
    send_more(&f->a);
    tls_conn_flush(f->a.conn);
    send_more(&f->a);
    assert_true(f->a.to_send > 4u << 20);
    assert_in_range(tls_conn_pending(f->a.conn), 0, TLS_OUTPUT_MAX + TLS_OUTPUT_SLACK);
    assert_int_equal(tls_conn_write(f->a.conn, "x", 1), -EAGAIN);
    f->b.hold = false;
    tls_conn_pause(f->b.conn, false);
    run(f, b_has_all);
    assert_pattern(&f->b, 8u << 20);
}

static void sessions_are_resumed(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    /* The inner door gives no ticket; a server of another kind does. */
    SSL_CTX *ctx = tls_server_context(f->server);
    SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
    for (int round = 0; round < 3; round++) {
        f->b.to_send = 1;
        f->b.sent = 0;
        start(f, "a.test", "a.test", "");
        run(f, both_open);
        run(f, a_has_all);
        assert_int_equal(SSL_session_reused(f->a.conn->ssl), round > 0);
        tls_conn_destroy(f->a.conn);
        tls_conn_destroy(f->b.conn);
        buf_free(&f->a.got);
        buf_free(&f->b.got);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        end_open(f, &f->a, fds[0]);
        end_open(f, &f->b, fds[1]);
    }
}

static void garbage_is_a_protocol_failure(void **state)
{
    struct fixture *f = *state;
    struct error err;
    assert_int_equal(tls_conn_write(f->a.conn, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    assert_int_equal(tls_conn_start_server(f->b.conn, f->server, SPAN_LIT("a.test"), true, &err),
                     0);
    run(f, b_closed);
    assert_int_equal(f->b.failure, TLS_PROTOCOL);
    assert_string_equal(f->b.why, "http request");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(clear_bytes_pass_and_end),
        CASE(tls_carries_both_ways),
        CASE(bytes_read_before_are_fed_in),
        CASE(ip_literal_without_sni),
        CASE(wrong_name_is_a_certificate_failure),
        CASE(unknown_ca_is_told_to_both),
        CASE(two_readings_of_sni_fail),
        CASE(only_h2_offered_is_refused),
        CASE(fin_without_close_notify_is_seen),
        CASE(paused_reader_stalls_the_writer),
        CASE(sessions_are_resumed),
        CASE(garbage_is_a_protocol_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
