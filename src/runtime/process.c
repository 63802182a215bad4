#include "runtime/process.h"

#include "runtime/control.h"
#include "runtime/pipe.h"

#include <jansson.h>
#include <stdlib.h>

struct process {
    struct list node; /* in instance.processes */
    struct instance *inst;
    struct version *version; /* whose code started it; NULL: it is gone */
    uint32_t number;
    struct output {
        struct process *process; /* NULL: it has ended */
        struct source *source;   /* NULL: the reader has closed it */
    } * output[2];               /* each lives as long as its source */
};

struct process *process_add(struct instance *inst, struct version *v, struct span started)
{
    json_error_t where;
    json_t *json = json_loadb(started.ptr, started.len, 0, &where);
    json_int_t number = json_integer_value(json_object_get(json, "process"));
    json_decref(json);
    struct process *p = number >= 1 && number <= UINT32_MAX ? calloc(1, sizeof *p) : NULL;
    if (p != NULL) {
        p->inst = inst;
        p->version = v;
        p->number = (uint32_t)number;
        list_append(&inst->processes, &p->node);
    }
    return p;
}

static void output_closed(void *arg)
{
    struct output *o = arg;
    if (o->process != NULL) {
        for (size_t i = 0; i < 2; i++) {
            if (o->process->output[i] == o) {
                o->process->output[i] = NULL;
            }
        }
    }
    free(o);
}

void process_output(struct process *p, size_t which, struct source *source)
{
    struct output *o = p != NULL ? calloc(1, sizeof *o) : NULL;
    if (o != NULL) {
        o->process = p;
        o->source = source;
        p->output[which] = o;
        pipe_source_closed(source, output_closed, o);
    }
}

static void process_free(struct process *p)
{
    for (size_t i = 0; i < 2; i++) {
        if (p->output[i] != NULL) {
            p->output[i]->process = NULL;
            pipe_source_over(p->output[i]->source);
        }
    }
    pump_stop(&p->inst->rt->pumps, p);
    list_remove(&p->node);
    free(p);
}

static void finish(struct process *p, struct span how, uint32_t number)
{
    struct instance *inst = p->inst;
    struct half *half = p->version != NULL ? half_find(inst, p->version) : NULL;
    uint32_t process = p->number;
    process_free(p);
    if (half != NULL) {
        js_process_ended(half->js, process, how, number);
    }
    if (inst->half != NULL && inst->half != half) {
        js_process_ended(inst->half->js, process, how, number);
    }
}

void process_ended(struct runtime *rt, const struct ipc_message *m)
{
    struct instance *inst = instance_find(rt, m->fields[0]);
    uint64_t number = control_number(m->fields[1]);
    for (struct list *node = inst != NULL ? inst->processes.next : NULL;
         node != NULL && node != &inst->processes; node = node->next) {
        struct process *p = LIST_ENTRY(node, struct process, node);
        if (p->number == number) {
            finish(p, m->fields[2], (uint32_t)control_number(m->fields[3]));
            return;
        }
    }
    if (inst != NULL && inst->half != NULL && number >= 1 && number <= UINT32_MAX) {
        js_process_ended(inst->half->js, (uint32_t)number, m->fields[2],
                         (uint32_t)control_number(m->fields[3]));
    }
}

void process_lost_all(struct instance *inst)
{
    while (!list_empty(&inst->processes)) {
        finish(LIST_ENTRY(inst->processes.next, struct process, node), SPAN_LIT("lost"), 0);
    }
}

void process_forget_all(struct instance *inst)
{
    while (!list_empty(&inst->processes)) {
        process_free(LIST_ENTRY(inst->processes.next, struct process, node));
    }
}

void process_version_gone(struct instance *inst, const struct version *v)
{
    LIST_FOREACH(node, &inst->processes)
    {
        struct process *p = LIST_ENTRY(node, struct process, node);
        p->version = p->version == v ? NULL : p->version;
    }
}
