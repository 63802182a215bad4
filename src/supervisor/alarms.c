#include "supervisor/alarms.h"

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/objects.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

#define FAR_MS (24u * 3600u * 1000u) /* the longest that one timer waits */

struct alarm {
    struct list node; /* of the waiting (by time), or of the firing */
    struct alarms *all;
    char id[INSTANCE_ID_MAX + 1];
    int64_t time_ms; /* when it is fired next */
    unsigned retries;
    bool firing;
    bool set_meanwhile; /* while it fired: next_ms is its new time */
    bool dropped;       /* while it fired: deleted, or its object is gone */
    int64_t next_ms;
};

struct alarms {
    struct supervisor *s;
    struct list waiting; /* the earliest first */
    struct list firing;
    void *by_id; /* of tsearch */
    size_t count;
    size_t firing_count;
    struct loop_timer *timer;
    bool stopped;
};

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct alarm *)a)->id, ((const struct alarm *)b)->id);
}

static struct alarm *find(struct alarms *a, struct span id)
{
    struct alarm key;
    if (id.len == 0 || id.len > INSTANCE_ID_MAX) {
        return NULL;
    }
    memcpy(key.id, id.ptr, id.len);
    key.id[id.len] = 0;
    struct alarm *const *found = tfind(&key, &a->by_id, by_id);
    return found != NULL ? *found : NULL;
}

/* New ones are mostly the latest: the search begins at the end. */
static void wait_insert(struct alarms *a, struct alarm *e)
{
    struct list *before = a->waiting.prev;
    while (before != &a->waiting && LIST_ENTRY(before, struct alarm, node)->time_ms > e->time_ms) {
        before = before->prev;
    }
    list_remove(&e->node);
    list_append(before->next, &e->node);
}

static struct alarm *alarm_create(struct alarms *a, struct span id)
{
    struct alarm *e = a->count < ALARMS_MAX ? calloc(1, sizeof *e) : NULL;
    if (e == NULL) {
        return NULL;
    }
    e->all = a;
    list_init(&e->node);
    memcpy(e->id, id.ptr, id.len);
    if (tsearch(e, &a->by_id, by_id) == NULL) {
        free(e);
        return NULL;
    }
    a->count++;
    return e;
}

static void alarm_free(struct alarm *e)
{
    struct alarms *a = e->all;
    tdelete(e, &a->by_id, by_id);
    list_remove(&e->node);
    a->count--;
    free(e);
}

static bool stored(const struct alarms *a)
{
    return a->s->spec->mode == SPEC_UP;
}

static int store_put(struct alarms *a, struct span id, int64_t time_ms, unsigned retries,
                     struct error *err)
{
    const struct store_ops *ops = a->s->store->ops;
    return stored(a) ? ops->alarm_put(a->s->store, id, time_ms, retries, err) : 0;
}

static int store_delete(struct alarms *a, struct span id, struct error *err)
{
    return stored(a) ? a->s->store->ops->alarm_delete(a->s->store, id, err) : 0;
}

/* ---- firing ---- */

static void on_timer(void *arg)
{
    alarms_go(arg);
}

static void timer_set(struct alarms *a)
{
    loop_timer_cancel(a->timer);
    a->timer = NULL;
    if (a->stopped || list_empty(&a->waiting)) {
        return;
    }
    int64_t left =
        LIST_ENTRY(a->waiting.next, struct alarm, node)->time_ms - (int64_t)clock_wall_ms();
    uint64_t delay = left < 0 ? 0 : left < FAR_MS ? (uint64_t)left : FAR_MS;
    a->timer = loop_timer_start(a->s->loop, delay, 0, on_timer, a);
}

