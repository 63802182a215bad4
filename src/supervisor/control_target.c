/* What the tables of calls share: whose instance a path names, who serves it, how a call ends. */
#include "supervisor/control_routes.h"
#include "supervisor/supervisor.h"

#include <stdio.h>
#include <stdlib.h>

static bool found(struct call *c)
{
    char other[INSTANCE_ID_MAX + 1] = "";
    char hint[2 * INSTANCE_ID_MAX + 64];
    struct error err;
    int rc = objects_find(c->s, c->segments[2], &c->object, other, &err);
    if (rc == 1) {
        return true;
    }
    if (rc == 0) {
        call_reply_error(c, 404, "not_found", "no such instance",
                         c->s->up != NULL
                             ? "`sallyport ps` lists them, `sallyport create` makes one"
                             : "`sallyport ps` lists them");
    } else if (rc == 2) {
        snprintf(hint, sizeof hint, "use the id: %s or %s", c->object.id, other);
        call_reply_error(c, 409, "ambiguous", "several classes have an instance of this name",
                         hint);
    } else {
        call_reply_error(c, 500, "internal", err.text, NULL);
    }
    return false;
}

bool control_find(struct call *c, struct member **member)
{
    if (!found(c)) {
        return false;
    }
    *member = fleet_find(c->s->fleet, span_str(c->object.id));
    if (*member == NULL && c->s->up == NULL) {
        call_reply_error(c, 404, "not_found", "no such instance: it has ended", NULL);
        return false;
    }
    return true;
}

struct runtime_link *control_serving(struct call *c)
{
    struct member *m;
    if (!control_find(c, &m)) {
        return NULL;
    }
    /* A `run` has its instance once the runtime has given its facts; a daemon opens any. */
    bool here = c->s->up != NULL || (m->instance != NULL && instance_facts(m->instance).len > 0 &&
                                     instance_phase(m->instance) != INSTANCE_ENDED);
    struct runtime_link *r = runtimes_active(c->s->runtimes);
    if (!here) {
        call_reply_error(c, 409, "not_running", "the instance is starting or has ended", NULL);
        return NULL;
    }
    if (r == NULL) {
        call_reply_error(c, 503, "unavailable", "the runtime is being replaced", "try again");
    }
    return r;
}

void control_answer_failure(struct call *c, enum runtime_reply reply, struct span payload)
{
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, SPAN_FMT, (int)(payload.len < 1000 ? payload.len : 1000),
             payload.ptr);
    if (reply == RUNTIME_REPLY_ERROR) {
        call_reply_error(c, 400, "refused", why, NULL);
    } else {
        call_reply_error(c, 503, "unavailable", "the runtime ended before it answered",
                         "try again");
    }
}

void control_answer_gathered(struct call *c, bool ok)
{
    if (ok) {
        struct buf text = c->gathered;
        buf_init(&c->gathered, CONTROL_BODY_MAX);
        call_reply_json(c, buf_span(&text));
        buf_free(&text);
    } else {
        call_reply_error(c, 500, "internal", "out of memory", NULL);
    }
}

json_t *control_body(struct call *c, json_type type, const char *what)
{
    json_error_t e;
    struct span b = buf_span(&c->body);
    json_t *v = json_loadb(b.ptr, b.len, JSON_REJECT_DUPLICATES, &e);
    if (v == NULL || json_typeof(v) != type) {
        char why[256];
        snprintf(why, sizeof why, "body: %s", v == NULL ? e.text : "of another type than expected");
        json_decref(v);
        call_reply_error(c, 400, "bad_request", why, what);
        return NULL;
    }
    return v;
}
