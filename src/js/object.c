/*
 * Objects, the Worker's own fetch() and scheduled(): what the host tells of them, a turn each.
 */
#include "js/engine.h"

struct js_worker js_worker(const struct js_version *v)
{
    (void)v;
    return (struct js_worker){false, false};
}

bool js_idle(const struct js_version *v)
{
    (void)v;
    return false;
}

uint64_t js_instance_idle_ms(const struct js_instance *inst)
{
    (void)inst;
    return 0;
}

void js_serve(struct js_version *v, uint32_t task)
{
    struct js_result res = {.kind = JS_RESULT_ERROR,
                            .error = SPAN_LIT("the Worker's fetch() is not served yet")};
    v->host->done(v->arg, task, &res);
}

void js_scheduled(struct js_version *v, uint32_t task, struct span detail)
{
    (void)detail;
    v->host->call_done(v->arg, task, (struct span){NULL, 0},
                       SPAN_LIT("scheduled() is not run yet"));
}

void js_alarm(struct js_instance *inst, uint32_t task, struct span detail)
{
    (void)detail;
    inst->version->host->call_done(inst->version->arg, task, (struct span){NULL, 0},
                                   SPAN_LIT("alarm() is not run yet"));
}

void js_object_done(struct js_version *v, uint32_t call, struct js_instance *inst, struct span why)
{
    (void)v;
    (void)call;
    (void)inst;
    (void)why;
}
