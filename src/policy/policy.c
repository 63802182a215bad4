/*
 * A policy's life: what the class says, taken over as a whole.
 */
#include "policy/internal.h"

#include <errno.h>
#include <stdlib.h>

static int copy_text(char **to, size_t *to_len, struct span from, struct error *err)
{
    *to = malloc(from.len + 1);
    if (*to == NULL) {
        return error_set(err, ENOMEM, "policy");
    }
    if (from.len > 0) {
        memcpy(*to, from.ptr, from.len);
    }
    (*to)[from.len] = '\0';
    *to_len = from.len;
    return 0;
}

static void names_free(struct names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free((void *)(uintptr_t)n->items[i].ptr);
    }
    free(n->items);
    *n = (struct names){0};
}

static int names_build(struct names *n, const struct policy_list *list, struct error *err)
{
    *n = (struct names){0};
    if (list->count > POLICY_ENTRIES_MAX) {
        return error_set(err, 0, "outboundHandlers: more than %u", POLICY_ENTRIES_MAX);
    }
    n->items = calloc(list->count + 1, sizeof *n->items);
    if (n->items == NULL) {
        return error_set(err, ENOMEM, "policy");
    }
    for (size_t i = 0; i < list->count; i++) {
        char *text;
        size_t len;
        if (!url_utf8_valid(list->items[i])) {
            return error_set(err, 0, "outboundHandlers: a name is not UTF-8");
        }
        int rc = copy_text(&text, &len, list->items[i], err);
        if (rc < 0) {
            return rc;
        }
        n->items[n->count++] = span_of(text, len);
    }
    return 0;
}

size_t names_find(const struct names *n, struct span name)
{
    for (size_t i = 0; i < n->count; i++) {
        if (span_eq(n->items[i], name)) {
            return i;
        }
    }
    return POLICY_NO_INDEX;
}

static void class_free(struct class_side *c)
{
    for (size_t i = 0; i < c->tcp_count; i++) {
        free(c->tcp[i].host.mem);
    }
    free(c->tcp);
    free(c->name);
    table_free(&c->allowed);
    table_free(&c->denied);
    table_free(&c->hosts);
    names_free(&c->handlers);
    names_free(&c->tcp_written);
    *c = (struct class_side){0};
}

static int tcp_rule_make(struct tcp_rule *rule, struct span entry, struct error *err)
{
    struct span host;
    int32_t port;

    if (!url_authority_split(entry, &host, &port) || port < 0) {
        return error_set(err, 0, "allowedTcp \"" SPAN_FMT "\": is not HOST:PORT", SPAN_ARG(entry));
    }
    rule->port = (uint16_t)port;
    return pattern_make(&rule->host, host, false, err);
}

static int tcp_build(struct class_side *c, const struct policy_list *list, struct error *err)
{
    int rc = names_build(&c->tcp_written, list, err);

    c->tcp = calloc(list->count + 1, sizeof *c->tcp);
    if (rc == 0 && c->tcp == NULL) {
        rc = error_set(err, ENOMEM, "policy");
    }
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        rc = tcp_rule_make(&c->tcp[i], list->items[i], err);
        c->tcp_count += rc == 0;
    }
    return rc;
}

static int class_build(struct class_side *c, const struct policy_config *config, struct error *err)
{
    *c = (struct class_side){
        .has_allowed = config->has_allowed,
        .enable_internet = config->enable_internet,
        .outbound = config->outbound,
    };
    int rc = copy_text(&c->name, &c->name_len, config->class_name, err);
    if (rc == 0 && (rc = table_build(&c->allowed, &config->allowed, true, err)) < 0) {
        error_prefix(err, "allowedHosts");
    }
    if (rc == 0 && (rc = table_build(&c->denied, &config->denied, true, err)) < 0) {
        error_prefix(err, "deniedHosts");
    }
    if (rc == 0 && (rc = table_build(&c->hosts, &config->hosts, false, err)) < 0) {
        error_prefix(err, "outboundByHost");
    }
    if (rc == 0) {
        rc = names_build(&c->handlers, &config->handlers, err);
    }
    if (rc == 0) {
        rc = tcp_build(c, &config->allowed_tcp, err);
    }
    if (rc < 0) {
        class_free(c);
    }
    return rc;
}

int selected_make(struct selected *s, const struct names *handlers, struct span name,
                  struct span params, struct error *err)
{
    *s = (struct selected){.index = names_find(handlers, name)};
    if (params.len > POLICY_PARAMS_MAX || name.len > POLICY_PATTERN_MAX) {
        return error_set(err, 0, "params: more than %u bytes", POLICY_PARAMS_MAX);
    }
    if (!url_utf8_valid(name) || !url_utf8_valid(params)) {
        return error_set(err, 0, "outbound handler: name or params are not UTF-8");
    }
    int rc = copy_text(&s->name, &s->name_len, name, err);
    if (rc == 0) {
        rc = copy_text(&s->params, &s->params_len, params, err);
    }
    if (rc < 0) {
        selected_free(s);
    }
    return rc;
}

