#include "runtime/change.h"

#include <jansson.h>
#include <stdlib.h>

typedef int (*change_fn)(struct policy *p, const json_t *args, const char *method,
                         struct error *err);

static struct span json_span(const json_t *s)
{
    return span_of(json_string_value(s), json_string_length(s));
}

static int string_arg(const json_t *args, size_t i, const char *method, struct span *out,
                      struct error *err)
{
    const json_t *s = json_array_get(args, i);
    if (!json_is_string(s)) {
        return error_set(err, 0, "%s: argument %zu must be a string", method, i + 1);
    }
    *out = json_span(s);
    return 0;
}

/* The JSON text of params; *out is NULL when there are none. */
static int params_text(const json_t *params, char **out, struct error *err)
{
    *out = NULL;
    if (params == NULL || json_is_null(params)) {
        return 0;
    }
    *out = json_dumps(params, JSON_COMPACT | JSON_ENCODE_ANY);
    return *out != NULL ? 0 : error_set(err, 0, "params: out of memory");
}

static int set_handler(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    struct policy_override o = {0};
    char *params;
    if (string_arg(args, 0, method, &o.handler, err) != 0 ||
        params_text(json_array_get(args, 1), &params, err) != 0) {
        return -1;
    }
    o.params = span_str(params);
    int rc = policy_set_handler(p, &o, err);
    free(params);
    return rc;
}

static int remove_handler(struct policy *p, const json_t *args, const char *method,
                          struct error *err)
{
    (void)args;
    (void)method;
    (void)err;
    policy_remove_handler(p);
    return 0;
}

static int set_by_host(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    struct policy_override o = {0};
    char *params;
    if (string_arg(args, 0, method, &o.host, err) != 0 ||
        string_arg(args, 1, method, &o.handler, err) != 0 ||
        params_text(json_array_get(args, 2), &params, err) != 0) {
        return -1;
    }
    o.params = span_str(params);
    int rc = policy_set_by_host(p, &o, err);
    free(params);
    return rc;
}

/* `name`, or {method, params?}. */
static int override_get(const json_t *v, struct policy_override *o, char **params,
                        struct error *err)
{
    *params = NULL;
    if (json_is_string(v)) {
        o->handler = json_span(v);
        return 0;
    }
    const json_t *name = json_object_get(v, "method");
    if (!json_is_string(name)) {
        return error_set(err, 0,
                         "setOutboundByHosts: " SPAN_FMT ": expected a handler's name or {method, "
                         "params}",
                         SPAN_ARG(o->host));
    }
    o->handler = json_span(name);
    int rc = params_text(json_object_get(v, "params"), params, err);
    o->params = span_str(*params);
    return rc;
}

static int set_by_hosts(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    json_t *map = json_array_get(args, 0);
    if (!json_is_object(map)) {
        return error_set(err, 0, "%s: argument 1 must be an object", method);
    }
    size_t count = json_object_size(map);
    struct policy_override *all = calloc(count + 1, sizeof *all);
    char **params = calloc(count + 1, sizeof *params);
    int rc = all == NULL || params == NULL ? error_set(err, 0, "%s: out of memory", method) : 0;
    size_t i = 0;
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        if (rc == 0) {
            all[i].host = span_str(key);
            rc = override_get(value, &all[i], &params[i], err);
            i++;
        }
    }
    if (rc == 0) {
        rc = policy_set_by_hosts(p, all, count, err);
    }
    for (size_t k = 0; params != NULL && k < count; k++) {
        free(params[k]);
    }
    free(params);
    free(all);
    return rc;
}

static int remove_by_host(struct policy *p, const json_t *args, const char *method,
                          struct error *err)
{
    struct span host;
    int rc = string_arg(args, 0, method, &host, err);
    return rc != 0 ? rc : policy_remove_by_host(p, host, err);
}

