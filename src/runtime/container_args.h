/*
 * container_args: what code asks of a sandbox (JSON of struct js_container) as the fields of
 * RUNTIME_CONTAINER. Strict: an unknown member, a wrong type, a NUL in a text is an error that
 * names it. Pure. Layout: docs/control.md.
 */
#ifndef SALLYPORT_RUNTIME_CONTAINER_ARGS_H
#define SALLYPORT_RUNTIME_CONTAINER_ARGS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"

#define CONTAINER_FIELDS   8u             /* behind the op */
#define CONTAINER_LIST_MAX (1024u * 1024) /* bytes of an env, of an argv */

struct container_args {
    struct span fields[CONTAINER_FIELDS]; /* never NULL */
    bool background;                      /* of run: nobody gets its output */
    int internet;                         /* of start: -1 not said, else 0 or 1 */
    struct buf text;                      /* what the fields point to */
};

/* input: bytes for standard input follow. On error *out holds nothing. */
int container_args_parse(struct span op, struct span json, bool input, struct container_args *out,
                         struct error *err);
void container_args_free(struct container_args *a);

#endif
