/*
 * dev_vars: `.dev.vars` as it is edited while a run lasts: what changed in it rotates.
 *
 * The folder is watched, for editors put a new file in the place of the old one. A file that cannot
 * be read or parsed changes nothing and is logged without any value.
 */
#ifndef SALLYPORT_SUPERVISOR_DEV_VARS_H
#define SALLYPORT_SUPERVISOR_DEV_VARS_H

#include "config/spec.h"
#include "loop/loop.h"
#include "supervisor/vault.h"

struct dev_vars;

/* put: the vault has the new value; else it no longer has the name. Spans are lent. */
typedef void (*dev_vars_fn)(void *arg, struct span name, struct span value, bool put);

/* spec->dev_vars is the file; names in spec->dev_vars_ours are left alone. Both kept by pointer. */
int dev_vars_watch(struct loop *loop, const struct spec *spec, struct vault *vault,
                   dev_vars_fn changed, void *arg, struct dev_vars **out, struct error *err);
/* now stands in the place of was (either may be NULL: there was, or there is no file): what the old
 * file said and the new one does not leaves the vault, what is new or different is put. The text of
 * was's spec->dev_vars may be gone. */
void dev_vars_replace(struct dev_vars *was, struct dev_vars *now);
void dev_vars_close(struct dev_vars *d); /* NULL is allowed */

#endif
