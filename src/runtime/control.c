#include "runtime/control.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "runtime/alarm.h"
#include "runtime/call.h"
#include "runtime/confine.h"
#include "runtime/container.h"
#include "runtime/deploy.h"
#include "runtime/front.h"
#include "runtime/kv.h"
#include "runtime/object.h"
#include "runtime/process.h"
#include "runtime/settle.h"
#include "runtime/update.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

void control_send(struct runtime *rt, uint16_t type, const struct span *fields, size_t count)
{
    if (rt->control != NULL && !ipc_send(rt->control, type, fields, count, NULL, 0)) {
        /* Nothing can be said any more: the supervisor starts another one. */
        log_error("control channel: the supervisor does not read");
        loop_stop(rt->loop);
    }
}

uint64_t control_number(struct span s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.len && i < 19 && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++) {
        n = n * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    return n;
}

void control_reply(struct runtime *rt, struct span seq, bool ok, struct span payload)
{
    if (payload.len > CONTROL_RESULT_MAX) {
        ok = false;
        payload = SPAN_LIT("the result is larger than 25 MiB");
    }
    struct span fields[] = {seq, ok ? SPAN_LIT("ok") : SPAN_LIT("error"), payload};
    control_send(rt, RUNTIME_REPLY, fields, 3);
}

bool control_state(struct instance *inst, uint64_t call, struct span state)
{
    char id[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)call);
    struct span fields[] = {span_str(id), span_str(inst->id), state};
    return ipc_send(inst->rt->control, RUNTIME_STATE, fields, 3, NULL, 0);
}

void control_events(struct instance *inst, struct span lines)
{
    struct span fields[] = {span_str(inst->id), lines};
    control_send(inst->rt, RUNTIME_EVENT, fields, 2);
}

static void say_lost(struct runtime *rt)
{
    char text[96];
    int n = snprintf(text, sizeof text, "%llu lines of the log were lost: too many at once",
                     (unsigned long long)rt->log_lost);
    struct span fields[] = {span_of("", 0), SPAN_LIT("warn"), span_of(text, (size_t)n)};
    rt->log_lost = 0;
    control_send(rt, RUNTIME_LOG, fields, 3);
}

/* A line that code writes is no reason to end: half of the queue is for all else. */
void runtime_log(struct runtime *rt, struct span instance, enum js_log_level level,
                 struct span text)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    struct span fields[] = {instance, span_str(levels[level]), text};
    if (rt->control == NULL) {
        return;
    }
    if (ipc_waiting(rt->control) > IPC_QUEUE_MAX / 2) {
        rt->log_lost++;
        return;
    }
    if (rt->log_lost > 0) {
        say_lost(rt);
    }
    control_send(rt, RUNTIME_LOG, fields, 3);
}

void control_clock(struct runtime *rt)
{
    if (rt->log_lost > 0 && ipc_waiting(rt->control) <= IPC_QUEUE_MAX / 2) {
        say_lost(rt);
    }
}

/* ---- messages ---- */

static void on_secret(struct runtime *rt, struct ipc_message *m)
{
    struct error err;
    struct span name = m->fields[1];
    bool put = span_eq(m->fields[3], SPAN_LIT("put"));
    bool ok = put ? secrets_put(rt->secrets, name, m->fields[2], &err) == 0
                  : secrets_remove(rt->secrets, name) || error_set(&err, 0, "no such secret") == 0;
    for (size_t i = 0; ok && i < VERSION_SLOTS; i++) {
        if (rt->versions[i] != NULL) {
            js_secret_changed(rt->versions[i]->js, name, put);
        }
    }
    if (ok) {
        settle_then_reply(rt, m->fields[0]);
    } else {
        control_reply(rt, m->fields[0], false, span_str(err.text));
    }
}

/* The whole of a memfd, mapped; {NULL, 0} for an empty one. */
static int map_fd(int fd, struct span *out, struct error *err)
{
    struct stat st;
    *out = (struct span){NULL, 0};
    if (fstat(fd, &st) != 0) {
        return error_set(err, errno, "bundle");
    }
    if (st.st_size == 0) {
        return 0;
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        return error_set(err, errno, "bundle: map");
    }
    *out = span_of(p, (size_t)st.st_size);
    return 0;
}

static void unmap(struct span s)
{
    if (s.ptr != NULL) {
        munmap((void *)(uintptr_t)s.ptr, s.len);
    }
}

/* What START and DEPLOY carry: the code is mapped for the call alone. */
static int with_code(struct runtime *rt, struct ipc_message *m, struct span app,
                     int (*use)(struct runtime *rt, struct span app,
                                const struct version_code *code, struct error *err),
                     struct error *err)
{
    struct version_code code = {{NULL, 0}, {NULL, 0}};
    int rc = map_fd(m->fds[0], &code.bundle, err);
    rc = rc == 0 ? map_fd(m->fds[1], &code.map, err) : rc;
    rc = rc == 0 ? use(rt, app, &code, err) : rc;
    unmap(code.bundle);
    unmap(code.map);
    return rc;
}

