/*
 * What an instance's policy is made of, and what it says of a URL.
 */
#include "runtime/instance.h"

#include "proto/url/url.h"

#include <stdlib.h>

#define LOST_TOLD_MAX 8u
#define LOST_LINE_MAX 8192u

struct list_builder {
    struct span *items;
    size_t count;
};

/* Takes over the strings of a JSON array behind `more`. */
static bool list_build(struct list_builder *l, const json_t *array, const struct span *more,
                       size_t more_count)
{
    size_t n = json_array_size(array);
    l->items = calloc(n + more_count + 1, sizeof *l->items);
    if (l->items == NULL) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *s = json_array_get(array, i);
        l->items[l->count++] = span_of(json_string_value(s), json_string_length(s));
    }
    for (size_t i = 0; i < more_count; i++) {
        l->items[l->count++] = more[i];
    }
    return true;
}

static bool named_build(struct list_builder *l, const struct js_named *named, size_t count)
{
    l->items = calloc(count + 1, sizeof *l->items);
    for (size_t i = 0; l->items != NULL && i < count; i++) {
        l->items[l->count++] = named[i].name;
    }
    return l->items != NULL;
}

static struct policy_list list_of(const struct list_builder *l)
{
    return (struct policy_list){l->items, l->count};
}

struct lists {
    struct list_builder allowed;
    struct list_builder denied;
    struct list_builder tcp;
    struct list_builder handlers;
    struct list_builder hosts;
};

static bool lists_build(const struct options *o, const struct js_class *cls, const json_t *facts,
                        struct lists *l)
{
    return list_build(&l->allowed, json_object_get(facts, "allowedHosts"), o->allow,
                      o->allow_count) &&
           list_build(&l->denied, json_object_get(facts, "deniedHosts"), o->deny, o->deny_count) &&
           list_build(&l->tcp, json_object_get(facts, "allowedTcp"), o->allow_tcp,
                      o->allow_tcp_count) &&
           named_build(&l->handlers, cls != NULL ? cls->handlers : NULL,
                       cls != NULL ? cls->handler_count : 0) &&
           named_build(&l->hosts, cls != NULL ? cls->hosts : NULL,
                       cls != NULL ? cls->host_count : 0);
}

static void lists_free(struct lists *l)
{
    free(l->allowed.items);
    free(l->denied.items);
    free(l->tcp.items);
    free(l->handlers.items);
    free(l->hosts.items);
}

/* An option beats the class's property, which beats the default. */
static bool flag(const json_t *facts, const char *key, int option, bool otherwise)
{
    const json_t *said = json_object_get(facts, key);
    return option >= 0 ? option != 0 : json_is_boolean(said) ? json_is_true(said) : otherwise;
}

int instance_configure(struct instance *inst, struct policy **policy, const struct js_class *cls,
                       struct span facts, struct error *err)
{
    json_error_t where;
    json_t *json = facts.ptr != NULL ? json_loadb(facts.ptr, facts.len, 0, &where) : json_object();
    struct lists l = {0};
    int rc = -1;
    if (json != NULL && lists_build(&inst->options, cls, json, &l)) {
        bool internet = flag(json, "enableInternet", inst->options.internet,
                             inst->kind == JS_CLASS_SANDBOX || inst->started_internet);
        if (*policy == NULL) {
            /* The inner door was told at the start whether it opens HTTPS: it stays so. */
            inst->intercept_https =
                flag(json, "interceptHttps", inst->options.intercept_https, true);
        }
        struct policy_config config = {
            .class_name = span_str(inst->class_name),
            .has_allowed =
                json_is_array(json_object_get(json, "allowedHosts")) || inst->options.allow != NULL,
            .allowed = list_of(&l.allowed),
            .denied = list_of(&l.denied),
            .enable_internet = internet,
            .outbound = cls != NULL && cls->outbound != JS_HANDLER_NONE,
            .hosts = list_of(&l.hosts),
            .handlers = list_of(&l.handlers),
            .allowed_tcp = list_of(&l.tcp),
        };
        if (*policy == NULL) {
            *policy = policy_create(&config, err);
            rc = *policy != NULL ? 0 : -1;
        } else {
            rc = policy_configure(*policy, &config, err);
        }
        inst->internet = rc == 0 ? internet : inst->internet;
    } else {
        error_set(err, 0, "instance: its properties could not be read");
    }
    lists_free(&l);
    json_decref(json);
    return rc;
}

