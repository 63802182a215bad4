#include "supervisor/kv.h"

#include "base/clock.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    int64_t expiration_s;
    int64_t ttl_s;
    unsigned limit;
    const char *cursor; /* lent from the json */
    char *metadata;     /* JSON text, to be freed */
};

static bool whole(const json_t *v, int64_t *out)
{
    if (!json_is_number(v)) {
        return false;
    }
    double d = json_number_value(v);
    *out = d >= 0 && d < 9e15 ? (int64_t)d : -1;
    return *out >= 0;
}

/* A handler wrote these: every member is checked, the text is short. */
static int options_read(json_t *root, struct options *out, struct error *err)
{
    const char *key;
    json_t *v;
    int64_t n = 0;
    json_object_foreach(root, key, v)
    {
        bool ok = true;
        if (json_is_null(v)) {
            continue;
        }
        if (strcmp(key, "expiration") == 0) {
            ok = whole(v, &out->expiration_s);
        } else if (strcmp(key, "expirationTtl") == 0) {
            ok = whole(v, &out->ttl_s);
        } else if (strcmp(key, "limit") == 0) {
            ok = whole(v, &n) && n >= 1 && n <= STORE_LIST_MAX;
            out->limit = (unsigned)n;
        } else if (strcmp(key, "cursor") == 0) {
            out->cursor = json_string_value(v);
            ok = out->cursor != NULL;
        } else if (strcmp(key, "metadata") == 0) {
            free(out->metadata);
            out->metadata = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
            ok = out->metadata != NULL;
        }
        if (!ok) {
            return error_set(err, EINVAL, "KV option %s", key);
        }
    }
    return 0;
}

int kv_expiry(int64_t expiration_s, int64_t ttl_s, int64_t *out, struct error *err)
{
    int64_t now = (int64_t)(clock_wall_ms() / 1000);
    *out = 0;
    if (ttl_s != 0) {
        expiration_s = now + ttl_s;
    }
    if (expiration_s != 0 && expiration_s < now + STORE_TTL_MIN_S) {
        return error_set(err, 0, "KV expiration: at least %u seconds from now are allowed",
                         STORE_TTL_MIN_S);
    }
    *out = expiration_s;
    return 0;
}

static bool list_add(void *arg, const struct store_key *key)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_stringn(key->name.ptr, key->name.len));
    if (key->expires_s != 0) {
        json_object_set_new(o, "expiration", json_integer(key->expires_s));
    }
    if (key->metadata.len > 0) {
        json_t *m = json_loadb(key->metadata.ptr, key->metadata.len, JSON_DECODE_ANY, NULL);
        if (m != NULL) {
            json_object_set_new(o, "metadata", m);
        }
    }
    return json_array_append_new(arg, o) == 0;
}

char *kv_list_json(struct store *store, const struct store_query *q, struct error *err)
{
    struct buf cursor;
    buf_init(&cursor, 4096);
    json_t *keys = json_array();
    int rc = store->ops->kv_list(store, q, list_add, keys, &cursor, err);
    json_t *o = json_object();
    json_object_set_new(o, "keys", keys);
    json_object_set_new(o, "list_complete", json_boolean(rc != 1));
    if (rc == 1) {
        json_object_set_new(o, "cursor", json_stringn(buf_span(&cursor).ptr, buf_len(&cursor)));
    }
    char *text = rc < 0 ? NULL : json_dumps(o, JSON_COMPACT);
    json_decref(o);
    buf_free(&cursor);
    return text;
}

static void answer_error(struct runtime_link *r, const struct runtime_kv *kv,
                         const struct error *err)
{
    runtime_link_kv_done(r, kv->call, SPAN_LIT("error"), span_str(err->text), SPAN_LIT(""));
}

static void serve_get(struct store *store, struct runtime_link *r, const struct runtime_kv *kv,
                      struct error *err)
{
    struct store_entry entry;
    int rc = store->ops->kv_get(store, kv->ns, kv->key, &entry, err);
    if (rc < 0) {
        answer_error(r, kv, err);
    } else if (rc == 0) {
        runtime_link_kv_done(r, kv->call, SPAN_LIT("none"), SPAN_LIT(""), SPAN_LIT(""));
    } else {
        runtime_link_kv_done(r, kv->call, SPAN_LIT("ok"), buf_span(&entry.value),
                             buf_span(&entry.metadata));
        store_entry_free(&entry);
    }
}

static void serve_list(struct store *store, struct runtime_link *r, const struct runtime_kv *kv,
                       const struct options *o, struct error *err)
{
    struct store_query q = {
        .ns = kv->ns, .prefix = kv->key, .cursor = span_str(o->cursor), .limit = o->limit};
    char *text = kv_list_json(store, &q, err);
    if (text == NULL) {
        answer_error(r, kv, err);
        return;
    }
    runtime_link_kv_done(r, kv->call, SPAN_LIT("ok"), span_str(text), SPAN_LIT(""));
    free(text);
}

static void serve_change(struct store *store, struct runtime_link *r, const struct runtime_kv *kv,
                         const struct options *o, struct error *err)
{
    int rc;
    if (span_eq(kv->op, SPAN_LIT("put"))) {
        struct store_put put = {
            .ns = kv->ns, .key = kv->key, .value = kv->value, .metadata = span_str(o->metadata)};
        rc = kv_expiry(o->expiration_s, o->ttl_s, &put.expires_s, err);
        rc = rc < 0 ? rc : store_check_put(&put, err);
        rc = rc < 0 ? rc : store->ops->kv_put(store, &put, err);
    } else if (span_eq(kv->op, SPAN_LIT("delete"))) {
        rc = store->ops->kv_delete(store, kv->ns, kv->key, err);
    } else {
        rc = error_set(err, 0, "KV: no such call");
    }
    if (rc < 0) {
        answer_error(r, kv, err);
    } else {
        runtime_link_kv_done(r, kv->call, SPAN_LIT("ok"), SPAN_LIT(""), SPAN_LIT(""));
    }
}

void kv_serve(struct store *store, struct runtime_link *r, const struct runtime_kv *kv)
{
    struct error err = {0};
    struct options o = {0};
    json_t *root = NULL;
    if (kv->options.len > 0) {
        root = kv->options.len <= KV_OPTIONS_MAX
                   ? json_loadb(kv->options.ptr, kv->options.len, JSON_REJECT_DUPLICATES, NULL)
                   : NULL;
        if (!json_is_object(root)) {
            json_decref(root);
            error_set(&err, 0, "KV options: not an object, or over %u bytes", KV_OPTIONS_MAX);
            answer_error(r, kv, &err);
            return;
        }
    }
    if (options_read(root, &o, &err) < 0) {
        answer_error(r, kv, &err);
    } else if (span_eq(kv->op, SPAN_LIT("get"))) {
        serve_get(store, r, kv, &err);
    } else if (span_eq(kv->op, SPAN_LIT("list"))) {
        serve_list(store, r, kv, &o, &err);
    } else {
        serve_change(store, r, kv, &o, &err);
    }
    free(o.metadata);
    json_decref(root);
}
