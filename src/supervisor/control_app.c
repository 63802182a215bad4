/* Calls about the app as a whole: secrets, KV, events, health. */
#include "supervisor/control_routes.h"
#include "supervisor/cron.h"
#include "supervisor/kv.h"
#include "supervisor/supervisor.h"
#include "supervisor/up.h"

#include "base/clock.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef SALLYPORT_VERSION
#define SALLYPORT_VERSION "0"
#endif

static void answer_error(struct call *c, const struct error *err)
{
    call_reply_error(c, 400, "bad_request", err->text, NULL);
}

/* ---- secrets ---- */

static void name_add(void *arg, struct span name, struct span value)
{
    (void)value;
    json_array_append_new(arg, json_stringn(name.ptr, name.len));
}

static void secrets_list(struct call *c)
{
    json_t *names = json_array();
    vault_each(&c->s->secrets, name_add, names);
    json_t *o = json_pack("{s:o}", "names", names);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    call_reply_json(c, span_str(text));
    free(text);
}

static void on_rotated(void *arg, bool ok, struct span sentence)
{
    struct call *c = arg;
    if (ok) {
        call_reply_json(c, SPAN_LIT("{}"));
        return;
    }
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, SPAN_FMT, (int)(sentence.len < 1000 ? sentence.len : 1000),
             sentence.ptr);
    call_reply_error(c, 400, "refused", why, NULL);
}

/* The table first: a runtime that starts meanwhile has the new value from its beginning. */
static void secret_put(struct call *c)
{
    struct error err;
    struct span value = buf_span(&c->body);
    if (value.len == 0) {
        call_reply_error(c, 400, "bad_value", "the value is empty",
                         "to take a secret away, DELETE it");
        return;
    }
    if (vault_put(&c->s->secrets, c->segments[2], value, &err) < 0 ||
        runtimes_secret(c->s->runtimes, c->segments[2], value, true, on_rotated, c, &err) < 0) {
        answer_error(c, &err);
    }
}

static void secret_delete(struct call *c)
{
    struct error err;
    if (!vault_remove(&c->s->secrets, c->segments[2])) {
        call_reply_error(c, 404, "not_found", "no such secret", "`sallyport secret ls` lists them");
    } else if (runtimes_secret(c->s->runtimes, c->segments[2], SPAN_LIT(""), false, on_rotated, c,
                               &err) < 0) {
        answer_error(c, &err);
    }
}

/* ---- KV ---- */

/* The id of a namespace that is named by its id or by a binding. out owns the text. */
static struct span namespace_id(struct call *c, json_t **out)
{
    struct span name = c->segments[2];
    json_t *app = json_loads(c->s->spec->app, 0, NULL);
    json_t *entry;
    size_t i;
    *out = app;
    json_array_foreach(json_object_get(app, "kv"), i, entry)
    {
        const char *binding = json_string_value(json_object_get(entry, "binding"));
        const char *id = json_string_value(json_object_get(entry, "id"));
        if (binding != NULL && id != NULL && span_eq(span_str(binding), name)) {
            return span_str(id);
        }
    }
    return name;
}

static bool number(const struct span *text, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; text != NULL && i < text->len; i++) {
        if (text->ptr[i] < '0' || text->ptr[i] > '9' || i > 15) {
            return false;
        }
        *out = *out * 10 + (text->ptr[i] - '0');
    }
    return text == NULL || text->len > 0;
}

static void kv_put(struct call *c)
{
    static const char *const known[] = {"expiration", "expiration_ttl", "metadata", NULL};
    if (!control_query_only(c, known)) {
        return;
    }
    struct error err;
    json_t *app = NULL;
    int64_t at;
    int64_t ttl;
    const struct span *metadata = control_query(c, "metadata");
    struct store_put put = {.ns = namespace_id(c, &app),
                            .key = c->segments[3],
                            .value = buf_span(&c->body),
                            .metadata = metadata != NULL ? *metadata : SPAN_LIT("")};
    json_t *m = metadata != NULL ? json_loadb(metadata->ptr, metadata->len, JSON_DECODE_ANY, NULL)
                                 : json_null();
    int rc = number(control_query(c, "expiration"), &at) &&
                     number(control_query(c, "expiration_ttl"), &ttl) && m != NULL
                 ? kv_expiry(at, ttl, &put.expires_s, &err)
                 : error_set(&err, 0,
                             "query: expiration and expiration_ttl are whole seconds, "
                             "metadata is JSON");
    json_decref(m);
    rc = rc < 0 ? rc : store_check_put(&put, &err);
    rc = rc < 0 ? rc : c->s->store->ops->kv_put(c->s->store, &put, &err);
    json_decref(app);
    if (rc < 0) {
        answer_error(c, &err);
    } else {
        call_reply_json(c, SPAN_LIT("{}"));
    }
}

