/* Calls about one instance: what it is, its policy, its methods. */
#include "supervisor/control_routes.h"
#include "supervisor/pem.h"
#include "supervisor/supervisor.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK_URLS_MAX 256u

static const char *const phase_names[] = {"starting", "starting", "running", "ended"};

/* Facts and policy are the runtime's own JSON: they are placed, not read. */
static bool raw_member(struct buf *out, const char *name, struct span json)
{
    return buf_appendf(out, ",\"%s\":", name) &&
           (json.len > 0 ? buf_append_span(out, json) : buf_append_str(out, "null"));
}

static json_t *instance_object(const struct supervisor *s)
{
    const struct instance *i = s->instance;
    json_t *command = json_array();
    for (size_t at = 0; at < s->spec->argv.count; at++) {
        json_array_append_new(command, json_string(s->spec->argv.items[at]));
    }
    struct buf pem;
    buf_init(&pem, 16384);
    struct span der = instance_certificate(i);
    if (der.len > 0 && !pem_write(&pem, "CERTIFICATE", der)) {
        buf_clear(&pem);
    }
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(instance_id(i)));
    json_object_set_new(o, "class",
                        *instance_class(i) != 0 ? json_string(instance_class(i)) : json_null());
    json_object_set_new(o, "state", json_string(phase_names[instance_phase(i)]));
    json_object_set_new(o, "started", json_string(s->started));
    json_object_set_new(o, "command", command);
    json_object_set_new(o, "pid", json_integer(instance_pid(i)));
    json_object_set_new(o, "sidecar_pid", json_integer(instance_sidecar_pid(i)));
    json_object_set_new(o, "runtime_pid",
                        json_integer(runtime_link_pid(runtimes_active(s->runtimes))));
    json_object_set_new(
        o, "ca", buf_len(&pem) > 0 ? json_stringn(buf_span(&pem).ptr, buf_len(&pem)) : json_null());
    buf_free(&pem);
    return o;
}

/* The object without its closing brace, so that raw members can follow. */
static bool instance_write(const struct supervisor *s, struct buf *out)
{
    json_t *o = instance_object(s);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    bool ok = text != NULL && buf_append(out, text, strlen(text) - 1) &&
              raw_member(out, "facts", instance_facts(s->instance));
    free(text);
    return ok;
}

static void answer_gathered(struct call *c, bool ok)
{
    if (ok) {
        struct buf text = c->gathered;
        buf_init(&c->gathered, CONTROL_BODY_MAX);
        call_reply_json(c, buf_span(&text));
        buf_free(&text);
    } else {
        call_reply_error(c, 500, "internal", "out of memory", NULL);
    }
}

static void list(struct call *c)
{
    bool ok = buf_append_str(&c->gathered, "{\"instances\":[");
    if (c->s->instance != NULL) {
        ok = ok && instance_write(c->s, &c->gathered) && buf_append_str(&c->gathered, "}");
    }
    answer_gathered(c, ok && buf_append_str(&c->gathered, "]}"));
}

/* The instance of the path, or NULL with the call answered. */
static struct instance *named(struct call *c)
{
    struct instance *i = c->s->instance;
    if (i == NULL || !span_eq(c->segments[2], span_str(instance_id(i)))) {
        call_reply_error(c, 404, "not_found", "no such instance", "`sallyport ps` lists them");
        return NULL;
    }
    return i;
}

/* The runtime that serves the instance of the path, or NULL with the call answered. */
static struct runtime_link *serving(struct call *c)
{
    struct instance *i = named(c);
    if (i == NULL) {
        return NULL;
    }
    struct runtime_link *r = runtimes_active(c->s->runtimes);
    if (instance_phase(i) == INSTANCE_ENDED || instance_facts(i).len == 0) {
        call_reply_error(c, 409, "not_running", "the instance is starting or has ended", NULL);
        return NULL;
    }
    if (r == NULL) {
        call_reply_error(c, 503, "unavailable", "the runtime is being replaced", "try again");
    }
    return r;
}

static void answer_failure(struct call *c, enum runtime_reply reply, struct span payload)
{
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, SPAN_FMT, (int)(payload.len < 1000 ? payload.len : 1000),
             payload.ptr);
    if (reply == RUNTIME_REPLY_ERROR) {
        call_reply_error(c, 400, "refused", why, NULL);
    } else {
        call_reply_error(c, 503, "unavailable", "the runtime ended before it answered",
                         "try again");
    }
}

static void on_policy(void *arg, enum runtime_reply reply, struct span payload)
{
    struct call *c = arg;
    struct span policy = reply == RUNTIME_REPLY_OK ? payload : SPAN_LIT("");
    if (c->s->instance == NULL) {
        call_reply_error(c, 404, "not_found", "the instance has ended", NULL);
        return;
    }
    answer_gathered(c, instance_write(c->s, &c->gathered) &&
                           raw_member(&c->gathered, "policy", policy) &&
                           buf_append_str(&c->gathered, "}"));
}

