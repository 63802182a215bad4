#include "supervisor/runtime_link.h"

#include "ipc/conversations.h"
#include "supervisor/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct request {
    struct list node;
    uint64_t seq;
    runtime_reply_fn fn;
    void *arg;
};

struct runtime_link {
    struct link link;
    const struct runtime_events *events;
    void *arg;
    struct list requests; /* in the order they were sent; mostly answered in that order */
    size_t request_count;
    uint64_t next_seq;
};

static void request_answer(struct runtime_link *r, struct request *q, enum runtime_reply reply,
                           struct span payload)
{
    list_remove(&q->node);
    r->request_count--;
    runtime_reply_fn fn = q->fn;
    void *arg = q->arg;
    free(q);
    if (fn != NULL) {
        fn(arg, reply, payload);
    }
}

static void requests_lost(struct runtime_link *r)
{
    while (!list_empty(&r->requests)) {
        request_answer(r, LIST_ENTRY(r->requests.next, struct request, node), RUNTIME_REPLY_LOST,
                       SPAN_LIT("the runtime ended"));
    }
}

/* Digits and nothing else; 0 is never a seq. */
static uint64_t seq_parse(struct span s)
{
    uint64_t v = 0;
    if (s.len == 0 || s.len > 18) {
        return 0;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return 0;
        }
        v = v * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    return v;
}

static void on_reply(struct runtime_link *r, const struct ipc_message *msg)
{
    uint64_t seq = seq_parse(msg->fields[0]);
    LIST_FOREACH(node, &r->requests)
    {
        struct request *q = LIST_ENTRY(node, struct request, node);
        if (q->seq == seq) {
            bool ok = span_eq(msg->fields[1], SPAN_LIT("ok"));
            request_answer(r, q, ok ? RUNTIME_REPLY_OK : RUNTIME_REPLY_ERROR, msg->fields[2]);
            return;
        }
    }
}

static void on_container(struct runtime_link *r, const struct span *f)
{
    struct runtime_container c = {.call = f[0], .id = f[1], .op = f[2]};
    memcpy(c.fields, f + 3, sizeof c.fields);
    r->events->container(r->arg, &c);
}

static void on_message(void *arg, struct ipc_message *msg)
{
    struct runtime_link *r = arg;
    const struct span *f = msg->fields;
    switch (msg->type) {
    case RUNTIME_READY:
        r->events->ready(r->arg, f[0]);
        break;
    case RUNTIME_FAILED:
        link_failed(&r->link, f[0]);
        break;
    case RUNTIME_REPLY:
        on_reply(r, msg);
        break;
    case RUNTIME_STATE:
        r->events->state(r->arg, f[0], f[1], f[2]);
        break;
    case RUNTIME_KV:
        r->events->kv(r->arg, &(struct runtime_kv){f[0], f[1], f[2], f[3], f[4], f[5]});
        break;
    case RUNTIME_EVENT:
        r->events->event(r->arg, f[0], f[1]);
        break;
    case RUNTIME_LOG:
        r->events->log(r->arg, f[0], f[1], f[2]);
        break;
    case RUNTIME_OBJECT:
        r->events->object(r->arg, &(struct runtime_object_ask){f[0], f[1], f[2], f[3]});
        break;
    case RUNTIME_CONTAINER:
        on_container(r, f);
        break;
    case RUNTIME_ALARM:
        r->events->alarm(r->arg, &(struct runtime_alarm){f[0], f[1], f[2], f[3]});
        break;
    default: /* the table has nothing else */
        break;
    }
}

static void on_ended(void *arg, const char *why)
{
    struct runtime_link *r = arg;
    requests_lost(r);
    r->events->ended(r->arg, why);
}

int runtime_link_start(struct loop *loop, const char *name, const struct runtime_events *events,
                       void *arg, struct runtime_link **out, struct error *err)
{
    struct runtime_link *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return error_set(err, ENOMEM, "start the runtime");
    }
    r->events = events;
    r->arg = arg;
    list_init(&r->requests);
    struct link_spec spec = {.program = "sallyport-runtime",
                             .id = name,
                             .hears = ipc_runtime_says,
                             .message = on_message,
                             .ended = on_ended,
                             .arg = r};
    int rc = link_open(loop, &spec, &r->link, err);
    if (rc < 0) {
        free(r);
        return rc;
    }
    *out = r;
    return 0;
}

