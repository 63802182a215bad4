/* POST /v1/instances/:id/exec: a process inside, with its streams on the connection or in the
 * answer. */
#include "proto/exec/exec_frame.h"
#include "supervisor/control_routes.h"
#include "supervisor/exec_request.h"
#include "supervisor/pem.h"
#include "supervisor/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define GATHER_MAX (8u * 1024u * 1024u) /* bytes of each stream of an answer */

struct session {
    struct call *call; /* until it is answered */
    struct conn *conn; /* once it was upgraded; NULL: gone */
    struct exec *exec;
    struct buf frames; /* of the client, not whole yet */
    size_t credit;     /* bytes of input that the client may send */
    struct buf input;  /* without an upgrade: what is left to give */
    struct buf out[2];
    bool truncated;
};

static void session_free(struct session *x)
{
    buf_free(&x->frames);
    buf_wipe(&x->input);
    buf_free(&x->out[0]);
    buf_free(&x->out[1]);
    free(x);
}

/* ---- frames ---- */

static void frame_write(struct session *x, enum exec_frame_type type, struct span payload)
{
    uint8_t head[EXEC_FRAME_HEAD];
    exec_frame_head(type, payload.len, head);
    if (x->conn != NULL) {
        (void)(conn_raw_write(x->conn, span_of(head, sizeof head)) &&
               conn_raw_write(x->conn, payload));
    }
}

/* The client broke a rule, or went away. */
static void leave(struct session *x)
{
    struct exec *exec = x->exec;
    if (x->conn != NULL) {
        conn_raw_end(x->conn);
    }
    session_free(x);
    exec_hang_up(exec);
}

static bool frame_take(struct session *x, const struct exec_frame *f)
{
    const unsigned char *p = (const unsigned char *)f->payload.ptr;
    switch (f->type) {
    case EXEC_STDIN:
        if (f->payload.len > x->credit) {
            return false;
        }
        x->credit -= f->payload.len;
        if (f->payload.len == 0) {
            exec_input_end(x->exec);
            return true;
        }
        return exec_input(x->exec, f->payload);
    case EXEC_RESIZE:
        exec_resize(x->exec, (uint16_t)(p[0] << 8 | p[1]), (uint16_t)(p[2] << 8 | p[3]));
        return true;
    case EXEC_SIGNAL:
        if (p[0] < 1 || p[0] > 64) {
            return false;
        }
        exec_signal(x->exec, p[0]);
        return true;
    case EXEC_STDOUT:
    case EXEC_STDERR:
    case EXEC_EXIT:
    case EXEC_CREDIT:
        break;
    }
    return false;
}

static void on_received(void *arg, struct span bytes)
{
    struct session *x = arg;
    struct exec_frame f;
    size_t size;
    int rc = buf_append_span(&x->frames, bytes) ? 1 : -1;
    while (rc > 0 && (rc = exec_frame_parse(buf_span(&x->frames), EXEC_CLIENT, &f, &size)) > 0) {
        rc = frame_take(x, &f) ? 1 : -1;
        buf_consume(&x->frames, size);
    }
    if (rc < 0) {
        leave(x);
    }
}

static void on_drained(void *arg)
{
    struct session *x = arg;
    exec_resume(x->exec);
}

static void on_closed(void *arg)
{
    struct session *x = arg;
    x->conn = NULL;
    leave(x);
}

static const struct conn_raw raw_events = {on_received, on_drained, on_closed};

/* ---- the process, on the connection ---- */

static void raw_started(void *arg)
{
    struct session *x = arg;
    x->conn = call_upgrade(x->call, &raw_events, x);
    x->call = NULL;
    if (x->conn == NULL) {
        leave(x);
    }
}

static void on_refused(void *arg, int status, const char *why)
{
    struct session *x = arg;
    control_answer_not_started(x->call, status, why, NULL);
    session_free(x);
}

static void raw_output(void *arg, int stream, struct span bytes)
{
    frame_write(arg, stream == 1 ? EXEC_STDOUT : EXEC_STDERR, bytes);
}

static bool raw_room(void *arg)
{
    const struct session *x = arg;
    return x->conn != NULL && conn_raw_waiting(x->conn) < CONTROL_RAW_MAX;
}

static void raw_taken(void *arg, size_t bytes)
{
    struct session *x = arg;
    uint8_t n[4] = {(uint8_t)(bytes >> 24), (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 8),
                    (uint8_t)bytes};
    x->credit += bytes;
    frame_write(x, EXEC_CREDIT, span_of(n, sizeof n));
}

static void raw_ended(void *arg, enum agent_end how, int number)
{
    static const uint8_t hows[] = {[AGENT_END_EXIT] = 0,
                                   [AGENT_END_SIGNAL] = 1,
                                   [AGENT_END_TIMEOUT] = 2,
                                   [AGENT_END_LOST] = 3};
    static const char lost[] = "the sandbox ended";
    struct session *x = arg;
    uint8_t payload[2 + sizeof lost] = {hows[how], (uint8_t)number};
    size_t len = 2;
    if (how == AGENT_END_LOST) {
        memcpy(payload + len, lost, sizeof lost - 1);
        len += sizeof lost - 1;
    }
    if (x->call != NULL) { /* it ended before it began */
        call_reply_error(x->call, 503, "unavailable", lost, NULL);
    }
    frame_write(x, EXEC_EXIT, span_of(payload, len));
    if (x->conn != NULL) {
        conn_raw_end(x->conn);
    }
    session_free(x);
}

