/* Fields of one name on one line, for the names that are written so. */
#include "runtime/fields.h"

#define PLACES 256u

static const struct span known[] = {
    SPAN_INIT("accept"),
    SPAN_INIT("accept-charset"),
    SPAN_INIT("accept-encoding"),
    SPAN_INIT("accept-language"),
    SPAN_INIT("accept-ranges"),
    SPAN_INIT("access-control-allow-origin"),
    SPAN_INIT("age"),
    SPAN_INIT("allow"),
    SPAN_INIT("authorization"),
    SPAN_INIT("cache-control"),
    SPAN_INIT("cf-ray"),
    SPAN_INIT("content-disposition"),
    SPAN_INIT("content-encoding"),
    SPAN_INIT("content-language"),
    SPAN_INIT("content-location"),
    SPAN_INIT("content-range"),
    SPAN_INIT("content-type"),
    SPAN_INIT("cookie"),
    SPAN_INIT("date"),
    SPAN_INIT("etag"),
    SPAN_INIT("expires"),
    SPAN_INIT("from"),
    SPAN_INIT("if-match"),
    SPAN_INIT("if-modified-since"),
    SPAN_INIT("if-none-match"),
    SPAN_INIT("if-range"),
    SPAN_INIT("if-unmodified-since"),
    SPAN_INIT("last-modified"),
    SPAN_INIT("link"),
    SPAN_INIT("location"),
    SPAN_INIT("max-forwards"),
    SPAN_INIT("origin"),
    SPAN_INIT("pragma"),
    SPAN_INIT("range"),
    SPAN_INIT("referer"),
    SPAN_INIT("refresh"),
    SPAN_INIT("retry-after"),
    SPAN_INIT("sec-websocket-accept"),
    SPAN_INIT("sec-websocket-extensions"),
    SPAN_INIT("sec-websocket-key"),
    SPAN_INIT("sec-websocket-protocol"),
    SPAN_INIT("sec-websocket-version"),
    SPAN_INIT("server"),
    SPAN_INIT("strict-transport-security"),
    SPAN_INIT("user-agent"),
    SPAN_INIT("vary"),
    SPAN_INIT("via"),
    SPAN_INIT("www-authenticate"),
};

static bool is_known(struct span name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (span_ieq(known[i], name)) {
            return true;
        }
    }
    return false;
}

/* Two names that differ only in case have the same place; most others have another. */
static size_t place(struct span name)
{
    unsigned first = name.len > 0 ? (unsigned char)span_lower(name.ptr[0]) : 0;
    unsigned last = name.len > 0 ? (unsigned char)span_lower(name.ptr[name.len - 1]) : 0;
    return (first * 7u + last * 31u + (unsigned)name.len * 5u) % PLACES;
}

/* The first field of that name among the first `count`; count: none. */
static size_t find(const struct fields *f, size_t count, struct span name)
{
    size_t i = 0;
    while (i < count && !span_ieq(f->items[i].name, name)) {
        i++;
    }
    return i;
}

static size_t room_for(const struct fields *f)
{
    size_t bytes = 0;
    for (size_t i = 0; i < f->count; i++) {
        bytes += f->items[i].value.len + 2;
    }
    return bytes;
}

/* The values of all fields of that name from `first` on, at *at, which moves behind them. */
static struct span join(const struct fields *f, size_t first, char **at)
{
    char *start = *at;
    for (size_t i = first; i < f->count; i++) {
        struct span value = f->items[i].value;
        if (!span_ieq(f->items[i].name, f->items[first].name)) {
            continue;
        }
        if (*at != start) {
            memcpy(*at, ", ", 2);
            *at += 2;
        }
        if (value.len > 0) {
            memcpy(*at, value.ptr, value.len);
            *at += value.len;
        }
    }
    return span_of(start, (size_t)(*at - start));
}

static void remove_later(struct fields *f, size_t first)
{
    size_t kept = first + 1;
    for (size_t i = first + 1; i < f->count; i++) {
        if (!span_ieq(f->items[i].name, f->items[first].name)) {
            f->items[kept++] = f->items[i];
        }
    }
    f->count = kept;
}

bool fields_join(struct fields *f, struct buf *text)
{
    uint64_t seen[PLACES / 64] = {0};
    char *at = NULL;
    for (size_t i = 0; i < f->count; i++) {
        size_t p = place(f->items[i].name);
        uint64_t bit = UINT64_C(1) << (p % 64);
        bool maybe = (seen[p / 64] & bit) != 0;
        seen[p / 64] |= bit;
        size_t first = maybe ? find(f, i, f->items[i].name) : i;
        if (first == i || !is_known(f->items[i].name)) {
            continue;
        }
        /* All of them at once: what was joined before stays where it is. */
        if (at == NULL && (at = buf_reserve(text, room_for(f))) == NULL) {
            return false;
        }
        f->items[first].value = join(f, first, &at);
        remove_later(f, first);
        i--;
    }
    return true;
}