bool runtime_link_begin(struct runtime_link *r, const struct runtime_app *app)
{
    int fds[2] = {app->bundle_fd, app->map_fd};
    bool sent = link_send(&r->link, RUNTIME_START, &app->json, 1, fds, 2);
    link_flush(&r->link);
    return sent;
}

struct question {
    uint16_t type;
    struct span fields[6]; /* the first is filled with the number of the request */
    size_t field_count;
    int fds[2]; /* lent */
    size_t fd_count;
};

static void ask(struct runtime_link *r, struct question *what, runtime_reply_fn fn, void *arg)
{
    struct request *q = r->request_count < RUNTIME_REQUESTS_MAX ? calloc(1, sizeof *q) : NULL;
    char seq[24];
    snprintf(seq, sizeof seq, "%llu", (unsigned long long)++r->next_seq);
    what->fields[0] = span_str(seq);
    bool sent = q != NULL && link_send(&r->link, what->type, what->fields, what->field_count,
                                       what->fds, what->fd_count);
    what->fields[0] = span_of(NULL, 0);
    if (!sent) {
        free(q);
        if (fn != NULL) {
            fn(arg, RUNTIME_REPLY_LOST, SPAN_LIT("the runtime ended"));
        }
        return;
    }
    *q = (struct request){.seq = r->next_seq, .fn = fn, .arg = arg};
    list_append(&r->requests, &q->node);
    r->request_count++;
}

void runtime_link_secret(struct runtime_link *r, struct span name, struct span value, bool put,
                         runtime_reply_fn fn, void *arg)
{
    struct question q = {.type = RUNTIME_SECRET,
                         .fields = {{0}, name, value, put ? SPAN_LIT("put") : SPAN_LIT("rm")},
                         .field_count = 4};
    ask(r, &q, fn, arg);
}

void runtime_link_add(struct runtime_link *r, const struct runtime_instance *i, runtime_reply_fn fn,
                      void *arg)
{
    struct question q = {.type = RUNTIME_INSTANCE_ADD,
                         .fields = {{0}, i->id, i->class_name, i->name, i->options, i->state},
                         .field_count = 6,
                         .fds = {i->gate},
                         .fd_count = 1};
    ask(r, &q, fn, arg);
}

void runtime_link_remove(struct runtime_link *r, struct span id, runtime_reply_fn fn, void *arg)
{
    struct question q = {.type = RUNTIME_INSTANCE_REMOVE, .fields = {{0}, id}, .field_count = 2};
    ask(r, &q, fn, arg);
}

void runtime_link_ended(struct runtime_link *r, struct span id, int status, struct span sentence,
                        runtime_reply_fn fn, void *arg)
{
    char number[16];
    snprintf(number, sizeof number, "%d", status);
    struct question q = {.type = RUNTIME_INSTANCE_ENDED,
                         .fields = {{0}, id, span_str(number), sentence},
                         .field_count = 4};
    ask(r, &q, fn, arg);
}

void runtime_link_call(struct runtime_link *r, struct span id, struct span method,
                       struct span arguments, runtime_reply_fn fn, void *arg)
{
    struct question q = {
        .type = RUNTIME_CALL, .fields = {{0}, id, method, arguments}, .field_count = 4};
    ask(r, &q, fn, arg);
}

void runtime_link_check(struct runtime_link *r, struct span id, struct span method, struct span url,
                        runtime_reply_fn fn, void *arg)
{
    struct question q = {.type = RUNTIME_CHECK, .fields = {{0}, id, method, url}, .field_count = 4};
    ask(r, &q, fn, arg);
}

void runtime_link_name(struct runtime_link *r, struct span class_name, struct span name,
                       runtime_reply_fn fn, void *arg)
{
    struct question q = {.type = RUNTIME_NAME, .fields = {{0}, class_name, name}, .field_count = 3};
    ask(r, &q, fn, arg);
}

void runtime_link_deploy(struct runtime_link *r, const struct runtime_app *app, runtime_reply_fn fn,
                         void *arg)
{
    struct question q = {.type = RUNTIME_DEPLOY,
                         .fields = {{0}, app->json},
                         .field_count = 2,
                         .fds = {app->bundle_fd, app->map_fd},
                         .fd_count = 2};
    ask(r, &q, fn, arg);
}

