/*
 * dotenv: the format of `.dev.vars`, as the dotenv package of wrangler reads it.
 *
 *     # comment          KEY=value # comment      export KEY="line one\nline two"
 *     KEY='as it is'     KEY=`as it is`           KEY="over
 *     KEY: value                                  several lines"
 *
 * In double quotes \n, \r, \t, \" and \\ are escapes; elsewhere a backslash is itself. A later line
 * for the same name wins. A value that holds a control byte other than HTAB, CR or LF is an
 * error that names file and line, never the value.
 */
#ifndef SALLYPORT_CONFIG_DOTENV_H
#define SALLYPORT_CONFIG_DOTENV_H

#include "base/error.h"
#include "base/span.h"
#include "config/spec.h"

#define DOTENV_BYTES_MAX (1024u * 1024u)
#define SECRET_NAME_MAX  128u
#define SECRET_VALUE_MAX (64u * 1024u)
#define SECRETS_MAX      1024u

struct secrets {
    struct spec_secret *items; /* owned */
    size_t count;
};

/* Adds to *out (which may hold others: those of the same name are replaced). On failure *out holds
 * what it held, or some of it replaced: the caller gives up. */
int dotenv_parse(const char *file, struct span text, struct secrets *out, struct error *err);

/* One secret; the rules for its name and value are checked. */
int secrets_put(struct secrets *list, struct span name, struct span value, struct error *err);
const struct spec_secret *secrets_find(const struct secrets *list, const char *name);
void secrets_free(struct secrets *list); /* wipes */

/* A sentence for people without the value: what is wrong with it. */
int secret_check_name(struct span name, struct error *err);
int secret_check_value(struct span value, struct error *err);

#endif
