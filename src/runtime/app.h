/*
 * app: what RUNTIME_START says, and the options of an instance. Strict readers: an unknown key or
 * a wrong type is an error that names it. Pure. Layout: docs/control.md.
 */
#ifndef SALLYPORT_RUNTIME_APP_H
#define SALLYPORT_RUNTIME_APP_H

#include "base/error.h"
#include "base/span.h"
#include "policy/policy.h"
#include "upstream/upstream.h"

#include <jansson.h>

#define APP_TURN_MS_DEFAULT    1000u
#define APP_HEAP_BYTES_DEFAULT (512u * 1024u * 1024u)
#define APP_REQUEST_MS_DEFAULT 30000u
#define APP_EXCHANGES_DEFAULT  1024u

struct app_limits {
    uint32_t turn_ms;    /* CPU time of one turn of JavaScript */
    uint64_t heap_bytes; /* resident memory above that after the load */
    uint32_t request_ms; /* that a handler may wait without a fetch under way */
    uint32_t exchanges;  /* open at once, an instance */
};

/* Spans point into json and live as long. */
struct app {
    json_t *json;
    struct span name;
    bool module;
    json_t *env; /* vars, kv and objects for js_app.env, still without the secrets' names */
    struct span upstream_ca;
    struct span objects_dir; /* absolute; ptr NULL: objects have no storage */
    struct upstream_resolve *resolve;
    size_t resolve_count;
    struct url_host *resolve_hosts; /* what resolve[].host point to */
    struct policy_set *allow_private;
    struct app_limits limits;
};

int app_parse(struct span text, struct app *out, struct error *err);
void app_free(struct app *a);

/* `HOST:PORT:ADDR[:PORT]`; host receives the canonical name that out->host points to. */
int app_resolve_parse(struct span text, struct url_host *host, struct upstream_resolve *out,
                      struct error *err);

struct options {
    json_t *json;
    struct span *allow; /* NULL: none given */
    size_t allow_count;
    struct span *deny;
    size_t deny_count;
    struct span *inject;
    size_t inject_count;
    struct span *allow_tcp;
    size_t allow_tcp_count;
    int internet;        /* -1: as the class says, else 0 or 1 */
    int intercept_https; /* the same */
};

int options_parse(struct span text, struct options *out, struct error *err);
void options_free(struct options *o);

#endif
