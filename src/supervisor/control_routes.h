/*
 * control_routes: which call of the control API does what.
 */
#ifndef SALLYPORT_SUPERVISOR_CONTROL_ROUTES_H
#define SALLYPORT_SUPERVISOR_CONTROL_ROUTES_H

#include "supervisor/control_conn.h"
#include "supervisor/runtime_link.h"

#include <jansson.h>

void control_dispatch(struct call *c);

/* One row: a method, a path below /v1 in which ":" stands for any one segment, who answers. */
struct control_route {
    const char *method;
    const char *path;
    void (*answer)(struct call *c);
};

/* Each file of calls has its own table; each ends with method NULL. */
extern const struct control_route control_instance_routes[];
extern const struct control_route control_call_routes[];
extern const struct control_route control_exec_routes[];
extern const struct control_route control_deploy_routes[];
extern const struct control_route control_app_routes[];

void control_events_stream(struct call *c); /* control_stream.c */

/* Shared by the tables. Each that gives false or NULL has answered the call. */

/* The instance of the path is in c->object; *member is NULL when it has no sandbox (`up`). */
bool control_find(struct call *c, struct member **member);
/* The runtime that serves; NULL while it is replaced. */
struct runtime_link *control_runtime(struct call *c);
/* then is called once a runtime serves the instance of the path, which is in c->object. A name that
 * was never used stands for the object of the default class that has it (`up`). */
void control_serving(struct call *c, void (*then)(struct call *c));
/* The object that has this name in the class (or the only one) is recorded, and is in c->object. */
void control_name(struct call *c, struct span class_name, struct span name,
                  void (*then)(struct call *c));
/* Starts the sandbox of c->object, if need be; fn is told with c as arg. */
void control_start(struct call *c, void (*fn)(void *arg, struct member *m, const char *why));
json_t *control_body(struct call *c, json_type type, const char *what);
void control_answer_failure(struct call *c, enum runtime_reply reply, struct span payload);
/* A process inside that was not started; status 125 to 127. */
void control_answer_not_started(struct call *c, int status, const char *why, const char *hint);
void control_answer_gathered(struct call *c, bool ok);

const struct span *control_query(const struct call *c, const char *name); /* NULL: not given */
/* Any name that is not in this list, which ends with NULL, is answered 400; false then. */
bool control_query_only(struct call *c, const char *const *names);

#endif
