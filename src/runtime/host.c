/*
 * What JavaScript asks of the runtime. Every callback comes from inside a turn of the engine, so
 * nothing here calls back into it.
 */
#include "runtime/alarm.h"
#include "runtime/call.h"
#include "runtime/container.h"
#include "runtime/exchange.h"
#include "runtime/fetch.h"
#include "runtime/kv.h"
#include "runtime/object.h"
#include "runtime/storage.h"
#include "runtime/update.h"

/* arg of every callback is the version that asks. */
static struct runtime *runtime_of(void *arg)
{
    return ((struct version *)arg)->rt;
}

static struct exchange *exchange_of(void *arg, uint32_t task)
{
    return task_object(runtime_of(arg), task, TASK_EXCHANGE);
}

static struct span request_method(void *arg, uint32_t task)
{
    struct exchange *ex = exchange_of(arg, task);
    return ex != NULL ? ex->method : SPAN_LIT("GET");
}

static struct span request_url(void *arg, uint32_t task)
{
    struct exchange *ex = exchange_of(arg, task);
    return ex != NULL ? exchange_url(ex) : span_of("", 0);
}

static bool request_has_body(void *arg, uint32_t task)
{
    struct exchange *ex = exchange_of(arg, task);
    return ex != NULL && (ex->inbound != NULL || ex->empty_body);
}

static bool request_headers(void *arg, uint32_t task, struct buf *out)
{
    struct exchange *ex = exchange_of(arg, task);
    if (ex == NULL) {
        return false;
    }
    const struct destination *d = &ex->flow.dest;
    bool ok = buf_append_str(out, "host\n") && buf_append_span(out, url_host_span(&d->host)) &&
              (d->port == destination_default_port(d->secure) ||
               buf_appendf(out, ":%u", (unsigned)d->port)) &&
              buf_append_str(out, "\n") && fields_text(ex->headers, ex->header_count, out);
    int64_t length = ex->inbound != NULL ? inbound_length(ex->inbound) : ex->empty_body ? 0 : -1;
    return ok && (length < 0 || buf_appendf(out, "content-length\n%lld\n", (long long)length));
}

static struct source *request_body(void *arg, uint32_t task)
{
    struct exchange *ex = exchange_of(arg, task);
    if (ex == NULL || ex->inbound == NULL) {
        return ex != NULL && ex->empty_body ? source_from_bytes(span_of("", 0)) : NULL;
    }
    return inbound_take(ex->inbound);
}

static struct span response_url(void *arg, uint32_t fetch)
{
    return fetch_url(arg, fetch);
}

static bool response_headers(void *arg, uint32_t fetch, struct buf *out)
{
    return fetch_headers_text(arg, fetch, out);
}

static struct source *response_body(void *arg, uint32_t fetch)
{
    return fetch_read_body(arg, fetch);
}

static bool do_fetch(void *arg, const struct js_fetch *f)
{
    return fetch_start(arg, f);
}

static void do_fetch_close(void *arg, uint32_t fetch)
{
    fetch_close(arg, fetch);
}

static void done(void *arg, uint32_t task, const struct js_result *res)
{
    struct exchange *ex = exchange_of(arg, task);
    if (ex != NULL) {
        handler_done(ex, res);
    }
}

static void over(void *arg, uint32_t task)
{
    struct exchange *ex = exchange_of(arg, task);
    if (ex != NULL) {
        handler_over(ex);
    } else {
        task_over(runtime_of(arg), task);
    }
}

/* An id that was not made here is one only for the object that has it: that of `run`. */
static bool host_object_id_is(void *arg, struct span class_name, struct span id)
{
    const struct instance *inst = instance_find(runtime_of(arg), id);
    return object_id_is(class_name, id) ||
           (inst != NULL && span_eq(span_str(inst->class_name), class_name));
}

static bool host_object_id(void *arg, struct span class_name, struct span name, char out[65])
{
    struct error err;
    return instance_class(((struct version *)arg), class_name, &err) != NULL &&
           object_id(class_name, name, out) == 0;
}

static struct span secret(void *arg, struct span name)
{
    return secrets_get(runtime_of(arg)->secrets, name);
}

static void log_text(void *arg, void *owner, enum js_log_level level, struct span text)
{
    struct instance *inst = owner;
    runtime_log(runtime_of(arg), inst != NULL ? span_str(inst->id) : span_of("", 0), level, text);
}

const struct js_host runtime_js_host = {
    .request_method = request_method,
    .request_url = request_url,
    .request_has_body = request_has_body,
    .request_headers = request_headers,
    .request_body = request_body,
    .response_url = response_url,
    .response_headers = response_headers,
    .response_body = response_body,
    .fetch = do_fetch,
    .fetch_close = do_fetch_close,
    .done = done,
    .call_done = call_done,
    .over = over,
    .kv = kv_ask,
    .alarm = alarm_ask,
    .container = container_ask,
    .object = object_ask,
    .object_id = host_object_id,
    .object_id_is = host_object_id_is,
    .policy_set = update_from_code,
    .storage = storage_open,
    .secret = secret,
    .log = log_text,
};