void instance_tell_lost(const struct instance *inst)
{
    struct policy_override o;
    for (size_t i = 0; i < LOST_TOLD_MAX && policy_lost(inst->policy, i, &o); i++) {
        struct buf line;
        buf_init(&line, LOST_LINE_MAX);
        bool every = o.host.len == 0;
        if (buf_appendf(&line,
                        "outbound handler \"" SPAN_FMT "\", set for " SPAN_FMT
                        ", is not in outboundHandlers of %s: what it stands for is denied until "
                        "the code has it again, or another is set",
                        SPAN_ARG(o.handler), SPAN_ARG(every ? SPAN_LIT("all hosts") : o.host),
                        inst->class_name)) {
            runtime_log(inst->rt, span_str(inst->id), JS_LOG_WARN, buf_span(&line));
        }
        buf_free(&line);
    }
}

int instance_describe(const struct instance *inst, struct buf *out, struct error *err)
{
    return buf_append_str(out, inst->intercept_https ? "{\"intercept_https\":true,"
                                                     : "{\"intercept_https\":false,") &&
                   policy_describe(inst->policy, out, err) == 0 && buf_append_str(out, "}")
               ? 0
               : error_set(err, 0, "policy: too large to be described");
}

/* ---- check ---- */

static json_t *text_or_null(struct span s)
{
    json_t *text = s.len > 0 ? json_stringn(s.ptr, s.len) : NULL;
    return text != NULL ? text : json_null();
}

static bool decide(const struct instance *inst, struct span text, struct url_host *host,
                   struct policy_verdict *v)
{
    struct url url;
    if (!url_parse(&url, text, NULL)) {
        return false;
    }
    bool web = url.kind == URL_SCHEME_HTTP || url.kind == URL_SCHEME_HTTPS ||
               url.kind == URL_SCHEME_WS || url.kind == URL_SCHEME_WSS;
    bool secure = url.kind == URL_SCHEME_HTTPS || url.kind == URL_SCHEME_WSS;
    bool ok = web && url_host_of(&url, host);
    if (ok) {
        struct policy_facts facts = {.kind = secure && !inst->intercept_https ? POLICY_TLS_TUNNEL
                                                                              : POLICY_REQUEST,
                                     .host = host,
                                     .port = url_port_or_default(&url),
                                     .secure = secure};
        policy_decide(inst->policy, &facts, v);
    }
    url_free(&url);
    return ok;
}

int instance_check(const struct instance *inst, struct span url, struct buf *out, struct error *err)
{
    static const char *const decisions[] = {
        [POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny", [POLICY_HANDLER] = "handler"};
    struct url_host host = {.len = 0};
    struct policy_verdict v = {.decision = POLICY_DENY, .rule = POLICY_RULE_URL};
    if (!decide(inst, url, &host, &v)) {
        host.len = 0;
        v = (struct policy_verdict){.decision = POLICY_DENY, .rule = POLICY_RULE_URL};
    }
    json_t *json = json_pack("{s:o, s:o, s:s, s:s, s:o, s:o}", "url", text_or_null(url), "host",
                             text_or_null(url_host_span(&host)), "decision", decisions[v.decision],
                             "rule", policy_rule_name(v.rule), "pattern", text_or_null(v.pattern),
                             "handler", text_or_null(v.handler));
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    bool ok = text != NULL && buf_append_str(out, text);
    free(text);
    json_decref(json);
    return ok ? 0 : error_set(err, 0, "check: out of memory");
}
