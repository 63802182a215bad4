/*
 * object: ids of objects, and objects that are opened because somebody uses them.
 *
 * An id is 32 bytes in hex: 16 that its name (or chance) makes and 16 that say which class they
 * belong to, HMAC-SHA256 both, cut. The key of a class is SHA-256("sallyport object" NUL CLASS).
 * It is no secret: it keeps ids of two classes apart, as ids of Durable Objects are.
 *
 *     asked ──RUNTIME_OBJECT──► the supervisor ──OBJECT_DONE──► made ──► who waits is answered
 *
 * Who asks while an opening is under way waits for the same one.
 */
#ifndef SALLYPORT_RUNTIME_OBJECT_H
#define SALLYPORT_RUNTIME_OBJECT_H

#include "runtime/instance.h"

#define OBJECT_ID_BYTES 65u    /* 64 hex digits and NUL */
#define OPENINGS_MAX    16384u /* objects that are being opened */

/* name.ptr NULL: a new unique one. Negative: no hash, no chance, or no name: longer than
 * JS_OBJECT_NAME_MAX, or with a NUL in it, behind which nobody else would see it. */
int object_id(struct span class_name, struct span name, char out[OBJECT_ID_BYTES]);
bool object_id_is(struct span class_name, struct span id);

/* js_host.object; arg is the version. Answered by js_object_done. */
void object_ask(void *arg, uint32_t call, struct span class_name, struct span id, struct span name);

/* A message that is for an object that is not here: `again` is called with a copy of it once the
 * object is, and at most once; else its seq is answered with the error. fields: 0 is the seq. */
typedef void (*object_again_fn)(struct runtime *rt, struct ipc_message *m);
struct object_wait {
    struct span class_name; /* empty: the supervisor knows */
    struct span id;
    struct span name;
};
void object_wait(struct runtime *rt, const struct object_wait *w, const struct ipc_message *m,
                 object_again_fn again);

/* RUNTIME_OBJECT_DONE */
void object_done(struct runtime *rt, const struct ipc_message *m);
/* What this version asked is answered to nobody. */
void object_version_gone(struct runtime *rt, const struct version *v);
/* Of a runtime that ends: nobody is answered. */
void object_drop_all(struct runtime *rt);

#endif
