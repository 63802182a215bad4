/* deploy_say: what a deploy tells people. */
#ifndef SALLYPORT_CLI_DEPLOY_SAY_H
#define SALLYPORT_CLI_DEPLOY_SAY_H

#include "cli/deploy.h"

/* On standard output: the version, how long it took, and what differs. */
void deploy_say(const struct deploy *d, const json_t *answer, uint64_t ms);

#endif
