/*
 * What was set at run time, written as JSON and read back; and the whole policy for people.
 *
 * In the state `params` is a string that holds JSON text: a number or an escape that another JSON
 * library would read differently comes back byte for byte.
 */
#include "policy/internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

static void put_string(struct buf *out, bool *ok, struct span s)
{
    size_t run = 0;

    *ok = *ok && buf_append_str(out, "\"");
    for (size_t i = 0; *ok && i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            continue;
        }
        *ok = buf_append(out, s.ptr + run, i - run) && buf_appendf(out, "\\u%04x", c);
        run = i + 1;
    }
    *ok = *ok && buf_append(out, s.ptr + run, s.len - run) && buf_append_str(out, "\"");
}

static void put(struct buf *out, bool *ok, const char *text)
{
    *ok = *ok && buf_append_str(out, text);
}

static void put_list(struct buf *out, bool *ok, const struct table *t)
{
    put(out, ok, "[");
    for (size_t i = 0; i < t->count; i++) {
        put(out, ok, i > 0 ? "," : "");
        put_string(out, ok, t->items[i].written);
    }
    put(out, ok, "]");
}

/* The members "method" and "params"; quoted: params as a string. */
static void put_selected(struct buf *out, bool *ok, const struct selected *s, bool quoted)
{
    struct span params = span_of(s->params, s->params_len);

    put(out, ok, "\"method\":");
    put_string(out, ok, span_of(s->name, s->name_len));
    if (params.len == 0) {
        return;
    }
    put(out, ok, ",\"params\":");
    if (quoted) {
        put_string(out, ok, params);
    } else {
        *ok = *ok && buf_append_span(out, params);
    }
}

static void put_hosts(struct buf *out, bool *ok, const struct runtime_side *r, bool quoted)
{
    put(out, ok, "[");
    for (size_t i = 0; i < r->hosts.count; i++) {
        put(out, ok, i > 0 ? ",{\"host\":" : "{\"host\":");
        put_string(out, ok, r->hosts.items[i].written);
        put(out, ok, ",");
        put_selected(out, ok, &r->by_host[i], quoted);
        put(out, ok, "}");
    }
    put(out, ok, "]");
}

static void put_intercepts(struct buf *out, bool *ok, const struct runtime_side *r)
{
    for (size_t i = 0; i < r->intercept_count; i++) {
        const struct intercept *at = &r->intercepts[i];
        put(out, ok, i > 0 ? "," : ",\"intercepts\":[");
        put(out, ok, at->tls ? "{\"tls\":true,\"match\":" : "{\"tls\":false,\"match\":");
        put_string(out, ok, at->match);
        put(out, ok, ",\"target\":");
        put_string(out, ok, at->target);
        put(out, ok, "}");
    }
    put(out, ok, r->intercept_count > 0 ? "]" : "");
}

static int finish(bool ok, struct error *err)
{
    return ok ? 0 : error_set(err, 0, "policy state: no memory, or over its ceiling");
}

int policy_state_save(const struct policy *p, struct buf *out, struct error *err)
{
    const struct runtime_side *r = &p->set;
    bool ok = true;

    put(out, &ok, "{\"v\":1");
    if (r->has_handler) {
        put(out, &ok, ",\"handler\":{");
        put_selected(out, &ok, &r->handler, true);
        put(out, &ok, "}");
    }
    if (r->hosts.count > 0) {
        put(out, &ok, ",\"hosts\":");
        put_hosts(out, &ok, r, true);
    }
    if (r->has_allowed) {
        put(out, &ok, ",\"allowed\":");
        put_list(out, &ok, &r->allowed);
    }
    if (r->has_denied) {
        put(out, &ok, ",\"denied\":");
        put_list(out, &ok, &r->denied);
    }
    put_intercepts(out, &ok, r);
    put(out, &ok, "}");
    return finish(ok, err);
}

int policy_describe(const struct policy *p, struct buf *out, struct error *err)
{
    const struct runtime_side *r = &p->set;
    bool ok = true;

    put(out, &ok, "\"class\":");
    put_string(out, &ok, span_of(p->class.name, p->class.name_len));
    put(out, &ok, p->class.enable_internet ? ",\"internet\":true" : ",\"internet\":false");
    put(out, &ok, ",\"allowed\":");
    if (r->has_allowed || p->class.has_allowed) {
        put_list(out, &ok, r->has_allowed ? &r->allowed : &p->class.allowed);
    } else {
        put(out, &ok, "null");
    }
    put(out, &ok, ",\"denied\":");
    put_list(out, &ok, r->has_denied ? &r->denied : &p->class.denied);
    put(out, &ok, ",\"hosts\":");
    put_hosts(out, &ok, r, false);
    put(out, &ok, ",\"handler\":");
    if (r->has_handler) {
        put(out, &ok, "{");
        put_selected(out, &ok, &r->handler, false);
        put(out, &ok, "}");
    } else {
        put(out, &ok, "null");
    }
    put(out, &ok, ",\"handlers\":[");
    for (size_t i = 0; i < p->class.handlers.count; i++) {
        put(out, &ok, i > 0 ? "," : "");
        put_string(out, &ok, p->class.handlers.items[i]);
    }
    put(out, &ok, "],\"outboundByHost\":");
    put_list(out, &ok, &p->class.hosts);
    put(out, &ok, p->class.outbound ? ",\"outbound\":true" : ",\"outbound\":false");
    return finish(ok, err);
}

