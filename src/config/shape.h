/*
 * shape: a struct as a table of its JSON fields, read and written by the same table.
 *
 * A shape covers every field that it has: an unknown key is an error, so is a wrong type. Lists of
 * structs go one level deep; their elements hold no lists.
 */
#ifndef SALLYPORT_CONFIG_SHAPE_H
#define SALLYPORT_CONFIG_SHAPE_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define SHAPE_ITEMS_MAX 4096u /* elements of one list */

enum shape_kind {
    SHAPE_STRING,  /* char *, NULL when absent */
    SHAPE_JSON,    /* char * of the compact text of an object */
    SHAPE_BOOL,    /* bool */
    SHAPE_INT,     /* int, 0 or more; -1 when absent */
    SHAPE_NAME,    /* int, index into names */
    SHAPE_STRINGS, /* struct spec_strings */
    SHAPE_STRUCTS, /* pointer at offset, size_t count at count_offset, elements of `element` */
};

struct shape;
struct spec_strings;

struct shape_field {
    const char *name;
    enum shape_kind kind;
    size_t offset;
    bool required;               /* absent is an error; a list must not be empty */
    size_t count_offset;         /* SHAPE_STRUCTS */
    const struct shape *element; /* SHAPE_STRUCTS */
    const char *const *names;    /* SHAPE_NAME, ends with NULL */
};

struct shape {
    size_t size;
    const struct shape_field *fields;
    size_t field_count;
};

/* base points to a zeroed struct. On failure what was read stays in it: shape_free releases it. */
int shape_read(const struct shape *sh, json_t *object, void *base, struct error *err);
/* A new object, NULL when memory is out or a string is not UTF-8. */
json_t *shape_write(const struct shape *sh, const void *base);
json_t *shape_write_strings(const struct spec_strings *list);
/* Every string is overwritten before it is freed. */
void shape_free(const struct shape *sh, void *base);

#endif
