/*
 * start_report: what comes out of the pipe that the launcher hands over, read while it starts.
 *
 * bubblewrap writes the id of the sandbox's first process there, and its complaints; the agent says
 * "started" once it is up, and closes it before anything of the user's runs. Nothing that the
 * sandbox's commands write can arrive here.
 */
#ifndef SALLYPORT_ISOLATE_START_REPORT_H
#define SALLYPORT_ISOLATE_START_REPORT_H

#include "base/span.h"

#include <sys/types.h>

#define ISOLATE_START_REPORT_BYTES 4096
#define ISOLATE_START_REPORT_OK    "sallyport: started\n"

struct isolate_start_report {
    char text[ISOLATE_START_REPORT_BYTES];
    size_t len;
    pid_t pid;    /* first process of the sandbox as seen from here, 0: not known so far. Signals
                     for the command go to it: it forwards them */
    bool started; /* the agent is up: the exit status is what it says from now on */
};

void isolate_start_report_init(struct isolate_start_report *r);
/* More bytes from the pipe; what is over the ceiling is dropped. */
void isolate_start_report_feed(struct isolate_start_report *r, struct span bytes);
/* At the end of the pipe without `started`: one line, why there is no sandbox. */
void isolate_start_report_failure(const struct isolate_start_report *r, char *line, size_t size);

#endif
