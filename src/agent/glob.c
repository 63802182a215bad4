/*
 * glob: all states of the pattern at once, one byte of the path after another.
 */
#include "agent/glob.h"

#include <stddef.h>
#include <string.h>

/* The places of the pattern that what was read so far leads to. */
struct places {
    bool at[GLOB_BYTES_MAX + 1];
};

static size_t star_len(const char *p)
{
    return p[0] != '*' ? 0 : p[1] == '*' ? 2 : 1;
}

/* A star may stand for nothing. */
static void places_add(struct places *s, const char *pattern, size_t at)
{
    size_t star;
    s->at[at] = true;
    while ((star = star_len(pattern + at)) > 0) {
        at += star;
        s->at[at] = true;
    }
}

static bool continues_character(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static void step(const struct places *from, struct places *to, const char *pattern, char c)
{
    const size_t len = strlen(pattern);
    memset(to, 0, sizeof *to);
    for (size_t i = 0; i <= len; i++) {
        if (!from->at[i]) {
            continue;
        }
        const size_t star = star_len(pattern + i);
        if (star > 0 ? star == 2 || c != '/' : false) {
            places_add(to, pattern, i);
        } else if (star == 0 && i < len && (pattern[i] == '?' ? c != '/' : pattern[i] == c)) {
            places_add(to, pattern, i + 1);
        }
        if (i > 0 && pattern[i - 1] == '?' && continues_character(c)) {
            places_add(to, pattern, i);
        }
    }
}

bool glob_in_path(const char *pattern, const char *path)
{
    struct places sets[2] = {0};
    const size_t len = strlen(pattern);
    if (len == 0 || len > GLOB_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0;; i++) {
        struct places *now = &sets[i % 2];
        if (i == 0 || path[i - 1] == '/') {
            places_add(now, pattern, 0);
        }
        if ((path[i] == '\0' || path[i] == '/') && now->at[len]) {
            return true;
        }
        if (path[i] == '\0') {
            return false;
        }
        step(now, &sets[(i + 1) % 2], pattern, path[i]);
    }
}