/* It has failed: again later, unless that was the last time. */
static void retry(struct alarm *e, struct span why)
{
    struct alarms *a = e->all;
    struct error err;
    char text[ERROR_TEXT_BYTES];
    bool last = e->retries >= ALARMS_RETRIES_MAX;
    snprintf(text, sizeof text, "alarm: " SPAN_FMT "%s", (int)(why.len < 800 ? why.len : 800),
             why.ptr, last ? ": it is not tried again" : "");
    events_log(a->s->events, fleet_source(a->s->fleet, span_str(e->id)), SPAN_LIT("error"),
               span_str(text));
    if (last) {
        if (store_delete(a, span_str(e->id), &err) < 0) {
            log_error("%s", err.text);
        }
        alarm_free(e);
        return;
    }
    e->time_ms = (int64_t)clock_wall_ms() + ((int64_t)ALARMS_RETRY_MS << e->retries);
    e->retries++;
    if (store_put(a, span_str(e->id), e->time_ms, e->retries, &err) < 0) {
        log_error("%s", err.text);
    }
    wait_insert(a, e);
}

static void on_fired(void *arg, enum runtime_reply reply, struct span payload)
{
    struct alarm *e = arg;
    struct alarms *a = e->all;
    struct error err;
    e->firing = false;
    a->firing_count--;
    if (a->stopped) {
        alarm_free(e); /* its row is there for the next time */
        return;
    }
    if (e->set_meanwhile) {
        e->set_meanwhile = false;
        e->retries = 0;
        e->time_ms = e->next_ms;
        wait_insert(a, e);
    } else if (e->dropped) {
        alarm_free(e);
    } else if (reply == RUNTIME_REPLY_OK) {
        if (store_delete(a, span_str(e->id), &err) < 0) {
            log_error("%s", err.text);
        }
        alarm_free(e);
    } else {
        retry(e, reply == RUNTIME_REPLY_LOST ? SPAN_LIT("the runtime ended before it was done")
                                             : payload);
    }
    alarms_go(a);
}

static void fire(struct alarms *a, struct runtime_link *r, struct alarm *e)
{
    struct object o = {0};
    struct error err;
    char detail[64];
    if (objects_find(a->s, span_str(e->id), &o, NULL, &err) < 0) {
        log_error("%s", err.text);
    }
    snprintf(detail, sizeof detail, "{\"retryCount\":%u,\"isRetry\":%s}", e->retries,
             e->retries > 0 ? "true" : "false");
    struct runtime_fire f = {.kind = SPAN_LIT("alarm"),
                             .id = span_str(e->id),
                             .class_name = span_str(o.class_name),
                             .name = span_str(o.name),
                             .detail = span_str(detail)};
    list_remove(&e->node);
    list_append(&a->firing, &e->node);
    e->firing = true;
    e->dropped = false;
    a->firing_count++;
    runtime_link_fire(r, &f, on_fired, e);
}

void alarms_go(struct alarms *a)
{
    struct runtime_link *r = a->stopped ? NULL : runtimes_active(a->s->runtimes);
    if (r == NULL) {
        loop_timer_cancel(a->timer);
        a->timer = NULL;
        return;
    }
    int64_t now = (int64_t)clock_wall_ms();
    while (!list_empty(&a->waiting) && a->firing_count < ALARMS_AT_ONCE) {
        struct alarm *e = LIST_ENTRY(a->waiting.next, struct alarm, node);
        if (e->time_ms > now) {
            break;
        }
        fire(a, r, e);
    }
    if (a->firing_count < ALARMS_AT_ONCE) {
        timer_set(a);
    }
}

/* ---- what a runtime asks ---- */

static bool time_parse(struct span text, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || i > 15) {
            return false;
        }
        *out = *out * 10 + (text.ptr[i] - '0');
    }
    return text.len > 0;
}

