/*
 * set: host patterns, and what they match.
 *
 * Patterns: '*' is any run of bytes, dots included; the rest is compared after the pattern was
 * lower-cased and lost one trailing dot. List entries may be CIDR, matched against IP literals.
 * Two patterns are the same when their compared forms are.
 */
#ifndef SALLYPORT_POLICY_SET_H
#define SALLYPORT_POLICY_SET_H

#include "base/error.h"
#include "base/span.h"
#include "proto/url/host.h"

#define POLICY_PATTERN_MAX 1024u  /* bytes of one pattern */
#define POLICY_ENTRIES_MAX 16384u /* of one list, and of the per-host overrides */
#define POLICY_NO_INDEX    SIZE_MAX

struct policy_list {
    const struct span *items;
    size_t count;
};

/* Is this a pattern? For options of a command line. 0, or a sentence in err. */
int policy_pattern_check(struct span pattern, struct error *err);

/* A set of patterns by itself (`--allow-private`, `--inject`), matched as the lists are. */
struct policy_set;
struct policy_set *policy_set_create(const struct policy_list *list, struct error *err);
void policy_set_free(struct policy_set *s);
/* The index of the entry that matches (an exact one before the first glob), or POLICY_NO_INDEX. */
size_t policy_set_match(const struct policy_set *s, const struct url_host *host);

#endif
