/*
 * task: who is behind a task of JavaScript. Ids are of all versions together and are used again,
 * the oldest first; no more of them than twice what is needed, since JavaScript keeps a table.
 *
 *     open ──answered──► closed
 *       └──answered, goes on (waitUntil)──► rest ──over, TASK_REST_MS──► closed
 */
#ifndef SALLYPORT_RUNTIME_TASK_H
#define SALLYPORT_RUNTIME_TASK_H

#include "js/js.h"

#define TASK_REST_MS 30000u /* that a promise of waitUntil may take after the answer */

struct instance;
struct runtime;
struct version;

enum task_kind { TASK_FREE, TASK_EXCHANGE, TASK_CALL, TASK_OBJECT, TASK_REST };

struct task {
    void *object; /* struct exchange, call, half or rest */
    uint8_t kind;
    uint8_t version; /* slot in runtime.versions */
};

/* 0: all ids are in use. */
uint32_t task_open(struct version *v, enum task_kind kind, void *object);
void task_close(struct runtime *rt, uint32_t task);
/* NULL: none of that kind. */
void *task_object(const struct runtime *rt, uint32_t task, enum task_kind kind);
/* For whom it works: false: there is no such task. *inst NULL: for the Worker itself. */
bool task_instance(const struct runtime *rt, uint32_t task, struct instance **inst);

/* The answer is out and the task goes on without its exchange or call. */
void task_rest(struct runtime *rt, uint32_t task, struct instance *inst);
/* js_host.over for one that rests; for any other: false. */
bool task_over(struct runtime *rt, uint32_t task);
/* Aborts those that rest: of an instance, or of a version. */
void task_rest_abort(struct runtime *rt, const struct instance *inst, const struct version *v);
/* Those that rest for too long. */
void task_clock(struct runtime *rt, uint64_t now_ms);

#endif
