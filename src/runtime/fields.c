#include "runtime/fields.h"

#include "proto/http1/http1.h"

#include <stdlib.h>

bool fields_add(struct fields *f, struct span name, struct span value)
{
    if (f->count == GATE_HEADER_COUNT) {
        return false;
    }
    f->items[f->count++] = (struct gate_header){name, value};
    return true;
}

bool fields_add_all(struct fields *f, const struct gate_header *items, size_t count)
{
    if (count > GATE_HEADER_COUNT - f->count) {
        return false;
    }
    if (count > 0) {
        memcpy(f->items + f->count, items, count * sizeof *items);
    }
    f->count += count;
    return true;
}

static char fold(char c)
{
    return c == '_' ? '-' : span_lower(c);
}

bool fields_same_name(struct span a, struct span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (fold(a.ptr[i]) != fold(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

struct span fields_get(const struct gate_header *items, size_t count, struct span name)
{
    for (size_t i = 0; i < count; i++) {
        if (span_ieq(items[i].name, name)) {
            return items[i].value;
        }
    }
    return (struct span){NULL, 0};
}

/* Drops fields of that name from `from` on. */
static void remove_from(struct fields *f, size_t from, struct span name)
{
    size_t kept = from;
    for (size_t i = from; i < f->count; i++) {
        if (!fields_same_name(f->items[i].name, name)) {
            f->items[kept++] = f->items[i];
        }
    }
    f->count = kept;
}

void fields_remove(struct fields *f, struct span name)
{
    remove_from(f, 0, name);
}

bool fields_set(struct fields *f, struct span name, struct span value)
{
    for (size_t i = 0; i < f->count; i++) {
        if (fields_same_name(f->items[i].name, name)) {
            f->items[i] = (struct gate_header){name, value};
            remove_from(f, i + 1, name);
            return true;
        }
    }
    return fields_add(f, name, value);
}

static bool apply_one(struct fields *f, const struct js_change *c)
{
    if (!http1_is_token(c->name) || !http1_is_value(c->value)) {
        return false;
    }
    if (http1_field_flags(c->name) != 0) {
        return true;
    }
    switch (c->op) {
    case '+':
        return fields_add(f, c->name, c->value);
    case '=':
        return fields_set(f, c->name, c->value);
    case '-':
        fields_remove(f, c->name);
        return true;
    default:
        return false;
    }
}

/* In a list that came whole it cannot be told who set what: of two spellings that a server may take
 * for one name, the one with '_' goes, as most servers would have it. */
static void drop_shadows(struct fields *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct span name = f->items[i].name;
        bool shadow = false;
        for (size_t k = 0; memchr(name.ptr, '_', name.len) != NULL && k < f->count; k++) {
            struct span other = f->items[k].name;
            shadow = shadow ||
                     (memchr(other.ptr, '_', other.len) == NULL && fields_same_name(name, other));
        }
        if (!shadow) {
            f->items[kept++] = f->items[i];
        }
    }
    f->count = kept;
}

bool fields_apply(struct fields *f, const struct js_changes *changes)
{
    if (changes->replace) {
        f->count = 0;
    }
    struct span log = changes->log;
    struct js_change c;
    while (log.len > 0) {
        if (!js_change_next(&log, &c) || !apply_one(f, &c)) {
            return false;
        }
    }
    if (changes->replace) {
        drop_shadows(f);
    }
    return true;
}

bool fields_text(const struct gate_header *items, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        char *at = buf_reserve(out, items[i].name.len + items[i].value.len + 2);
        if (at == NULL) {
            return false;
        }
        memcpy(at, items[i].name.ptr, items[i].name.len);
        at[items[i].name.len] = '\n';
        char *value = at + items[i].name.len + 1;
        if (items[i].value.len > 0) {
            memcpy(value, items[i].value.ptr, items[i].value.len);
        }
        value[items[i].value.len] = '\n';
        buf_commit(out, items[i].name.len + items[i].value.len + 2);
    }
    return true;
}

static char *copy_span(char *at, struct span from, struct span *to)
{
    if (from.len > 0) {
        memcpy(at, from.ptr, from.len);
    }
    *to = span_of(at, from.len);
    return at + from.len;
}

struct gate_header *fields_copy(const struct gate_header *items, size_t count,
                                const struct gate_header *extra)
{
    size_t places = count + (extra != NULL ? 1 : 0);
    size_t bytes = 1;
    for (size_t i = 0; i < places; i++) {
        const struct gate_header *h = i < count ? &items[i] : extra;
        bytes += h->name.len + h->value.len;
    }
    struct gate_header *copy = malloc(places * sizeof *copy + bytes);
    if (copy == NULL) {
        return NULL;
    }
    char *at = (char *)(copy + places);
    for (size_t i = 0; i < places; i++) {
        const struct gate_header *h = i < count ? &items[i] : extra;
        at = copy_span(at, h->name, &copy[i].name);
        at = copy_span(at, h->value, &copy[i].value);
    }
    return copy;
}

/* Fields that describe a request and cannot hold a credential by their definition. */
static bool is_plain(struct span name)
{
    static const struct span names[] = {
        {"accept", 6},
        {"accept-charset", 14},
        {"accept-encoding", 15},
        {"accept-language", 15},
        {"cache-control", 13},
        {"content-type", 12},
        {"content-encoding", 16},
        {"content-language", 16},
        {"if-match", 8},
        {"if-modified-since", 17},
        {"if-none-match", 13},
        {"if-range", 8},
        {"if-unmodified-since", 19},
        {"pragma", 6},
        {"range", 5},
        {"user-agent", 10},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (span_ieq(names[i], name)) {
            return true;
        }
    }
    return false;
}

void fields_leave_origin(struct fields *f, const struct js_changes *changes)
{
    fields_remove(f, SPAN_LIT("authorization"));
    fields_remove(f, SPAN_LIT("proxy-authorization"));
    fields_remove(f, SPAN_LIT("cookie"));
    fields_remove(f, SPAN_LIT("cookie2"));
    struct span log = changes->log;
    struct js_change c;
    while (log.len > 0 && js_change_next(&log, &c)) {
        if (c.op != '-' && !is_plain(c.name)) {
            fields_remove(f, c.name);
        }
    }
}
