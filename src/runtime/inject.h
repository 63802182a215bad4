/*
 * inject: `HOST: HEADER: VALUE` rules, credentials without code. Pure.
 *
 * A rule holds for HTTPS requests to a host that its glob matches: the header is set to the value,
 * in which `${NAME}` stands for a secret, and every other spelling of it is taken out. Rules apply
 * in their order.
 */
#ifndef SALLYPORT_RUNTIME_INJECT_H
#define SALLYPORT_RUNTIME_INJECT_H

#include "base/buf.h"
#include "proto/url/host.h"
#include "runtime/fields.h"
#include "runtime/secrets.h"

#define INJECT_RULES_MAX 256u
#define INJECT_TEXT_MAX  (32u * 1024u) /* bytes of all values of one request */

struct inject;

/* rules are copied. *out is NULL for no rules. A bad rule is an error that quotes it up to the
 * header's name, never its value. */
int inject_create(const struct span *rules, size_t count, struct inject **out, struct error *err);
void inject_free(struct inject *in); /* NULL is allowed */

/* Sets the headers for host in f. values holds their text, and is wiped by the caller; names gets
 * the secrets that were used, each ended by LF. -1: a secret is missing, or it does not fit; err
 * says which. */
int inject_apply(const struct inject *in, const struct secrets *secrets,
                 const struct url_host *host, struct fields *f, struct buf *values,
                 struct buf *names, struct error *err);

#endif
