/*
 * control: the runtime's half of the conversation with the supervisor (ipc/conversations.h).
 */
#ifndef SALLYPORT_RUNTIME_CONTROL_H
#define SALLYPORT_RUNTIME_CONTROL_H

#include "runtime/instance.h"

/* Takes fd (given). The end of the channel ends the loop. */
int control_open(struct runtime *rt, int fd, struct error *err);

#define CONTROL_RESULT_MAX (25u * 1024u * 1024u) /* bytes of a reply's payload */

/* A message whose loss ends the process. */
void control_send(struct runtime *rt, uint16_t type, const struct span *fields, size_t count);
/* Decimal digits up to the first that is none. */
uint64_t control_number(struct span s);
/* A payload that is too large becomes an error that says so. */
void control_reply(struct runtime *rt, struct span seq, bool ok, struct span payload);
/* Now and then: tells of lines of the log that were lost. */
void control_clock(struct runtime *rt);
/* RUNTIME_STATE; false: it was not sent. */
bool control_state(struct instance *inst, uint64_t call, struct span state);
void control_events(struct instance *inst, struct span lines);

#endif
