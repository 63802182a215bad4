#include "fixture.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __has_feature /* clang; gcc has a macro */
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER true
#endif
#endif
#if defined(ADDRESS_SANITIZER)
#elif defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER true
#else
#define ADDRESS_SANITIZER false
#endif

static void plain_http(void **state)
{
    struct fixture *f = *state;
    expect(f, "$C http://a.test/hello", "hello\n");
    expect(f, "$C http://a.test/chunked", "first second\n");
    assert_false(f->last_tls);
    expect(f, "$C -X PUT http://a.test:8080/authority", "PUT a.test:8080 2\n");
    expect(f, "$C -o /dev/null -w '%{http_code}' http://a.test/status/404", "404");
    expect(f, "$C -o /dev/null -w '%{http_code}' http://a.test/status/204", "204");
    expect(f, "$C -I http://a.test/hello | grep -i content-length | tr -d '\\r'",
           "Content-Length: 6\n");
}

static void https(void **state)
{
    struct fixture *f = *state;
    expect(f, "$C https://api.example.test/hello", "hello\n");
    assert_string_equal(f->last_sni, "api.example.test");
    assert_true(f->last_tls);
    expect(f, "$C --tls-max 1.2 https://b.test/chunked", "first second\n");
    expect(f, "$C --resolve 127.0.0.1:$PORT:127.0.0.1 https://127.0.0.1:$PORT/hello", "hello\n");
    assert_string_equal(f->last_sni, "");
    assert_int_equal(f->last_dest_port, f->port);
}

static void keep_alive(void **state)
{
    struct fixture *f = *state;
    expect(f,
           "$C -w '%{num_connects} ' https://a.test/hello https://a.test/chunked "
           "https://a.test/hello -o /dev/null -o /dev/null -o /dev/null",
           "1 0 0 ");
}

static void pipelined(void **state)
{
    struct fixture *f = *state;
    struct result r;
    raw(f, &r,
        SPAN_LIT("GET /hello HTTP/1.1\r\nHost: a.test\r\n\r\n"
                 "POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n12345"
                 "POST /echo HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n0\r\n\r\n"
                 "GET /chunked HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"));
    HAS(&r, "hello\n");
    HAS(&r, "\r\n\r\n12345");
    HAS(&r, "3\r\nabc\r\n0\r\n");
    HAS(&r, "6\r\nfirst \r\n7\r\nsecond\n\r\n0\r\nx-sum: 42\r\n\r\n");
    assert_int_equal(f->requests, 4);
    assert_false(r.reset);
    result_free(&r);
}

static void hop_by_hop_stays_here(void **state)
{
    struct fixture *f = *state;
    struct result r;
    raw(f, &r,
        SPAN_LIT("GET /authority HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nX-Drop: 1\r\n"
                 "Keep-Alive: 5\r\nX-Kept: 1\r\nConnection: close, x-drop, te\r\n\r\n"));
    HAS(&r, "GET a.test 1\n");
    /* The outer door's own list of hop-by-hop fields does not reach the client either. */
    assert_false(result_has(&r, "connection: x-path"));
    result_free(&r);
}

static void bodies_both_ways(void **state)
{
    struct fixture *f = *state;
    expect(f, "head -c 30000000 /dev/zero | $C -T - https://a.test/sum", "30000000 0\n");
    expect(f, "head -c 30000000 /dev/zero | $C --data-binary @- -H 'Expect:' https://a.test/sum",
           "30000000 0\n");
    expect(f, "$C https://a.test/big/50000000 | wc -c", "50000000\n");
    expect(f,
           "head -c 20000000 /dev/urandom > $CA.in; "
           "$C -T $CA.in https://a.test/echo | cmp - $CA.in; rm $CA.in",
           "");
    expect(f,
           "head -c 5000000 /dev/urandom > $CA.in; "
           "cat $CA.in | $C -T - http://a.test/echo | cmp - $CA.in; rm $CA.in",
           "");
}

static void denied_upload_gets_its_answer(void **state)
{
    struct fixture *f = *state;
    expect(f, "head -c 50000000 /dev/zero | $C -T - https://a.test/early", "hello\n");
    expect(f, "head -c 50000000 /dev/zero | $C -T - http://a.test/early", "hello\n");
    expect(f, "$C https://a.test/hello", "hello\n");
}

