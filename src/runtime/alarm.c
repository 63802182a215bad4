#include "runtime/alarm.h"

#include "runtime/control.h"

#include <stdio.h>

void alarm_ask(void *arg, uint32_t call, void *owner, int64_t time_ms)
{
    struct version *v = arg;
    const struct instance *inst = owner;
    char question[24];
    char time[24] = "";
    const char *op = time_ms == JS_ALARM_GET      ? "get"
                     : time_ms == JS_ALARM_DELETE ? "delete"
                                                  : "set";
    if (time_ms >= 0) {
        snprintf(time, sizeof time, "%lld", (long long)time_ms);
    }
    snprintf(question, sizeof question, "%llu", (unsigned long long)version_question(v, call));
    struct span fields[] = {span_str(question), span_str(inst->id), span_str(op), span_str(time)};
    control_send(v->rt, RUNTIME_ALARM, fields, 4);
}

void alarm_done(struct runtime *rt, const struct ipc_message *m)
{
    uint32_t call;
    struct version *v = version_asked(rt, m->fields[0], &call);
    bool ok = span_eq(m->fields[1], SPAN_LIT("ok"));
    bool set = ok && m->fields[2].len > 0;
    if (v != NULL) {
        js_alarm_done(v->js, call, ok, set ? (int64_t)control_number(m->fields[2]) : -1,
                      ok ? span_of("", 0) : m->fields[2]);
    }
}
