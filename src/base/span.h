/*
 * span: a pointer and a length, always lent. Bytes from the network are spans, never C strings.
 */
#ifndef SALLYPORT_BASE_SPAN_H
#define SALLYPORT_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *ptr;
    size_t len;
};

#define SPAN_LIT(s) ((struct span){(s), sizeof(s) - 1})
/* The same as an initializer of a static object. */
#define SPAN_INIT(s)                                                                               \
    {                                                                                              \
        (s), sizeof(s) - 1                                                                         \
    }
#define SPAN_FMT    "%.*s"
#define SPAN_ARG(s) (int)(s).len, (s).ptr

static inline struct span span_of(const void *ptr, size_t len)
{
    return (struct span){(const char *)ptr, len};
}

static inline struct span span_str(const char *s)
{
    return (struct span){s, s != NULL ? strlen(s) : 0};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* FNV-1a: spreads what is looked up in tables of ours; not for keys that an enemy may choose. */
static inline uint32_t span_hash(struct span s)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (uint8_t)s.ptr[i]) * 16777619u;
    }
    return h;
}

static inline char span_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* ASCII case does not count. */
static inline bool span_ieq(struct span a, struct span b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (span_lower(a.ptr[i]) != span_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

static inline bool span_starts(struct span s, struct span prefix)
{
    return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

/* The part from `from` on; empty when there is none. */
static inline struct span span_from(struct span s, size_t from)
{
    return from >= s.len ? span_of(s.ptr + s.len, 0) : span_of(s.ptr + from, s.len - from);
}

#endif
