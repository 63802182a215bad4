#include "supervisor/objects.h"

#include "base/clock.h"
#include "supervisor/supervisor.h"

#include <errno.h>

static bool daemon_of(const struct supervisor *s)
{
    return s->spec->mode == SPEC_UP;
}

struct member_ident object_ident(const struct object *o)
{
    return (struct member_ident){span_str(o->id), span_str(o->class_name), span_str(o->name)};
}

static bool copy(char *to, size_t size, struct span from)
{
    if (from.len >= size) {
        return false;
    }
    if (from.len > 0) {
        memcpy(to, from.ptr, from.len);
    }
    to[from.len] = 0;
    return true;
}

bool object_set(struct object *o, const struct member_ident *ident)
{
    return copy(o->id, sizeof o->id, ident->id) &&
           copy(o->class_name, sizeof o->class_name, ident->class_name) &&
           copy(o->name, sizeof o->name, ident->name);
}

void object_of_member(struct object *o, const struct member *m)
{
    struct member_ident ident = {span_str(m->id), span_str(m->class_name), span_str(m->name)};
    object_set(o, &ident);
}

struct finding {
    struct object *out;
    char *other;
    struct span wanted;
    int count;
};

/* An id is one object's alone: it wins over another's name. */
static bool found(void *arg, const struct store_object *so)
{
    struct finding *f = arg;
    struct object o;
    struct member_ident ident = {so->id, so->class_name, so->name};
    if (!object_set(&o, &ident)) {
        return true;
    }
    if (span_eq(so->id, f->wanted)) {
        *f->out = o;
        f->count = 1;
        return false;
    }
    if (f->count == 0) {
        *f->out = o;
    } else if (f->other != NULL) {
        copy(f->other, INSTANCE_ID_MAX + 1, so->id);
    }
    f->count++;
    return true;
}

static int run_find(const struct supervisor *s, struct span id, struct object *out)
{
    const struct spec *spec = s->spec;
    struct member_ident ident = {span_str(spec->id), span_str(spec->class_name), span_str("")};
    return span_eq(id, ident.id) && object_set(out, &ident) ? 1 : 0;
}

int objects_find(struct supervisor *s, struct span id_or_name, struct object *out, char *other,
                 struct error *err)
{
    if (!daemon_of(s)) {
        return run_find(s, id_or_name, out);
    }
    if (id_or_name.len == 0 || id_or_name.len > FLEET_NAME_MAX) {
        return 0;
    }
    struct finding f = {out, other, id_or_name, 0};
    int rc = s->store->ops->object_find(s->store, SPAN_LIT(""), id_or_name, found, &f, err);
    if (rc < 0 && rc != -ECANCELED) {
        return rc;
    }
    return f.count > 2 ? 2 : f.count;
}

int objects_record(struct supervisor *s, const struct member_ident *ident, struct error *err)
{
    int rc = fleet_check(ident, err);
    if (rc < 0 || !daemon_of(s)) {
        return rc;
    }
    struct store_object so = {.id = ident->id,
                              .class_name = ident->class_name,
                              .name = ident->name,
                              .created_ms = (int64_t)clock_wall_ms()};
    return s->store->ops->object_put(s->store, &so, err);
}

struct listing {
    void (*fn)(void *arg, const struct object *o);
    void *arg;
};

static bool listed(void *arg, const struct store_object *so)
{
    struct listing *l = arg;
    struct object o;
    struct member_ident ident = {so->id, so->class_name, so->name};
    if (object_set(&o, &ident)) {
        l->fn(l->arg, &o);
    }
    return true;
}

int objects_each(struct supervisor *s, unsigned most, void (*fn)(void *arg, const struct object *o),
                 void *arg, struct error *err)
{
    struct listing l = {fn, arg};
    if (!daemon_of(s)) {
        return 0;
    }
    return s->store->ops->object_list(s->store, SPAN_LIT(""), most, listed, &l, err);
}

int objects_remove(struct supervisor *s, struct span id, struct error *err)
{
    if (!daemon_of(s)) {
        return 0;
    }
    alarms_forget(s->alarms, id);
    return s->store->ops->object_remove(s->store, id, err);
}

static bool state_is_stored(const struct supervisor *s, struct span id)
{
    return daemon_of(s) || (s->spec->keep_state && span_eq(id, span_str(s->spec->id)));
}

int objects_state(struct supervisor *s, struct span id, struct buf *out, struct error *err)
{
    struct member *m = fleet_find(s->fleet, id);
    if (!state_is_stored(s, id)) {
        bool here = m != NULL && m->instance != NULL;
        return !here || buf_append_span(out, instance_state(m->instance))
                   ? 0
                   : error_set(err, ENOMEM, "state");
    }
    char text[INSTANCE_ID_MAX + 1];
    if (!copy(text, sizeof text, id)) {
        return error_set(err, 0, "no such object");
    }
    int rc = s->store->ops->state_get(s->store, text, out, err);
    return rc < 0 ? rc : 0;
}

/* ---- what a runtime asks ---- */

/* The class and name that belong to an id which this end named. */
static int ident_fill(struct supervisor *s, const struct member_ident *asked, struct object *out,
                      struct error *err)
{
    int rc = fleet_check(asked, err);
    if (rc < 0) {
        return rc;
    }
    rc = objects_find(s, asked->id, out, NULL, err);
    if (rc < 0) {
        return rc;
    }
    bool known = rc > 0 && span_eq(span_str(out->id), asked->id);
    if (asked->class_name.len == 0 && !known) {
        return error_set(err, 0, "no such object");
    }
    if (known && (asked->name.len == 0 || out->name[0] != 0)) {
        return 0;
    }
    object_set(out, asked);
    return objects_record(s, asked, err);
}

void objects_serve(struct supervisor *s, struct runtime_link *r,
                   const struct runtime_object_ask *ask)
{
    struct error err;
    struct object o;
    struct buf state;
    const struct member_ident ident = {ask->id, ask->class_name, ask->name};
    buf_init(&state, STORE_STATE_MAX);
    if (ident_fill(s, &ident, &o, &err) < 0 || objects_state(s, ask->id, &state, &err) < 0) {
        runtime_link_object_done(r, ask->call, NULL, span_str(err.text));
    } else {
        struct runtime_object done = {.state = buf_span(&state),
                                      .options = span_str(s->spec->options),
                                      .class_name = span_str(o.class_name),
                                      .name = span_str(o.name)};
        runtime_link_object_done(r, ask->call, &done, SPAN_LIT(""));
    }
    buf_free(&state);
}

/* The store first: what was answered as set is set after a crash of everything. */
void objects_state_serve(struct supervisor *s, struct runtime_link *r, struct span call,
                         struct span id, struct span state)
{
    struct error err = {0};
    char text[INSTANCE_ID_MAX + 1];
    struct member *m = fleet_find(s->fleet, id);
    int rc = 0;
    if (!copy(text, sizeof text, id) || (m == NULL && !daemon_of(s))) {
        rc = error_set(&err, 0, "no such instance");
    } else if (state.len > INSTANCE_STATE_MAX) {
        rc = error_set(&err, 0, "the instance's state: larger than %u bytes", INSTANCE_STATE_MAX);
    } else if (state_is_stored(s, id)) {
        rc = s->store->ops->state_put(s->store, text, state, &err);
    }
    if (rc >= 0 && m != NULL && m->instance != NULL && !instance_state_set(m->instance, state)) {
        rc = error_set(&err, ENOMEM, "the instance's state");
    }
    runtime_link_state_done(r, call, rc >= 0, span_str(err.text));
}