static int set(struct alarms *a, struct span id, struct span time, struct error *err)
{
    int64_t at;
    struct alarm *e = find(a, id);
    if (!time_parse(time, &at) || id.len == 0 || id.len > INSTANCE_ID_MAX) {
        return error_set(err, 0, "alarm: expected a time in ms since 1970");
    }
    if (e == NULL && a->count >= ALARMS_MAX) {
        return error_set(err, 0, "alarm: there are %u, as many as may be", ALARMS_MAX);
    }
    int rc = store_put(a, id, at, 0, err);
    if (rc < 0) {
        return rc;
    }
    e = e != NULL ? e : alarm_create(a, id);
    if (e == NULL) {
        return error_set(err, ENOMEM, "alarm");
    }
    if (e->firing) {
        e->set_meanwhile = true;
        e->next_ms = at;
        return 0;
    }
    e->time_ms = at;
    e->retries = 0;
    wait_insert(a, e);
    timer_set(a);
    return 0;
}

static void drop(struct alarm *e)
{
    if (e->firing) {
        e->set_meanwhile = false;
        e->dropped = true;
    } else {
        alarm_free(e);
    }
}

static int unset(struct alarms *a, struct span id, struct error *err)
{
    struct alarm *e = find(a, id);
    int rc = e != NULL ? store_delete(a, id, err) : 0;
    if (rc >= 0 && e != NULL) {
        drop(e);
    }
    return rc;
}

void alarms_serve(struct alarms *a, struct runtime_link *r, const struct runtime_alarm *what)
{
    struct error err = {0};
    char text[24] = "";
    int rc = 0;
    if (span_eq(what->op, SPAN_LIT("set"))) {
        rc = set(a, what->id, what->time, &err);
    } else if (span_eq(what->op, SPAN_LIT("delete"))) {
        rc = unset(a, what->id, &err);
    } else if (span_eq(what->op, SPAN_LIT("get"))) {
        struct alarm *e = find(a, what->id);
        if (e != NULL && (!e->firing || e->set_meanwhile)) {
            snprintf(text, sizeof text, "%lld", (long long)(e->firing ? e->next_ms : e->time_ms));
        }
    } else {
        rc = error_set(&err, 0, "alarm: no such call");
    }
    runtime_link_alarm_done(r, what->call, rc >= 0, span_str(rc >= 0 ? text : err.text));
}

void alarms_forget(struct alarms *a, struct span id)
{
    struct alarm *e = a != NULL ? find(a, id) : NULL;
    if (e != NULL) {
        drop(e);
    }
}

/* ---- start and end ---- */

static bool bring_back(void *arg, const struct store_alarm *row)
{
    struct alarms *a = arg;
    struct span id = row->object.id;
    struct alarm *e = id.len > 0 && id.len <= INSTANCE_ID_MAX ? alarm_create(a, id) : NULL;
    if (e != NULL) {
        e->time_ms = row->time_ms;
        e->retries = row->retries < ALARMS_RETRIES_MAX ? row->retries : ALARMS_RETRIES_MAX;
        wait_insert(a, e);
    }
    return true;
}

int alarms_open(struct supervisor *s, struct alarms **out, struct error *err)
{
    struct alarms *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return error_set(err, ENOMEM, "alarms");
    }
    a->s = s;
    list_init(&a->waiting);
    list_init(&a->firing);
    int rc = stored(a)
                 ? s->store->ops->alarm_list(s->store, INT64_MAX, ALARMS_MAX, bring_back, a, err)
                 : 0;
    if (rc < 0) {
        alarms_close(a);
        return rc;
    }
    *out = a;
    return 0;
}

void alarms_stop(struct alarms *a)
{
    a->stopped = true;
    loop_timer_cancel(a->timer);
    a->timer = NULL;
}

/* The runtimes are gone: no reply comes any more. */
void alarms_close(struct alarms *a)
{
    if (a == NULL) {
        return;
    }
    loop_timer_cancel(a->timer);
    while (!list_empty(&a->firing)) {
        alarm_free(LIST_ENTRY(a->firing.next, struct alarm, node));
    }
    while (!list_empty(&a->waiting)) {
        alarm_free(LIST_ENTRY(a->waiting.next, struct alarm, node));
    }
    free(a);
}
