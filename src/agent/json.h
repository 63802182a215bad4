/*
 * json: the little that the agent writes.
 */
#ifndef SALLYPORT_AGENT_JSON_H
#define SALLYPORT_AGENT_JSON_H

#include "base/buf.h"

/* A string with its quotes: valid UTF-8 as it is, a byte that is none as U+FFFD. */
bool json_string(struct buf *out, struct span s);

#endif
