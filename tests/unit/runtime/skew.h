/*
 * A monotonic clock that a test puts forward; the program is linked with --wrap=clock_gettime.
 * Included once by each program.
 */
#ifndef TEST_RUNTIME_SKEW_H
#define TEST_RUNTIME_SKEW_H

#include <time.h>

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

static time_t skew_s;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    int rc = __real_clock_gettime(id, ts);
    ts->tv_sec += id == CLOCK_MONOTONIC ? skew_s : 0;
    return rc;
}

#endif
