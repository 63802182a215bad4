/* esbuild: one run of the bundler, and how its complaints read. Inside config only. */
#ifndef SALLYPORT_CONFIG_ESBUILD_H
#define SALLYPORT_CONFIG_ESBUILD_H

#include "base/buf.h"
#include "base/error.h"

/* Runs in root. script and meta (initialized here) get the output; the map is inline in script. */
int esbuild_run(const char *module, const char *root, const char *tsconfig, struct buf *script,
                struct buf *meta, struct error *err);

/* Changes when the same input could give another script. */
uint64_t esbuild_options_hash(void);

/* What is made of a module: a function of module, exports and require; the same without `await`; or
 * an async function, for a module with top-level await that comes on standard input. */
enum esbuild_form { ESBUILD_PLAIN, ESBUILD_WITHOUT_AWAIT, ESBUILD_ASYNC, ESBUILD_FORMS };

char **esbuild_argv(enum esbuild_form form, const char *module); /* given; NULL: memory is out */
void esbuild_argv_free(char **argv);                             /* NULL is allowed */
uint64_t esbuild_argv_hash(uint64_t hash);                       /* of the options of all forms */

/* The first error of esbuild's text as `file:line:column: message (and N more)`, column from 1,
 * file absolute. */
void esbuild_explain(const char *root, struct span text, struct error *err);

#endif
