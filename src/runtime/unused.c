/*
 * Instances that nobody uses are let go: what they stored stays, and the next use makes them again.
 */
#include "base/clock.h"
#include "runtime/instance.h"

#define EVICT_LOOK 64u /* of the longest unused, to find one that may go for another */

uint64_t instance_unused_ms(const struct instance *inst)
{
    if (inst->door.gate != NULL || inst->running || inst->half == NULL ||
        !list_empty(&inst->calls) || !list_empty(&inst->updates)) {
        return 0;
    }
    uint64_t least = UINT64_MAX;
    LIST_FOREACH(node, &inst->halves)
    {
        uint64_t ms = js_instance_idle_ms(LIST_ENTRY(node, struct half, of_instance)->js);
        least = ms < least ? ms : least;
    }
    return least;
}

static void look_later(struct instance *inst, uint64_t at_ms)
{
    inst->look_ms = at_ms;
    list_remove(&inst->node);
    list_append(&inst->rt->instances, &inst->node);
}

/* The list is in the order of look_ms, near enough: each goes to its end with the longest time. */
void instance_clock(struct runtime *rt, uint64_t now_ms)
{
    LIST_FOREACH_SAFE(node, next, &rt->instances)
    {
        struct instance *inst = LIST_ENTRY(node, struct instance, node);
        if (now_ms < inst->look_ms) {
            return;
        }
        uint64_t unused = instance_unused_ms(inst);
        if (unused >= INSTANCE_UNUSED_MS) {
            instance_destroy(inst);
        } else {
            look_later(inst, now_ms + INSTANCE_UNUSED_MS - unused);
        }
    }
}

bool instance_make_room(struct runtime *rt, struct error *err)
{
    if (rt->instance_count < INSTANCES_MAX) {
        return true;
    }
    unsigned looked = 0;
    LIST_FOREACH_SAFE(node, next, &rt->instances)
    {
        struct instance *inst = LIST_ENTRY(node, struct instance, node);
        if (instance_unused_ms(inst) > 0) {
            instance_destroy(inst);
            return true;
        }
        if (++looked == EVICT_LOOK) {
            break;
        }
        look_later(inst, clock_monotonic_ms() + INSTANCE_UNUSED_MS);
    }
    error_set(err, 0, "objects: more than %u are in use at once", INSTANCES_MAX);
    return false;
}
