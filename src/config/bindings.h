/*
 * bindings: the keys of wrangler.jsonc that put something into `env`. Inside config only.
 *
 * What has no local form is still bound, so that code which only passes it on works: it throws when
 * it is used, and says its name.
 */
#ifndef SALLYPORT_CONFIG_BINDINGS_H
#define SALLYPORT_CONFIG_BINDINGS_H

#include "config/config.h"
#include "config/jsonc.h"

/* Places in the document, for jsonc_error. */
#define STEP(k)    ((struct jsonc_step){.key = (k)})
#define INDEX(i)   ((struct jsonc_step){.index = (i)})
#define HERE(...)  ((const struct jsonc_step[]){__VA_ARGS__})
#define COUNT(...) (sizeof(HERE(__VA_ARGS__)) / sizeof(struct jsonc_step))
#define EXPECTED(doc, err, what, ...)                                                              \
    jsonc_error(doc, HERE(__VA_ARGS__), COUNT(__VA_ARGS__), err, "expected %s", what)

/* `kv` and `objects` of out->app, from a value of the top level. */
int bindings_read_kv(const struct jsonc *doc, json_t *v, struct config *out, struct error *err);
int bindings_read_objects(const struct jsonc *doc, json_t *v, struct config *out,
                          struct error *err);
/* `services`: those to this Worker; to another one, `unsupported`. */
int bindings_read_services(const struct jsonc *doc, json_t *v, struct config *out,
                           struct error *err);
/* `unsupported` and a note. 1: key is of that kind; 0: it is none that binds. */
int bindings_read_absent(const struct jsonc *doc, const char *key, json_t *v, struct config *out,
                         struct error *err);

/* What a binding of such a kind would be: a type of @cloudflare/workers-types. */
const char *bindings_absent_type(const char *kind);

/* Adds `FILE: sentence` to out->notes. */
int bindings_note(const struct jsonc *doc, struct config *out, struct error *err, const char *fmt,
                  ...) __attribute__((format(printf, 4, 5)));

#endif