static int list_set(struct policy *p, const json_t *args, const char *method,
                    enum policy_which which, struct error *err)
{
    const json_t *list = json_array_get(args, 0);
    size_t count = json_array_size(list);
    struct span *items = calloc(count + 1, sizeof *items);
    int rc = items == NULL ? error_set(err, 0, "%s: out of memory", method) : 0;
    if (rc == 0 && !json_is_array(list)) {
        rc = error_set(err, 0, "%s: argument 1 must be an array of strings", method);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const json_t *s = json_array_get(list, i);
        rc = json_is_string(s)
                 ? 0
                 : error_set(err, 0, "%s: argument 1 must be an array of strings", method);
        items[i] = rc == 0 ? json_span(s) : items[i];
    }
    if (rc == 0) {
        rc = policy_list_set(p, which, &(struct policy_list){items, count}, err);
    }
    free(items);
    return rc;
}

static int set_allowed(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    return list_set(p, args, method, POLICY_ALLOWED, err);
}

static int set_denied(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    return list_set(p, args, method, POLICY_DENIED, err);
}

static int allow(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    struct span host;
    int rc = string_arg(args, 0, method, &host, err);
    return rc != 0 ? rc : policy_list_add(p, POLICY_ALLOWED, host, err);
}

static int deny(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    struct span host;
    int rc = string_arg(args, 0, method, &host, err);
    return rc != 0 ? rc : policy_list_add(p, POLICY_DENIED, host, err);
}

static int unallow(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    struct span host;
    int rc = string_arg(args, 0, method, &host, err);
    return rc != 0 ? rc : policy_list_remove(p, POLICY_ALLOWED, host, err);
}

static int undeny(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    struct span host;
    int rc = string_arg(args, 0, method, &host, err);
    return rc != 0 ? rc : policy_list_remove(p, POLICY_DENIED, host, err);
}

/* Not a method of classes: what ctx.container's interceptOutbound… come to. */
static int intercept(struct policy *p, const json_t *args, const char *method, struct error *err)
{
    struct policy_intercept i = {.tls = json_is_true(json_array_get(args, 0))};
    int rc = string_arg(args, 1, method, &i.match, err);
    rc = rc == 0 ? string_arg(args, 2, method, &i.target, err) : rc;
    return rc == 0 ? policy_intercept(p, &i, err) : rc;
}

static int intercepts_end(struct policy *p, const json_t *args, const char *method,
                          struct error *err)
{
    (void)args, (void)method, (void)err;
    policy_intercepts_clear(p);
    return 0;
}

static const struct method {
    const char *name;
    change_fn fn;
} methods[] = {
    {"setOutboundHandler", set_handler},
    {"removeOutboundHandler", remove_handler},
    {"setOutboundByHost", set_by_host},
    {"setOutboundByHosts", set_by_hosts},
    {"removeOutboundByHost", remove_by_host},
    {"setAllowedHosts", set_allowed},
    {"setDeniedHosts", set_denied},
    {"allowHost", allow},
    {"denyHost", deny},
    {"removeAllowedHost", unallow},
    {"removeDeniedHost", undeny},
    {"$intercept", intercept},
    {"$interceptsEnd", intercepts_end},
};

static const struct method *method_find(struct span name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (span_eq(name, span_str(methods[i].name))) {
            return &methods[i];
        }
    }
    return NULL;
}

bool change_is_method(struct span method)
{
    return method.len > 0 && method.ptr[0] != '$' && method_find(method) != NULL;
}

int change_apply(struct policy *p, struct span method, struct span args, struct error *err)
{
    const struct method *m = method_find(method);
    if (m == NULL) {
        return error_set(err, 0, "there is no method of that name");
    }
    json_error_t where;
    json_t *array = json_loadb(args.ptr, args.len, JSON_REJECT_DUPLICATES, &where);
    int rc = json_is_array(array)
                 ? m->fn(p, array, m->name, err)
                 : error_set(err, 0, "%s: the arguments are not a JSON array", m->name);
    json_decref(array);
    return rc;
}
