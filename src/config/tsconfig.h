/*
 * tsconfig: what the project's tsconfig.json has to say to the bundler: `baseUrl`, `paths`, the
 * options of JSX and of class fields and decorators. Files that it extends by a relative path count
 * too; those of packages do not. Inside config only.
 */
#ifndef SALLYPORT_CONFIG_TSCONFIG_H
#define SALLYPORT_CONFIG_TSCONFIG_H

#include "base/buf.h"
#include "config/spec.h"

#define TSCONFIG_EXTENDS_MAX 8u

struct tsconfig {
    char *text;                /* JSON for esbuild, every path in it absolute */
    struct spec_strings files; /* what was read */
    bool maps; /* `paths` or `baseUrl`: a name may mean a file in a folder that no input is in */
};

/* Of root/tsconfig.json; without one the text is ours alone. Errors read `file:line:column: …`. */
int tsconfig_read(const char *root, struct tsconfig *out, struct error *err);
void tsconfig_free(struct tsconfig *t);

#endif
