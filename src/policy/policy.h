/*
 * policy: pure decisions. (configuration, facts) -> verdict and the rule that made it.
 *
 * A policy is what the class says (struct policy_config, copied) plus what was set at run time
 * (the mutators below; the state that is saved). Order of policy_decide, the first match ends:
 *
 *   1 deniedHosts matches               deny     5 setOutboundHandler          handler
 *   1a interceptOutbound… matches       handler
 *   2 allowedHosts set, no match        deny     6 outbound                    handler
 *   3 setOutboundByHost, exact or glob  handler  7 allowedHosts set (matched)  allow
 *   4 outboundByHost, exact or glob     handler  8 enableInternet              allow, else deny
 *
 * A TLS tunnel (interceptHttps is false) skips 3 to 6. A raw TCP tunnel is judged by 1, then by
 * allowedTcp alone. A handler name that was stored and is not in the code denies.
 *
 * What a pattern is: set.h.
 *
 * No I/O, no clock. Every mutator changes all or nothing. A policy is used by one thread.
 */
#ifndef SALLYPORT_POLICY_POLICY_H
#define SALLYPORT_POLICY_POLICY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"
#include "policy/set.h"

#define POLICY_PARAMS_MAX (256u * 1024u)        /* bytes of one `params` */
#define POLICY_STATE_MAX  (16u * 1024u * 1024u) /* bytes of a saved state */

/* What a class and its options say. Everything is lent for the call. */
struct policy_config {
    struct span class_name;
    bool has_allowed; /* an empty allowed list is not the same as none */
    struct policy_list allowed;
    struct policy_list denied;
    bool enable_internet;
    bool outbound;                  /* the class has a static catch-all */
    struct policy_list hosts;       /* keys of outboundByHost, in order, as written */
    struct policy_list handlers;    /* names in outboundHandlers */
    struct policy_list allowed_tcp; /* HOST:PORT */
};

struct policy;

/* NULL: memory, or a pattern that cannot be one; err says which. */
struct policy *policy_create(const struct policy_config *config, struct error *err);
/* Takes over a new configuration; what was set at run time stays. On error nothing has changed. */
int policy_configure(struct policy *p, const struct policy_config *config, struct error *err);
/* A policy of its own with the same content, to be changed, saved and then swapped in. */
struct policy *policy_clone(const struct policy *p);
void policy_free(struct policy *p); /* NULL is allowed */

enum policy_kind {
    POLICY_REQUEST,    /* an HTTP exchange, in clear or in TLS that was opened */
    POLICY_TLS_TUNNEL, /* TLS that is not opened; host is the SNI */
    POLICY_TCP_TUNNEL  /* any other bytes */
};

struct policy_facts {
    enum policy_kind kind;
    const struct url_host *host;
    uint16_t port;
    bool secure; /* POLICY_REQUEST: it came in TLS */
};

enum policy_decision { POLICY_ALLOW, POLICY_DENY, POLICY_HANDLER };

enum policy_rule {
    POLICY_RULE_DENIED_HOSTS,
    POLICY_RULE_ALLOWED_HOSTS,
    POLICY_RULE_SET_OUTBOUND_BY_HOST,
    POLICY_RULE_OUTBOUND_BY_HOST,
    POLICY_RULE_SET_OUTBOUND_HANDLER,
    POLICY_RULE_OUTBOUND,
    POLICY_RULE_ENABLE_INTERNET,
    POLICY_RULE_ALLOWED_TCP,
    POLICY_RULE_INTERCEPT, /* interceptOutboundHttp and its like: params is the target */
    POLICY_RULE_URL,       /* never from policy_decide: a URL that no client could send */
    POLICY_RULE_COUNT
};

/* The spans are lent until the policy is changed or freed; empty where there is nothing. */
struct policy_verdict {
    enum policy_decision decision;
    enum policy_rule rule;
    struct span pattern; /* the list entry or key, as written */
    struct span handler; /* name of the handler that was set at run time */
    struct span params;  /* JSON text given with it */
    size_t index;        /* in config.handlers (set at run time) or config.hosts (outboundByHost) */
    const char *reason;  /* of a denial: half a sentence; static text */
};

void policy_decide(const struct policy *p, const struct policy_facts *facts,
                   struct policy_verdict *out);
const char *policy_rule_name(enum policy_rule rule); /* as the answers and events spell it */

/* Mutators; what they do is in the names of the class's methods. params is JSON text as a
 * serialiser made it, empty when there is none, and stays opaque. An unknown handler name fails
 * with the text of the class's method, `Outbound handler method 'x' not found in outboundHandlers
 * for Class`. */
struct policy_override {
    struct span host; /* a pattern; not read by policy_set_handler */
    struct span handler;
    struct span params;
};

int policy_set_handler(struct policy *p, const struct policy_override *o, struct error *err);
void policy_remove_handler(struct policy *p);
int policy_set_by_host(struct policy *p, const struct policy_override *o, struct error *err);
int policy_set_by_hosts(struct policy *p, const struct policy_override *all, size_t count,
                        struct error *err);
int policy_remove_by_host(struct policy *p, struct span host, struct error *err);

enum policy_which { POLICY_ALLOWED, POLICY_DENIED };
/* Replaces the effective list; add and remove start from the effective one and store it whole
 * (add of what is there stores nothing; remove stores a list even where there was none). */
int policy_list_set(struct policy *p, enum policy_which which, const struct policy_list *list,
                    struct error *err);
int policy_list_add(struct policy *p, enum policy_which which, struct span host, struct error *err);
int policy_list_remove(struct policy *p, enum policy_which which, struct span host,
                       struct error *err);

/* Code's own table of destinations, in order of registration: the first that matches protocol, port
 * and destination ends. match is `HOST[:PORT]`, HOST an address (IPv6 also without brackets), a
 * CIDR, a name or a glob; without a port it is 80, for tls 443. 0.0.0.0/0 and ::/0 match names too.
 * target is opaque text, at most POLICY_PARAMS_MAX. The same protocol, HOST and port again swaps
 * the target in place. */
struct policy_intercept {
    bool tls;
    struct span match;
    struct span target;
};
int policy_intercept(struct policy *p, const struct policy_intercept *i, struct error *err);
/* The sandbox has ended: all of them go. true: there were some. */
bool policy_intercepts_clear(struct policy *p);

/* What was set at run time, as JSON:
 * {"v":1,"handler"?,"hosts"?,"allowed"?,"denied"?,"intercepts"?}.
 * policy_state_load takes the place of all that was set; names that the code lacks are kept. */
int policy_state_save(const struct policy *p, struct buf *out, struct error *err);
int policy_state_load(struct policy *p, struct span json, struct error *err);
/* The n-th handler that was set and is not in the code, as it was set (host empty: for all hosts).
 * false: there are no more. */
bool policy_lost(const struct policy *p, size_t n, struct policy_override *out);
/* The members of the effective policy, for `inspect`:
 * "internet","allowed","denied","hosts","handler" (what was set), and of the class "class",
 * "handlers", "outboundByHost" (its keys), "outbound" (whether it has one). */
int policy_describe(const struct policy *p, struct buf *out, struct error *err);

#endif
