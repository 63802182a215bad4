/* sources: the bundle of a configuration's module, and every file that decided what it is. */
#ifndef SALLYPORT_CLI_SOURCES_H
#define SALLYPORT_CLI_SOURCES_H

#include "config/config.h"

struct sources {
    int bundle_fd; /* sealed memfds with CLOEXEC; empty without a module */
    int map_fd;
    struct spec_strings inputs; /* files that were read, then folders of sources, then the
                                   configuration and .dev.vars: read-only inside a sandbox */
    size_t file_count;          /* how many of them are files that the bundler read */
};

int sources_read(const struct config *c, struct sources *out, struct error *err);
void sources_free(struct sources *s);

#endif
