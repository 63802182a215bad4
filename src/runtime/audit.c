/* The audit lines of an instance on their way to the supervisor. */
#include "runtime/control.h"
#include "runtime/instance.h"

void instance_flush(struct instance *inst)
{
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
        instance_flush(inst);
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
        instance_flush(inst);
    }
    if (buf_len(&inst->events) == 0 || buf_append(&inst->events, "\n", 1)) {
        event_write(&inst->events, e);
        events_schedule(inst);
    }
}
