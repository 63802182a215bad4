/* types_file: the file of `sallyport types`. One that it did not write is never touched. */
#ifndef SALLYPORT_CLI_TYPES_FILE_H
#define SALLYPORT_CLI_TYPES_FILE_H

#include "base/buf.h"
#include "base/error.h"

enum types_state { TYPES_ABSENT, TYPES_STALE, TYPES_FRESH };

/* Whether path holds text. An error when what stands there is not ours. */
int types_file_look(const char *path, struct span text, enum types_state *out, struct error *err);
/* Written aside and renamed into place. */
int types_file_put(const char *path, struct span text, struct error *err);

#endif
