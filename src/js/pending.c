/*
 * What the room does not do yet; each function moves to its own file.
 */
#include "js/engine.h"

void js_container_done(struct js_version *v, uint32_t call, const struct js_container_result *res)
{
    (void)v;
    (void)call;
    source_close(res->out);
    source_close(res->err);
}

void js_process_ended(struct js_instance *inst, uint32_t process, struct span how, uint32_t number)
{
    (void)inst;
    (void)process;
    (void)how;
    (void)number;
}

void js_container_started(struct js_instance *inst, bool anew)
{
    (void)inst;
    (void)anew;
}

void js_container_ended(struct js_instance *inst, int status, struct span why)
{
    (void)inst;
    (void)status;
    (void)why;
}

void js_alarm_done(struct js_version *v, uint32_t call, bool ok, int64_t time_ms, struct span why)
{
    (void)v;
    (void)call;
    (void)ok;
    (void)time_ms;
    (void)why;
}
