/* What the tables of calls share: whose instance a path names, who serves it, how a call ends. */
#include "supervisor/control_routes.h"
#include "supervisor/supervisor.h"

#include <stdio.h>
#include <stdlib.h>

static void answer_unknown(struct call *c)
{
    char what[sizeof "no such instance: " + INSTANCE_ID_MAX] = "no such instance: ";
    size_t len = strlen(what);
    for (size_t i = 0; i < c->segments[2].len && len < sizeof what - 1; i++) {
        unsigned char at = (unsigned char)c->segments[2].ptr[i];
        what[len++] = at >= 0x20 && at < 0x7f ? (char)at : '?';
    }
    what[len] = 0;
    call_reply_error(c, 404, "not_found", what,
                     c->s->up != NULL ? "`sallyport ps` lists them, `sallyport create` makes one"
                                      : "`sallyport ps` lists them");
}

/* 1: in c->object; 0: there is none; negative: answered. */
static int find(struct call *c)
{
    char other[INSTANCE_ID_MAX + 1] = "";
    char hint[2 * INSTANCE_ID_MAX + 64];
    struct error err;
    int rc = objects_find(c->s, c->segments[2], &c->object, other, &err);
    if (rc == 2) {
        snprintf(hint, sizeof hint, "use the id: %s or %s", c->object.id, other);
        call_reply_error(c, 409, "ambiguous", "several classes have an instance of this name",
                         hint);
        return -1;
    }
    if (rc < 0) {
        call_reply_error(c, 500, "internal", err.text, NULL);
    }
    return rc;
}

bool control_find(struct call *c, struct member **member)
{
    int rc = find(c);
    if (rc == 0) {
        answer_unknown(c);
    }
    if (rc <= 0) {
        return false;
    }
    *member = fleet_find(c->s->fleet, span_str(c->object.id));
    if (*member == NULL && c->s->up == NULL) {
        call_reply_error(c, 404, "not_found", "no such instance: it has ended", NULL);
        return false;
    }
    return true;
}

struct runtime_link *control_runtime(struct call *c)
{
    struct runtime_link *r = runtimes_active(c->s->runtimes);
    if (r == NULL) {
        call_reply_error(c, 503, "unavailable", "the runtime is being replaced", "try again");
    }
    return r;
}

/* ---- names ---- */

/* The payload is "ID CLASS". */
static void on_named(void *arg, enum runtime_reply reply, struct span payload)
{
    struct call *c = arg;
    struct error err;
    if (reply != RUNTIME_REPLY_OK) {
        control_answer_failure(c, reply, payload);
        return;
    }
    const char *space = payload.len > 0 ? memchr(payload.ptr, ' ', payload.len) : NULL;
    size_t len = space != NULL ? (size_t)(space - payload.ptr) : payload.len;
    struct object named;
    struct member_ident ident = {.id = span_of(payload.ptr, len),
                                 .class_name = span_from(payload, len + 1),
                                 .name = span_str(c->object.name)};
    if (!object_set(&named, &ident)) {
        call_reply_error(c, 500, "internal", "the runtime's answer is no id", NULL);
    } else if (objects_record(c->s, &ident, &err) < 0) {
        call_reply_error(c, 500, "internal", err.text, NULL);
    } else {
        c->object = named;
        c->then(c);
    }
}

void control_name(struct call *c, struct span class_name, struct span name,
                  void (*then)(struct call *c))
{
    struct runtime_link *r = control_runtime(c);
    struct member_ident ident = {.id = SPAN_LIT("x"), .class_name = class_name, .name = name};
    if (r == NULL) {
        return;
    }
    if (name.len == 0 || !object_set(&c->object, &ident)) {
        call_reply_error(c, 400, "bad_request", "name or class: empty or too long", NULL);
        return;
    }
    c->then = then;
    runtime_link_name(r, span_str(c->object.class_name), span_str(c->object.name), on_named, c);
}

static bool is_id(struct span s)
{
    size_t n = 0;
    while (n < s.len &&
           ((s.ptr[n] >= '0' && s.ptr[n] <= '9') || (s.ptr[n] >= 'a' && s.ptr[n] <= 'f'))) {
        n++;
    }
    return n == 64 && s.len == n;
}

void control_serving(struct call *c, void (*then)(struct call *c))
{
    int rc = find(c);
    if (rc < 0) {
        return;
    }
    if (rc == 0 && c->s->up != NULL && !is_id(c->segments[2])) {
        control_name(c, span_str(c->s->spec->class_name), c->segments[2], then);
        return;
    }
    const struct member *m = rc > 0 ? fleet_find(c->s->fleet, span_str(c->object.id)) : NULL;
    /* A `run` has its instance once the runtime has given its facts; a daemon opens any. */
    bool here = c->s->up != NULL ||
                (m != NULL && m->instance != NULL && instance_facts(m->instance).len > 0 &&
                 instance_phase(m->instance) != INSTANCE_ENDED);
    if (rc == 0) {
        answer_unknown(c);
    } else if (!here) {
        call_reply_error(c, 409, "not_running", "the instance is starting or has ended", NULL);
    } else if (control_runtime(c) != NULL) {
        then(c);
    }
}

/* ---- how a call ends ---- */

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

void control_answer_not_started(struct call *c, int status, const char *why, const char *hint)
{
    const char *code = status == 127   ? "not_found_inside"
                       : status == 126 ? "not_executable"
                                       : "failed";
    json_t *o = json_pack("{s:{s:s,s:s,s:s?},s:i}", "error", "code", code, "message", why, "hint",
                          hint, "exit", status);
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (text != NULL) {
        call_reply(c, 422, "application/json", span_str(text));
    } else {
        call_reply_error(c, 500, "internal", "an answer that is not UTF-8", NULL);
    }
    free(text);
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
    json_t *v = json_loadb(b.ptr, b.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (v == NULL || json_typeof(v) != type) {
        char why[256];
        snprintf(why, sizeof why, "body: %s", v == NULL ? e.text : "of another type than expected");
        json_decref(v);
        call_reply_error(c, 400, "bad_request", why, what);
        return NULL;
    }
    return v;
}
