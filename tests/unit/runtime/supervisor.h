/*
 * The supervisor's end of a runtime's control channel, for tests: what the runtime said, in order.
 * Included once by each program.
 */
#ifndef TEST_RUNTIME_SUPERVISOR_H
#define TEST_RUNTIME_SUPERVISOR_H

#include "../js/faults.h"
#include "runtime/control.h"
#include "runtime/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define S(x)        SPAN_LIT(x)
#define DEADLINE_MS 10000u

static struct {
    struct loop *loop;
    struct runtime *rt;
    struct ipc_channel *ch;
    /* messages that came and were not looked at, fields joined by '|' */
    struct {
        uint16_t type;
        char text[2048];
    } queue[8];
    size_t queued;
    /* the one that run took */
    uint16_t type;
    char text[2048];
    char state_call[32];
    bool late;
    int inner[8]; /* the other ends of gates */
    size_t inner_count;
} t;

static void on_message(void *arg, struct ipc_message *m)
{
    (void)arg;
    assert_true(t.queued < 8);
    char *text = t.queue[t.queued].text;
    size_t room = sizeof t.queue[0].text;
    size_t at = 0;
    text[0] = '\0';
    t.queue[t.queued++].type = m->type;
    for (size_t i = 0; i < m->field_count; i++) {
        at += (size_t)snprintf(text + at, room - at, "%s" SPAN_FMT, i > 0 ? "|" : "",
                               SPAN_ARG(m->fields[i]));
    }
    if (m->type == RUNTIME_STATE) {
        snprintf(t.state_call, sizeof t.state_call, SPAN_FMT, SPAN_ARG(m->fields[0]));
    }
    loop_stop(t.loop);
}

static void on_closed(void *arg, const char *why)
{
    (void)arg, (void)why;
}

static void on_deadline(void *arg)
{
    (void)arg;
    t.late = true;
    loop_stop(t.loop);
}

/* Runs until the loop is stopped, by a message or by the runtime, and takes the first message. */
static void run(void)
{
    struct loop_timer *timer = loop_timer_start(t.loop, DEADLINE_MS, 0, on_deadline, NULL);
    t.late = false;
    if (t.queued == 0) {
        loop_run(t.loop);
    }
    loop_timer_cancel(timer);
    assert_false(t.late);
    t.type = t.queue[0].type;
    strcpy(t.text, t.queue[0].text);
    t.queued -= t.queued > 0 ? 1 : 0;
    memmove(t.queue, t.queue + 1, sizeof t.queue - sizeof t.queue[0]);
    memset(&t.queue[7], 0, sizeof t.queue[7]);
}

static void tell(uint16_t type, const char *const *texts, size_t count, const int *fds,
                 size_t fd_count)
{
    struct span fields[IPC_FIELDS_MAX];
    for (size_t i = 0; i < count; i++) {
        fields[i] = span_str(texts[i]);
    }
    assert_true(ipc_send(t.ch, type, fields, count, fds, fd_count));
}

#define TELL(type, ...)                                                                            \
    tell(type, (const char *const[]){__VA_ARGS__},                                                 \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *), NULL, 0)

/* Waits for one message, which must be this. */
#define EXPECT(kind, want)                                                                         \
    do {                                                                                           \
        run();                                                                                     \
        assert_string_equal(t.text, want);                                                         \
        assert_int_equal(t.type, kind);                                                            \
    } while (0)

static void supervisor_open(void)
{
    struct error err;
    int fds[2];
    memset(&t, 0, sizeof t);
    t.loop = loop_create(&err);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    t.rt = runtime_create(t.loop, fds[0], &err);
    assert_non_null(t.rt);
    t.rt->confine = false;
    t.ch = ipc_channel_create(t.loop, fds[1], ipc_runtime_says, on_message, on_closed, NULL, &err);
    assert_non_null(t.ch);
}

static void tell_code(uint16_t type, const char *const *texts, size_t count, const char *code)
{
    int fds[2] = {memfd_create("bundle", MFD_CLOEXEC), memfd_create("map", MFD_CLOEXEC)};
    assert_int_equal(write(fds[0], code, strlen(code)), strlen(code));
    tell(type, texts, count, fds, 2);
    close(fds[0]);
    close(fds[1]);
}

static void start(const char *app, const char *code)
{
    tell_code(RUNTIME_START, (const char *const[]){app}, 1, code);
}

static void add(const char *id, const char *class_name, const char *options, const char *stored)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    tell(RUNTIME_INSTANCE_ADD, (const char *const[]){"1", id, class_name, "", options, stored}, 6,
         &fds[0], 1);
    close(fds[0]);
    assert_true(t.inner_count < 8);
    t.inner[t.inner_count++] = fds[1];
}

#endif
