/*
 * member: what the two halves of the fleet share: the table (fleet.c) and one member's life
 * (member.c). Nobody else includes it.
 */
#ifndef SALLYPORT_SUPERVISOR_MEMBER_H
#define SALLYPORT_SUPERVISOR_MEMBER_H

#include "supervisor/fleet.h"

struct fleet {
    struct supervisor *s;
    const struct fleet_events *events; /* with s */
    struct list members;
    struct list queue; /* in the order of their wishes */
    void *by_id;       /* of tsearch */
    size_t count;
    unsigned starting;
    bool draining; /* nothing starts any more */
    bool closing;
};

void fleet_queue_go(struct fleet *f); /* as many as may start */
void member_free(struct member *m);
void member_start_free(struct member *m); /* what was copied of its member_start */
/* QUEUED to STARTING, or fails it; m may be gone. main: lent; NULL: the entrypoint's, if any. */
void member_begin(struct member *m, const struct agent_run *main);
void member_runtime(struct member *m, struct runtime_link *r); /* m may be gone */
void member_tasks_lost(struct member *m);

#endif
