#include "agent/words.h"

#include <stdlib.h>

static bool words_room(struct words *w, size_t count)
{
    char **slots = realloc(w->slots, (WORDS_SPARE + count + 1) * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    if (w->slots == NULL) {
        memset(slots, 0, WORDS_SPARE * sizeof *slots);
    }
    w->slots = slots;
    slots[WORDS_SPARE + w->count] = NULL;
    return true;
}

static bool words_add(struct words *w, const char *word)
{
    char *copy = strdup(word);
    if (copy == NULL || !words_room(w, w->count + 1)) {
        free(copy);
        return false;
    }
    words_items(w)[w->count++] = copy;
    words_items(w)[w->count] = NULL;
    return true;
}

bool words_split(struct words *w, struct span text)
{
    *w = (struct words){0};
    bool ok = text.len <= WORDS_BYTES_MAX && (text.len == 0 || text.ptr[text.len - 1] == '\0') &&
              words_room(w, 0);
    for (size_t at = 0; ok && at < text.len; at += strlen(text.ptr + at) + 1) {
        ok = words_add(w, text.ptr + at);
    }
    if (!ok) {
        words_free(w);
    }
    return ok;
}

bool words_copy(struct words *w, char *const *from)
{
    *w = (struct words){0};
    bool ok = words_room(w, 0);
    for (size_t i = 0; ok && from != NULL && from[i] != NULL; i++) {
        ok = words_add(w, from[i]);
    }
    if (!ok) {
        words_free(w);
    }
    return ok;
}

void words_free(struct words *w)
{
    for (size_t i = 0; i < w->count; i++) {
        free(words_items(w)[i]);
    }
    free(w->slots);
    *w = (struct words){0};
}

static size_t find(const struct words *w, const char *word)
{
    const size_t len = strcspn(word, "=");
    for (size_t i = 0; i < w->count; i++) {
        const char *item = words_items(w)[i];
        if (strncmp(item, word, len) == 0 && item[len] == '=') {
            return i;
        }
    }
    return w->count;
}

bool words_lay(struct words *w, const char *word)
{
    const size_t at = find(w, word);
    char **items = words_items(w);
    if (strchr(word, '=') == NULL) {
        if (at < w->count) {
            free(items[at]);
            items[at] = items[--w->count];
            items[w->count] = NULL;
        }
        return true;
    }
    if (at == w->count) {
        return words_add(w, word);
    }
    char *copy = strdup(word);
    if (copy == NULL) {
        return false;
    }
    free(items[at]);
    items[at] = copy;
    return true;
}

bool words_lay_all(struct words *w, const struct words *over)
{
    bool ok = true;
    for (size_t i = 0; ok && i < over->count; i++) {
        ok = words_lay(w, words_items(over)[i]);
    }
    return ok;
}

const char *words_find(const struct words *w, const char *word)
{
    const size_t at = find(w, word);
    return at < w->count ? words_items(w)[at] : NULL;
}

const char *words_value(const struct words *w, const char *name)
{
    const char *word = words_find(w, name);
    return word != NULL ? strchr(word, '=') + 1 : NULL;
}
