#include "runtime/instance.h"

#include "base/clock.h"
#include "runtime/call.h"
#include "runtime/control.h"
#include "runtime/exchange.h"
#include "runtime/tunnel.h"
#include "runtime/update.h"

#include <stdlib.h>

/* ---- the gate ---- */

static void flow_cut(struct flow *f, const char *error)
{
    if (f->kind == FLOW_TUNNEL) {
        tunnel_cut((struct tunnel *)(void *)f, error);
    } else {
        exchange_cut((struct exchange *)(void *)f, error);
    }
}

static void flows_cut(struct instance *inst, const char *error)
{
    while (!list_empty(&inst->flows)) {
        flow_cut(LIST_ENTRY(inst->flows.next, struct flow, node), error);
    }
}

static void on_request(void *arg, uint32_t stream, const struct gate_request *req)
{
    exchange_request(arg, stream, req);
}

static void on_tunnel(void *arg, uint32_t stream, const struct gate_peer *peer)
{
    tunnel_open(arg, stream, peer);
}

static void on_data(void *arg, uint32_t stream, struct span bytes)
{
    struct instance *inst = arg;
    struct flow *f = gate_stream_ctx(inst->gate, stream);
    if (f != NULL && f->kind == FLOW_TUNNEL) {
        tunnel_data((struct tunnel *)(void *)f, bytes);
    } else if (f != NULL) {
        exchange_data((struct exchange *)(void *)f, bytes);
    }
}

static void on_end(void *arg, uint32_t stream, const struct gate_header *trailers, size_t count)
{
    (void)trailers;
    (void)count;
    struct instance *inst = arg;
    struct flow *f = gate_stream_ctx(inst->gate, stream);
    if (f != NULL && f->kind == FLOW_TUNNEL) {
        tunnel_end((struct tunnel *)(void *)f);
    } else if (f != NULL) {
        exchange_end((struct exchange *)(void *)f);
    }
}

static void on_reset(void *arg, uint32_t stream, enum gate_reset reason)
{
    (void)reason;
    struct instance *inst = arg;
    struct flow *f = gate_stream_ctx(inst->gate, stream);
    if (f != NULL) {
        flow_cut(f, "cancelled");
    }
}

static void on_writable(void *arg, uint32_t stream)
{
    struct instance *inst = arg;
    struct flow *f = gate_stream_ctx(inst->gate, stream);
    if (f != NULL && f->kind == FLOW_TUNNEL) {
        tunnel_writable((struct tunnel *)(void *)f);
    } else if (f != NULL) {
        exchange_writable((struct exchange *)(void *)f);
    }
}

static void on_note(void *arg, const struct gate_peer *peer, enum gate_note note,
                    struct span detail)
{
    static const char *const errors[GATE_NOTE_COUNT] = {
        [GATE_NOTE_CA_REJECTED] = "certificate",
        [GATE_NOTE_TLS_FAILED] = "protocol",
        [GATE_NOTE_BAD_REQUEST] = "malformed",
    };
    struct instance *inst = arg;
    struct event e = {.time_ms = clock_wall_ms(),
                      .instance = span_str(inst->id),
                      .class_name = span_str(inst->class_name),
                      .proto = "note",
                      .host = peer->sni.len > 0 ? peer->sni : peer->name,
                      .port = peer->dest_port,
                      .decision = "error",
                      .error = errors[note]};
    if (note == GATE_NOTE_CA_REJECTED) {
        e.ca_rejected = detail.len > 0 ? detail : SPAN_LIT("unknown");
    }
    instance_event(inst, &e);
}

static void gate_leave(struct instance *inst)
{
    if (inst->gate != NULL) {
        flows_cut(inst, "cancelled");
        gate_destroy(inst->gate);
        inst->gate = NULL;
    }
}

static void on_closed(void *arg, const char *why)
{
    (void)why;
    gate_leave(arg);
}

static const struct gate_events gate_events = {
    .data = on_data,
    .end = on_end,
    .reset = on_reset,
    .writable = on_writable,
    .closed = on_closed,
    .request = on_request,
    .tunnel = on_tunnel,
    .note = on_note,
};

