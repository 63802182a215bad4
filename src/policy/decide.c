/*
 * The decision. Each step either fills the verdict and says so, or passes on.
 */
#include "policy/internal.h"

static bool give(struct policy_verdict *v, enum policy_decision decision, enum policy_rule rule,
                 const char *reason)
{
    v->decision = decision;
    v->rule = rule;
    v->reason = reason;
    return true;
}

/* An IPv6 literal that stands for a denied IPv4 address is denied like it. */
static size_t match_denied(const struct table *t, const struct url_host *host)
{
    size_t hit = table_match(t, host);
    uint32_t inner[2];

    if (hit != POLICY_NO_INDEX || host->kind != URL_HOST_IPV6 || t->count == 0) {
        return hit;
    }
    for (size_t i = 0, n = url_ip_embedded(host->addr, inner); i < n; i++) {
        uint8_t addr[16] = {[10] = 0xff, [11] = 0xff};
        struct url_host v4;
        for (int b = 0; b < 4; b++) {
            addr[12 + b] = (uint8_t)(inner[i] >> (24 - 8 * b));
        }
        url_host_from_addr(addr, &v4);
        hit = table_match(t, &v4);
        if (hit != POLICY_NO_INDEX) {
            return hit;
        }
    }
    return POLICY_NO_INDEX;
}

static bool step_denied(const struct policy *p, const struct url_host *host,
                        struct policy_verdict *v)
{
    const struct table *t = p->set.has_denied ? &p->set.denied : &p->class.denied;
    size_t hit = match_denied(t, host);

    if (hit == POLICY_NO_INDEX) {
        return false;
    }
    v->pattern = t->items[hit].written;
    return give(v, POLICY_DENY, POLICY_RULE_DENIED_HOSTS, "the host is on the denied list");
}

/* Code that registers a destination means it, whatever its allowed list says. */
static bool step_intercepts(const struct policy *p, const struct policy_facts *facts,
                            struct policy_verdict *v)
{
    const struct intercept *hit = intercept_find(&p->set, facts);

    if (hit == NULL) {
        return false;
    }
    v->pattern = hit->match;
    v->params = hit->target;
    return give(v, POLICY_HANDLER, POLICY_RULE_INTERCEPT, NULL);
}

/* The allowed list is a gate here; *entry is what matched, for step_internet. */
static bool step_allowed(const struct policy *p, const struct url_host *host,
                         struct policy_verdict *v, const struct pattern **entry)
{
    const struct table *t = p->set.has_allowed ? &p->set.allowed : &p->class.allowed;

    *entry = NULL;
    if (!p->set.has_allowed && !p->class.has_allowed) {
        return false;
    }
    size_t hit = table_match(t, host);
    if (hit == POLICY_NO_INDEX) {
        return give(v, POLICY_DENY, POLICY_RULE_ALLOWED_HOSTS,
                    "the host is not on the allowed list");
    }
    *entry = &t->items[hit];
    return false;
}

static bool is_lost(const struct selected *s, size_t *n)
{
    return s->index == POLICY_NO_INDEX && (*n)-- == 0;
}

bool policy_lost(const struct policy *p, size_t n, struct policy_override *out)
{
    const struct selected *found = NULL;
    *out = (struct policy_override){.host = {"", 0}};
    if (p->set.has_handler && is_lost(&p->set.handler, &n)) {
        found = &p->set.handler;
    }
    for (size_t i = 0; found == NULL && i < p->set.hosts.count; i++) {
        if (is_lost(&p->set.by_host[i], &n)) {
            found = &p->set.by_host[i];
            out->host = p->set.hosts.items[i].written;
        }
    }
    if (found != NULL) {
        out->handler = span_of(found->name, found->name_len);
        out->params = span_of(found->params, found->params_len);
    }
    return found != NULL;
}

static bool give_selected(struct policy_verdict *v, const struct selected *s, enum policy_rule rule)
{
    v->handler = span_of(s->name, s->name_len);
    v->params = span_of(s->params, s->params_len);
    v->index = s->index;
    if (s->index == POLICY_NO_INDEX) {
        return give(v, POLICY_DENY, rule, "the handler that was set is not in the code");
    }
    return give(v, POLICY_HANDLER, rule, NULL);
}

