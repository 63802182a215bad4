/*
 * config: a Worker's folder, file or module, read whole or refused whole.
 *
 * Understood keys of wrangler.jsonc: name, main, vars, kv_namespaces, containers, services,
 * durable_objects.bindings, triggers.crons, compatibility_date; ours under "sallyport". Keys that
 * only matter to Cloudflare's deployment are passed over; those of services without a local form
 * are named in `notes` and their bindings stand in `unsupported` of the app. Errors read
 * `file:line:column: expected …`.
 */
#ifndef SALLYPORT_CONFIG_CONFIG_H
#define SALLYPORT_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/error.h"
#include "config/dotenv.h"
#include "config/spec.h"

#include <jansson.h>

struct config {
    char *dir;        /* absolute, symbolic links resolved */
    char *file;       /* wrangler.jsonc or wrangler.json; NULL when a module was named */
    char *module;     /* absolute */
    char *class_name; /* the only class of `containers`, else NULL */
    bool has_image;   /* `containers` names one, which is not used: a sandbox sees this machine */
    struct spec_strings crons; /* of `triggers` */
    json_t *app;    /* fields of RUNTIME_START (docs/control.md) but those that options give */
    char *dev_vars; /* NULL when there is none */
    struct secrets secrets;    /* of .dev.vars */
    struct spec_strings notes; /* sentences for the user: what is ignored */
};

/* path as given to --config: a folder with wrangler.jsonc or wrangler.json, that file, or a module
 * that ends in .ts, .mts, .js or .mjs. The module is not read here. */
int config_load(const char *path, struct config *out, struct error *err);
void config_free(struct config *c);

/* The app of a sandbox without a module. NULL when memory is out. */
json_t *config_plain_app(void);

/* Reads a whole file of at most max bytes; regular files only. *out is given (freed by buf_wipe).
 */
int config_read_file(const char *path, size_t max, struct buf *out, struct error *err);

#endif
