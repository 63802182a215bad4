/*
 * What may be changed at run time. Each mutator builds the new part first and swaps it in last.
 */
#include "policy/internal.h"

#include <errno.h>
#include <stdlib.h>

static int require_handler(const struct policy *p, struct span name, struct error *err)
{
    if (names_find(&p->class.handlers, name) != POLICY_NO_INDEX) {
        return 0;
    }
    return error_set(err, 0,
                     "Outbound handler method '" SPAN_FMT
                     "' not found in outboundHandlers for " SPAN_FMT,
                     SPAN_ARG(name), (int)p->class.name_len, p->class.name);
}

int policy_set_handler(struct policy *p, const struct policy_override *o, struct error *err)
{
    struct selected next;
    int rc = require_handler(p, o->handler, err);

    if (rc == 0) {
        rc = selected_make(&next, &p->class.handlers, o->handler, o->params, err);
    }
    if (rc == 0) {
        selected_free(&p->set.handler);
        p->set.handler = next;
        p->set.has_handler = true;
    }
    return rc;
}

void policy_remove_handler(struct policy *p)
{
    selected_free(&p->set.handler);
    p->set.has_handler = false;
}

/* The per-host overrides while they are rebuilt: hosts in order, one selection for each. */
struct draft {
    struct table hosts;
    struct selected *by_host;
    size_t made;
};

static void draft_free(struct draft *d)
{
    for (size_t i = 0; i < d->made; i++) {
        selected_free(&d->by_host[i]);
    }
    free(d->by_host);
    table_free(&d->hosts);
}

static int draft_begin(struct draft *d, size_t count, struct error *err)
{
    d->made = 0;
    d->by_host = calloc(count + 1, sizeof *d->by_host);
    return d->by_host != NULL ? 0 : error_set(err, ENOMEM, "policy");
}

static int draft_add(struct draft *d, const struct policy *p, const struct policy_override *o,
                     struct error *err)
{
    int rc = selected_make(&d->by_host[d->made], &p->class.handlers, o->handler, o->params, err);

    d->made += rc == 0;
    return rc;
}

static void draft_take(struct draft *d, struct policy *p)
{
    struct draft old = {
        .hosts = p->set.hosts, .by_host = p->set.by_host, .made = p->set.hosts.count};

    p->set.hosts = d->hosts;
    p->set.by_host = d->by_host;
    draft_free(&old);
}

static struct policy_override override_at(const struct policy *p, size_t i)
{
    const struct selected *s = &p->set.by_host[i];

    return (struct policy_override){.host = p->set.hosts.items[i].written,
                                    .handler = span_of(s->name, s->name_len),
                                    .params = span_of(s->params, s->params_len)};
}

int policy_overrides_replace(struct policy *p, const struct policy_override *all, size_t count,
                             struct error *err)
{
    struct draft d = {0};
    struct span *hosts = calloc(count + 1, sizeof *hosts);
    int rc = hosts != NULL ? 0 : error_set(err, ENOMEM, "policy");

    for (size_t i = 0; rc == 0 && i < count; i++) {
        hosts[i] = all[i].host;
    }
    if (rc == 0) {
        rc = table_build(&d.hosts, &(struct policy_list){hosts, count}, false, err);
    }
    if (rc == 0) {
        rc = draft_begin(&d, count, err);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = draft_add(&d, p, &all[i], err);
    }
    free(hosts);
    if (rc < 0) {
        draft_free(&d);
        return rc;
    }
    draft_take(&d, p);
    return 0;
}

int policy_set_by_hosts(struct policy *p, const struct policy_override *all, size_t count,
                        struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc = require_handler(p, all[i].handler, err);
        if (rc < 0) {
            return rc;
        }
    }
    return policy_overrides_replace(p, all, count, err);
}

