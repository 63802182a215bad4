/*
 * What the room does not do yet; each function moves to its own file.
 */
#include "js/engine.h"

void js_alarm_done(struct js_version *v, uint32_t call, bool ok, int64_t time_ms, struct span why)
{
    (void)v;
    (void)call;
    (void)ok;
    (void)time_ms;
    (void)why;
}