static void get(struct call *c)
{
    struct instance *i = named(c);
    if (i == NULL) {
        return;
    }
    struct runtime_link *r = runtimes_active(c->s->runtimes);
    if (r == NULL || instance_facts(i).len == 0 || instance_phase(i) == INSTANCE_ENDED) {
        on_policy(c, RUNTIME_REPLY_LOST, SPAN_LIT(""));
        return;
    }
    runtime_link_call(r, c->segments[2], SPAN_LIT("$policy"), SPAN_LIT("[]"), on_policy, c);
}

/* ---- ending it ---- */

static struct call *ending; /* one `run` has one instance, which ends once */

static void end(struct call *c)
{
    struct instance *i = named(c);
    if (i == NULL) {
        return;
    }
    if (ending != NULL) {
        call_reply_error(c, 409, "not_running", "the instance is being ended already", NULL);
        return;
    }
    ending = c;
    instance_signal(i, SIGKILL);
}

void control_instance_ended(struct supervisor *s)
{
    (void)s;
    if (ending != NULL) {
        struct call *c = ending;
        ending = NULL;
        call_reply_json(c, SPAN_LIT("{}"));
    }
}

/* ---- calls of methods ---- */

static void on_result(void *arg, enum runtime_reply reply, struct span payload)
{
    struct call *c = arg;
    if (reply != RUNTIME_REPLY_OK) {
        answer_failure(c, reply, payload);
        return;
    }
    bool ok = buf_append_str(&c->gathered, "{\"result\":") &&
              (payload.len > 0 ? buf_append_span(&c->gathered, payload)
                               : buf_append_str(&c->gathered, "null"));
    answer_gathered(c, ok && buf_append_str(&c->gathered, "}"));
}

/* arguments is given; NULL stands for memory that is out. */
static void method_call(struct call *c, struct span method, json_t *arguments)
{
    struct runtime_link *r = serving(c);
    char *text = arguments != NULL ? json_dumps(arguments, JSON_COMPACT) : NULL;
    json_decref(arguments);
    if (r != NULL && text != NULL) {
        runtime_link_call(r, c->segments[2], method, span_str(text), on_result, c);
    } else if (r != NULL) {
        call_reply_error(c, 500, "internal", "out of memory", NULL);
    }
    free(text);
}

/* The body as JSON of this type; NULL with the call answered. */
static json_t *body_json(struct call *c, json_type type, const char *what)
{
    json_error_t e;
    struct span b = buf_span(&c->body);
    json_t *v = json_loadb(b.ptr, b.len, JSON_REJECT_DUPLICATES, &e);
    if (v == NULL || json_typeof(v) != type) {
        char why[256];
        snprintf(why, sizeof why, "body: %s", v == NULL ? e.text : "of another type than expected");
        json_decref(v);
        call_reply_error(c, 400, "bad_request", why, what);
        return NULL;
    }
    return v;
}

/* {"method","params"?} -> [first..., method, params?]; NULL with the call answered. */
static json_t *handler_arguments(struct call *c, json_t *first)
{
    static const char form[] = "expected {\"method\": NAME, \"params\": any JSON}";
    json_t *body = body_json(c, JSON_OBJECT, form);
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
    json_t *globs = body_json(c, JSON_ARRAY, "expected [\"glob\", …]");
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
                            : body_json(c, JSON_ARRAY, "expected an array of arguments");
    if (arguments != NULL) {
        method_call(c, c->segments[4], arguments);
    }
}

/* ---- check: one URL after the other ---- */

static void on_decision(void *arg, enum runtime_reply reply, struct span payload);

/* The body stays in c->body; its JSON is read again for each step, which keeps no tree alive. */
static void check_step(struct call *c)
{
    struct runtime_link *r = serving(c);
    if (r == NULL) {
        return;
    }
    struct span b = buf_span(&c->body);
    json_t *body = json_loadb(b.ptr, b.len, 0, NULL);
    json_t *urls = json_object_get(body, "urls");
    const char *method = json_string_value(json_object_get(body, "method"));
    if (c->step == json_array_size(urls)) {
        json_decref(body);
        answer_gathered(c, buf_append_str(&c->gathered, "]}"));
        return;
    }
    const char *url = json_string_value(json_array_get(urls, c->step));
    runtime_link_check(r, c->segments[2], span_str(method != NULL ? method : "GET"), span_str(url),
                       on_decision, c);
    json_decref(body);
}

static void on_decision(void *arg, enum runtime_reply reply, struct span payload)
{
    struct call *c = arg;
    if (reply != RUNTIME_REPLY_OK) {
        answer_failure(c, reply, payload);
        return;
    }
    bool ok = c->step++ == 0 || buf_append_str(&c->gathered, ",");
    if (!ok || !buf_append_span(&c->gathered, payload)) {
        answer_gathered(c, false);
        return;
    }
    check_step(c);
}

static void check(struct call *c)
{
    static const char form[] = "expected {\"urls\": [1 to 256 URLs], \"method\": \"GET\"}";
    json_t *body = body_json(c, JSON_OBJECT, form);
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
    check_step(c);
}

const struct control_route control_instance_routes[] = {
    {"GET", "instances", list},
    {"GET", "instances/:", get},
    {"DELETE", "instances/:", end},
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
