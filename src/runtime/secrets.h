/*
 * secrets: the app's secrets at rest, each in memory that no dump and no other process shows.
 *
 * A value is handed out as a span into that memory. It may not be kept over a change of the same
 * name, and never goes into a log, an event or an error: names only.
 */
#ifndef SALLYPORT_RUNTIME_SECRETS_H
#define SALLYPORT_RUNTIME_SECRETS_H

#include "base/error.h"
#include "base/span.h"

#include <jansson.h>

#define SECRETS_MAX           512u
#define SECRET_NAME_BYTES_MAX 128u
#define SECRET_BYTES_MAX      (64u * 1024u)

struct secrets;

struct secrets *secrets_create(void); /* NULL: memory */
void secrets_destroy(struct secrets *s);

/* A value holds no control byte but HTAB, CR and LF: what puts it into a header looks again. */
int secrets_put(struct secrets *s, struct span name, struct span value, struct error *err);
bool secrets_remove(struct secrets *s, struct span name); /* false: there was none */
/* ptr NULL: no such secret. */
struct span secrets_get(const struct secrets *s, struct span name);
/* A JSON array of the names (given); NULL: memory. */
json_t *secrets_names(const struct secrets *s);

#endif
