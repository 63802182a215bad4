/*
 * The inner door against a hostile client and an outer door that misbehaves. One byte says whether
 * HTTPS is opened, whether it is the front door, and where the client's bytes are cut into two
 * packets, two bytes how many there are; the rest are frames of the outer door. Whatever comes,
 * nothing stays behind.
 */
#include "base/log.h"
#include "sidecar/client.h"
#include "tls/mint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND_MS    1
#define LAST_ROUNDS 5000 /* until the end of the client was noticed */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sidecar s;
static int listener;

static int must(int rc)
{
    if (rc < 0) {
        perror("fuzz-client");
        abort();
    }
    return rc;
}

static void start(void)
{
    struct error err;
    uint8_t scalar[TLS_SCALAR_BYTES];
    uint8_t a4[4];
    uint8_t a6[16];
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setenv("SALLYPORT_LOG", "error", 1);
    log_open("fuzz", NULL);
    s.loop = loop_create(&err);
    s.mint = tls_mint_create(SPAN_LIT("fuzz"), scalar, span_of("", 0), &err);
    s.tls = s.mint != NULL ? tls_server_create(s.mint, &err) : NULL;
    s.names = dns_names_create(16);
    list_init(&s.clients);
    list_init(&s.dns_clients);
    if (s.loop == NULL || s.tls == NULL || s.names == NULL ||
        !dns_names_lookup(s.names, SPAN_LIT("a.test"), a4, a6)) {
        abort();
    }
    listener = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    must(bind(listener, (const struct sockaddr *)&addr, sizeof addr));
    must(listen(listener, 16));
}

static void on_round(void *arg)
{
    (void)arg;
    loop_stop(s.loop);
}

static void run(void)
{
    struct loop_timer *timer = loop_timer_start(s.loop, ROUND_MS, 0, on_round, NULL);
    loop_run(s.loop);
    loop_timer_cancel(timer);
}

static void put(int fd, struct span bytes)
{
    if (bytes.len > 0) {
        (void)!send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

/* A connection to the listener; its near end is given to the sidecar. */
static int client_connect(void)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    must(getsockname(listener, (struct sockaddr *)&addr, &len));
    must(connect(fd, (const struct sockaddr *)&addr, sizeof addr));
    client_accept(&s, must(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)));
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    int fds[2];
    if (s.loop == NULL) {
        start();
    }
    if (size < 3) {
        return 0;
    }
    struct span in = span_of(data + 3, size - 3);
    size_t cut = data[0] >> 2;
    size_t len = (size_t)data[1] | (size_t)data[2] << 8;
    len = len < in.len ? len : in.len;
    cut = cut < len ? cut : len;
    s.intercept = (data[0] & 1) != 0;
    s.front = (data[0] & 2) != 0;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    must(sidecar_gate_open(&s, fds[0], &err));
    int client = client_connect();
    put(client, span_of(in.ptr, cut));
    run();
    put(client, span_of(in.ptr + cut, len - cut));
    run();
    put(fds[1], span_from(in, len));
    run();
    shutdown(client, SHUT_WR);
    run();
    close(client);
    close(fds[1]);
    for (int i = 0; i < LAST_ROUNDS && (s.client_count > 0 || s.gate != NULL); i++) {
        LIST_FOREACH_SAFE(pos, next, &s.clients)
        {
            client_cut(LIST_ENTRY(pos, struct client, node));
        }
        run();
    }
    if (s.client_count != 0 || s.gate != NULL) {
        fprintf(stderr, "fuzz-client: a client or the gate stays behind\n");
        abort();
    }
    return 0;
}
