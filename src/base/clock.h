/*
 * clock: monotonic and wall time, in the units that the name says.
 */
#ifndef SALLYPORT_BASE_CLOCK_H
#define SALLYPORT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_monotonic_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000u;
}

static inline uint64_t clock_monotonic_us(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000u;
}

static inline uint64_t clock_wall_ms(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000000u;
}

#endif
