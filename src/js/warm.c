/*
 * The host while the engine warms up: it answers by itself and keeps nothing.
 */
#include "js/warm.h"

static struct span warm_method(void *arg, uint32_t task)
{
    (void)arg;
    (void)task;
    return SPAN_LIT("GET");
}

static struct span warm_url(void *arg, uint32_t id)
{
    (void)arg;
    (void)id;
    return SPAN_LIT("https://example.invalid/a?b=c");
}

static bool warm_has_body(void *arg, uint32_t task)
{
    (void)arg;
    (void)task;
    return false;
}

static bool warm_headers(void *arg, uint32_t id, struct buf *out)
{
    (void)arg;
    (void)id;
    return buf_append_str(out, "accept\n*/*\nuser-agent\nwarm\naccept-encoding\nidentity\n");
}

static struct source *warm_body(void *arg, uint32_t id)
{
    (void)arg;
    (void)id;
    return NULL;
}

static bool warm_fetch(void *arg, const struct js_fetch *f)
{
    (void)arg;
    source_close(f->body.source);
    return true;
}

static void warm_close(void *arg, uint32_t fetch)
{
    (void)arg;
    (void)fetch;
}

static void warm_done(void *arg, uint32_t task, const struct js_result *res)
{
    (void)arg;
    (void)task;
    source_close(res->body.source);
}

static void warm_log(void *arg, void *owner, enum js_log_level level, struct span text)
{
    (void)arg;
    (void)owner;
    (void)level;
    (void)text;
}

const struct js_host js_warm_host = {
    .request_method = warm_method,
    .request_url = warm_url,
    .request_has_body = warm_has_body,
    .request_headers = warm_headers,
    .request_body = warm_body,
    .response_url = warm_url,
    .response_headers = warm_headers,
    .response_body = warm_body,
    .fetch = warm_fetch,
    .fetch_close = warm_close,
    .done = warm_done,
    .log = warm_log,
};
