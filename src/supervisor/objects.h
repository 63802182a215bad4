/*
 * objects: what is known of the app's objects: whose id it is, and what was set at run time.
 *
 * Under `up` it stands in the store. A `run` has one instance, and keeps its state there only when
 * its id was chosen; any other object of its code lives as long as the run.
 */
#ifndef SALLYPORT_SUPERVISOR_OBJECTS_H
#define SALLYPORT_SUPERVISOR_OBJECTS_H

#include "base/buf.h"
#include "supervisor/fleet.h"

struct supervisor;

/* One that was found; its text is its own. */
struct object {
    char id[INSTANCE_ID_MAX + 1];
    char class_name[FLEET_CLASS_MAX + 1];
    char name[FLEET_NAME_MAX + 1];
};

struct member_ident object_ident(const struct object *o);
bool object_set(struct object *o, const struct member_ident *ident); /* false: too long */
void object_of_member(struct object *o, const struct member *m);

/* By id or by name. 1: *out is it; 0: there is none; 2: a name that several classes have, *out is
 * the first and `other` (INSTANCE_ID_MAX + 1 bytes) the id of another. */
int objects_find(struct supervisor *s, struct span id_or_name, struct object *out, char *other,
                 struct error *err);
/* Makes the record if it is not there. */
int objects_record(struct supervisor *s, const struct member_ident *ident, struct error *err);
/* Every one that is stored, at most `most`. */
int objects_each(struct supervisor *s, unsigned most, void (*fn)(void *arg, const struct object *o),
                 void *arg, struct error *err);
/* Its record, state and alarm go. */
int objects_remove(struct supervisor *s, struct span id, struct error *err);

/* What was set of it at run time; nothing is added when nothing was. */
int objects_state(struct supervisor *s, struct span id, struct buf *out, struct error *err);

/* RUNTIME_OBJECT and RUNTIME_STATE: carried out and answered. */
void objects_serve(struct supervisor *s, struct runtime_link *r,
                   const struct runtime_object_ask *ask);
void objects_state_serve(struct supervisor *s, struct runtime_link *r, struct span call,
                         struct span id, struct span state);

#endif
