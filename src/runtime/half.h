/*
 * half: an instance as one version of the code has it: the object in JavaScript, its class there
 * and the task that its own work belongs to. After a redeploy an instance has several, until the
 * old versions are unloaded.
 */
#ifndef SALLYPORT_RUNTIME_HALF_H
#define SALLYPORT_RUNTIME_HALF_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "js/js.h"

struct instance;
struct version;

struct half {
    struct list of_instance; /* in instance.halves */
    struct list of_version;  /* in version.halves */
    struct instance *inst;
    struct version *version;
    struct js_instance *js;
    const struct js_class *cls;
    uint32_t task;
};

/* Constructs the object; facts gets what js_instance_create gives. NULL: err says why. */
struct half *half_create(struct instance *inst, struct version *v, const struct js_class *cls,
                         struct buf *facts, struct error *err);
/* NULL: it has none in that version. */
struct half *half_find(const struct instance *inst, const struct version *v);
/* One more for an instance that is there, in a version that is not the current one. */
struct half *half_join(struct instance *inst, struct version *v, struct error *err);
/* The version is still loaded. */
void half_destroy(struct half *h);

#endif
