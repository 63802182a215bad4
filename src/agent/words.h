/*
 * words: lists of strings that end with NULL, as exec wants them: arguments and environments.
 */
#ifndef SALLYPORT_AGENT_WORDS_H
#define SALLYPORT_AGENT_WORDS_H

#include "base/span.h"

#define WORDS_BYTES_MAX (1024u * 1024u) /* of one list */
#define WORDS_SPARE     2u /* slots before items[0], for a shell and the path of its script */

struct words {
    char **slots; /* items begins WORDS_SPARE behind it */
    size_t count;
};

static inline char **words_items(const struct words *w)
{
    return w->slots != NULL ? w->slots + WORDS_SPARE : NULL;
}

/* From strings with a NUL behind each. false: memory is out, over the ceiling, or the last has no
 * NUL; *w is empty then. */
bool words_split(struct words *w, struct span text);
bool words_copy(struct words *w, char *const *from);
void words_free(struct words *w);

/* `K=V` sets, `K` takes out. */
bool words_lay(struct words *w, const char *word);
bool words_lay_all(struct words *w, const struct words *over);
/* The whole `K=V` of the name that `word` begins with, up to `=` or its end; NULL: none. */
const char *words_find(const struct words *w, const char *word);
const char *words_value(const struct words *w, const char *name); /* NULL: not set */

#endif