static size_t private_kib(struct fixture *f)
{
    char path[64];
    char line[256];
    size_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)f->pid);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        size_t n;
        if (sscanf(line, "Private_Dirty: %zu", &n) == 1) {
            kib += n;
        }
    }
    fclose(in);
    return kib;
}

static void memory_is_bounded(void **state)
{
    struct fixture *f = *state;
    if (getuid() != 0 || ADDRESS_SANITIZER) {
        skip(); /* the process hides itself from its own uid; a sanitizer has its own memory */
    }
    expect(f, "$C https://a.test/hello", "hello\n");
    size_t idle = private_kib(f);
    /* A slow reader: the sender waits, nothing piles up here. */
    expect(f, "$C --limit-rate 4M https://a.test/big/8000000 | wc -c", "8000000\n");
    size_t after = private_kib(f);
    print_message("sidecar: %zu KiB private idle, %zu after\n", idle, after);
    assert_in_range(idle, 1, 4096);
    assert_in_range(after, 1, 6144);
}

static void expect_continue(void **state)
{
    struct fixture *f = *state;
    struct result r;
    expect(f, "head -c 2000000 /dev/zero | $C --data-binary @- https://a.test/sum", "2000000 0\n");
    /* The answer comes first: no 100, and the connection ends. */
    raw(f, &r,
        SPAN_LIT("POST /early HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n"
                 "Content-Length: 10\r\n\r\n"));
    HAS(&r, "HTTP/1.1 200");
    HAS(&r, "Connection: close");
    assert_false(result_has(&r, "HTTP/1.1 100"));
    result_free(&r);
}

static void http10(void **state)
{
    struct fixture *f = *state;
    raw_has(f, SPAN_LIT("GET /chunked HTTP/1.0\r\n\r\n"), PARTS("\r\n\r\nfirst second\n"));
}