int policy_set_by_host(struct policy *p, const struct policy_override *o, struct error *err)
{
    struct pattern pattern;
    struct selected next;
    int rc = require_handler(p, o->handler, err);

    if (rc == 0) {
        rc = pattern_make(&pattern, o->host, false, err);
    }
    if (rc < 0) {
        return rc;
    }
    size_t at = table_find(&p->set.hosts, &pattern);
    free(pattern.mem);
    if (at != POLICY_NO_INDEX) {
        rc = selected_make(&next, &p->class.handlers, o->handler, o->params, err);
        if (rc == 0) {
            selected_free(&p->set.by_host[at]);
            p->set.by_host[at] = next;
        }
        return rc;
    }
    struct draft d = {0};
    rc = table_with(&d.hosts, &p->set.hosts, o->host, err);
    if (rc == 0) {
        rc = draft_begin(&d, p->set.hosts.count + 1, err);
    }
    for (size_t i = 0; rc == 0 && i < p->set.hosts.count; i++) {
        struct policy_override old = override_at(p, i);
        rc = draft_add(&d, p, &old, err);
    }
    if (rc == 0) {
        rc = draft_add(&d, p, o, err);
    }
    if (rc < 0) {
        draft_free(&d);
        return rc;
    }
    draft_take(&d, p);
    return 0;
}

int policy_remove_by_host(struct policy *p, struct span host, struct error *err)
{
    struct pattern pattern;
    struct draft d = {0};
    bool made;
    int rc = pattern_make_if(&pattern, host, false, &made, err);

    size_t at = made ? table_find(&p->set.hosts, &pattern) : POLICY_NO_INDEX;
    if (at == POLICY_NO_INDEX) {
        free(pattern.mem);
        return rc;
    }
    rc = table_without(&d.hosts, &p->set.hosts, &pattern, err);
    free(pattern.mem);
    if (rc == 0) {
        rc = draft_begin(&d, p->set.hosts.count, err);
    }
    for (size_t i = 0; rc == 0 && i < p->set.hosts.count; i++) {
        struct policy_override old = override_at(p, i);
        rc = i == at ? 0 : draft_add(&d, p, &old, err);
    }
    if (rc < 0) {
        draft_free(&d);
        return rc;
    }
    draft_take(&d, p);
    return 0;
}

static void list_take(struct policy *p, enum policy_which which, struct table *next)
{
    struct table *t = which == POLICY_ALLOWED ? &p->set.allowed : &p->set.denied;
    bool *has = which == POLICY_ALLOWED ? &p->set.has_allowed : &p->set.has_denied;

    table_free(t);
    *t = *next;
    *has = true;
}

static const struct table *effective(const struct policy *p, enum policy_which which)
{
    if (which == POLICY_ALLOWED) {
        return p->set.has_allowed ? &p->set.allowed : &p->class.allowed;
    }
    return p->set.has_denied ? &p->set.denied : &p->class.denied;
}

int policy_list_set(struct policy *p, enum policy_which which, const struct policy_list *list,
                    struct error *err)
{
    struct table next;
    int rc = table_build(&next, list, true, err);

    if (rc == 0) {
        list_take(p, which, &next);
    }
    return rc;
}

int policy_list_add(struct policy *p, enum policy_which which, struct span host, struct error *err)
{
    const struct table *now = effective(p, which);
    struct pattern pattern;
    struct table next;
    int rc = pattern_make(&pattern, host, true, err);

    if (rc < 0) {
        return rc;
    }
    bool there = table_find(now, &pattern) != POLICY_NO_INDEX;
    free(pattern.mem);
    if (there) {
        return 0;
    }
    if (now->count == 0) {
        return policy_list_set(p, which, &(struct policy_list){&host, 1}, err);
    }
    rc = table_with(&next, now, host, err);
    if (rc == 0) {
        list_take(p, which, &next);
    }
    return rc;
}

int policy_list_remove(struct policy *p, enum policy_which which, struct span host,
                       struct error *err)
{
    struct pattern pattern;
    struct table next;
    bool made;
    int rc = pattern_make_if(&pattern, host, true, &made, err);

    if (rc == 0) {
        rc = table_without(&next, effective(p, which), made ? &pattern : NULL, err);
    }
    free(pattern.mem);
    if (rc == 0) {
        list_take(p, which, &next);
    }
    return rc;
}
