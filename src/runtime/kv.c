#include "runtime/kv.h"

#include <stdio.h>

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
    /* A channel that is full or closed ends the process: the promise need not be settled then. */
    if (v->rt->control != NULL) {
        ipc_send(v->rt->control, RUNTIME_KV, fields, 6, NULL, 0);
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