static void kv_get(struct call *c)
{
    struct error err;
    struct store_entry entry;
    json_t *app = NULL;
    struct span ns = namespace_id(c, &app);
    int rc = store_check_key(c->segments[3], &err);
    rc = rc < 0 ? rc : c->s->store->ops->kv_get(c->s->store, ns, c->segments[3], &entry, &err);
    json_decref(app);
    if (rc < 0) {
        answer_error(c, &err);
    } else if (rc == 0) {
        call_reply_error(c, 404, "not_found", "no such key", "`sallyport kv ls` lists them");
    } else {
        call_reply(c, 200, "application/octet-stream", buf_span(&entry.value));
        store_entry_free(&entry);
    }
}

static void kv_delete(struct call *c)
{
    struct error err;
    json_t *app = NULL;
    struct span ns = namespace_id(c, &app);
    int rc = c->s->store->ops->kv_delete(c->s->store, ns, c->segments[3], &err);
    json_decref(app);
    if (rc < 0) {
        answer_error(c, &err);
    } else {
        call_reply_json(c, SPAN_LIT("{}"));
    }
}

static void kv_list(struct call *c)
{
    static const char *const known[] = {"prefix", "cursor", "limit", NULL};
    if (!control_query_only(c, known)) {
        return;
    }
    struct error err;
    json_t *app = NULL;
    int64_t limit;
    const struct span *prefix = control_query(c, "prefix");
    const struct span *cursor = control_query(c, "cursor");
    if (!number(control_query(c, "limit"), &limit) || limit > STORE_LIST_MAX) {
        call_reply_error(c, 400, "bad_request", "limit: 1 to 1000 is allowed", NULL);
        return;
    }
    struct store_query q = {.ns = namespace_id(c, &app),
                            .prefix = prefix != NULL ? *prefix : SPAN_LIT(""),
                            .cursor = cursor != NULL ? *cursor : SPAN_LIT(""),
                            .limit = (unsigned)limit};
    char *text = kv_list_json(c->s->store, &q, &err);
    json_decref(app);
    if (text == NULL) {
        answer_error(c, &err);
    } else {
        call_reply_json(c, span_str(text));
    }
    free(text);
}

/* ---- health ---- */

static void health(struct call *c)
{
    const struct supervisor *s = c->s;
    json_t *o = json_object();
    json_object_set_new(o, "status", json_string("ok"));
    json_object_set_new(o, "version", json_string(SALLYPORT_VERSION));
    json_object_set_new(o, "pid", json_integer(getpid()));
    json_object_set_new(o, "mode", json_string(s->up != NULL ? "up" : "run"));
    json_object_set_new(o, "instances",
                        json_integer((json_int_t)fleet_count(s->fleet, MEMBER_RUNNING)));
    if (s->up != NULL) {
        json_t *app = json_loads(s->spec->app, 0, NULL);
        json_object_set_new(o, "listen", json_string(s->up->address));
        json_object_set(o, "app", json_object_get(app, "name"));
        json_object_set_new(o, "config",
                            s->spec->config != NULL ? json_string(s->spec->config) : json_null());
        json_object_set_new(o, "deploys", json_integer((json_int_t)s->deploys));
        json_decref(app);
    }
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    call_reply_json(c, span_str(text));
    free(text);
}

/* ---- scheduled ---- */

static void on_scheduled(void *arg, enum runtime_reply reply, struct span payload)
{
    if (reply == RUNTIME_REPLY_OK) {
        call_reply_json(arg, SPAN_LIT("{}"));
    } else {
        control_answer_failure(arg, reply, payload);
    }
}

static void scheduled(struct call *c)
{
    static const char form[] = "expected {\"cron\": \"* * * * *\"}, or nothing";
    const struct spec *spec = c->s->spec;
    json_t *body = buf_len(&c->body) > 0 ? control_body(c, JSON_OBJECT, form) : json_object();
    if (body == NULL) {
        return;
    }
    json_t *given = json_object_get(body, "cron");
    const char *cron = given != NULL           ? json_string_value(given)
                       : spec->crons.count > 0 ? spec->crons.items[0]
                                               : "* * * * *";
    struct runtime_link *r = runtimes_active(c->s->runtimes);
    if (cron == NULL || strlen(cron) > CRON_TEXT_MAX ||
        json_object_size(body) != (given != NULL ? 1u : 0u)) {
        call_reply_error(c, 400, "bad_request", "body: unknown or wrong field", form);
    } else if (r == NULL) {
        call_reply_error(c, 503, "unavailable", "the runtime is being replaced", "try again");
    } else {
        crontab_fire(r, span_str(cron), (int64_t)clock_wall_ms(), on_scheduled, c);
    }
    json_decref(body);
}

const struct control_route control_app_routes[] = {
    {"GET", "secrets", secrets_list},
    {"PUT", "secrets/:", secret_put},
    {"DELETE", "secrets/:", secret_delete},
    {"GET", "kv/:", kv_list},
    {"PUT", "kv/:/:", kv_put},
    {"GET", "kv/:/:", kv_get},
    {"DELETE", "kv/:/:", kv_delete},
    {"GET", "events", control_events_stream},
    {"GET", "health", health},
    {"POST", "scheduled", scheduled},
    {0},
};
