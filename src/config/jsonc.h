/*
 * jsonc: JSON with comments and trailing commas, as wrangler reads it, with places for errors.
 *
 * Comments and trailing commas become blanks of the same length, so that every offset, line and
 * column of the JSON is one of the file.
 */
#ifndef SALLYPORT_CONFIG_JSONC_H
#define SALLYPORT_CONFIG_JSONC_H

#include "base/error.h"
#include "base/span.h"

#include <jansson.h>

#define JSONC_BYTES_MAX (1024u * 1024u)
#define JSONC_DEPTH_MAX 32u

struct jsonc {
    const char *file; /* for errors; lent, lives as long as the document */
    char *text;       /* owned: the blanked text, NUL-terminated */
    size_t len;
    json_t *root; /* an object; owned */
};

/* text is lent. Errors read `file:line:column: expected …`. A key that stands twice in one object
 * is an error. */
int jsonc_parse(const char *file, struct span text, struct jsonc *out, struct error *err);
void jsonc_free(struct jsonc *doc);

/* Blanks comments and trailing commas in place. -1 with *at = offset of a comment without an end.
 */
int jsonc_blank(char *text, size_t len, size_t *at);

/* One step on the way to a value: a key, or an index when key is NULL. */
struct jsonc_step {
    const char *key;
    size_t index;
};

/* Offset of the value that the steps lead to; of the deepest one that is there otherwise. */
size_t jsonc_locate(const struct jsonc *doc, const struct jsonc_step *steps, size_t count);

/* Sets `file:line:column: sentence` for the place of a value; always -1. */
int jsonc_error(const struct jsonc *doc, const struct jsonc_step *steps, size_t count,
                struct error *err, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
