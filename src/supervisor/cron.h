/*
 * cron: five-field expressions, in UTC, as Cloudflare's cron triggers read them. Pure: no clock.
 *
 *     minute 0-59 | hour 0-23 | day of the month 1-31 | month 1-12, JAN-DEC | weekday 1-7, SUN-SAT
 *
 * Each field is a list of `*`, N, N-N, each with an optional `/STEP`. Weekdays count from Sunday,
 * which is 1, as Cloudflare has them; 0 is Sunday too. `L` (the last day of the month; `5L`: the
 * last Thursday), `W` (`15W`: the weekday nearest to the 15th; `LW`) and `#` (`2#1`: the first
 * Monday) are read as well. When both days are restricted, a day that fits either counts.
 */
#ifndef SALLYPORT_SUPERVISOR_CRON_H
#define SALLYPORT_SUPERVISOR_CRON_H

#include "base/error.h"
#include "base/span.h"

#define CRON_TEXT_MAX 256u /* bytes of an expression */

struct cron {
    uint64_t minutes; /* bit N: minute N */
    uint32_t hours;
    uint32_t month_days; /* bit N: day N */
    uint16_t months;
    uint8_t weekdays; /* bit 0: Sunday */
    bool any_month_day;
    bool any_weekday;

    bool last_day;         /* L */
    bool last_working_day; /* LW */
    uint32_t nearest;      /* bit N: NW */
    uint8_t last_weekdays; /* bit N: the last such weekday of the month */
    uint8_t nth[7];        /* of each weekday: bit N for #N */
};

/* err names the field and what was expected. */
int cron_parse(struct span text, struct cron *out, struct error *err);

/* The first whole minute after `after_s` (seconds since 1970) that fits; -1: none within the next
 * 29 years, the longest that a 29th of February on a weekday can take. */
int64_t cron_next(const struct cron *c, int64_t after_s);

#endif
