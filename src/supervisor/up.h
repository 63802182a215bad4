/*
 * up: the daemon's own part of a supervisor: the front door, cron triggers, --watch, and its end.
 */
#ifndef SALLYPORT_SUPERVISOR_UP_H
#define SALLYPORT_SUPERVISOR_UP_H

#include "supervisor/crontab.h"
#include "supervisor/front.h"
#include "supervisor/state_lock.h"

#define UP_OPEN_REQUESTS_MS 10000u /* that open requests get at the end */
#define UP_SANDBOXES_MS     5000u  /* from SIGTERM to SIGKILL at the end */

struct supervisor;

struct up {
    struct supervisor *s;
    struct state_lock lock;
    struct front *front;
    struct crontab *crontab;
    struct child *watch; /* `sallyport deploy --follow` */
    char address[FRONT_ADDRESS_MAX];
    bool runtime_ready;
    bool front_ready;
    bool said; /* that it serves */
    enum { UP_SERVES, UP_ANSWERS, UP_ENDS_SANDBOXES } phase;
    struct loop_timer *deadline;
};

void up_runtime(struct up *up, struct runtime_link *r); /* NULL: none serves */
void up_close(struct up *up);                           /* NULL is allowed */

#endif