static bool step_handlers(const struct policy *p, const struct url_host *host,
                          struct policy_verdict *v)
{
    size_t hit = table_match(&p->set.hosts, host);

    if (hit != POLICY_NO_INDEX) {
        v->pattern = p->set.hosts.items[hit].written;
        return give_selected(v, &p->set.by_host[hit], POLICY_RULE_SET_OUTBOUND_BY_HOST);
    }
    hit = table_match(&p->class.hosts, host);
    if (hit != POLICY_NO_INDEX) {
        v->pattern = p->class.hosts.items[hit].written;
        v->index = hit;
        return give(v, POLICY_HANDLER, POLICY_RULE_OUTBOUND_BY_HOST, NULL);
    }
    if (p->set.has_handler) {
        return give_selected(v, &p->set.handler, POLICY_RULE_SET_OUTBOUND_HANDLER);
    }
    if (p->class.outbound) {
        return give(v, POLICY_HANDLER, POLICY_RULE_OUTBOUND, NULL);
    }
    return false;
}

static void step_internet(const struct policy *p, const struct pattern *entry,
                          struct policy_verdict *v)
{
    if (entry != NULL) {
        v->pattern = entry->written;
        give(v, POLICY_ALLOW, POLICY_RULE_ALLOWED_HOSTS, NULL);
    } else if (p->class.enable_internet) {
        give(v, POLICY_ALLOW, POLICY_RULE_ENABLE_INTERNET, NULL);
    } else {
        give(v, POLICY_DENY, POLICY_RULE_ENABLE_INTERNET,
             "internet access is off and no rule allows the host");
    }
}

static void step_tcp(const struct policy *p, const struct policy_facts *facts,
                     struct policy_verdict *v)
{
    for (size_t i = 0; i < p->class.tcp_count; i++) {
        const struct tcp_rule *rule = &p->class.tcp[i];
        if (rule->port == facts->port && pattern_matches(&rule->host, facts->host)) {
            v->pattern = p->class.tcp_written.items[i];
            give(v, POLICY_ALLOW, POLICY_RULE_ALLOWED_TCP, NULL);
            return;
        }
    }
    give(v, POLICY_DENY, POLICY_RULE_ALLOWED_TCP,
         "the bytes are neither HTTP nor TLS, and no allowedTcp entry names host and port");
}

void policy_decide(const struct policy *p, const struct policy_facts *facts,
                   struct policy_verdict *out)
{
    const struct pattern *entry;
    struct span none = span_of("", 0);

    *out = (struct policy_verdict){
        .pattern = none, .handler = none, .params = none, .index = POLICY_NO_INDEX};
    if (step_denied(p, facts->host, out)) {
        return;
    }
    if (facts->kind == POLICY_TCP_TUNNEL) {
        step_tcp(p, facts, out);
        return;
    }
    if (facts->kind == POLICY_REQUEST && step_intercepts(p, facts, out)) {
        return;
    }
    if (step_allowed(p, facts->host, out, &entry)) {
        return;
    }
    if (facts->kind == POLICY_REQUEST && step_handlers(p, facts->host, out)) {
        return;
    }
    step_internet(p, entry, out);
}

const char *policy_rule_name(enum policy_rule rule)
{
    static const char *const names[] = {
        [POLICY_RULE_DENIED_HOSTS] = "deniedHosts",
        [POLICY_RULE_ALLOWED_HOSTS] = "allowedHosts",
        [POLICY_RULE_SET_OUTBOUND_BY_HOST] = "setOutboundByHost",
        [POLICY_RULE_OUTBOUND_BY_HOST] = "outboundByHost",
        [POLICY_RULE_SET_OUTBOUND_HANDLER] = "setOutboundHandler",
        [POLICY_RULE_OUTBOUND] = "outbound",
        [POLICY_RULE_ENABLE_INTERNET] = "enableInternet",
        [POLICY_RULE_ALLOWED_TCP] = "allowedTcp",
        [POLICY_RULE_INTERCEPT] = "interceptOutbound",
        [POLICY_RULE_URL] = "url",
    };
    _Static_assert(sizeof names / sizeof names[0] == POLICY_RULE_COUNT, "every rule has a name");
    return names[rule];
}