static int bad(struct error *err, const char *what)
{
    return error_set(err, 0, "policy state: %s", what);
}

static bool only_keys(json_t *object, const char *const *keys)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (keys[i] != NULL && strcmp(keys[i], key) != 0) {
            i++;
        }
        if (keys[i] == NULL) {
            return false;
        }
    }
    return true;
}

static struct span string_span(json_t *value)
{
    return value != NULL ? span_of(json_string_value(value), json_string_length(value))
                         : span_of("", 0);
}

static int read_override(json_t *item, struct policy_override *o, bool with_host, struct error *err)
{
    static const char *const keys[] = {"method", "params", "host", NULL};
    json_t *host = json_object_get(item, "host");
    json_t *method = json_object_get(item, "method");
    json_t *params = json_object_get(item, "params");

    if (!json_is_object(item) || !only_keys(item, keys) || !json_is_string(method) ||
        (params != NULL && !json_is_string(params)) || with_host != json_is_string(host)) {
        return bad(err, "an override is not {host, method, params?}");
    }
    *o = (struct policy_override){string_span(host), string_span(method), string_span(params)};
    return 0;
}

static int read_list(json_t *list, struct table *to, struct error *err)
{
    size_t count = json_array_size(list);
    size_t i;
    json_t *item;

    if (!json_is_array(list)) {
        return bad(err, "a list is not an array");
    }
    struct span *items = calloc(count + 1, sizeof *items);
    if (items == NULL) {
        return error_set(err, ENOMEM, "policy state");
    }
    int rc = 0;
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item)) {
            rc = bad(err, "a list holds what is not a string");
            break;
        }
        items[i] = string_span(item);
    }
    if (rc == 0) {
        rc = table_build(to, &(struct policy_list){items, count}, true, err);
    }
    free(items);
    return rc;
}

static int read_hosts(json_t *list, struct policy *next, struct error *err)
{
    size_t count = json_array_size(list);
    size_t i;
    json_t *item;

    if (!json_is_array(list) || count > POLICY_ENTRIES_MAX) {
        return bad(err, "hosts is not an array, or too long");
    }
    struct policy_override *all = calloc(count + 1, sizeof *all);
    int rc = all != NULL ? 0 : error_set(err, ENOMEM, "policy state");
    json_array_foreach(list, i, item)
    {
        if (rc == 0) {
            rc = read_override(item, &all[i], true, err);
        }
    }
    if (rc == 0) {
        rc = policy_overrides_replace(next, all, count, err);
    }
    free(all);
    return rc;
}

static int read_intercepts(json_t *list, struct policy *next, struct error *err)
{
    static const char *const keys[] = {"tls", "match", "target", NULL};
    size_t i;
    json_t *item;
    int rc = json_is_array(list) ? 0 : bad(err, "intercepts is not an array");

    json_array_foreach(list, i, item)
    {
        json_t *tls = json_object_get(item, "tls");
        json_t *match = json_object_get(item, "match");
        json_t *target = json_object_get(item, "target");
        if (!json_is_object(item) || !only_keys(item, keys) || !json_is_boolean(tls) ||
            !json_is_string(match) || !json_is_string(target)) {
            return bad(err, "an intercept is not {tls, match, target}");
        }
        rc = policy_intercept(
            next,
            &(struct policy_intercept){json_is_true(tls), string_span(match), string_span(target)},
            err);
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

/* next borrows the class of the policy that is loaded; only its `set` is made here. */
static int read_state(json_t *root, struct policy *next, struct error *err)
{
    static const char *const keys[] = {"v",      "handler",    "hosts", "allowed",
                                       "denied", "intercepts", NULL};
    json_t *intercepts = json_object_get(root, "intercepts");
    json_t *handler = json_object_get(root, "handler");
    json_t *hosts = json_object_get(root, "hosts");
    json_t *allowed = json_object_get(root, "allowed");
    json_t *denied = json_object_get(root, "denied");
    struct policy_override o;
    int rc = 0;

    if (!json_is_object(root) || !only_keys(root, keys) ||
        json_integer_value(json_object_get(root, "v")) != 1) {
        return bad(err, "is not an object of version 1");
    }
    if (handler != NULL && (rc = read_override(handler, &o, false, err)) == 0) {
        rc = selected_make(&next->set.handler, &next->class.handlers, o.handler, o.params, err);
        next->set.has_handler = rc == 0;
    }
    if (rc == 0 && hosts != NULL) {
        rc = read_hosts(hosts, next, err);
    }
    if (rc == 0 && allowed != NULL) {
        rc = read_list(allowed, &next->set.allowed, err);
        next->set.has_allowed = rc == 0;
    }
    if (rc == 0 && denied != NULL) {
        rc = read_list(denied, &next->set.denied, err);
        next->set.has_denied = rc == 0;
    }
    if (rc == 0 && intercepts != NULL) {
        rc = read_intercepts(intercepts, next, err);
    }
    return rc;
}

int policy_state_load(struct policy *p, struct span json, struct error *err)
{
    json_error_t why;
    struct policy next = {.class = p->class};

    if (json.len > POLICY_STATE_MAX) {
        return bad(err, "is too large");
    }
    json_t *root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        return error_set(err, 0, "policy state: %s at byte %d", why.text, why.position);
    }
    int rc = read_state(root, &next, err);
    json_decref(root);
    if (rc < 0) {
        runtime_free(&next.set);
        return rc;
    }
    runtime_free(&p->set);
    p->set = next.set;
    return 0;
}