int instance_gate(struct instance *inst, int fd, struct error *err)
{
    gate_leave(inst);
    inst->gate = gate_create(inst->rt->loop, GATE_OUTER, fd, &gate_events, inst, err);
    return inst->gate != NULL ? 0 : -1;
}

/* ---- events ---- */

static void events_flush(void *arg)
{
    struct instance *inst = arg;
    if (buf_len(&inst->events) > 0) {
        control_events(inst, buf_span(&inst->events));
        buf_clear(&inst->events);
    }
}

static void events_due(void *arg)
{
    struct instance *inst = arg;
    inst->events_wait = buf_len(&inst->events) > 0;
    if (inst->events_wait) {
        events_flush(inst);
        loop_timer_again(inst->events_timer, INSTANCE_EVENTS_MS);
    }
}

/* The first line goes out at the end of the turn; those soon after it go together: a message for
 * each request would wake the supervisor as often as the doors wake each other. */
static void events_schedule(struct instance *inst)
{
    if (inst->events_wait) {
        return;
    }
    loop_task_queue(&inst->events_flush);
    if (inst->events_timer == NULL) {
        inst->events_timer =
            loop_timer_start(inst->rt->loop, INSTANCE_EVENTS_MS, 0, events_due, inst);
    } else {
        loop_timer_again(inst->events_timer, INSTANCE_EVENTS_MS);
    }
    inst->events_wait = inst->events_timer != NULL;
}

void instance_event(struct instance *inst, const struct event *e)
{
    if (buf_len(&inst->events) > INSTANCE_EVENTS_MAX - EVENT_LINE_MAX) {
        events_flush(inst);
    }
    if (buf_len(&inst->events) == 0 || buf_append(&inst->events, "\n", 1)) {
        event_write(&inst->events, e);
        events_schedule(inst);
    }
}

/* ---- life ---- */

static char *copy(struct span s)
{
    return strndup(s.len > 0 ? s.ptr : "", s.len);
}

/* "A, B", for a message. */
static void class_names(const struct js_class *classes, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        (void)(buf_append_str(out, i > 0 ? ", " : "") && buf_append_span(out, classes[i].name));
    }
}

static int class_missing(const struct js_class *classes, size_t count, struct span name,
                         struct error *err)
{
    struct buf names;
    buf_init(&names, 512);
    class_names(classes, count, &names);
    struct span have = count > 0 ? buf_span(&names) : SPAN_LIT("none");
    int rc = name.len == 0 && count == 0
                 ? error_set(err, 0,
                             "class: the module exports none that extends Container or Sandbox: "
                             "export class NAME extends Sandbox {}")
             : name.len == 0
                 ? error_set(err, 0,
                             "class: the module exports %zu sandbox classes (" SPAN_FMT
                             "): choose one with --class",
                             count, SPAN_ARG(have))
                 : error_set(err, 0,
                             "class " SPAN_FMT ": the module exports no such class that extends "
                             "Container or Sandbox: it has: " SPAN_FMT,
                             SPAN_ARG(name), SPAN_ARG(have));
    buf_free(&names);
    return rc;
}

static int class_find(struct runtime *rt, struct span name, struct instance *inst,
                      struct error *err)
{
    if (rt->version == NULL) {
        inst->class_name = copy(name.len > 0 ? name : SPAN_LIT("Sandbox"));
        return span_eq(span_str(inst->class_name), SPAN_LIT("Sandbox"))
                   ? 0
                   : error_set(err, 0, "class " SPAN_FMT ": there is no module that exports it",
                               SPAN_ARG(name));
    }
    size_t count;
    const struct js_class *classes = js_classes(rt->version, &count);
    for (size_t i = 0; i < count; i++) {
        if (name.len == 0 ? count == 1 : span_eq(classes[i].name, name)) {
            inst->cls = &classes[i];
            inst->class_name = copy(classes[i].name);
            return 0;
        }
    }
    return class_missing(classes, count, name, err);
}

