/*
 * A list of patterns in the form that is asked: exact names by hash, the rest in order.
 */
#include "policy/internal.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t hash(struct span s)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (unsigned char)s.ptr[i]) * 16777619u;
    }
    return h ^ h >> 15;
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->items[i].mem);
    }
    free(t->items);
    free(t->slots);
    free(t->scan);
    *t = (struct table){0};
}

static void put_slot(struct table *t, uint32_t index)
{
    size_t at = hash(t->items[index].compared) & t->slot_mask;

    while (t->slots[at] != 0) {
        if (span_eq(t->items[t->slots[at] - 1].compared, t->items[index].compared)) {
            return; /* the first of two that are the same counts */
        }
        at = (at + 1) & t->slot_mask;
    }
    t->slots[at] = index + 1;
}

/* Makes slots and scan for the items that are there. */
static int compile(struct table *t, struct error *err)
{
    size_t slots = 4;

    while (slots < t->count * 2) {
        slots *= 2;
    }
    t->slots = calloc(slots, sizeof *t->slots);
    t->scan = calloc(t->count + 1, sizeof *t->scan);
    if (t->slots == NULL || t->scan == NULL) {
        table_free(t);
        return error_set(err, ENOMEM, "host patterns");
    }
    t->slot_mask = slots - 1;
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].form == PATTERN_EXACT) {
            put_slot(t, (uint32_t)i);
        } else {
            t->scan[t->scan_count++] = (uint32_t)i;
        }
    }
    return 0;
}

static int begin(struct table *t, size_t count, bool cidr, struct error *err)
{
    *t = (struct table){.cidr = cidr};
    if (count > POLICY_ENTRIES_MAX) {
        return error_set(err, 0, "host patterns: more than %u in one list", POLICY_ENTRIES_MAX);
    }
    t->items = calloc(count + 1, sizeof *t->items);
    return t->items != NULL ? 0 : error_set(err, ENOMEM, "host patterns");
}

static int add(struct table *t, struct span written, struct error *err)
{
    int rc = pattern_make(&t->items[t->count], written, t->cidr, err);

    if (rc < 0) {
        table_free(t);
        return rc;
    }
    t->count++;
    return 0;
}

int table_build(struct table *t, const struct policy_list *list, bool cidr, struct error *err)
{
    int rc = begin(t, list->count, cidr, err);

    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        rc = add(t, list->items[i], err);
    }
    return rc == 0 ? compile(t, err) : rc;
}

int table_copy(struct table *to, const struct table *from, struct error *err)
{
    return table_without(to, from, NULL, err);
}

int table_with(struct table *to, const struct table *from, struct span more, struct error *err)
{
    int rc = begin(to, from->count + 1, from->cidr, err);

    for (size_t i = 0; rc == 0 && i < from->count; i++) {
        rc = add(to, from->items[i].written, err);
    }
    if (rc == 0) {
        rc = add(to, more, err);
    }
    return rc == 0 ? compile(to, err) : rc;
}

static bool same(const struct pattern *a, const struct pattern *b)
{
    return a->form == b->form && span_eq(a->compared, b->compared);
}

int table_without(struct table *to, const struct table *from, const struct pattern *without,
                  struct error *err)
{
    int rc = begin(to, from->count, from->cidr, err);

    for (size_t i = 0; rc == 0 && i < from->count; i++) {
        if (without == NULL || !same(&from->items[i], without)) {
            rc = add(to, from->items[i].written, err);
        }
    }
    return rc == 0 ? compile(to, err) : rc;
}

size_t table_match(const struct table *t, const struct url_host *host)
{
    struct span name = url_host_span(host);

    if (t->count == 0) {
        return POLICY_NO_INDEX;
    }
    for (size_t at = hash(name) & t->slot_mask; t->slots[at] != 0; at = (at + 1) & t->slot_mask) {
        if (span_eq(t->items[t->slots[at] - 1].compared, name)) {
            return t->slots[at] - 1;
        }
    }
    for (size_t i = 0; i < t->scan_count; i++) {
        if (pattern_matches(&t->items[t->scan[i]], host)) {
            return t->scan[i];
        }
    }
    return POLICY_NO_INDEX;
}

size_t table_find(const struct table *t, const struct pattern *p)
{
    for (size_t i = 0; i < t->count; i++) {
        if (same(&t->items[i], p)) {
            return i;
        }
    }
    return POLICY_NO_INDEX;
}

struct policy_set {
    struct table table;
};

struct policy_set *policy_set_create(const struct policy_list *list, struct error *err)
{
    struct policy_set *s = calloc(1, sizeof *s);

    if (s == NULL) {
        error_set(err, ENOMEM, "host patterns");
        return NULL;
    }
    if (table_build(&s->table, list, true, err) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

void policy_set_free(struct policy_set *s)
{
    if (s != NULL) {
        table_free(&s->table);
        free(s);
    }
}

size_t policy_set_match(const struct policy_set *s, const struct url_host *host)
{
    return table_match(&s->table, host);
}
