#include "runtime/flow.h"

#include "base/clock.h"
#include "runtime/event.h"
#include "runtime/instance.h"

void flow_open(struct flow *f, enum flow_kind kind, struct door *door, uint32_t stream)
{
    *f = (struct flow){.kind = kind, .door = door, .stream = stream};
    f->wall_ms = clock_wall_ms();
    f->started_us = clock_monotonic_us();
    f->decision = "error";
    list_append(&door->flows, &f->node);
    door->flow_count++;
}

void flow_close(struct flow *f)
{
    list_remove(&f->node);
    f->door->flow_count--;
}

void flow_text_set(struct flow_text *t, struct span s)
{
    t->len = (uint8_t)(s.len < FLOW_NAME_MAX ? s.len : FLOW_NAME_MAX);
    if (t->len > 0) {
        memcpy(t->text, s.ptr, t->len);
    }
}

void flow_peer_set(struct flow *f, const char *peer)
{
    size_t len = strlen(peer);
    len = len < sizeof f->peer ? len : sizeof f->peer - 1;
    memcpy(f->peer, peer, len);
    f->peer[len] = '\0';
}

void flow_decide(struct flow *f, enum policy_kind kind, struct policy_verdict *out)
{
    static const char *const decisions[] = {
        [POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny", [POLICY_HANDLER] = "handler"};
    struct policy_facts facts = {
        .kind = kind, .host = &f->dest.host, .port = f->dest.port, .secure = f->dest.secure};
    policy_decide(f->door->inst->policy, &facts, out);
    f->decision = decisions[out->decision];
    f->rule = policy_rule_name(out->rule);
    flow_text_set(&f->pattern, out->pattern);
    flow_text_set(&f->handler, out->handler);
}

void flow_report(struct flow *f, struct span method, struct span target, struct span secrets)
{
    struct instance *inst = f->door->inst;
    if (f->reported || inst == NULL) {
        return;
    }
    f->reported = true;
    const char *scheme = f->dest.secure ? "https" : "http";
    struct event e = {
        .time_ms = f->wall_ms,
        .instance = span_str(inst->id),
        .name = span_str(inst->name),
        .class_name = span_str(inst->class_name),
        .proto = f->proto,
        .method = method,
        .scheme = f->kind == FLOW_EXCHANGE && f->has_dest ? scheme : NULL,
        .host = f->has_dest ? url_host_span(&f->dest.host) : span_of("", 0),
        .port = f->has_dest ? f->dest.port : 0,
        .path = target,
        .decision = f->decision,
        .rule = f->rule,
        .pattern = span_of(f->pattern.text, f->pattern.len),
        .handler = span_of(f->handler.text, f->handler.len),
        .status = f->status,
        .bytes_in = f->bytes_in,
        .bytes_out = f->bytes_out,
        .us = clock_monotonic_us() - f->started_us,
        .upstream = span_str(f->peer),
        .secrets = secrets,
        .error = f->error,
        .id = span_str(f->failure),
    };
    instance_event(inst, &e);
}
