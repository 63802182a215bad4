#include "runtime/app.h"

#include "gate/gate.h"
#include "proto/url/host.h"

#include <stdlib.h>

static struct span json_span(const json_t *s)
{
    return span_of(json_string_value(s), json_string_length(s));
}

static int wrong(struct error *err, const char *what, const char *key, const char *want)
{
    return error_set(err, 0, "%s: %s: expected %s", what, key, want);
}

static json_t *object_parse(struct span text, const char *what, struct error *err)
{
    json_error_t where;
    json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL || !json_is_object(json)) {
        error_set(err, 0, "%s: not a JSON object: %s", what, json == NULL ? where.text : "");
        json_decref(json);
        return NULL;
    }
    return json;
}

/* An array of strings as spans into it. *out stays NULL for an absent key. */
static int strings_get(const json_t *json, const char *what, const char *key, struct span **out,
                       size_t *count, struct error *err)
{
    const json_t *array = json_object_get(json, key);
    if (array == NULL) {
        return 0;
    }
    size_t n = json_is_array(array) ? json_array_size(array) : 0;
    if (!json_is_array(array)) {
        return wrong(err, what, key, "an array of strings");
    }
    *out = calloc(n + 1, sizeof **out);
    if (*out == NULL) {
        return error_set(err, 0, "%s: out of memory", what);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *s = json_array_get(array, i);
        if (!json_is_string(s)) {
            return wrong(err, what, key, "an array of strings");
        }
        (*out)[i] = json_span(s);
    }
    *count = n;
    return 0;
}

static int known_keys(json_t *json, const char *what, const char *const *keys, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        const char *const *k = keys;
        while (*k != NULL && strcmp(*k, key) != 0) {
            k++;
        }
        if (*k == NULL) {
            return error_set(err, 0, "%s: unknown key \"%s\"", what, key);
        }
    }
    return 0;
}

/* ---- app ---- */

static bool number_take(struct span *s, uint16_t *out)
{
    uint32_t n = 0;
    size_t i = 0;
    while (i < s->len && i < 5 && s->ptr[i] >= '0' && s->ptr[i] <= '9') {
        n = n * 10 + (uint32_t)(s->ptr[i++] - '0');
    }
    *s = span_from(*s, i);
    *out = (uint16_t)n;
    return i > 0 && n > 0 && n <= 65535;
}

static struct span until(struct span *s, char c)
{
    size_t i = 0;
    while (i < s->len && s->ptr[i] != c) {
        i++;
    }
    struct span out = span_of(s->ptr, i);
    *s = span_from(*s, i);
    return out;
}

static bool colon_take(struct span *s)
{
    if (s->len == 0 || s->ptr[0] != ':') {
        return false;
    }
    *s = span_from(*s, 1);
    return true;
}

/* An address up to ':' or the end, with brackets when it is IPv6. */
static bool address_take(struct span *s, uint8_t addr[16])
{
    struct span text;
    if (s->len > 0 && s->ptr[0] == '[') {
        text = until(s, ']');
        text.len += s->len > 0 ? 1 : 0;
        *s = span_from(*s, 1);
    } else {
        text = until(s, ':');
    }
    return url_ip_parse(text, addr);
}

int app_resolve_parse(struct span text, struct url_host *host, struct upstream_resolve *out,
                      struct error *err)
{
    struct span rest = text;
    struct span name;
    if (rest.len > 0 && rest.ptr[0] == '[') {
        name = until(&rest, ']');
        name.len += rest.len > 0 ? 1 : 0;
        rest = span_from(rest, 1);
    } else {
        name = until(&rest, ':');
    }
    bool ok = url_host_canonical(name, host) && colon_take(&rest) &&
              number_take(&rest, &out->port) && colon_take(&rest) && address_take(&rest, out->addr);
    out->dial_port = out->port;
    if (ok && rest.len > 0) {
        ok = colon_take(&rest) && number_take(&rest, &out->dial_port) && rest.len == 0;
    }
    out->host = url_host_span(host);
    return ok ? 0
              : error_set(err, 0, "resolve \"" SPAN_FMT "\": expected HOST:PORT:ADDR[:PORT]",
                          SPAN_ARG(text));
}

static int resolve_get(struct app *a, struct error *err)
{
    struct span *items = NULL;
    size_t count = 0;
    int rc = strings_get(a->json, "app", "resolve", &items, &count, err);
    if (rc == 0) {
        a->resolve = calloc(count + 1, sizeof *a->resolve);
        a->resolve_hosts = calloc(count + 1, sizeof *a->resolve_hosts);
        rc = a->resolve == NULL || a->resolve_hosts == NULL
                 ? error_set(err, 0, "app: out of memory")
                 : 0;
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = app_resolve_parse(items[i], &a->resolve_hosts[i], &a->resolve[i], err);
    }
    a->resolve_count = count;
    free(items);
    return rc;
}

static int private_get(struct app *a, struct error *err)
{
    struct span *items = NULL;
    size_t count = 0;
    int rc = strings_get(a->json, "app", "allow_private", &items, &count, err);
    if (rc == 0 && count > 0) {
        a->allow_private = policy_set_create(&(struct policy_list){items, count}, err);
        rc = a->allow_private == NULL ? -1 : 0;
    }
    free(items);
    return rc;
}

static int limit_get(const json_t *limits, const char *key, uint64_t most, uint64_t *out,
                     struct error *err)
{
    const json_t *v = json_object_get(limits, key);
    if (v == NULL) {
        return 0;
    }
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 1 || (uint64_t)n > most) {
        return error_set(err, 0, "app: limits.%s: expected a whole number from 1 to %llu", key,
                         (unsigned long long)most);
    }
    *out = (uint64_t)n;
    return 0;
}

