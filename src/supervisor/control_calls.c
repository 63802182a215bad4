/* Calls about one instance's policy and methods: asked of the runtime, which has the object or
 * opens it, whether its sandbox runs or not. */
#include "supervisor/control_routes.h"
#include "supervisor/supervisor.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK_URLS_MAX 256u

static void on_result(void *arg, enum runtime_reply reply, struct span payload)
{
    struct call *c = arg;
    if (reply != RUNTIME_REPLY_OK) {
        control_answer_failure(c, reply, payload);
        return;
    }
    bool ok = buf_append_str(&c->gathered, "{\"result\":") &&
              (payload.len > 0 ? buf_append_span(&c->gathered, payload)
                               : buf_append_str(&c->gathered, "null"));
    control_answer_gathered(c, ok && buf_append_str(&c->gathered, "}"));
}

static void method_go(struct call *c)
{
    struct runtime_link *r = control_runtime(c);
    if (r != NULL) {
        runtime_link_call(r, span_str(c->object.id), c->method_name, span_str(c->arguments),
                          on_result, c);
    }
}

/* arguments is given; NULL stands for memory that is out. method lives as long as the call. */
static void method_call(struct call *c, struct span method, json_t *arguments)
{
    c->arguments = arguments != NULL ? json_dumps(arguments, JSON_COMPACT) : NULL;
    c->method_name = method;
    json_decref(arguments);
    if (c->arguments == NULL) {
        call_reply_error(c, 500, "internal", "out of memory", NULL);
    } else {
        control_serving(c, method_go);
    }
}

/* {"method","params"?} -> [first..., method, params?]; NULL with the call answered. */
static json_t *handler_arguments(struct call *c, json_t *first)
{
    static const char form[] = "expected {\"method\": NAME, \"params\": any JSON}";
    json_t *body = control_body(c, JSON_OBJECT, form);
    if (body == NULL) {
        json_decref(first);
        return NULL;
    }
    json_t *method = json_object_get(body, "method");
    json_t *params = json_object_get(body, "params");
    size_t known = (method != NULL ? 1u : 0u) + (params != NULL ? 1u : 0u);
    if (!json_is_string(method) || json_object_size(body) != known) {
        json_decref(first);
        json_decref(body);
        call_reply_error(c, 400, "bad_request", "body: unknown or missing field", form);
        return NULL;
    }
    json_t *arguments = json_array();
    if (first != NULL) {
        json_array_append_new(arguments, first);
    }
    json_array_append(arguments, method);
    if (params != NULL) {
        json_array_append(arguments, params);
    }
    json_decref(body);
    return arguments;
}

static void handler_put(struct call *c)
{
    json_t *arguments = handler_arguments(c, NULL);
    if (arguments != NULL) {
        method_call(c, SPAN_LIT("setOutboundHandler"), arguments);
    }
}

static void handler_delete(struct call *c)
{
    method_call(c, SPAN_LIT("removeOutboundHandler"), json_array());
}

static void host_put(struct call *c)
{
    json_t *arguments = handler_arguments(c, json_stringn(c->segments[4].ptr, c->segments[4].len));
    if (arguments != NULL) {
        method_call(c, SPAN_LIT("setOutboundByHost"), arguments);
    }
}

static void host_delete(struct call *c)
{
    method_call(c, SPAN_LIT("removeOutboundByHost"),
                json_pack("[s%]", c->segments[4].ptr, c->segments[4].len));
}

static void list_put(struct call *c, struct span method)
{
    json_t *globs = control_body(c, JSON_ARRAY, "expected [\"glob\", …]");
    if (globs != NULL) {
        method_call(c, method, json_pack("[o]", globs));
    }
}

static void allowed_put(struct call *c)
{
    list_put(c, SPAN_LIT("setAllowedHosts"));
}

static void denied_put(struct call *c)
{
    list_put(c, SPAN_LIT("setDeniedHosts"));
}

static void call_method(struct call *c)
{
    if (span_starts(c->segments[4], SPAN_LIT("$"))) {
        call_reply_error(c, 400, "bad_request", "method: names with $ are the runtime's own", NULL);
        return;
    }
    json_t *arguments = buf_len(&c->body) == 0
                            ? json_array()
                            : control_body(c, JSON_ARRAY, "expected an array of arguments");
    if (arguments != NULL) {
        method_call(c, c->segments[4], arguments);
    }
}

/* ---- check: one URL after the other ---- */

static void on_decision(void *arg, enum runtime_reply reply, struct span payload);

/* The body stays in c->body; its JSON is read again for each step, which keeps no tree alive. */
static void check_step(struct call *c)
{
    struct runtime_link *r = control_runtime(c);
    if (r == NULL) {
        return;
    }
    struct span b = buf_span(&c->body);
    json_t *body = json_loadb(b.ptr, b.len, JSON_ALLOW_NUL, NULL);
    json_t *urls = json_object_get(body, "urls");
    const char *method = json_string_value(json_object_get(body, "method"));
    if (c->step == json_array_size(urls)) {
        json_decref(body);
        control_answer_gathered(c, buf_append_str(&c->gathered, "]}"));
        return;
    }
    const json_t *url = json_array_get(urls, c->step);
    runtime_link_check(r, span_str(c->object.id), span_str(method != NULL ? method : "GET"),
                       span_of(json_string_value(url), json_string_length(url)), on_decision, c);
    json_decref(body);
}

static void on_decision(void *arg, enum runtime_reply reply, struct span payload)
{
    struct call *c = arg;
    if (reply != RUNTIME_REPLY_OK) {
        control_answer_failure(c, reply, payload);
        return;
    }
    bool ok = c->step++ == 0 || buf_append_str(&c->gathered, ",");
    if (!ok || !buf_append_span(&c->gathered, payload)) {
        control_answer_gathered(c, false);
        return;
    }
    check_step(c);
}

static void check(struct call *c)
{
    static const char form[] = "expected {\"urls\": [1 to 256 URLs], \"method\": \"GET\"}";
    json_t *body = control_body(c, JSON_OBJECT, form);
    if (body == NULL) {
        return;
    }
    json_t *urls = json_object_get(body, "urls");
    json_t *method = json_object_get(body, "method");
    bool ok = json_array_size(urls) >= 1 && json_array_size(urls) <= CHECK_URLS_MAX &&
              (method == NULL || json_is_string(method)) &&
              json_object_size(body) == (method != NULL ? 2u : 1u);
    for (size_t i = 0; ok && i < json_array_size(urls); i++) {
        ok = json_is_string(json_array_get(urls, i));
    }
    json_decref(body);
    if (!ok) {
        call_reply_error(c, 400, "bad_request", "body: unknown, missing or wrong field", form);
        return;
    }
    buf_append_str(&c->gathered, "{\"results\":[");
    control_serving(c, check_step);
}

const struct control_route control_call_routes[] = {
    {"PUT", "instances/:/outbound-handler", handler_put},
    {"DELETE", "instances/:/outbound-handler", handler_delete},
    {"PUT", "instances/:/hosts/:", host_put},
    {"DELETE", "instances/:/hosts/:", host_delete},
    {"PUT", "instances/:/allowed-hosts", allowed_put},
    {"PUT", "instances/:/denied-hosts", denied_put},
    {"POST", "instances/:/call/:", call_method},
    {"POST", "instances/:/check", check},
    {0},
};
