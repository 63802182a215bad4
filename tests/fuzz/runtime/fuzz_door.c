/*
 * The outer door against an inner door that was taken over and an upstream that lies: two bytes say
 * how much of the input goes onto the gate, and, in their highest bit, whether it is that of a
 * front door; the rest is what the upstream answers. Whatever comes, nothing stays behind once the
 * gate is gone.
 */
#include "runtime/front.h"
#include "runtime/instance.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS      3
#define ROUND_MS    1
#define LAST_ROUNDS 5000 /* until the end of the gate was noticed */
#define CONNS_MAX   64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct loop *loop;
    struct runtime *rt;
    struct instance *inst;
    int listener;
    int conns[CONNS_MAX];
    size_t conn_count;
} t;

static int must(int rc)
{
    if (rc < 0) {
        perror("fuzz-door");
        abort();
    }
    return rc;
}

static uint16_t listen_open(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof addr;
    t.listener = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    must(bind(t.listener, (const struct sockaddr *)&addr, sizeof addr));
    must(listen(t.listener, 512));
    must(getsockname(t.listener, (struct sockaddr *)&addr, &len));
    return ntohs(addr.sin_port);
}

static void start(void)
{
    struct error err;
    char app[256];
    uint16_t port = listen_open();
    t.loop = loop_create(&err);
    t.rt = runtime_create(t.loop, -1, &err);
    t.rt->confine = false;
    snprintf(app, sizeof app,
             "{\"name\":\"t\",\"module\":false,\"resolve\":[\"a.test:80:127.0.0.1:%u\","
             "\"b.test:80:127.0.0.1:1\"]}",
             port);
    must(runtime_start(t.rt, span_str(app), &(struct version_code){{NULL, 0}, {NULL, 0}}, &err));
    struct instance_spec spec = {
        .id = SPAN_LIT("box"),
        .options = SPAN_LIT("{\"allow\":[\"a.test\",\"b.test\"],\"internet\":false,"
                            "\"allow_tcp\":[\"a.test:80\"],\"inject\":[\"a.test: x: y\"]}"),
        .state = span_of("", 0)};
    t.inst = instance_create(t.rt, &spec, &err);
    if (t.inst == NULL) {
        fprintf(stderr, "fuzz-door: %s\n", err.text);
        abort();
    }
}

static void on_round(void *arg)
{
    (void)arg;
    loop_stop(t.loop);
}

static void run(void)
{
    struct loop_timer *timer = loop_timer_start(t.loop, ROUND_MS, 0, on_round, NULL);
    loop_run(t.loop);
    loop_timer_cancel(timer);
}

static void answer(struct span bytes)
{
    int fd;
    while (t.conn_count < CONNS_MAX &&
           (fd = accept4(t.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        t.conns[t.conn_count++] = fd;
        if (bytes.len > 0 && send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL) < 0) {
            continue;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    int fds[2];
    if (t.loop == NULL) {
        start();
    }
    if (size < 2) {
        return 0;
    }
    struct span in = span_of(data + 2, size - 2);
    bool front = (data[1] & 0x80) != 0;
    size_t gate = (size_t)data[0] | (size_t)(data[1] & 0x7f) << 8;
    gate = gate < in.len ? gate : in.len;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
    must(front ? front_open(t.rt, fds[0], &err) : door_open(&t.inst->door, fds[0], &err));
    if (gate > 0 && send(fds[1], in.ptr, gate, MSG_NOSIGNAL) < 0) {
        must(-1);
    }
    for (int i = 0; i < ROUNDS; i++) {
        run();
        answer(span_from(in, gate));
    }
    close(fds[1]);
    while (t.conn_count > 0) {
        close(t.conns[--t.conn_count]);
    }
    for (int i = 0; i < LAST_ROUNDS && !list_empty(&t.rt->doors); i++) {
        run();
    }
    if (!list_empty(&t.rt->doors) || !list_empty(&t.rt->fronts) || t.inst->door.flow_count != 0) {
        fprintf(stderr, "fuzz-door: %u flows stay behind\n", t.inst->door.flow_count);
        abort();
    }
    return 0;
}
