#include "supervisor/cron.h"

#include <time.h>

#define YEARS_MOST 29

struct field {
    const char *name;
    unsigned least;
    unsigned most;
    const char *const *names; /* of least, least + 1 …; NULL: none */
    size_t name_count;
};

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

enum { MINUTE, HOUR, MONTH_DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, NULL, 0},
    [HOUR] = {"hour", 0, 23, NULL, 0},
    [MONTH_DAY] = {"day of the month", 1, 31, NULL, 0},
    [MONTH] = {"month", 1, 12, month_names, 12},
    [WEEKDAY] = {"weekday", 0, 7, weekday_names, 7},
};

static int refuse(const struct field *f, struct span text, struct error *err)
{
    if (f->names != NULL) {
        return error_set(err, 0,
                         "cron: %s \"" SPAN_FMT "\": expected %u-%u, %s-%s, *, a list, a "
                         "range or /STEP",
                         f->name, SPAN_ARG(text), f->least, f->most, f->names[0],
                         f->names[f->name_count - 1]);
    }
    return error_set(err, 0,
                     "cron: %s \"" SPAN_FMT "\": expected %u-%u, *, a list, a range or /STEP",
                     f->name, SPAN_ARG(text), f->least, f->most);
}

static bool digits_take(struct span *s, unsigned *out)
{
    size_t n = 0;
    unsigned v = 0;
    while (n < s->len && n < 3 && s->ptr[n] >= '0' && s->ptr[n] <= '9') {
        v = v * 10 + (unsigned)(s->ptr[n++] - '0');
    }
    *s = span_from(*s, n);
    *out = v;
    return n > 0;
}

/* A number of the field or one of its names. Weekdays come out as 0 (Sunday) to 6. */
static bool value_take(const struct field *f, struct span *s, unsigned *out)
{
    bool weekday = f == &fields[WEEKDAY];
    for (size_t i = 0; i < f->name_count; i++) {
        if (s->len >= 3 && span_ieq(span_of(s->ptr, 3), span_str(f->names[i]))) {
            *out = (unsigned)i + (weekday ? 0 : f->least);
            *s = span_from(*s, 3);
            return true;
        }
    }
    if (!digits_take(s, out) || *out < f->least || *out > f->most) {
        return false;
    }
    *out -= weekday && *out > 0 ? 1 : 0;
    return true;
}

static unsigned most_of(const struct field *f)
{
    return f == &fields[WEEKDAY] ? 6 : f->most;
}

static bool step_take(struct span *s, unsigned *out)
{
    *out = 1;
    if (s->len == 0 || s->ptr[0] != '/') {
        return true;
    }
    *s = span_from(*s, 1);
    return digits_take(s, out) && *out > 0;
}

/* The forms that only days have. true: taken, with its mark. */
static bool day_mark_take(struct cron *c, const struct field *f, unsigned value, struct span *s)
{
    char mark = s->len > 0 ? span_lower(s->ptr[0]) : 0;
    if (f == &fields[MONTH_DAY] && mark == 'w') {
        c->nearest |= 1u << value;
    } else if (f == &fields[WEEKDAY] && mark == 'l') {
        c->last_weekdays |= (uint8_t)(1u << value);
    } else if (f == &fields[WEEKDAY] && mark == '#' && s->len >= 2 && s->ptr[1] >= '1' &&
               s->ptr[1] <= '5') {
        c->nth[value] |= (uint8_t)(1u << (s->ptr[1] - '0'));
        *s = span_from(*s, 1);
    } else {
        return false;
    }
    *s = span_from(*s, 1);
    return true;
}

static bool last_take(struct cron *c, const struct field *f, struct span *s)
{
    if (s->len == 0 || span_lower(s->ptr[0]) != 'l') {
        return false;
    }
    if (f == &fields[WEEKDAY]) {
        c->last_weekdays |= 1u << 6; /* L alone is Saturday's, the week's last */
    } else if (f != &fields[MONTH_DAY]) {
        return false;
    } else if (s->len >= 2 && span_lower(s->ptr[1]) == 'w') {
        c->last_working_day = true;
        *s = span_from(*s, 1);
    } else {
        c->last_day = true;
    }
    *s = span_from(*s, 1);
    return true;
}

/* One item of a list; its bits are added. */
static bool item_take(struct cron *c, const struct field *f, struct span *s, uint64_t *bits)
{
    unsigned from = f->least;
    unsigned to = most_of(f);
    unsigned step;
    if (last_take(c, f, s)) {
        return true;
    }
    if (s->len > 0 && s->ptr[0] == '*') {
        *s = span_from(*s, 1);
    } else {
        if (!value_take(f, s, &from)) {
            return false;
        }
        if (day_mark_take(c, f, from, s)) {
            return true;
        }
        bool range = s->len > 0 && s->ptr[0] == '-';
        bool open = s->len > 0 && s->ptr[0] == '/'; /* N/STEP goes to the end */
        to = open ? to : from;
        if (range) {
            *s = span_from(*s, 1);
            if (!value_take(f, s, &to)) {
                return false;
            }
        }
    }
    if (!step_take(s, &step) || from > to) {
        return false;
    }
    for (unsigned v = from; v <= to; v += step) {
        *bits |= 1ull << v;
    }
    return true;
}

static int field_parse(struct cron *c, const struct field *f, struct span text, uint64_t *bits,
                       struct error *err)
{
    struct span rest = text;
    *bits = 0;
    for (;;) {
        if (!item_take(c, f, &rest, bits)) {
            return refuse(f, text, err);
        }
        if (rest.len == 0) {
            return 0;
        }
        if (rest.ptr[0] != ',') {
            return refuse(f, text, err);
        }
        rest = span_from(rest, 1);
    }
}