static int start(struct runtime *rt, struct ipc_message *m, struct buf *facts, struct error *err)
{
    if (rt->started) {
        return error_set(err, 0, "start: it was started before");
    }
    int rc = with_code(rt, m, m->fields[0], runtime_start, err);
    rc = rc == 0 ? runtime_facts(rt->version, facts, err) : rc;
    return rc == 0 && rt->confine ? confine(rt, err) : rc;
}

static void on_deploy(struct runtime *rt, struct ipc_message *m)
{
    struct error err;
    struct buf facts;
    buf_init(&facts, 4u * 1024u * 1024u);
    bool ok = with_code(rt, m, m->fields[1], deploy, &err) == 0 &&
              runtime_facts(rt->version, &facts, &err) == 0;
    control_reply(rt, m->fields[0], ok, ok ? buf_span(&facts) : span_str(err.text));
    buf_free(&facts);
}

static void on_start(struct runtime *rt, struct ipc_message *m)
{
    struct error err;
    struct buf facts;
    buf_init(&facts, 4u * 1024u * 1024u);
    if (start(rt, m, &facts, &err) == 0) {
        struct span fields[] = {buf_span(&facts)};
        control_send(rt, RUNTIME_READY, fields, 1);
    } else {
        struct span fields[] = {span_str(err.text)};
        control_send(rt, RUNTIME_FAILED, fields, 1);
        loop_stop(rt->loop);
    }
    buf_free(&facts);
}

/* An object that is here gets the gate of its sandbox; any other is made, and goes again when the
 * gate cannot be served. */
static int instance_add(struct runtime *rt, struct ipc_message *m, struct buf *facts,
                        struct error *err)
{
    struct instance_spec spec = {.id = m->fields[1],
                                 .class_name = m->fields[2],
                                 .name = m->fields[3],
                                 .options = m->fields[4],
                                 .state = m->fields[5]};
    struct instance *inst = instance_find(rt, spec.id);
    bool open = inst != NULL;
    if (open && inst->door.gate != NULL) {
        return error_set(err, 0, "instance %s: it is there already", inst->id);
    }
    inst = open ? inst : instance_create(rt, &spec, err);
    if (inst == NULL) {
        return -1;
    }
    int rc = door_open(&inst->door, steal_fd(&m->fds[0]), err);
    rc = rc == 0 ? instance_facts(inst, facts, err) : rc;
    if (rc != 0 && !open) {
        instance_destroy(inst);
    }
    return rc;
}

static void on_instance_add(struct runtime *rt, struct ipc_message *m)
{
    struct error err;
    struct buf facts;
    buf_init(&facts, 4u * 1024u * 1024u);
    bool ok = instance_add(rt, m, &facts, &err) == 0;
    control_reply(rt, m->fields[0], ok, ok ? buf_span(&facts) : span_str(err.text));
    buf_free(&facts);
}

static void on_instance_started(struct runtime *rt, struct ipc_message *m)
{
    struct instance *inst = instance_find(rt, m->fields[0]);
    if (inst != NULL && !inst->running) {
        inst->running = true;
        if (inst->half != NULL) {
            js_container_started(inst->half->js, span_eq(m->fields[1], SPAN_LIT("new")));
        }
    }
}

static void on_instance_ended(struct runtime *rt, struct ipc_message *m)
{
    struct instance *inst = instance_find(rt, m->fields[1]);
    if (inst != NULL) {
        instance_ended(inst, (int)control_number(m->fields[2]), m->fields[3]);
    }
    control_reply(rt, m->fields[0], inst != NULL,
                  inst != NULL ? SPAN_LIT("null") : SPAN_LIT("no such instance"));
}

static void on_instance_remove(struct runtime *rt, struct ipc_message *m)
{
    struct instance *inst = instance_find(rt, m->fields[1]);
    if (inst != NULL) {
        instance_destroy(inst);
    }
    control_reply(rt, m->fields[0], inst != NULL,
                  inst != NULL ? SPAN_LIT("null") : SPAN_LIT("no such instance"));
}

static void on_gate(struct runtime *rt, struct ipc_message *m)
{
    struct error err;
    struct instance *inst = instance_find(rt, m->fields[0]);
    if (inst != NULL && door_open(&inst->door, steal_fd(&m->fds[0]), &err) != 0) {
        log_error("%s", err.text);
    }
}

static void on_front(struct runtime *rt, struct ipc_message *m)
{
    struct error err;
    if (front_open(rt, steal_fd(&m->fds[0]), &err) != 0) {
        log_error("%s", err.text);
    }
}

/* The object that a message is for. NULL: it is opened first, and `again` comes then. */
static struct instance *object_of(struct runtime *rt, const struct object_wait *want,
                                  struct ipc_message *m, object_again_fn again)
{
    struct instance *inst = instance_find(rt, want->id);
    if (inst == NULL) {
        object_wait(rt, want, m, again);
    }
    return inst;
}

