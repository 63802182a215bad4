/*
 * secrets: the app's secrets in memory that is locked and left out of dumps where that is allowed.
 */
#ifndef SALLYPORT_SUPERVISOR_SECRETS_H
#define SALLYPORT_SUPERVISOR_SECRETS_H

#include "base/error.h"
#include "base/list.h"
#include "base/span.h"

#define SECRETS_NAME_MAX  128u
#define SECRETS_VALUE_MAX (64u * 1024u)
#define SECRETS_MAX       512u /* how many there may be */

struct secrets {
    struct list all;
    size_t count;
};

void secrets_init(struct secrets *s);
void secrets_free(struct secrets *s); /* overwrites the values */

/* [A-Za-z_][A-Za-z0-9_]*, and a value of 1 byte or more without control bytes but HTAB. */
int secrets_check(struct span name, struct span value, struct error *err);
/* Replaces one of the same name. The bytes are copied. */
int secrets_put(struct secrets *s, struct span name, struct span value, struct error *err);
bool secrets_remove(struct secrets *s, struct span name); /* false: there is none */

/* Spans are lent until fn returns. */
void secrets_each(const struct secrets *s,
                  void (*fn)(void *arg, struct span name, struct span value), void *arg);

#endif
