/*
 * Stands in for the runtime: speaks its conversation, and does what its methods are told to. What
 * it asks of the supervisor for a method is answered when the answer comes, in whatever order.
 */
#include "base/cleanup.h"
#include "ipc/conversations.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct buf body;
static struct ipc_message msg;

static char state[8192];
static char secret[8192];
static struct buf heard; /* what was told, a line each */
static int fires_to_fail;
static const char *facts = "{\"classes\":[]}";

/* A method that waits: the supervisor's answer to `call` is its. */
static char waiting[64][24];
static unsigned calls;

static void say(uint16_t type, const struct span *fields, size_t count)
{
    if (ipc_send_blocking(IPC_CHILD_FD, type, fields, count, NULL, 0, NULL) < 0) {
        _exit(3);
    }
}

static void reply(const char *seq, struct span ok, struct span payload)
{
    struct span fields[3] = {span_str(seq), ok, payload};
    say(RUNTIME_REPLY, fields, 3);
}

static void reply_json(const char *seq, json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    reply(seq, SPAN_LIT("ok"), span_str(text));
    free(text);
    json_decref(v);
}

static json_t *text_of(struct span s)
{
    return json_stringn(s.len > 0 ? s.ptr : "", s.len);
}

/* fields[0] is filled. */
static void ask(const char *seq, uint16_t type, struct span *fields, size_t count)
{
    char call[24];
    unsigned n = calls++ % 64;
    snprintf(call, sizeof call, "%u", n);
    snprintf(waiting[n], sizeof waiting[n], "%s", seq);
    fields[0] = span_str(call);
    say(type, fields, count);
}

static const char *asker(void)
{
    return waiting[strtoul(msg.fields[0].ptr, NULL, 10) % 64];
}

static void hear(const char *what, size_t fields, size_t from)
{
    buf_append_str(&heard, what);
    for (size_t i = from; i < fields; i++) {
        buf_append_str(&heard, " ");
        buf_append_span(&heard, msg.fields[i]);
    }
    buf_append_str(&heard, "\n");
}

/* ---- methods ---- */

static void ask_container(const char *seq, struct span id, json_t *args)
{
    struct span f[11] = {{0}, id};
    for (size_t i = 0; i < json_array_size(args) && i < 9; i++) {
        json_t *v = json_array_get(args, i);
        f[2 + i] = span_of(json_string_value(v), json_string_length(v));
    }
    ask(seq, RUNTIME_CONTAINER, f, 11);
}

static void ask_strings(const char *seq, uint16_t type, size_t count, json_t *args)
{
    struct span f[6] = {{0}};
    for (size_t i = 1; i < count; i++) {
        json_t *v = json_array_get(args, i - 1);
        f[i] = span_of(json_string_value(v), json_string_length(v));
    }
    ask(seq, type, f, count);
}

static void called(const char *seq, struct span id, struct span method, struct span arguments)
{
    static char copy[8192];
    snprintf(copy, sizeof copy, SPAN_FMT, SPAN_ARG(arguments));
    json_t *args = json_loads(copy, JSON_ALLOW_NUL, NULL);
    const char *first = json_string_value(json_array_get(args, 0));
    if (span_eq(method, SPAN_LIT("die"))) {
        _exit(9);
    } else if (span_eq(method, SPAN_LIT("throws"))) {
        reply(seq, SPAN_LIT("error"), SPAN_LIT("it threw"));
    } else if (span_eq(method, SPAN_LIT("state"))) {
        reply(seq, SPAN_LIT("ok"), span_str(state));
    } else if (span_eq(method, SPAN_LIT("secret"))) {
        reply(seq, SPAN_LIT("ok"), span_str(secret));
    } else if (span_eq(method, SPAN_LIT("heard"))) {
        reply_json(seq, text_of(buf_span(&heard)));
    } else if (span_eq(method, SPAN_LIT("failFires"))) {
        fires_to_fail = (int)json_integer_value(json_array_get(args, 0));
        reply(seq, SPAN_LIT("ok"), SPAN_LIT("null"));
    } else if (span_eq(method, SPAN_LIT("setOutboundHandler"))) {
        snprintf(state, sizeof state, "%s", copy);
        struct span f[3] = {{0}, id, span_str(state)};
        ask(seq, RUNTIME_STATE, f, 3);
    } else if (span_eq(method, SPAN_LIT("kvGet"))) {
        struct span f[6] = {{0}, SPAN_LIT("get"), SPAN_LIT("ns"), span_str(first)};
        ask(seq, RUNTIME_KV, f, 6);
    } else if (span_eq(method, SPAN_LIT("kvPut"))) {
        const char *second = json_string_value(json_array_get(args, 1));
        struct span f[6] = {
            {0},           SPAN_LIT("put"), SPAN_LIT("ns"), span_str(first), span_str(second),
            SPAN_LIT("{}")};
        ask(seq, RUNTIME_KV, f, 6);
    } else if (span_eq(method, SPAN_LIT("container"))) {
        ask_container(seq, id, args);
    } else if (span_eq(method, SPAN_LIT("object"))) {
        ask_strings(seq, RUNTIME_OBJECT, 4, args);
    } else if (span_eq(method, SPAN_LIT("alarm"))) {
        ask_strings(seq, RUNTIME_ALARM, 4, args);
    } else if (span_eq(method, SPAN_LIT("event"))) {
        struct span f[2] = {id, span_str(first)};
        say(RUNTIME_EVENT, f, 2);
        reply(seq, SPAN_LIT("ok"), SPAN_LIT("null"));
    } else {
        reply(seq, SPAN_LIT("ok"), span_str(copy));
    }
    json_decref(args);
}