static struct span word_take(struct span *s)
{
    while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == '\t')) {
        *s = span_from(*s, 1);
    }
    size_t n = 0;
    while (n < s->len && s->ptr[n] != ' ' && s->ptr[n] != '\t') {
        n++;
    }
    struct span word = span_of(s->ptr, n);
    *s = span_from(*s, n);
    return word;
}

int cron_parse(struct span text, struct cron *out, struct error *err)
{
    uint64_t bits[FIELDS];
    struct span rest = text;
    *out = (struct cron){0};
    if (text.len > CRON_TEXT_MAX) {
        return error_set(err, 0, "cron: longer than %u bytes", CRON_TEXT_MAX);
    }
    for (int i = 0; i < FIELDS; i++) {
        struct span word = word_take(&rest);
        if (word.len == 0) {
            return error_set(err, 0,
                             "cron \"" SPAN_FMT "\": expected five fields: minute hour day "
                             "month weekday",
                             SPAN_ARG(text));
        }
        int rc = field_parse(out, &fields[i], word, &bits[i], err);
        if (rc < 0) {
            return rc;
        }
        out->any_month_day = out->any_month_day || (i == MONTH_DAY && word.ptr[0] == '*');
        out->any_weekday = out->any_weekday || (i == WEEKDAY && word.ptr[0] == '*');
    }
    if (word_take(&rest).len > 0) {
        return error_set(err, 0, "cron \"" SPAN_FMT "\": expected five fields, there are more",
                         SPAN_ARG(text));
    }
    out->minutes = bits[MINUTE];
    out->hours = (uint32_t)bits[HOUR];
    out->month_days = (uint32_t)bits[MONTH_DAY];
    out->months = (uint16_t)bits[MONTH];
    out->weekdays = (uint8_t)bits[WEEKDAY];
    return 0;
}

/* ---- the next time ---- */

static int days_of_month(int year, int month) /* month from 0 */
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && leap ? 1 : 0);
}

struct day {
    int number; /* of the month, from 1 */
    int weekday;
    int last; /* the month's last */
};

static int weekday_of(const struct day *d, int number)
{
    return ((d->weekday + number - d->number) % 7 + 7) % 7;
}

/* The Monday-to-Friday day that is nearest to `number`, inside the month. */
static int nearest_working_day(const struct day *d, int number)
{
    int weekday = weekday_of(d, number);
    if (weekday == 6) {
        return number > 1 ? number - 1 : number + 2;
    }
    if (weekday == 0) {
        return number < d->last ? number + 1 : number - 2;
    }
    return number;
}

static bool month_day_fits(const struct cron *c, const struct day *d)
{
    if ((c->month_days & (1u << d->number)) != 0 || (c->last_day && d->number == d->last) ||
        (c->last_working_day && d->number == nearest_working_day(d, d->last))) {
        return true;
    }
    for (int n = 1; n <= d->last && c->nearest != 0; n++) {
        if ((c->nearest & (1u << n)) != 0 && d->number == nearest_working_day(d, n)) {
            return true;
        }
    }
    return false;
}

static bool weekday_fits(const struct cron *c, const struct day *d)
{
    unsigned bit = 1u << d->weekday;
    unsigned nth = (unsigned)(d->number + 6) / 7 & 7u; /* 1 to 5 */
    return (c->weekdays & bit) != 0 || ((c->last_weekdays & bit) != 0 && d->number + 7 > d->last) ||
           (c->nth[d->weekday] & (1u << nth)) != 0;
}

static bool day_fits(const struct cron *c, const struct day *d)
{
    bool by_month = month_day_fits(c, d);
    bool by_week = weekday_fits(c, d);
    return c->any_month_day || c->any_weekday ? by_month && by_week : by_month || by_week;
}

/* The first minute of this day at or after (hour, minute); -1: none. */
static int minute_of_day(const struct cron *c, int hour, int minute)
{
    for (int h = hour; h < 24; h++) {
        if ((c->hours & (1u << h)) == 0) {
            continue;
        }
        for (int m = h == hour ? minute : 0; m < 60; m++) {
            if ((c->minutes & (1ull << m)) != 0) {
                return h * 60 + m;
            }
        }
    }
    return -1;
}

int64_t cron_next(const struct cron *c, int64_t after_s)
{
    time_t at = (time_t)(after_s - after_s % 60 + 60);
    struct tm tm;
    gmtime_r(&at, &tm);
    const int last_year = tm.tm_year + YEARS_MOST;
    int64_t day_start = (int64_t)at - (tm.tm_hour * 3600 + tm.tm_min * 60);
    int hour = tm.tm_hour;
    int minute = tm.tm_min;
    while (tm.tm_year <= last_year) {
        int month_last = days_of_month(tm.tm_year + 1900, tm.tm_mon);
        struct day d = {tm.tm_mday, tm.tm_wday, month_last};
        bool month = (c->months & (1u << (tm.tm_mon + 1))) != 0;
        int found = month && day_fits(c, &d) ? minute_of_day(c, hour, minute) : -1;
        if (found >= 0) {
            return day_start + (int64_t)found * 60;
        }
        int skip = month ? 1 : month_last - tm.tm_mday + 1;
        day_start += (int64_t)skip * 86400;
        hour = minute = 0;
        at = (time_t)day_start;
        gmtime_r(&at, &tm);
    }
    return -1;
}
