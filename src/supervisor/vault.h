/*
 * vault: the app's secrets in memory that is locked and left out of dumps where that is allowed.
 */
#ifndef SALLYPORT_SUPERVISOR_VAULT_H
#define SALLYPORT_SUPERVISOR_VAULT_H

#include "base/error.h"
#include "base/list.h"
#include "base/span.h"

#define VAULT_NAME_MAX  128u
#define VAULT_VALUE_MAX (64u * 1024u)
#define VAULT_MAX       512u /* how many there may be */

struct vault {
    struct list all;
    size_t count;
};

void vault_init(struct vault *s);
void vault_free(struct vault *s); /* overwrites the values */

/* [A-Za-z_][A-Za-z0-9_]*, and a value without control bytes but HTAB, CR and LF; it may be empty.
 */
int vault_check(struct span name, struct span value, struct error *err);
/* Replaces one of the same name. The bytes are copied. */
int vault_put(struct vault *s, struct span name, struct span value, struct error *err);
bool vault_remove(struct vault *s, struct span name); /* false: there is none */

bool vault_has(const struct vault *s, struct span name, struct span value);

/* Spans are lent until fn returns. */
void vault_each(const struct vault *s, void (*fn)(void *arg, struct span name, struct span value),
                void *arg);

#endif
