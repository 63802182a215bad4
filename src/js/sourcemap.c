/*
 * Source maps, version 3: where a place in the bundle stands in the user's file. Decoded when the
 * first error asks; then a sorted array and a binary search.
 */
#include "js/engine.h"

#include <jansson.h>
#include <stdlib.h>

#define SEGMENTS_MAX (4u * 1024u * 1024u)
#define VLQ_BITS     5
#define VLQ_MORE     32u
#define PATH_PARTS   64

struct segment {
    uint32_t line; /* in the bundle, from 0 */
    uint32_t column;
    uint32_t source;
    uint32_t source_line; /* from 0 */
    uint32_t source_column;
};

struct js_sourcemap {
    char *json; /* not yet decoded */
    size_t json_len;
    char *root;
    json_t *sources;
    struct segment *segments;
    size_t count;
    size_t cap;
};

struct js_sourcemap *js_sourcemap_create(struct span json, struct span root)
{
    struct js_sourcemap *m = calloc(1, sizeof *m);
    if (m == NULL || json.len == 0) {
        return m;
    }
    m->json = malloc(json.len);
    if (m->json != NULL) {
        memcpy(m->json, json.ptr, json.len);
        m->json_len = json.len;
    }
    m->root = root.len != 0 ? strndup(root.ptr, root.len) : NULL;
    return m;
}

void js_sourcemap_free(struct js_sourcemap *m)
{
    if (m != NULL) {
        json_decref(m->sources);
        free(m->json);
        free(m->root);
        free(m->segments);
        free(m);
    }
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Reads one number off the front; false when there is none or it is too long. */
static bool vlq(struct span *s, int64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 35 && s->len != 0; shift += VLQ_BITS) {
        int digit = digit_of(s->ptr[0]);
        if (digit < 0) {
            return false;
        }
        *s = span_from(*s, 1);
        value |= (uint64_t)((unsigned)digit & (VLQ_MORE - 1)) << shift;
        if (((unsigned)digit & VLQ_MORE) == 0) {
            int64_t magnitude = (int64_t)(value >> 1);
            *out = (value & 1) != 0 ? -magnitude : magnitude;
            return true;
        }
    }
    return false;
}

static bool add_segment(struct js_sourcemap *m, struct segment seg)
{
    if (m->count == m->cap) {
        size_t cap = m->cap == 0 ? 1024 : m->cap * 2;
        struct segment *grown =
            cap <= SEGMENTS_MAX ? realloc(m->segments, cap * sizeof *grown) : NULL;
        if (grown == NULL) {
            return false;
        }
        m->segments = grown;
        m->cap = cap;
    }
    m->segments[m->count++] = seg;
    return true;
}

/* fields: column, source, line, column of the source, name; all but the first column run on. */
static bool decode_mappings(struct js_sourcemap *m, struct span s)
{
    int64_t run[5] = {0};
    uint32_t line = 0;
    while (s.len != 0) {
        char c = s.ptr[0];
        if (c == ';' || c == ',') {
            line += c == ';' ? 1 : 0;
            run[0] = c == ';' ? 0 : run[0];
            s = span_from(s, 1);
            continue;
        }
        int n = 0;
        int64_t delta;
        while (n < 5 && s.len != 0 && s.ptr[0] != ',' && s.ptr[0] != ';') {
            if (!vlq(&s, &delta)) {
                return false;
            }
            run[n] += delta;
            if (run[n] < 0 || run[n] > INT32_MAX) {
                return false;
            }
            n++;
        }
        if (n >= 4 && !add_segment(m, (struct segment){line, (uint32_t)run[0], (uint32_t)run[1],
                                                       (uint32_t)run[2], (uint32_t)run[3]})) {
            return false;
        }
    }
    return true;
}

static void decode(struct js_sourcemap *m)
{
    json_t *root = json_loadb(m->json, m->json_len, 0, NULL);
    free(m->json);
    m->json = NULL;
    json_t *mappings = json_object_get(root, "mappings");
    if (json_is_string(mappings)) {
        decode_mappings(m, span_of(json_string_value(mappings), json_string_length(mappings)));
    }
    m->sources = json_incref(json_object_get(root, "sources"));
    json_decref(root);
}

/* Joins root and path and takes `.` and `..` out, as text. */
static void put_path(struct buf *out, const char *root, const char *path)
{
    struct span parts[PATH_PARTS];
    size_t count = 0;
    bool absolute = path[0] == '/';
    const char *texts[2] = {absolute || root == NULL ? "" : root, path};
    absolute = absolute || texts[0][0] == '/';
    for (int i = 0; i < 2; i++) {
        for (const char *p = texts[i]; *p != '\0';) {
            size_t len = strcspn(p, "/");
            struct span part = span_of(p, len);
            p += len + (p[len] == '/' ? 1 : 0);
            if (len == 0 || span_eq(part, SPAN_LIT("."))) {
                continue;
            }
            if (span_eq(part, SPAN_LIT("..")) && count > 0 &&
                !span_eq(parts[count - 1], SPAN_LIT(".."))) {
                count--;
            } else if (count < PATH_PARTS) {
                parts[count++] = part;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        buf_appendf(out, "%s" SPAN_FMT, i > 0 || absolute ? "/" : "", SPAN_ARG(parts[i]));
    }
}

bool js_sourcemap_find(struct js_sourcemap *m, uint32_t line, uint32_t column, struct buf *out)
{
    if (m == NULL || line == 0 || column == 0) {
        return false;
    }
    if (m->json != NULL) {
        decode(m);
    }
    size_t low = 0;
    size_t high = m->count;
    while (low < high) { /* the last segment at or before the place */
        size_t mid = low + (high - low) / 2;
        const struct segment *s = &m->segments[mid];
        if (s->line < line - 1 || (s->line == line - 1 && s->column <= column - 1)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == 0 || m->segments[low - 1].line != line - 1) {
        return false;
    }
    const struct segment *s = &m->segments[low - 1];
    const char *source = json_string_value(json_array_get(m->sources, s->source));
    if (source == NULL) {
        return false;
    }
    put_path(out, m->root, source);
    return buf_appendf(out, ":%u:%u", s->source_line + 1, s->source_column + 1);
}
