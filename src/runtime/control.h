/*
 * control: the runtime's half of the conversation with the supervisor (ipc/conversations.h).
 */
#ifndef SALLYPORT_RUNTIME_CONTROL_H
#define SALLYPORT_RUNTIME_CONTROL_H

#include "runtime/instance.h"

/* Takes fd (given). The end of the channel ends the loop. */
int control_open(struct runtime *rt, int fd, struct error *err);

/* A message whose loss ends the process. */
void control_send(struct runtime *rt, uint16_t type, const struct span *fields, size_t count);
/* Decimal digits up to the first that is none. */
uint64_t control_number(struct span s);
void control_reply(struct runtime *rt, struct span seq, bool ok, struct span payload);
/* RUNTIME_STATE; false: it was not sent. */
bool control_state(struct instance *inst, uint64_t call, struct span state);
void control_events(struct instance *inst, struct span lines);

#endif