static void bad_requests(void **state)
{
    struct fixture *f = *state;
    raw_has(f, SPAN_LIT("GET /hello HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n"),
            PARTS("HTTP/1.1 400"));
    assert_int_equal(f->notes[GATE_NOTE_BAD_REQUEST], 1);
    raw_has(f,
            SPAN_LIT("POST /sum HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            PARTS("HTTP/1.1 400"));
    raw_has(f, SPAN_LIT("GET https://a.test/hello HTTP/1.1\r\nHost: a.test\r\n\r\n"),
            PARTS("HTTP/1.1 400"));
    expect(f,
           "$C -o /dev/null -w '%{http_code}' -H \"X: $(head -c 40000 /dev/zero | tr '\\0' x)\" "
           "http://a.test/hello",
           "431");
    assert_int_equal(f->notes[GATE_NOTE_BAD_REQUEST], 4);
}

static void other_protocols_are_reset(void **state)
{
    struct fixture *f = *state;
    static const struct span firsts[] = {SPAN_INIT("SSH-2.0-OpenSSH_9\r\n"),
                                         SPAN_INIT("\x00\x00\x00\x2a????"),
                                         SPAN_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                                         SPAN_INIT("\x16\x03\x01\x00\x05\x01\xff\xff\xff\x00")};
    for (size_t i = 0; i < 4; i++) {
        struct result r;
        raw(f, &r, firsts[i]);
        assert_true(r.reset);
        assert_int_equal(buf_len(&r.out), 0);
        result_free(&r);
    }
    assert_int_equal(f->requests, 0);
}

static void cut_responses_are_seen(void **state)
{
    struct fixture *f = *state;
    struct result r;
    raw(f, &r, SPAN_LIT("GET /cut HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    assert_true(r.reset);
    HAS(&r, "a part"); /* what came of it leaves before */
    result_free(&r);
    raw(f, &r, SPAN_LIT("GET /liar HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    assert_true(r.reset);
    result_free(&r);
    shell(f, &r, "$C https://a.test/cut-chunked");
    assert_int_not_equal(r.status, 0);
    result_free(&r);
    expect(f, "$C -o /dev/null -w '%{http_code}' https://a.test/reset", "502");
}

static void proxy_forms(void **state)
{
    struct fixture *f = *state;
    expect(f, "curl -sS --cacert $CA -x http://127.0.0.1:$PORT http://a.test:81/authority",
           "GET a.test:81 2\n");
    assert_true(f->last_proxy);
    expect(f, "curl -sS --cacert $CA -x http://127.0.0.1:$PORT https://a.test:8443/hello",
           "hello\n");
    assert_true(f->last_tls);
    assert_true(f->last_proxy);
    assert_string_equal(f->last_sni, "a.test");
    assert_string_equal(f->last_name, "a.test");
    assert_int_equal(f->last_dest_port, 8443);
    expect(f, "curl -sSp -x http://127.0.0.1:$PORT http://a.test/hello", "hello\n");
    raw_has(f, SPAN_LIT("CONNECT a.test:0 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
            PARTS("HTTP/1.1 400"));
}

static bool ca_note_came(void *arg)
{
    return ((struct fixture *)arg)->notes[GATE_NOTE_CA_REJECTED] > 0;
}

static void rejected_ca_is_told(void **state)
{
    struct fixture *f = *state;
    struct result r;
    shell(f, &r, "curl -sS --connect-to ::127.0.0.1:$PORT https://a.test/hello");
    assert_int_equal(r.status, 60);
    result_free(&r);
    fixture_run(f, ca_note_came, f); /* curl may end first */
    assert_int_equal(f->notes[GATE_NOTE_CA_REJECTED], 1);
    assert_string_equal(f->note_detail, "tlsv1 alert unknown ca");
}

static void no_outer_door(void **state)
{
    struct fixture *f = *state;
    expect(f, "$C https://a.test/hello", "hello\n");
    fixture_gate_end(f);
    shell_has(f, "$C -i https://a.test/hello", PARTS("HTTP/1.1 503", "sallyport-error: gate"));
    fixture_gate_new(f);
    expect(f, "$C https://a.test/hello", "hello\n");
}

static bool has_request(void *arg)
{
    struct fixture *f = arg;
    return f->requests >= 2;
}

/* The door dies while one request waits and one response is under way. */
static void door_dies_under_load(void **state)
{
    struct fixture *f = *state;
    struct result r;
    assert_int_equal(
        system("( $C -i https://a.test/silent > $CA.silent 2>&1; echo exit $? >> $CA.silent ) & "
               "( $C --limit-rate 1M https://a.test/big/90000000 > /dev/null 2> $CA.big; "
               "echo exit $? >> $CA.big ) &"),
        0);
    fixture_run(f, has_request, f);
    fixture_gate_end(f);
    shell(f, &r,
          "while ! grep -q ^exit $CA.silent || ! grep -q ^exit $CA.big; do sleep 0.01; done; "
          "cat $CA.silent $CA.big; rm $CA.silent $CA.big");
    HAS(&r, "HTTP/1.1 503");
    HAS(&r, "exit 0");
    assert_true(result_has(&r, "exit 56") || result_has(&r, "exit 18"));
    result_free(&r);
}

static void successor_keeps_the_ca(void **state)
{
    struct fixture *f = *state;
    expect(f, "$C https://a.test/hello", "hello\n");
    fixture_kill(f);
    fixture_start(f, true);
    expect(f, "$C https://a.test/hello", "hello\n");
}

static void tunnels_by_sni(void **state)
{
    struct fixture *f = *state;
    struct result r;
    /* The outer door echoes: the client's hello comes back, which no client takes for TLS. */
    shell(f, &r, "$C https://a.test/hello");
    assert_int_equal(r.status, 35);
    result_free(&r);
    assert_int_equal(f->tunnels, 1);
    assert_string_equal(f->last_sni, "a.test");
    assert_true(f->last_tls);
    shell(f, &r, "$C https://denied.test/hello");
    assert_int_equal(r.status, 35);
    HAS(&r, "reset");
    result_free(&r);
    fixture_gate_end(f);
    shell(f, &r, "$C https://a.test/hello");
    assert_int_equal(r.status, 35);
    result_free(&r);
}

static bool got_all(void *arg)
{
    return outer_got(arg) > 1000000;
}

static void tunnels_close_by_halves(void **state)
{
    struct fixture *f = *state;
    static const char client[] =
        "/usr/bin/python3 - <<'END'\n"
        "import os, socket, ssl\n"
        "def hello(name):\n"
        "    out = ssl.MemoryBIO()\n"
        "    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, "
        "server_hostname=name)\n"
        "    try: tls.do_handshake()\n"
        "    except ssl.SSLWantReadError: return out.read()\n"
        "def rest(s):\n"
        "    got = b''\n"
        "    while part := s.recv(65536): got += part\n"
        "    return got\n"
        "to = ('127.0.0.1', int(os.environ['PORT']))\n"
        "s = socket.create_connection(to); first = hello('echo.test') + bytes(3000000)\n"
        "import threading\n"
        "def send(): s.sendall(first); s.shutdown(socket.SHUT_WR)\n"
        "t = threading.Thread(target=send); t.start()\n"
        "print(rest(s) == first); t.join()\n"
        "s = socket.create_connection(to); s.sendall(hello('closing.test'))\n"
        "print(rest(s)); s.sendall(bytes(1000000)); s.close()\n"
        "END";
    expect(f, client, "True\nb'bye'\n");
    assert_string_equal(f->last_sni, "closing.test");
    fixture_run(f, got_all, f);
}

static void dns(void **state)
{
    struct fixture *f = *state;
    static const char ask[] =
        "/usr/bin/python3 - <<'END'\n"
        "import os, dns.message, dns.query, dns.reversename\n"
        "def ask(name, kind, tcp=False):\n"
        "    q = dns.message.make_query(name, kind)\n"
        "    if tcp: r = dns.query.tcp(q, '127.0.0.1', port=int(os.environ['DNSTCP']), "
        "timeout=5)\n"
        "    else: r = dns.query.udp(q, '127.0.0.1', port=int(os.environ['DNS']), timeout=5)\n"
        "    print(r.rcode(), *[x.to_text() for a in r.answer for x in a])\n"
        "ask('a.test', 'A'); ask('A.Test', 'AAAA'); ask('a.test', 'A', True); ask('b.test', "
        "'A')\n"
        "ask('a.test', 'HTTPS'); ask('x.localhost', 'A'); ask('1.2.3', 'A'); ask('a.test', "
        "'TXT')\n"
        "ask(dns.reversename.from_address('198.18.1.0'), 'PTR')\n"
        "ask(dns.reversename.from_address('8.8.8.8'), 'PTR')\n"
        "END";
    struct result r;
    shell(f, &r, ask);
    print_message(SPAN_FMT, SPAN_ARG(buf_span(&r.out)));
    HAS(&r, "0 198.18.1.");
    HAS(&r, "0 fd00:5a11:");
    HAS(&r, "0 127.0.0.1\n3\n0\n");
    HAS(&r, "a.test.\n3\n");
    result_free(&r);
}

static void confined(void **state)
{
    struct fixture *f = *state;
    char text[64];
    snprintf(text, sizeof text, "%d", (int)f->pid);
    setenv("SPID", text, 1);
    shell_has(f,
              "grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/$SPID/status; "
              "tr '\\0' ' ' < /proc/$SPID/cmdline",
              PARTS("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000",
                    "sallyport-sidecar t1"));
    if (getuid() == 0) {
        /* 0-2, the channel, two listeners, the DNS socket, the gate, and six of the loop. */
        expect(f, "ls /proc/$SPID/fd | wc -l", "14\n");
        expect(f,
               "test $(readlink /proc/$SPID/ns/net) != $(readlink /proc/self/ns/net) && "
               "echo elsewhere",
               "elsewhere\n");
        expect(f, "tr -d '\\0' < /proc/$SPID/environ", "");
    }
}

/* Nothing is ever said: the connection is reset when its time is over, and not before. */
static void silence_is_cut(void **state)
{
    struct fixture *f = *state;
    struct result r;
    uint64_t before = clock_monotonic_ms();
    raw(f, &r, span_of("", 0));
    assert_in_range(clock_monotonic_ms() - before, 9000, 13000);
    assert_true(r.reset);
    result_free(&r);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(plain_http),
        CASE(https),
        CASE(keep_alive),
        CASE(pipelined),
        CASE(hop_by_hop_stays_here),
        CASE(bodies_both_ways),
        CASE(denied_upload_gets_its_answer),
        CASE(memory_is_bounded),
        CASE(expect_continue),
        CASE(http10),
        CASE(bad_requests),
        CASE(other_protocols_are_reset),
        CASE(cut_responses_are_seen),
        CASE(proxy_forms),
        CASE(rejected_ca_is_told),
        CASE(no_outer_door),
        CASE(door_dies_under_load),
        CASE(successor_keeps_the_ca),
        cmocka_unit_test_setup_teardown(tunnels_by_sni, fixture_setup_tunnel, fixture_teardown),
        cmocka_unit_test_setup_teardown(tunnels_close_by_halves, fixture_setup_tunnel,
                                        fixture_teardown),
        CASE(dns),
        CASE(confined),
        CASE(silence_is_cut),
    };
    setenv("SIDECAR", argc > 1 ? argv[1] : "build/sallyport-sidecar", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
