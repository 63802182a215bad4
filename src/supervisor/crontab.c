#include "supervisor/crontab.h"

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/cron.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define FAR_MS (3600u * 1000u) /* the longest that one timer waits: the clock may be set */

struct entry {
    char text[CRON_TEXT_MAX + 1];
    struct cron cron;
    int64_t next_s; /* -1: never */
};

struct crontab {
    struct supervisor *s;
    struct loop_timer *timer;
    size_t count;
    struct entry entries[];
};

static int64_t now_s(void)
{
    return (int64_t)(clock_wall_ms() / 1000);
}

static void on_done(void *arg, enum runtime_reply reply, struct span payload)
{
    struct supervisor *s = arg;
    if (reply != RUNTIME_REPLY_OK) {
        char text[ERROR_TEXT_BYTES];
        snprintf(text, sizeof text, "scheduled: " SPAN_FMT,
                 (int)(payload.len < 900 ? payload.len : 900), payload.ptr);
        events_log(s->events, (struct events_source){SPAN_LIT(""), SPAN_LIT("")}, SPAN_LIT("error"),
                   span_str(text));
    }
}

void crontab_fire(struct runtime_link *r, struct span cron, int64_t scheduled_ms,
                  runtime_reply_fn fn, void *arg)
{
    json_t *o = json_pack("{s:s%,s:I}", "cron", cron.ptr, cron.len, "scheduledTime",
                          (json_int_t)scheduled_ms);
    char *detail = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (detail == NULL) {
        fn(arg, RUNTIME_REPLY_ERROR, SPAN_LIT("the expression is not UTF-8"));
        return;
    }
    struct runtime_fire f = {.kind = SPAN_LIT("scheduled"),
                             .id = SPAN_LIT(""),
                             .class_name = SPAN_LIT(""),
                             .name = SPAN_LIT(""),
                             .detail = span_str(detail)};
    runtime_link_fire(r, &f, fn, arg);
    free(detail);
}

static void timer_set(struct crontab *t);

/* One that comes due while no runtime serves is passed over, as one is while the daemon is down. */
static void on_timer(void *arg)
{
    struct crontab *t = arg;
    int64_t now = now_s();
    struct runtime_link *r = runtimes_active(t->s->runtimes);
    for (size_t i = 0; i < t->count; i++) {
        struct entry *e = &t->entries[i];
        if (e->next_s < 0 || e->next_s > now) {
            continue;
        }
        if (r != NULL) {
            crontab_fire(r, span_str(e->text), e->next_s * 1000, on_done, t->s);
        } else {
            log_warn("scheduled: %s: no runtime serves at its time", e->text);
        }
        e->next_s = cron_next(&e->cron, now);
    }
    timer_set(t);
}

static void timer_set(struct crontab *t)
{
    int64_t next = -1;
    for (size_t i = 0; i < t->count; i++) {
        int64_t at = t->entries[i].next_s;
        next = at >= 0 && (next < 0 || at < next) ? at : next;
    }
    loop_timer_cancel(t->timer);
    t->timer = NULL;
    if (next < 0) {
        return;
    }
    int64_t left = next * 1000 - (int64_t)clock_wall_ms();
    uint64_t delay = left < 0 ? 0 : left < FAR_MS ? (uint64_t)left : FAR_MS;
    t->timer = loop_timer_start(t->s->loop, delay, 0, on_timer, t);
}

int crontab_open(struct supervisor *s, const struct spec_strings *crons, struct crontab **out,
                 struct error *err)
{
    if (crons->count > CRONTAB_MAX) {
        return error_set(err, 0, "crons: %zu, at most %u are allowed", crons->count, CRONTAB_MAX);
    }
    struct crontab *t = calloc(1, sizeof *t + crons->count * sizeof t->entries[0]);
    if (t == NULL) {
        return error_set(err, ENOMEM, "crons");
    }
    t->s = s;
    t->count = crons->count;
    for (size_t i = 0; i < t->count; i++) {
        struct entry *e = &t->entries[i];
        struct span text = span_str(crons->items[i]);
        int rc = cron_parse(text, &e->cron, err);
        if (rc < 0) {
            free(t);
            return rc;
        }
        memcpy(e->text, text.ptr, text.len + 1);
        e->next_s = cron_next(&e->cron, now_s());
    }
    timer_set(t);
    *out = t;
    return 0;
}

void crontab_close(struct crontab *t)
{
    if (t != NULL) {
        loop_timer_cancel(t->timer);
        free(t);
    }
}
