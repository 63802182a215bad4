#include "runtime/half.h"

#include "runtime/instance.h"

#include <stdlib.h>

struct half *half_create(struct instance *inst, struct version *v, const struct js_class *cls,
                         struct buf *facts, struct error *err)
{
    struct half *h = calloc(1, sizeof *h);
    uint32_t task = h != NULL ? task_open(v, TASK_OBJECT, h) : 0;
    if (task == 0) {
        free(h);
        error_set(err, 0, "instance %s: too many tasks at once", inst->id);
        return NULL;
    }
    *h = (struct half){.inst = inst, .version = v, .cls = cls, .task = task};
    list_append(&inst->halves, &h->of_instance);
    list_append(&v->halves, &h->of_version);
    struct js_instance_spec spec = {.id = span_str(inst->id),
                                    .name = span_str(inst->name),
                                    .class_name = cls->name,
                                    .task = task,
                                    .owner = inst,
                                    .running = inst->running};
    h->js = js_instance_create(v->js, &spec, facts, err);
    if (h->js == NULL) {
        half_destroy(h);
        return NULL;
    }
    return h;
}

struct half *half_find(const struct instance *inst, const struct version *v)
{
    LIST_FOREACH(node, &inst->halves)
    {
        struct half *h = LIST_ENTRY(node, struct half, of_instance);
        if (h->version == v) {
            return h;
        }
    }
    return NULL;
}

struct half *half_join(struct instance *inst, struct version *v, struct error *err)
{
    struct buf unused;
    const struct js_class *cls = instance_class(v, span_str(inst->class_name), err);
    buf_init(&unused, POLICY_STATE_MAX);
    struct half *h = cls != NULL ? half_create(inst, v, cls, &unused, err) : NULL;
    buf_free(&unused);
    return h;
}

void half_destroy(struct half *h)
{
    if (h->js != NULL) {
        js_instance_destroy(h->js);
    }
    task_close(h->inst->rt, h->task);
    list_remove(&h->of_instance);
    list_remove(&h->of_version);
    free(h);
}
