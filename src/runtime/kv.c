#include "runtime/kv.h"

#include <stdio.h>
#include <stdlib.h>

/* A question that was not sent; nothing is called back from inside it. */
struct refused {
    struct list node; /* in runtime.kv_refused */
    struct runtime *rt;
    uint64_t question;
    struct loop_task tell;
};

static void refused_free(struct refused *r)
{
    loop_task_cancel(&r->tell);
    list_remove(&r->node);
    free(r);
}

static void answer(struct runtime *rt, uint64_t question, const struct js_kv_result *res)
{
    uint32_t call;
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)question);
    struct version *v = version_asked(rt, span_of(text, (size_t)n), &call);
    if (v != NULL) {
        js_kv_done(v->js, call, res);
    }
}

static void tell_refused(void *arg)
{
    struct refused *r = arg;
    struct runtime *rt = r->rt;
    uint64_t question = r->question;
    refused_free(r);
    answer(
        rt, question,
        &(struct js_kv_result){.value = SPAN_LIT("KV: too much at once: await some of it first")});
}

static void refuse(struct runtime *rt, uint64_t question)
{
    struct refused *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return; /* the promise stays open until its task ends */
    }
    r->rt = rt;
    r->question = question;
    list_append(&rt->kv_refused, &r->node);
    loop_task_init(&r->tell, rt->loop, tell_refused, r);
    loop_task_queue(&r->tell);
}

void kv_drop_all(struct runtime *rt)
{
    while (!list_empty(&rt->kv_refused)) {
        refused_free(LIST_ENTRY(rt->kv_refused.next, struct refused, node));
    }
}

void kv_ask(void *arg, const struct js_kv *kv)
{
    static const char *const ops[] = {
        [JS_KV_GET] = "get", [JS_KV_PUT] = "put", [JS_KV_DELETE] = "delete", [JS_KV_LIST] = "list"};
    struct version *v = arg;
    char id[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)version_question(v, kv->call));
    struct span fields[] = {
        span_str(id), span_str(ops[kv->op]), kv->namespace_id, kv->key, kv->value, kv->options};
    for (size_t i = 0; i < 6; i++) {
        fields[i] = fields[i].ptr != NULL ? fields[i] : span_of("", 0);
    }
    if (v->rt->control == NULL || !ipc_send(v->rt->control, RUNTIME_KV, fields, 6, NULL, 0)) {
        refuse(v->rt, version_question(v, kv->call));
    }
}

void kv_done(struct runtime *rt, const struct ipc_message *m)
{
    uint32_t call;
    struct version *v = version_asked(rt, m->fields[0], &call);
    struct span ok = m->fields[1];
    if (v != NULL) {
        js_kv_done(v->js, call,
                   &(struct js_kv_result){.ok = !span_eq(ok, SPAN_LIT("error")),
                                          .found = span_eq(ok, SPAN_LIT("ok")),
                                          .value = m->fields[2],
                                          .metadata = m->fields[3]});
    }
}