static void on_call(struct runtime *rt, struct ipc_message *m)
{
    struct object_wait want = {.id = m->fields[1]};
    struct instance *inst = object_of(rt, &want, m, on_call);
    if (inst != NULL) {
        call_start(inst, &(struct call_spec){
                             .seq = m->fields[0], .method = m->fields[2], .args = m->fields[3]});
    }
}

static void on_check(struct runtime *rt, struct ipc_message *m)
{
    struct error err;
    struct buf line;
    struct object_wait want = {.id = m->fields[1]};
    const struct instance *inst = object_of(rt, &want, m, on_check);
    if (inst == NULL) {
        return;
    }
    buf_init(&line, 1024u * 1024u);
    int rc = instance_check(inst, m->fields[3], &line, &err);
    control_reply(rt, m->fields[0], rc == 0, rc == 0 ? buf_span(&line) : span_str(err.text));
    buf_free(&line);
}

static void on_fire(struct runtime *rt, struct ipc_message *m)
{
    if (span_eq(m->fields[1], SPAN_LIT("scheduled"))) {
        call_scheduled(rt, m->fields[0], m->fields[5]);
        return;
    }
    struct object_wait want = {
        .id = m->fields[2], .class_name = m->fields[3], .name = m->fields[4]};
    struct instance *inst = object_of(rt, &want, m, on_fire);
    if (inst != NULL) {
        call_alarm(inst, m->fields[0], m->fields[5]);
    }
}

static void on_name(struct runtime *rt, struct ipc_message *m)
{
    struct error err;
    char id[OBJECT_ID_BYTES];
    char text[512];
    struct span name = SPAN_LIT("Sandbox");
    bool ok = true;
    if (rt->version != NULL) {
        const struct js_class *cls = instance_class(rt->version, m->fields[1], &err);
        ok = cls != NULL;
        name = ok ? cls->name : name;
    }
    if (ok && object_id(name, m->fields[2], id) != 0) {
        ok = error_set(&err, 0, "name: no id can be made of it") == 0;
    }
    if (ok) {
        snprintf(text, sizeof text, "%s " SPAN_FMT, id, SPAN_ARG(name));
    }
    control_reply(rt, m->fields[0], ok, ok ? span_str(text) : span_str(err.text));
}

static void on_process(struct runtime *rt, struct ipc_message *m)
{
    process_ended(rt, m);
}

static void on_alarm_done(struct runtime *rt, struct ipc_message *m)
{
    alarm_done(rt, m);
}

static void on_object_done(struct runtime *rt, struct ipc_message *m)
{
    object_done(rt, m);
}

static void on_state_done(struct runtime *rt, struct ipc_message *m)
{
    update_saved(rt, m->fields[0], span_eq(m->fields[1], SPAN_LIT("ok")), m->fields[2]);
}

static void on_kv_done(struct runtime *rt, struct ipc_message *m)
{
    kv_done(rt, m);
}

static void (*const handlers[])(struct runtime *rt, struct ipc_message *m) = {
    [RUNTIME_SECRET] = on_secret,
    [RUNTIME_START] = on_start,
    [RUNTIME_INSTANCE_ADD] = on_instance_add,
    [RUNTIME_INSTANCE_REMOVE] = on_instance_remove,
    [RUNTIME_INSTANCE_STARTED] = on_instance_started,
    [RUNTIME_INSTANCE_ENDED] = on_instance_ended,
    [RUNTIME_GATE] = on_gate,
    [RUNTIME_FRONT] = on_front,
    [RUNTIME_DEPLOY] = on_deploy,
    [RUNTIME_CALL] = on_call,
    [RUNTIME_CHECK] = on_check,
    [RUNTIME_FIRE] = on_fire,
    [RUNTIME_NAME] = on_name,
    [RUNTIME_OBJECT_DONE] = on_object_done,
    [RUNTIME_CONTAINER_DONE] = container_done,
    [RUNTIME_PROCESS] = on_process,
    [RUNTIME_ALARM_DONE] = on_alarm_done,
    [RUNTIME_STATE_DONE] = on_state_done,
    [RUNTIME_KV_DONE] = on_kv_done,
};

static void on_message(void *arg, struct ipc_message *m)
{
    struct runtime *rt = arg;
    if (!rt->started && m->type != RUNTIME_SECRET && m->type != RUNTIME_START) {
        log_error("control channel: a message before the start");
        loop_stop(rt->loop);
        return;
    }
    void (*handle)(struct runtime *, struct ipc_message *) =
        m->type < sizeof handlers / sizeof handlers[0] ? handlers[m->type] : NULL;
    if (handle == NULL) {
        log_error("control channel: a message of type %u is not for this runtime", m->type);
        loop_stop(rt->loop);
        return;
    }
    handle(rt, m);
}

static void on_closed(void *arg, const char *why)
{
    struct runtime *rt = arg;
    log_info("control channel: %s", why);
    loop_stop(rt->loop);
}

int control_open(struct runtime *rt, int fd, struct error *err)
{
    rt->control =
        ipc_channel_create(rt->loop, fd, ipc_runtime_hears, on_message, on_closed, rt, err);
    return rt->control != NULL ? 0 : -1;
}