/* ---- answers of the supervisor ---- */

static json_t *read_to_end(int fd)
{
    struct buf all;
    buf_init(&all, 1024 * 1024);
    for (;;) {
        char bytes[4096];
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n > 0) {
            buf_append(&all, bytes, (size_t)n);
        } else if (n == 0) {
            break;
        } else {
            usleep(1000); /* the outer ends do not block; the process is at work */
        }
    }
    json_t *v = text_of(buf_span(&all));
    buf_free(&all);
    return v;
}

/* Of a process with outputs (the last two descriptors) all of its standard output is read. */
static void container_done(void)
{
    json_t *o = json_object();
    json_object_set_new(o, "ok", text_of(msg.fields[1]));
    json_object_set_new(o, "payload", text_of(msg.fields[2]));
    json_object_set_new(o, "fds", json_integer((json_int_t)msg.fd_count));
    for (size_t i = 0; i < msg.fd_count; i++) {
        if (msg.fd_count == 3 && i == 0) {
            dprintf(msg.fds[0], "input");
            close(msg.fds[0]);
        } else if (i == msg.fd_count - 2) {
            json_object_set_new(o, "out", read_to_end(msg.fds[i]));
            close(msg.fds[i]);
        } else {
            close(msg.fds[i]);
        }
    }
    msg.fd_count = 0;
    reply_json(asker(), o);
}

static void fields_done(void)
{
    json_t *all = json_array();
    for (size_t i = 1; i < msg.field_count; i++) {
        json_array_append_new(all, text_of(msg.fields[i]));
    }
    reply_json(asker(), all);
}

static void state_done(void)
{
    bool ok = span_eq(msg.fields[1], SPAN_LIT("ok"));
    reply(asker(), msg.fields[1], ok ? SPAN_LIT("null") : msg.fields[2]);
}

static void kv_done(void)
{
    json_t *o = json_array();
    json_array_append_new(o, text_of(msg.fields[1]));
    json_array_append_new(o, text_of(msg.fields[2]));
    reply_json(asker(), o);
}

/* ---- what it is told ---- */

static void start(void)
{
    struct span fact = span_str(facts);
    if (memmem(msg.fields[0].ptr, msg.fields[0].len, "broken", 6) != NULL) {
        fact = SPAN_LIT("app.ts:3:7: expected \";\"");
        say(RUNTIME_FAILED, &fact, 1);
        _exit(1);
    }
    if (memmem(msg.fields[0].ptr, msg.fields[0].len, "hungry", 6) != NULL) {
        _exit(IPC_RUNTIME_EXIT_LOAD);
    }
    if (memmem(msg.fields[0].ptr, msg.fields[0].len, "second", 6) != NULL) {
        fact = SPAN_LIT("{\"classes\":[],\"second\":true}");
    }
    say(RUNTIME_READY, &fact, 1);
}

static void add(const char *seq)
{
    snprintf(state, sizeof state, SPAN_FMT, SPAN_ARG(msg.fields[5]));
    if (state[0] == 0) {
        snprintf(state, sizeof state, "null");
    }
    hear("ADD", 6, 1);
    if (span_eq(msg.fields[2], SPAN_LIT("Missing"))) {
        reply(seq, SPAN_LIT("error"), SPAN_LIT("class Missing: not exported"));
    } else {
        reply(seq, SPAN_LIT("ok"), SPAN_LIT("{\"class\":\"Sandbox\",\"intercept_https\":false}"));
    }
}