static struct instance *instance_new(struct runtime *rt, const struct instance_spec *spec)
{
    struct instance *inst = calloc(1, sizeof *inst);
    if (inst == NULL) {
        return NULL;
    }
    inst->rt = rt;
    inst->internet = inst->intercept_https = true;
    list_init(&inst->node);
    list_init(&inst->flows);
    list_init(&inst->updates);
    buf_init(&inst->events, INSTANCE_EVENTS_MAX);
    loop_task_init(&inst->events_flush, rt->loop, events_flush, inst);
    inst->id = copy(spec->id);
    return inst;
}

static int build(struct instance *inst, const struct instance_spec *spec, struct error *err)
{
    struct runtime *rt = inst->rt;
    struct buf facts;
    int rc = options_parse(spec->options, &inst->options, err);
    rc = rc == 0 ? class_find(rt, spec->class_name, inst, err) : rc;
    rc = rc == 0
             ? inject_create(inst->options.inject, inst->options.inject_count, &inst->inject, err)
             : rc;
    if (rc != 0) {
        return rc;
    }
    buf_init(&facts, POLICY_STATE_MAX);
    if (inst->cls != NULL) {
        struct js_instance_spec js = {.id = span_str(inst->id),
                                      .name = spec->name,
                                      .class_name = inst->cls->name,
                                      .owner = inst};
        inst->js = js_instance_create(rt->version, &js, &facts, err);
        rc = inst->js != NULL ? 0 : -1;
    }
    struct span text = inst->cls != NULL ? buf_span(&facts) : (struct span){NULL, 0};
    rc = rc == 0 ? instance_configure(inst, &inst->policy, text, err) : rc;
    buf_free(&facts);
    if (rc == 0 && spec->state.len > 0) {
        rc = policy_state_load(inst->policy, spec->state, err);
    }
    return rc;
}

static int facts_write(const struct instance *inst, struct buf *out, struct error *err)
{
    json_t *json = json_pack("{s:s, s:b, s:b, s:[]}", "class", inst->class_name, "intercept_https",
                             inst->intercept_https, "internet", inst->internet, "warnings");
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    bool ok = text != NULL && buf_append_str(out, text);
    free(text);
    json_decref(json);
    return ok ? 0 : error_set(err, 0, "instance: out of memory");
}

struct instance *instance_create(struct runtime *rt, const struct instance_spec *spec,
                                 struct buf *facts, struct error *err)
{
    if (spec->id.len == 0 || spec->id.len > 256 || instance_find(rt, spec->id) != NULL) {
        error_set(err, 0, "instance " SPAN_FMT ": it is there already", SPAN_ARG(spec->id));
        return NULL;
    }
    struct instance *inst = instance_new(rt, spec);
    if (inst == NULL || inst->id == NULL) {
        error_set(err, 0, "instance: out of memory");
        free(inst);
        return NULL;
    }
    list_append(&rt->instances, &inst->node);
    if (build(inst, spec, err) != 0 || facts_write(inst, facts, err) != 0) {
        instance_destroy(inst);
        return NULL;
    }
    return inst;
}

void instance_destroy(struct instance *inst)
{
    gate_leave(inst);
    if (inst->rt->version != NULL) {
        call_drop_all(inst);
    }
    update_drop_all(inst);
    if (inst->js != NULL) {
        js_instance_destroy(inst->js);
    }
    events_flush(inst);
    loop_task_cancel(&inst->events_flush);
    loop_timer_cancel(inst->events_timer);
    list_remove(&inst->node);
    policy_free(inst->policy);
    inject_free(inst->inject);
    options_free(&inst->options);
    buf_free(&inst->events);
    free(inst->id);
    free(inst->class_name);
    free(inst);
}

struct instance *instance_find(const struct runtime *rt, struct span id)
{
    LIST_FOREACH(node, &rt->instances)
    {
        struct instance *inst = LIST_ENTRY(node, struct instance, node);
        if (span_eq(span_str(inst->id), id)) {
            return inst;
        }
    }
    return NULL;
}
