/*
 * backoff: how long to wait before a program that ended is started again.
 *
 * The first time at once, then 25 ms and twice as long each time up to BACKOFF_MOST_MS; a program
 * that lived for BACKOFF_GOOD_MS starts the count anew. So service is back within two seconds, and
 * a program that cannot start does not eat the machine.
 */
#ifndef SALLYPORT_SUPERVISOR_BACKOFF_H
#define SALLYPORT_SUPERVISOR_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 25u
#define BACKOFF_MOST_MS  1000u
#define BACKOFF_GOOD_MS  5000u

struct backoff {
    uint64_t next_ms;    /* delay of the next start */
    uint64_t started_ms; /* when the last start was */
};

static inline uint64_t backoff_delay_ms(struct backoff *b, uint64_t now_ms)
{
    if (now_ms - b->started_ms >= BACKOFF_GOOD_MS) {
        b->next_ms = 0;
    }
    uint64_t delay = b->next_ms;
    uint64_t more = delay == 0 ? BACKOFF_FIRST_MS : 2 * delay;
    b->next_ms = more < BACKOFF_MOST_MS ? more : BACKOFF_MOST_MS;
    b->started_ms = now_ms + delay;
    return delay;
}

#endif
