/*
 * The outer door in one process, for tests: a gate whose inner end is the test, and what came back
 * on its last stream. Included once by each program.
 */
#ifndef TEST_RUNTIME_HARNESS_H
#define TEST_RUNTIME_HARNESS_H

#include "../js/faults.h"
#include "gate/gate.h"
#include "origin.h"
#include "runtime/exchange.h"
#include "runtime/instance.h"
#include "runtime/update.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#define S(x)        SPAN_LIT(x)
#define DEADLINE_MS 10000u

struct reply { /* what came back on the last stream */
    uint32_t stream;
    uint16_t status;
    bool close;
    int64_t length;
    char decision[256];
    char error[64];
    size_t bytes;
    char body[4096];
    size_t unread; /* bytes that were not credited yet */
    bool hold;     /* give no credit */
    bool over;
    bool reset;
    bool continued;
    uint64_t sum;
};

static struct {
    struct loop *loop;
    struct runtime *rt;
    struct instance *inst;
    struct gate *inner;
    struct reply reply;
    uint16_t port;
    bool closed;
    bool opened;
    bool late;
    /* a body that is being sent */
    uint32_t out_stream;
    size_t out_left;
} t;

static void stop_when_over(void)
{
    loop_stop(t.loop);
}

static void on_response(void *arg, uint32_t stream, const struct gate_response *res)
{
    (void)arg;
    assert_int_equal(stream, t.reply.stream);
    t.reply.status = res->status;
    t.reply.close = res->close;
    t.reply.length = res->length;
    for (size_t i = 0; i < res->header_count; i++) {
        const struct gate_header *h = &res->headers[i];
        if (span_ieq(h->name, S("sallyport-decision"))) {
            snprintf(t.reply.decision, sizeof t.reply.decision, SPAN_FMT, SPAN_ARG(h->value));
        } else if (span_ieq(h->name, S("sallyport-error"))) {
            snprintf(t.reply.error, sizeof t.reply.error, SPAN_FMT, SPAN_ARG(h->value));
        }
    }
    if (res->end) {
        t.reply.over = true;
        stop_when_over();
    }
}

static void on_data(void *arg, uint32_t stream, struct span bytes)
{
    (void)arg;
    size_t room =
        sizeof t.reply.body - 1 -
        (t.reply.bytes < sizeof t.reply.body - 1 ? t.reply.bytes : sizeof t.reply.body - 1);
    memcpy(t.reply.body + (sizeof t.reply.body - 1 - room), bytes.ptr,
           bytes.len < room ? bytes.len : room);
    t.reply.bytes += bytes.len;
    if (t.reply.hold) {
        t.reply.unread += bytes.len;
        if (t.reply.unread == GATE_CREDIT_INITIAL) {
            stop_when_over();
        }
    } else {
        gate_credit(t.inner, stream, bytes.len);
    }
}

static void on_end(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count)
{
    (void)arg, (void)stream, (void)trailers, (void)count;
    t.reply.over = true;
    stop_when_over();
}

static void on_reset(void *arg, uint32_t stream, enum gate_reset reason)
{
    (void)arg, (void)stream, (void)reason;
    t.reply.reset = true;
    t.reply.over = true;
    stop_when_over();
}

static inline void send_body(void)
{
    static char block[16384];
    memset(block, 1, sizeof block);
    while (t.out_left > 0) {
        size_t want = t.out_left < sizeof block ? t.out_left : sizeof block;
        size_t n = gate_send_data(t.inner, t.out_stream, span_of(block, want));
        t.out_left -= n;
        if (n == 0) {
            (void)gate_send_room(t.inner, t.out_stream);
            return;
        }
    }
    gate_send_end(t.inner, t.out_stream, NULL, 0);
}

static void on_writable(void *arg, uint32_t stream)
{
    (void)arg, (void)stream;
    send_body();
}

static void on_inform(void *arg, uint32_t stream, uint16_t status)
{
    (void)arg, (void)stream;
    assert_int_equal(status, 100);
    t.reply.continued = true;
    send_body();
}

static void on_closed(void *arg, const char *why)
{
    (void)arg, (void)why;
    t.closed = true;
    stop_when_over();
}

static void on_opened(void *arg, uint32_t stream)
{
    (void)arg, (void)stream;
    t.opened = true;
    stop_when_over();
}

static const struct gate_events inner_events = {.data = on_data,
                                                .end = on_end,
                                                .reset = on_reset,
                                                .writable = on_writable,
                                                .closed = on_closed,
                                                .response = on_response,
                                                .inform = on_inform,
                                                .opened = on_opened};

static void on_deadline(void *arg)
{
    (void)arg;
    t.late = true;
    loop_stop(t.loop);
}

static void run(void)
{
    struct loop_timer *timer = loop_timer_start(t.loop, DEADLINE_MS, 0, on_deadline, NULL);
    t.late = false;
    loop_run(t.loop);
    loop_timer_cancel(timer);
    assert_false(t.late);
}

static inline struct gate_request request(const char *method, const char *host, const char *target)
{
    return (struct gate_request){.peer = {.conn = 1, .dest_port = 80},
                                 .version = 11,
                                 .end = true,
                                 .length = -1,
                                 .method = span_str(method),
                                 .target = span_str(target),
                                 .authority = span_str(host)};
}

static void send_request(const struct gate_request *req)
{
    memset(&t.reply, 0, sizeof t.reply);
    t.reply.stream = gate_send_request(t.inner, req);
    assert_int_not_equal(t.reply.stream, 0);
}

static inline void get(const char *host, const char *target)
{
    struct gate_request req = request("GET", host, target);
    send_request(&req);
    run();
}

static void connect_gate(void)
{
    int fds[2];
    struct error err;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(door_open(&t.inst->door, fds[0], &err), 0);
    t.closed = false;
    t.inner = gate_create(t.loop, GATE_INNER, fds[1], &inner_events, NULL, &err);
    assert_non_null(t.inner);
}

static inline void change(const char *method, const char *args)
{
    update_from_call(t.inst, S("1"), span_str(method), span_str(args));
}

#endif
