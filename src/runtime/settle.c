#include "runtime/settle.h"

#include "base/clock.h"
#include "runtime/control.h"
#include "runtime/door.h"
#include "runtime/flow.h"
#include "runtime/instance.h"

#include <stdlib.h>

#define LOOK_MS 1u
#define SEQ_MAX 24u

struct settle {
    struct list node; /* in runtime.settling */
    struct runtime *rt;
    struct loop_timer *timer;
    uint64_t change_us; /* exchanges older than this are waited for */
    char seq[SEQ_MAX];
    size_t seq_len;
};

static bool past_is_open(const struct runtime *rt, uint64_t change_us)
{
    LIST_FOREACH(i, &rt->doors)
    {
        struct door *door = LIST_ENTRY(i, struct door, node);
        LIST_FOREACH(f, &door->flows)
        {
            struct flow *flow = LIST_ENTRY(f, struct flow, node);
            if (flow->kind == FLOW_EXCHANGE && flow->status == 0 && flow->started_us <= change_us) {
                return true;
            }
        }
    }
    return false;
}

static void drop(struct settle *s)
{
    list_remove(&s->node);
    loop_timer_cancel(s->timer);
    free(s);
}

static void look(void *arg)
{
    struct settle *s = arg;
    bool late = clock_monotonic_us() - s->change_us > SETTLE_MAX_MS * 1000u;
    if (late || !past_is_open(s->rt, s->change_us)) {
        control_reply(s->rt, span_of(s->seq, s->seq_len), true, SPAN_LIT("null"));
        drop(s);
    }
}

void settle_then_reply(struct runtime *rt, struct span seq)
{
    uint64_t now = clock_monotonic_us();
    struct settle *s = NULL;
    if (seq.len <= SEQ_MAX && past_is_open(rt, now)) {
        s = calloc(1, sizeof *s);
    }
    if (s == NULL || (s->timer = loop_timer_start(rt->loop, LOOK_MS, LOOK_MS, look, s)) == NULL) {
        /* Nothing is open, or no memory to wait with: the new value holds all the same. */
        free(s);
        control_reply(rt, seq, true, SPAN_LIT("null"));
        return;
    }
    s->rt = rt;
    s->change_us = now;
    s->seq_len = seq.len;
    memcpy(s->seq, seq.ptr, seq.len);
    list_append(&rt->settling, &s->node);
}

void settle_drop(struct runtime *rt)
{
    LIST_FOREACH_SAFE(node, next, &rt->settling)
    {
        drop(LIST_ENTRY(node, struct settle, node));
    }
}
