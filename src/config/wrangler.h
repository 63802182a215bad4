/* wrangler: from the text of wrangler.jsonc to the fields of a struct config. Inside config only.
 */
#ifndef SALLYPORT_CONFIG_WRANGLER_H
#define SALLYPORT_CONFIG_WRANGLER_H

#include "config/config.h"
#include "config/jsonc.h"

/* Fills app, class_name, notes, and module with `main` as it is written (NULL when absent). */
int wrangler_read(const struct jsonc *doc, struct config *out, struct error *err);

#endif
