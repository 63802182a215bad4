/* run_paths: where the state, the socket and the log of a supervisor stand. */
#ifndef SALLYPORT_CLI_RUN_PATHS_H
#define SALLYPORT_CLI_RUN_PATHS_H

#include "cli/run_options.h"

/* Fills state_dir, socket, private_paths and log of s, whose id is set (`run`). Makes nothing. */
int run_paths_fill(const struct run_options *o, struct spec *s, struct error *err);

#endif
