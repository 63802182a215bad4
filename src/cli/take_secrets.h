/* take_secrets: from --secret words to values, out of the environment, files and descriptors. */
#ifndef SALLYPORT_CLI_TAKE_SECRETS_H
#define SALLYPORT_CLI_TAKE_SECRETS_H

#include "cli/run_options.h"

/* Puts every --secret over those in list, and takes the variables that were read out of our own
 * environment; files (real paths) and the names go to the lists given.
 */
int take_secrets(const struct spec_strings *words, struct secrets *list, struct spec_strings *names,
                 struct spec_strings *files, struct error *err);

#endif
