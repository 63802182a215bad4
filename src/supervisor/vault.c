#include "supervisor/vault.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

struct secret {
    struct list node;
    size_t name_len;
    char name[VAULT_NAME_MAX];
    char *value; /* pages of its own */
    size_t value_len;
};

void vault_init(struct vault *s)
{
    list_init(&s->all);
    s->count = 0;
}

/* No mapping is empty; a value may be. */
static size_t room(size_t len)
{
    return len > 0 ? len : 1;
}

static void value_free(struct secret *e)
{
    if (e->value != NULL) {
        explicit_bzero(e->value, e->value_len);
        munmap(e->value, room(e->value_len));
        e->value = NULL;
    }
}

static void secret_free(struct vault *s, struct secret *e)
{
    list_remove(&e->node);
    s->count--;
    value_free(e);
    free(e);
}

void vault_free(struct vault *s)
{
    while (!list_empty(&s->all)) {
        secret_free(s, LIST_ENTRY(s->all.next, struct secret, node));
    }
}

static bool is_word(unsigned char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

int vault_check(struct span name, struct span value, struct error *err)
{
    if (name.len == 0 || name.len > VAULT_NAME_MAX) {
        return error_set(err, 0, "secret name: 1 to %u bytes are allowed", VAULT_NAME_MAX);
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!is_word((unsigned char)name.ptr[i], i == 0)) {
            return error_set(err, 0,
                             "secret name: letters, digits and _ are allowed, no digit first");
        }
    }
    if (value.len > VAULT_VALUE_MAX) {
        return error_set(err, 0,
                         "secret " SPAN_FMT ": the value has %zu bytes, at most %u are allowed",
                         SPAN_ARG(name), value.len, VAULT_VALUE_MAX);
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            return error_set(err, 0,
                             "secret " SPAN_FMT ": the value has a control byte in it: encode it, "
                             "as base64 for one",
                             SPAN_ARG(name));
        }
    }
    return 0;
}

static struct secret *find(const struct vault *s, struct span name)
{
    LIST_FOREACH(node, &s->all)
    {
        struct secret *e = LIST_ENTRY(node, struct secret, node);
        if (span_eq(span_of(e->name, e->name_len), name)) {
            return e;
        }
    }
    return NULL;
}

/* Locking fails over RLIMIT_MEMLOCK: then the value may be swapped, which is not worth refusing. */
static char *value_make(struct span value)
{
    const size_t len = room(value.len);
    char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    (void)mlock(p, len);
    madvise(p, len, MADV_DONTDUMP);
    madvise(p, len, MADV_WIPEONFORK);
    if (value.len > 0) {
        memcpy(p, value.ptr, value.len);
    }
    return p;
}

int vault_put(struct vault *s, struct span name, struct span value, struct error *err)
{
    int rc = vault_check(name, value, err);
    if (rc < 0) {
        return rc;
    }
    struct secret *e = find(s, name);
    if (e == NULL && s->count == VAULT_MAX) {
        return error_set(err, 0, "secrets: there are %u already, more are not allowed", VAULT_MAX);
    }
    char *copy = value_make(value);
    if (e == NULL && copy != NULL) {
        e = calloc(1, sizeof *e);
        if (e != NULL) {
            memcpy(e->name, name.ptr, name.len);
            e->name_len = name.len;
            list_append(&s->all, &e->node);
            s->count++;
        }
    }
    if (copy == NULL || e == NULL) {
        if (copy != NULL) {
            explicit_bzero(copy, value.len);
            munmap(copy, room(value.len));
        }
        return error_set(err, ENOMEM, "secret " SPAN_FMT, SPAN_ARG(name));
    }
    value_free(e);
    e->value = copy;
    e->value_len = value.len;
    return 0;
}

bool vault_remove(struct vault *s, struct span name)
{
    struct secret *e = find(s, name);
    if (e != NULL) {
        secret_free(s, e);
    }
    return e != NULL;
}

bool vault_has(const struct vault *s, struct span name, struct span value)
{
    const struct secret *e = find(s, name);
    return e != NULL && span_eq(span_of(e->value, e->value_len), value);
}

void vault_each(const struct vault *s, void (*fn)(void *arg, struct span name, struct span value),
                void *arg)
{
    LIST_FOREACH(node, &s->all)
    {
        struct secret *e = LIST_ENTRY(node, struct secret, node);
        fn(arg, span_of(e->name, e->name_len), span_of(e->value, e->value_len));
    }
}