static const struct exec_events raw_exec_events = {raw_started, on_refused, raw_output,
                                                   raw_room,    raw_taken,  raw_ended};

/* ---- the process, in an answer ---- */

static void input_give(struct session *x)
{
    struct span s = buf_span(&x->input);
    while (s.len > 0 && x->credit > 0) {
        size_t len = s.len < x->credit ? s.len : x->credit;
        x->credit -= len;
        buf_consume(&x->input, len);
        if (!exec_input(x->exec, span_of(s.ptr, len))) {
            return;
        }
        s = buf_span(&x->input);
    }
    if (s.len == 0) {
        exec_input_end(x->exec);
    }
}

static void gather_started(void *arg)
{
    input_give(arg);
}

static void gather_output(void *arg, int stream, struct span bytes)
{
    struct session *x = arg;
    x->truncated = !buf_append_span(&x->out[stream - 1], bytes) || x->truncated;
}

static bool gather_room(void *arg)
{
    (void)arg;
    return true;
}

static void gather_taken(void *arg, size_t bytes)
{
    struct session *x = arg;
    x->credit += bytes;
    if (buf_len(&x->input) > 0) {
        input_give(x);
    }
}

static json_t *base64(struct span bytes)
{
    struct buf out;
    buf_init(&out, GATHER_MAX * 2);
    json_t *v = pem_base64(&out, bytes) ? json_stringn(buf_span(&out).ptr, buf_len(&out)) : NULL;
    buf_free(&out);
    return v;
}

static void stream_add(json_t *o, const char *name, const char *flag, struct span bytes)
{
    json_t *text = json_stringn(bytes.ptr, bytes.len);
    json_object_set_new(o, flag, json_boolean(text == NULL));
    json_object_set_new(o, name, text != NULL ? text : base64(bytes));
}

static void gather_ended(void *arg, enum agent_end how, int number)
{
    struct session *x = arg;
    bool signalled = how == AGENT_END_SIGNAL || how == AGENT_END_TIMEOUT;
    json_t *o = json_object();
    json_object_set_new(o, "exitCode",
                        json_integer(signalled               ? 128 + number
                                     : how == AGENT_END_LOST ? 125
                                                             : number));
    json_object_set_new(o, "signal", signalled ? json_integer(number) : json_null());
    json_object_set_new(o, "timedOut", json_boolean(how == AGENT_END_TIMEOUT));
    json_object_set_new(o, "lost", json_boolean(how == AGENT_END_LOST));
    json_object_set_new(o, "truncated", json_boolean(x->truncated));
    stream_add(o, "stdout", "stdoutBase64", buf_span(&x->out[0]));
    stream_add(o, "stderr", "stderrBase64", buf_span(&x->out[1]));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (text != NULL) {
        call_reply_json(x->call, span_str(text));
    } else {
        call_reply_error(x->call, 500, "internal", "out of memory", NULL);
    }
    free(text);
    session_free(x);
}

static const struct exec_events gather_exec_events = {gather_started, on_refused,   gather_output,
                                                      gather_room,    gather_taken, gather_ended};

/* ---- the call ---- */

static struct session *session_create(struct call *c)
{
    struct session *x = calloc(1, sizeof *x);
    if (x != NULL) {
        x->call = c;
        static_assert(EXEC_CREDIT_START <= EXEC_INPUT_MAX, "what was credited can be taken");
        x->credit = EXEC_CREDIT_START;
        buf_init(&x->frames, 2u * (EXEC_FRAME_HEAD + EXEC_FRAME_MAX));
        buf_init(&x->input, CONTROL_BODY_MAX);
        buf_init(&x->out[0], GATHER_MAX);
        buf_init(&x->out[1], GATHER_MAX);
    }
    return x;
}

/* The request was read once before, so that a wrong one starts no sandbox. */
static void begin(struct call *c, struct member *m)
{
    struct exec_request r;
    struct error err;
    struct session *x = session_create(c);
    if (x == NULL || exec_request_parse(buf_span(&c->body), &r, &err) < 0) {
        call_reply_error(c, 500, "internal", "out of memory", NULL);
        free(x);
        return;
    }
    if (!c->upgrade) {
        r.spec.tty = false;
        r.spec.input = buf_len(&r.input) > 0;
        buf_append_span(&x->input, buf_span(&r.input));
    }
    const struct exec_events *events = c->upgrade ? &raw_exec_events : &gather_exec_events;
    if (exec_start(c->s->loop, m, &r.spec, events, x, &x->exec, &err) < 0) {
        session_free(x);
        call_reply_error(c, 400, "refused", err.text, NULL);
    }
    exec_request_free(&r);
}

static void on_running(void *arg, struct member *m, const char *why)
{
    struct call *c = arg;
    if (why != NULL) {
        call_reply_error(c, 400, "refused", why, NULL);
    } else {
        begin(c, m);
    }
}

static void start(struct call *c)
{
    struct exec_request r;
    struct error err;
    struct member *m;
    if (!control_find(c, &m)) {
        return;
    }
    if (exec_request_parse(buf_span(&c->body), &r, &err) < 0) {
        call_reply_error(c, 400, "bad_request", err.text, "docs/control-api.md, Exec");
        return;
    }
    exec_request_free(&r);
    if (m != NULL && m->state == MEMBER_RUNNING) {
        begin(c, m);
    } else if (c->s->up == NULL) {
        call_reply_error(c, 409, "not_running", "the instance is starting or has ended", NULL);
    } else {
        control_start(c, on_running);
    }
}

const struct control_route control_exec_routes[] = {
    {"POST", "instances/:/exec", start},
    {0},
};
