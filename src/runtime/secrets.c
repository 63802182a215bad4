#include "runtime/secrets.h"

#include "isolate/secretmem.h"

#include <stdlib.h>
#include <unistd.h>

struct secret {
    char name[SECRET_NAME_BYTES_MAX];
    size_t name_len;
    void *mem; /* mapping of `cap` bytes */
    size_t cap;
    size_t len;
};

struct secrets {
    size_t count;
    struct secret *items[SECRETS_MAX];
};

struct secrets *secrets_create(void)
{
    return calloc(1, sizeof(struct secrets));
}

static void wipe(struct secret *e)
{
    if (e->mem != NULL) {
        explicit_bzero(e->mem, e->cap);
        isolate_secretmem_unmap(e->mem, e->cap);
    }
    free(e);
}

void secrets_destroy(struct secrets *s)
{
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        wipe(s->items[i]);
    }
    free(s);
}

static size_t find(const struct secrets *s, struct span name)
{
    size_t i = 0;
    while (i < s->count && !span_eq(span_of(s->items[i]->name, s->items[i]->name_len), name)) {
        i++;
    }
    return i;
}

static bool name_ok(struct span n)
{
    if (n.len == 0 || n.len > SECRET_NAME_BYTES_MAX || (n.ptr[0] >= '0' && n.ptr[0] <= '9')) {
        return false;
    }
    for (size_t i = 0; i < n.len; i++) {
        char c = n.ptr[i];
        char l = span_lower(c);
        if (!((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return false;
        }
    }
    return true;
}

static bool value_ok(struct span v)
{
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.ptr[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            return false;
        }
    }
    return v.len <= SECRET_BYTES_MAX;
}

static struct secret *make(struct span name, struct span value, struct error *err)
{
    struct secret *e = calloc(1, sizeof *e);
    if (e == NULL) {
        error_set(err, 0, "secret: out of memory");
        return NULL;
    }
    memcpy(e->name, name.ptr, name.len);
    e->name_len = name.len;
    e->len = value.len;
    e->cap = (value.len / 4096 + 1) * 4096;
    int fd = isolate_secretmem_create(e->cap, NULL, err);
    if (fd >= 0) {
        e->mem = isolate_secretmem_map(fd, e->cap, err);
        close(fd);
    }
    if (e->mem == NULL) {
        free(e);
        return NULL;
    }
    if (value.len > 0) {
        memcpy(e->mem, value.ptr, value.len);
    }
    return e;
}

int secrets_put(struct secrets *s, struct span name, struct span value, struct error *err)
{
    if (!name_ok(name)) {
        return error_set(err, 0, "secret: not a name: letters, digits and _ only");
    }
    if (!value_ok(value)) {
        return error_set(err, 0,
                         "secret " SPAN_FMT ": the value holds a control byte or is over 64 KiB",
                         SPAN_ARG(name));
    }
    size_t at = find(s, name);
    if (at == SECRETS_MAX) {
        return error_set(err, 0, "secret " SPAN_FMT ": more than %u secrets", SPAN_ARG(name),
                         SECRETS_MAX);
    }
    struct secret *e = make(name, value, err);
    if (e == NULL) {
        return -1;
    }
    if (at < s->count) {
        wipe(s->items[at]);
    } else {
        s->count++;
    }
    s->items[at] = e;
    return 0;
}

bool secrets_remove(struct secrets *s, struct span name)
{
    size_t at = find(s, name);
    if (at == s->count) {
        return false;
    }
    wipe(s->items[at]);
    s->items[at] = s->items[--s->count];
    return true;
}

struct span secrets_get(const struct secrets *s, struct span name)
{
    size_t at = find(s, name);
    return at < s->count ? span_of(s->items[at]->mem, s->items[at]->len) : (struct span){NULL, 0};
}

json_t *secrets_names(const struct secrets *s)
{
    json_t *names = json_array();
    for (size_t i = 0; names != NULL && i < s->count; i++) {
        json_array_append_new(names, json_stringn(s->items[i]->name, s->items[i]->name_len));
    }
    return names;
}