static int limits_get(struct app *a, struct error *err)
{
    static const char *const keys[] = {"turn_ms", "heap_bytes", "request_ms", "exchanges", NULL};
    uint64_t turn = APP_TURN_MS_DEFAULT;
    uint64_t heap = APP_HEAP_BYTES_DEFAULT;
    uint64_t request = APP_REQUEST_MS_DEFAULT;
    uint64_t exchanges = APP_EXCHANGES_DEFAULT;
    json_t *limits = json_object_get(a->json, "limits");
    int rc = 0;
    if (limits != NULL) {
        rc = json_is_object(limits) ? known_keys(limits, "app: limits", keys, err)
                                    : wrong(err, "app", "limits", "an object");
    }
    if (rc == 0 && limits != NULL &&
        (limit_get(limits, "turn_ms", 3600000, &turn, err) != 0 ||
         limit_get(limits, "heap_bytes", UINT64_C(1) << 40, &heap, err) != 0 ||
         limit_get(limits, "request_ms", 86400000, &request, err) != 0 ||
         limit_get(limits, "exchanges", GATE_STREAMS_MAX, &exchanges, err) != 0)) {
        rc = -1;
    }
    a->limits = (struct app_limits){(uint32_t)turn, heap, (uint32_t)request, (uint32_t)exchanges};
    return rc;
}

/* What the engine's `env` is made of; checked there. */
static int env_get(struct app *a, struct error *err)
{
    static const char *const keys[] = {"vars", "kv", "objects", "services", "unsupported"};
    a->env = json_object();
    bool ok = a->env != NULL;
    for (size_t i = 0; ok && i < sizeof keys / sizeof keys[0]; i++) {
        json_t *v = json_object_get(a->json, keys[i]);
        ok = v == NULL || json_object_set(a->env, keys[i], v) == 0;
    }
    return ok ? 0 : error_set(err, 0, "app: out of memory");
}

static int strings_and_flags(struct app *a, struct error *err)
{
    const json_t *name = json_object_get(a->json, "name");
    const json_t *module = json_object_get(a->json, "module");
    const json_t *ca = json_object_get(a->json, "upstream_ca");
    if (!json_is_string(name)) {
        return wrong(err, "app", "name", "a string");
    }
    if (!json_is_boolean(module)) {
        return wrong(err, "app", "module", "true or false");
    }
    if (ca != NULL && !json_is_string(ca)) {
        return wrong(err, "app", "upstream_ca", "PEM text");
    }
    const json_t *dir = json_object_get(a->json, "objects_dir");
    if (dir != NULL && (!json_is_string(dir) || json_string_value(dir)[0] != '/')) {
        return wrong(err, "app", "objects_dir", "an absolute path");
    }
    a->objects_dir = dir != NULL ? json_span(dir) : (struct span){NULL, 0};
    a->name = json_span(name);
    a->module = json_is_true(module);
    a->upstream_ca = ca != NULL ? json_span(ca) : span_of("", 0);
    return 0;
}

int app_parse(struct span text, struct app *out, struct error *err)
{
    static const char *const keys[] = {"name",        "module",      "vars",        "kv",
                                       "objects",     "date",        "resolve",     "allow_private",
                                       "limits",      "upstream_ca", "objects_dir", "services",
                                       "unsupported", NULL};
    *out = (struct app){.json = object_parse(text, "app", err)};
    if (out->json == NULL) {
        return -1;
    }
    if (known_keys(out->json, "app", keys, err) != 0 || strings_and_flags(out, err) != 0 ||
        resolve_get(out, err) != 0 || private_get(out, err) != 0 || limits_get(out, err) != 0 ||
        env_get(out, err) != 0) {
        app_free(out);
        return -1;
    }
    return 0;
}

void app_free(struct app *a)
{
    json_decref(a->json);
    json_decref(a->env);
    free(a->resolve);
    free(a->resolve_hosts);
    policy_set_free(a->allow_private);
    *a = (struct app){0};
}

/* ---- options ---- */

static int flag_get(const json_t *json, const char *key, int *out, struct error *err)
{
    const json_t *v = json_object_get(json, key);
    *out = v == NULL ? -1 : json_is_true(v);
    return v == NULL || json_is_boolean(v) ? 0 : wrong(err, "options", key, "true or false");
}

int options_parse(struct span text, struct options *out, struct error *err)
{
    static const char *const keys[] = {"allow",  "deny",      "internet", "intercept_https",
                                       "inject", "allow_tcp", NULL};
    *out = (struct options){.json = object_parse(text, "options", err)};
    if (out->json == NULL) {
        return -1;
    }
    const json_t *j = out->json;
    if (known_keys(out->json, "options", keys, err) != 0 ||
        strings_get(j, "options", "allow", &out->allow, &out->allow_count, err) != 0 ||
        strings_get(j, "options", "deny", &out->deny, &out->deny_count, err) != 0 ||
        strings_get(j, "options", "inject", &out->inject, &out->inject_count, err) != 0 ||
        strings_get(j, "options", "allow_tcp", &out->allow_tcp, &out->allow_tcp_count, err) != 0 ||
        flag_get(j, "internet", &out->internet, err) != 0 ||
        flag_get(j, "intercept_https", &out->intercept_https, err) != 0) {
        options_free(out);
        return -1;
    }
    return 0;
}

void options_free(struct options *o)
{
    free(o->allow);
    free(o->deny);
    free(o->inject);
    free(o->allow_tcp);
    json_decref(o->json);
    *o = (struct options){0};
}
