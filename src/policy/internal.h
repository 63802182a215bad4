/*
 * Shared by the files of this room alone.
 */
#ifndef SALLYPORT_POLICY_INTERNAL_H
#define SALLYPORT_POLICY_INTERNAL_H

#include "policy/policy.h"

enum pattern_form { PATTERN_EXACT, PATTERN_GLOB, PATTERN_CIDR };

struct pattern {
    char *mem;            /* owns both texts */
    struct span written;  /* as the user wrote it */
    struct span compared; /* what it is compared by */
    enum pattern_form form;
    uint8_t addr[16]; /* CIDR */
    uint8_t bits;     /* CIDR, of the v4-mapped address when it is IPv4 */
};

/* cidr: entries like 10.0.0.0/8 are taken. On error p holds nothing. */
int pattern_make(struct pattern *p, struct span written, bool cidr, struct error *err);
/* The same for a pattern that is only looked for: what cannot be one is no error, and *made is
 * false. */
int pattern_make_if(struct pattern *p, struct span written, bool cidr, bool *made,
                    struct error *err);
bool pattern_matches(const struct pattern *p, const struct url_host *host);
/* Whole value against '*' and literal bytes, in time linear in both. */
bool pattern_glob(struct span pattern, struct span value);

/* Patterns in order. Lookup: an exact one by hash, else the first other one that matches. */
struct table {
    struct pattern *items;
    size_t count;
    uint32_t *slots; /* index + 1 of exact patterns, open addressing; 0 is free */
    size_t slot_mask;
    uint32_t *scan; /* indexes of the others, in order */
    size_t scan_count;
    bool cidr;
};

void table_free(struct table *t);
/* t is filled anew from list. */
int table_build(struct table *t, const struct policy_list *list, bool cidr, struct error *err);
int table_copy(struct table *to, const struct table *from, struct error *err);
/* The same with one more at the end; or without those that compare like `without`. */
int table_with(struct table *to, const struct table *from, struct span more, struct error *err);
int table_without(struct table *to, const struct table *from, const struct pattern *without,
                  struct error *err);
size_t table_match(const struct table *t, const struct url_host *host);
/* The first pattern that is the same as p, or POLICY_NO_INDEX. */
size_t table_find(const struct table *t, const struct pattern *p);

/* A handler that was selected at run time. */
struct selected {
    char *name;
    size_t name_len;
    char *params;
    size_t params_len;
    size_t index; /* in the handlers of the class, or POLICY_NO_INDEX */
};

struct names {
    struct span *items; /* each owned */
    size_t count;
};

struct tcp_rule {
    struct pattern host;
    uint16_t port;
};

/* What the class says. */
struct class_side {
    char *name;
    size_t name_len;
    bool has_allowed;
    bool enable_internet;
    bool outbound;
    struct table allowed;
    struct table denied;
    struct table hosts;
    struct names handlers;
    struct tcp_rule *tcp;
    struct names tcp_written; /* the entries, for the verdict */
    size_t tcp_count;
};

/* One row of code's own table of destinations. */
struct intercept {
    char *mem; /* owns match and target */
    struct span match;
    struct span target;
    struct pattern host;
    uint16_t port;
    bool tls;
    bool every; /* a CIDR of no bits: names too */
};

/* What was set at run time. */
struct runtime_side {
    bool has_allowed;
    bool has_denied;
    bool has_handler;
    struct table allowed;
    struct table denied;
    struct table hosts;
    struct selected *by_host; /* one for each of hosts */
    struct selected handler;
    struct intercept *intercepts;
    size_t intercept_count;
};

struct policy {
    struct class_side class;
    struct runtime_side set;
};

/* intercept.c */
const struct intercept *intercept_find(const struct runtime_side *r,
                                       const struct policy_facts *facts);
void intercepts_free(struct runtime_side *r);

void runtime_free(struct runtime_side *r);
int selected_make(struct selected *s, const struct names *handlers, struct span name,
                  struct span params, struct error *err);
void selected_free(struct selected *s);
/* policy_set_by_hosts without the check that the names are in the code. */
int policy_overrides_replace(struct policy *p, const struct policy_override *all, size_t count,
                             struct error *err);
size_t names_find(const struct names *n, struct span name);

#endif