void selected_free(struct selected *s)
{
    free(s->name);
    free(s->params);
    *s = (struct selected){.index = POLICY_NO_INDEX};
}

void runtime_free(struct runtime_side *r)
{
    for (size_t i = 0; r->by_host != NULL && i < r->hosts.count; i++) {
        selected_free(&r->by_host[i]);
    }
    free(r->by_host);
    table_free(&r->allowed);
    table_free(&r->denied);
    table_free(&r->hosts);
    selected_free(&r->handler);
    intercepts_free(r);
    *r = (struct runtime_side){0};
}

struct policy *policy_create(const struct policy_config *config, struct error *err)
{
    struct policy *p = calloc(1, sizeof *p);

    if (p == NULL) {
        error_set(err, ENOMEM, "policy");
        return NULL;
    }
    if (class_build(&p->class, config, err) < 0) {
        free(p);
        return NULL;
    }
    return p;
}

/* The handlers of the class are others now: a stored name may have gone, or come back. */
static void resolve(struct policy *p)
{
    struct runtime_side *r = &p->set;

    for (size_t i = 0; i < r->hosts.count; i++) {
        struct selected *s = &r->by_host[i];
        s->index = names_find(&p->class.handlers, span_of(s->name, s->name_len));
    }
    if (r->has_handler) {
        struct span name = span_of(r->handler.name, r->handler.name_len);
        r->handler.index = names_find(&p->class.handlers, name);
    }
}

int policy_configure(struct policy *p, const struct policy_config *config, struct error *err)
{
    struct class_side next;
    int rc = class_build(&next, config, err);

    if (rc < 0) {
        return rc;
    }
    class_free(&p->class);
    p->class = next;
    resolve(p);
    return 0;
}

static bool class_config(const struct class_side *c, struct span **lists,
                         struct policy_config *config)
{
    const struct table *tables[] = {&c->allowed, &c->denied, &c->hosts};
    struct policy_list *to[] = {&config->allowed, &config->denied, &config->hosts};
    size_t total = 1;

    for (size_t t = 0; t < 3; t++) {
        total += tables[t]->count;
    }
    struct span *at = *lists = calloc(total, sizeof *at);
    if (at == NULL) {
        return false;
    }
    *config = (struct policy_config){
        .class_name = span_of(c->name, c->name_len),
        .has_allowed = c->has_allowed,
        .enable_internet = c->enable_internet,
        .outbound = c->outbound,
        .handlers = {c->handlers.items, c->handlers.count},
        .allowed_tcp = {c->tcp_written.items, c->tcp_written.count},
    };
    for (size_t t = 0; t < 3; t++) {
        *to[t] = (struct policy_list){at, tables[t]->count};
        for (size_t i = 0; i < tables[t]->count; i++) {
            *at++ = tables[t]->items[i].written;
        }
    }
    return true;
}

static int runtime_copy(struct policy *to, const struct runtime_side *from, struct error *err)
{
    struct policy_override *all = calloc(from->hosts.count + 1, sizeof *all);
    int rc = all != NULL ? 0 : error_set(err, ENOMEM, "policy");

    for (size_t i = 0; rc == 0 && i < from->hosts.count; i++) {
        const struct selected *s = &from->by_host[i];
        all[i] =
            (struct policy_override){from->hosts.items[i].written, span_of(s->name, s->name_len),
                                     span_of(s->params, s->params_len)};
    }
    if (rc == 0) {
        rc = policy_overrides_replace(to, all, from->hosts.count, err);
    }
    free(all);
    if (rc == 0 && from->has_handler) {
        rc = selected_make(&to->set.handler, &to->class.handlers,
                           span_of(from->handler.name, from->handler.name_len),
                           span_of(from->handler.params, from->handler.params_len), err);
        to->set.has_handler = rc == 0;
    }
    if (rc == 0 && from->has_allowed) {
        rc = table_copy(&to->set.allowed, &from->allowed, err);
        to->set.has_allowed = rc == 0;
    }
    if (rc == 0 && from->has_denied) {
        rc = table_copy(&to->set.denied, &from->denied, err);
        to->set.has_denied = rc == 0;
    }
    for (size_t i = 0; rc == 0 && i < from->intercept_count; i++) {
        const struct intercept *at = &from->intercepts[i];
        rc = policy_intercept(to, &(struct policy_intercept){at->tls, at->match, at->target}, err);
    }
    return rc;
}

struct policy *policy_clone(const struct policy *p)
{
    struct policy_config config;
    struct span *lists;
    struct policy *copy = NULL;

    if (class_config(&p->class, &lists, &config)) {
        copy = policy_create(&config, NULL);
        free(lists);
    }
    if (copy != NULL && runtime_copy(copy, &p->set, NULL) < 0) {
        policy_free(copy);
        copy = NULL;
    }
    return copy;
}

void policy_free(struct policy *p)
{
    if (p != NULL) {
        class_free(&p->class);
        runtime_free(&p->set);
        free(p);
    }
}
