/*
 * control_routes: which call of the control API does what.
 */
#ifndef SALLYPORT_SUPERVISOR_CONTROL_ROUTES_H
#define SALLYPORT_SUPERVISOR_CONTROL_ROUTES_H

#include "supervisor/control_conn.h"

void control_dispatch(struct call *c);

/* The instance has ended: who asked for that is answered. */
void control_instance_ended(struct supervisor *s);

/* One row: a method, a path below /v1 in which ":" stands for any one segment, who answers. */
struct control_route {
    const char *method;
    const char *path;
    void (*answer)(struct call *c);
};

/* Each file of calls has its own table; each ends with method NULL. */
extern const struct control_route control_instance_routes[];
extern const struct control_route control_app_routes[];

void control_events_stream(struct call *c); /* control_stream.c */

/* Shared by the tables. */
const struct span *control_query(const struct call *c, const char *name); /* NULL: not given */
/* Any name that is not in this list, which ends with NULL, is answered 400; false then. */
bool control_query_only(struct call *c, const char *const *names);

#endif
