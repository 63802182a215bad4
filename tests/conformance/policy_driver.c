/*
 * policy behind lines. Input: {"config": {…}, "state": {…}, "hosts": [host…]}, where state is what
 * policy_state_load takes. Output: [[decision, rule, pattern, index or -1, handler, params]…], one
 * for each host, null for what is no host; or {"error": sentence}.
 */
#include "policy/policy.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static struct span text_of(json_t *value)
{
    return span_of(json_string_value(value), json_string_length(value));
}

/* The strings of a JSON array, lent from it; the array of spans is given. */
static struct policy_list list_of(json_t *array)
{
    size_t count = json_array_size(array);
    struct span *items = calloc(count + 1, sizeof *items);

    if (items == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = text_of(json_array_get(array, i));
    }
    return (struct policy_list){items, count};
}

static void list_free(struct policy_list list)
{
    free((void *)(uintptr_t)list.items);
}

static struct policy *policy_of(json_t *c, struct error *err)
{
    json_t *allowed = json_object_get(c, "allowed");
    struct policy_config config = {
        .class_name = SPAN_LIT("Box"),
        .has_allowed = json_is_array(allowed),
        .allowed = list_of(allowed),
        .denied = list_of(json_object_get(c, "denied")),
        .hosts = list_of(json_object_get(c, "hosts")),
        .handlers = list_of(json_object_get(c, "handlers")),
        .outbound = json_is_true(json_object_get(c, "outbound")),
        .enable_internet = json_is_true(json_object_get(c, "internet")),
    };
    struct policy *p = policy_create(&config, err);
    list_free(config.allowed);
    list_free(config.denied);
    list_free(config.hosts);
    list_free(config.handlers);
    return p;
}

static json_t *string_of(struct span s)
{
    return json_stringn(s.ptr, s.len);
}

static json_t *verdict_of(const struct policy *p, struct span text)
{
    static const char *const decisions[] = {
        [POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny", [POLICY_HANDLER] = "handler"};
    struct url_host host;
    struct policy_verdict v;
    json_t *out = json_array();

    if (!url_host_canonical(text, &host)) {
        json_decref(out);
        return json_null();
    }
    policy_decide(p, &(struct policy_facts){.kind = POLICY_REQUEST, .host = &host, .port = 80}, &v);
    json_array_append_new(out, json_string(decisions[v.decision]));
    json_array_append_new(out, json_string(policy_rule_name(v.rule)));
    json_array_append_new(out, string_of(v.pattern));
    json_array_append_new(out, json_integer(v.index == POLICY_NO_INDEX ? -1 : (json_int_t)v.index));
    json_array_append_new(out, string_of(v.handler));
    json_array_append_new(out, string_of(v.params));
    return out;
}

static json_t *run(json_t *in)
{
    struct error err;
    size_t i;
    json_t *host;
    json_t *out = json_array();
    char *state = json_dumps(json_object_get(in, "state"), JSON_COMPACT);
    struct policy *p = policy_of(json_object_get(in, "config"), &err);

    if (p == NULL || state == NULL || policy_state_load(p, span_str(state), &err) < 0) {
        json_decref(out);
        out = json_pack("{s:s}", "error", err.text);
    } else {
        json_array_foreach(json_object_get(in, "hosts"), i, host)
        {
            json_array_append_new(out, verdict_of(p, text_of(host)));
        }
    }
    free(state);
    policy_free(p);
    return out;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    json_error_t error;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        json_t *in = json_loadb(line, (size_t)len, 0, &error);
        if (in == NULL) {
            fprintf(stderr, "policy-driver: %s\n", error.text);
            return 2;
        }
        json_t *out = run(in);
        json_dumpf(out, stdout, JSON_COMPACT);
        fputc('\n', stdout);
        json_decref(out);
        json_decref(in);
    }
    free(line);
    return 0;
}