void runtime_link_fire(struct runtime_link *r, const struct runtime_fire *fire, runtime_reply_fn fn,
                       void *arg)
{
    struct question q = {
        .type = RUNTIME_FIRE,
        .fields = {{0}, fire->kind, fire->id, fire->class_name, fire->name, fire->detail},
        .field_count = 6};
    ask(r, &q, fn, arg);
}

bool runtime_link_started(struct runtime_link *r, struct span id, bool again)
{
    struct span f[2] = {id, again ? SPAN_LIT("again") : SPAN_LIT("new")};
    return link_send(&r->link, RUNTIME_INSTANCE_STARTED, f, 2, NULL, 0);
}

bool runtime_link_front(struct runtime_link *r, int gate)
{
    return link_send(&r->link, RUNTIME_FRONT, NULL, 0, &gate, 1);
}

bool runtime_link_process(struct runtime_link *r, struct span id, uint32_t process, const char *how,
                          int number)
{
    char process_text[16];
    char number_text[16];
    snprintf(process_text, sizeof process_text, "%u", process);
    snprintf(number_text, sizeof number_text, "%d", number);
    struct span f[4] = {id, span_str(process_text), span_str(how), span_str(number_text)};
    return link_send(&r->link, RUNTIME_PROCESS, f, 4, NULL, 0);
}

bool runtime_link_gate(struct runtime_link *r, struct span id, int gate)
{
    return link_send(&r->link, RUNTIME_GATE, &id, 1, &gate, 1);
}

void runtime_link_state_done(struct runtime_link *r, struct span call, bool ok,
                             struct span sentence)
{
    struct span f[3] = {call, ok ? SPAN_LIT("ok") : SPAN_LIT("error"), sentence};
    link_send(&r->link, RUNTIME_STATE_DONE, f, 3, NULL, 0);
}

void runtime_link_kv_done(struct runtime_link *r, struct span call, struct span outcome,
                          struct span payload, struct span metadata)
{
    struct span f[4] = {call, outcome, payload, metadata};
    if (!link_send(&r->link, RUNTIME_KV_DONE, f, 4, NULL, 0)) {
        struct span no[4] = {
            call, SPAN_LIT("error"), SPAN_LIT("KV: too much at once: await some of it first"), {0}};
        link_send(&r->link, RUNTIME_KV_DONE, no, 4, NULL, 0);
    }
}

static struct span ok_word(bool ok)
{
    return ok ? SPAN_LIT("ok") : SPAN_LIT("error");
}

void runtime_link_object_done(struct runtime_link *r, struct span call,
                              const struct runtime_object *object, struct span sentence)
{
    struct span f[6] = {call, ok_word(object != NULL), sentence};
    if (object != NULL) {
        f[2] = object->state;
        f[3] = object->options;
        f[4] = object->class_name;
        f[5] = object->name;
    }
    link_send(&r->link, RUNTIME_OBJECT_DONE, f, 6, NULL, 0);
}

void runtime_link_container_done(struct runtime_link *r, struct span call, bool ok,
                                 struct span payload, const int *fds, size_t fd_count)
{
    struct span f[3] = {call, ok_word(ok), payload};
    link_send(&r->link, RUNTIME_CONTAINER_DONE, f, 3, fds, fd_count);
}

void runtime_link_alarm_done(struct runtime_link *r, struct span call, bool ok, struct span text)
{
    struct span f[3] = {call, ok_word(ok), text};
    link_send(&r->link, RUNTIME_ALARM_DONE, f, 3, NULL, 0);
}

void runtime_link_forget(struct runtime_link *r, void *arg)
{
    LIST_FOREACH(node, &r->requests)
    {
        struct request *q = LIST_ENTRY(node, struct request, node);
        if (q->arg == arg) {
            q->fn = NULL;
        }
    }
}

pid_t runtime_link_pid(const struct runtime_link *r)
{
    return r != NULL ? link_pid(&r->link) : 0;
}

void runtime_link_kill(struct runtime_link *r)
{
    if (r != NULL) {
        link_kill(&r->link);
    }
}

void runtime_link_destroy(struct runtime_link *r)
{
    if (r != NULL) {
        link_close(&r->link);
        requests_lost(r);
        free(r);
    }
}