/* 64 digits of class and name; an id that says which class it is of. */
static void name(const char *seq)
{
    struct span class_name = msg.fields[1].len > 0 ? msg.fields[1] : SPAN_LIT("Box");
    char answer[512];
    unsigned long long h = 14695981039346656037ull;
    if (span_eq(class_name, SPAN_LIT("Missing"))) {
        reply(seq, SPAN_LIT("error"), SPAN_LIT("class Missing: not exported"));
        return;
    }
    for (size_t i = 0; i < msg.fields[2].len; i++) {
        h = (h ^ (unsigned char)msg.fields[2].ptr[i]) * 1099511628211ull;
    }
    snprintf(answer, sizeof answer, "%016llx%016llx%032x " SPAN_FMT, h, ~h,
             (unsigned)(unsigned char)class_name.ptr[0], SPAN_ARG(class_name));
    reply(seq, SPAN_LIT("ok"), span_str(answer));
}

static void deploy(const char *seq)
{
    if (memmem(msg.fields[1].ptr, msg.fields[1].len, "refused", 7) != NULL) {
        reply(seq, SPAN_LIT("error"), SPAN_LIT("src/index.ts:2:5: oops"));
        return;
    }
    hear("DEPLOY", 2, 1);
    facts = "{\"classes\":[],\"second\":true}";
    reply(seq, SPAN_LIT("ok"), span_str(facts));
}

static void fire(const char *seq)
{
    hear("FIRE", 6, 1);
    bool fails = fires_to_fail > 0;
    fires_to_fail -= fails ? 1 : 0;
    reply(seq, fails ? SPAN_LIT("error") : SPAN_LIT("ok"),
          fails ? SPAN_LIT("the alarm threw") : SPAN_LIT("null"));
}

static void message(void)
{
    char seq[24];
    snprintf(seq, sizeof seq, SPAN_FMT, SPAN_ARG(msg.fields[0]));
    switch (msg.type) {
    case RUNTIME_SECRET:
        snprintf(secret, sizeof secret, "{\"" SPAN_FMT "\":\"" SPAN_FMT "\"}",
                 SPAN_ARG(msg.fields[1]), SPAN_ARG(msg.fields[2]));
        reply(seq, SPAN_LIT("ok"), SPAN_LIT("null"));
        break;
    case RUNTIME_START:
        start();
        break;
    case RUNTIME_INSTANCE_ADD:
        add(seq);
        break;
    case RUNTIME_INSTANCE_STARTED:
        hear("STARTED", 2, 0);
        break;
    case RUNTIME_INSTANCE_ENDED:
        hear("ENDED", 4, 1);
        reply(seq, SPAN_LIT("ok"), SPAN_LIT("null"));
        break;
    case RUNTIME_INSTANCE_REMOVE:
        hear("REMOVE", 2, 1);
        reply(seq, SPAN_LIT("ok"), SPAN_LIT("null"));
        break;
    case RUNTIME_FRONT:
        hear("FRONT", 0, 0);
        break;
    case RUNTIME_PROCESS:
        hear("PROCESS", 4, 0);
        break;
    case RUNTIME_CALL:
        called(seq, msg.fields[1], msg.fields[2], msg.fields[3]);
        break;
    case RUNTIME_CHECK:
        reply(seq, SPAN_LIT("ok"), SPAN_LIT("{\"decision\":\"allow\"}"));
        break;
    case RUNTIME_NAME:
        name(seq);
        break;
    case RUNTIME_DEPLOY:
        deploy(seq);
        break;
    case RUNTIME_FIRE:
        fire(seq);
        break;
    case RUNTIME_STATE_DONE:
        state_done();
        break;
    case RUNTIME_KV_DONE:
        kv_done();
        break;
    case RUNTIME_CONTAINER_DONE:
        container_done();
        break;
    case RUNTIME_OBJECT_DONE:
    case RUNTIME_ALARM_DONE:
        fields_done();
        break;
    default:
        break;
    }
}

int main(void)
{
    buf_init(&body, IPC_BODY_MAX);
    buf_init(&heard, 1024 * 1024);
    for (;;) {
        if (ipc_receive_blocking(IPC_CHILD_FD, ipc_runtime_hears, &msg, &body, NULL) < 0) {
            return 0;
        }
        message();
        for (size_t i = 0; i < msg.fd_count; i++) {
            close(msg.fds[i]);
        }
        msg.fd_count = 0;
    }
}
