/*
 * control: the control API on a unix socket (docs/control-api.md).
 */
#ifndef SALLYPORT_SUPERVISOR_CONTROL_H
#define SALLYPORT_SUPERVISOR_CONTROL_H

#include "base/error.h"

struct supervisor;
struct control;

/* Makes the folder (0700) and the socket (0600) at s->spec->socket; one that nobody listens on is
 * replaced. Answers as soon as the loop runs. */
int control_open(struct supervisor *s, struct control **out, struct error *err);
/* Removes the socket. Connections are flushed if they can, then closed. NULL is allowed. */
void control_close(struct control *c);

#endif
