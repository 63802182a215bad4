/*
 * Numbers for things that JavaScript may name but must never hold: a wrong or stale number finds
 * nothing.
 */
#include "js/engine.h"

#include <stdlib.h>

#define TABLE_FIRST 16u
#define TABLE_MAX   65536u

static uint8_t bit_of(uint32_t id)
{
    return (uint8_t)(1u << id % 8);
}

bool js_ids_has(const struct js_ids *ids, uint32_t id)
{
    return id != 0 && id <= JS_TASKS_MAX && (ids->bits[id / 8] & bit_of(id)) != 0;
}

bool js_ids_add(struct js_ids *ids, uint32_t id)
{
    if (id == 0 || id > JS_TASKS_MAX || js_ids_has(ids, id)) {
        return false;
    }
    ids->bits[id / 8] |= bit_of(id);
    return true;
}

bool js_ids_remove(struct js_ids *ids, uint32_t id)
{
    bool had = js_ids_has(ids, id);
    if (had) {
        ids->bits[id / 8] &= (uint8_t)~bit_of(id);
    }
    return had;
}

uint32_t js_table_add(struct js_table *t, void *item)
{
    for (uint32_t i = t->free_hint; i < t->cap; i++) {
        if (t->slots[i] == NULL) {
            t->slots[i] = item;
            t->free_hint = i + 1;
            return i + 1;
        }
    }
    uint32_t old = t->cap;
    uint32_t cap = old == 0 ? TABLE_FIRST : old * 2;
    void **slots = cap <= TABLE_MAX ? realloc(t->slots, cap * sizeof *slots) : NULL;
    if (slots == NULL) {
        return 0;
    }
    memset(slots + old, 0, (cap - old) * sizeof *slots);
    t->slots = slots;
    t->cap = cap;
    t->slots[old] = item;
    t->free_hint = old + 1;
    return old + 1;
}

void *js_table_get(const struct js_table *t, uint32_t number)
{
    return number != 0 && number <= t->cap ? t->slots[number - 1] : NULL;
}

void js_table_remove(struct js_table *t, uint32_t number)
{
    if (number != 0 && number <= t->cap) {
        t->slots[number - 1] = NULL;
        if (number - 1 < t->free_hint) {
            t->free_hint = number - 1;
        }
    }
}
