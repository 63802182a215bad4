#include "cli/kv_daemon.h"

#include "cli/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct kv_daemon {
    struct store store; /* first */
    struct client *client;
};

static struct client *client_of(struct store *s)
{
    return ((struct kv_daemon *)(void *)s)->client;
}

/* key.ptr NULL: the namespace itself. */
static int path_start(struct client_request *r, const char *method, struct span ns, struct span key,
                      struct error *err)
{
    client_path_start(r, method, "/v1/kv");
    if (client_path_segment(r, ns) && (key.ptr == NULL || client_path_segment(r, key))) {
        return 0;
    }
    buf_free(&r->path);
    return error_set(err, ENOMEM, "kv");
}

static int put(struct store *s, const struct store_put *p, struct error *err)
{
    struct client_request r;
    char seconds[24];
    int rc = path_start(&r, "PUT", p->ns, p->key, err);
    if (rc < 0) {
        return rc;
    }
    snprintf(seconds, sizeof seconds, "%lld", (long long)p->expires_s);
    if ((p->expires_s != 0 && !client_path_query(&r, "expiration", span_str(seconds))) ||
        (p->metadata.len > 0 && !client_path_query(&r, "metadata", p->metadata))) {
        buf_free(&r.path);
        return error_set(err, ENOMEM, "kv");
    }
    r.body = p->value;
    return client_do(client_of(s), &r, NULL, err);
}

static int get(struct store *s, struct span ns, struct span key, struct store_entry *out,
               struct error *err)
{
    struct client_request r;
    struct client_reply reply;
    int rc = path_start(&r, "GET", ns, key, err);
    rc = rc < 0 ? rc : client_do(client_of(s), &r, &reply, err);
    if (rc < 0) {
        return err->code == ENOENT ? 0 : rc;
    }
    *out = (struct store_entry){.value = reply.body};
    buf_init(&out->metadata, STORE_METADATA_MAX);
    return 1;
}

static int remove_key(struct store *s, struct span ns, struct span key, struct error *err)
{
    struct client_request r;
    int rc = path_start(&r, "DELETE", ns, key, err);
    return rc < 0 ? rc : client_do(client_of(s), &r, NULL, err);
}

/* One page of the answer. */
static int page_read(json_t *page, store_key_fn fn, void *arg, struct buf *cursor)
{
    json_t *item;
    size_t i;
    json_array_foreach(json_object_get(page, "keys"), i, item)
    {
        const json_t *name = json_object_get(item, "name");
        struct store_key key = {.name = span_of(json_string_value(name), json_string_length(name)),
                                .metadata = SPAN_LIT("")};
        if (!json_is_string(name) || !fn(arg, &key)) {
            return -ECANCELED;
        }
    }
    const json_t *next = json_object_get(page, "cursor");
    if (!json_is_string(next)) {
        return 0;
    }
    return buf_append(cursor, json_string_value(next), json_string_length(next)) ? 1 : -ENOMEM;
}

static int list(struct store *s, const struct store_query *q, store_key_fn fn, void *arg,
                struct buf *cursor, struct error *err)
{
    struct client_request r;
    struct client_reply reply;
    int rc = path_start(&r, "GET", q->ns, span_of(NULL, 0), err);
    if (rc < 0) {
        return rc;
    }
    if ((q->prefix.len > 0 && !client_path_query(&r, "prefix", q->prefix)) ||
        (q->cursor.len > 0 && !client_path_query(&r, "cursor", q->cursor))) {
        buf_free(&r.path);
        return error_set(err, ENOMEM, "kv");
    }
    rc = client_do(client_of(s), &r, &reply, err);
    if (rc < 0) {
        return rc;
    }
    json_t *page = ask_json(&reply, err);
    rc = page != NULL ? page_read(page, fn, arg, cursor) : -1;
    if (page != NULL && rc < 0) {
        error_set(err, -rc, "kv: the daemon's list");
    }
    json_decref(page);
    client_reply_free(&reply);
    return rc;
}

static void close_daemon(struct store *s)
{
    client_close(client_of(s));
    free(s);
}

static const struct store_ops ops = {
    .kv_put = put,
    .kv_get = get,
    .kv_delete = remove_key,
    .kv_list = list,
    .close = close_daemon,
};

struct store *kv_daemon_create(struct client *c, struct error *err)
{
    struct kv_daemon *d = calloc(1, sizeof *d);
    if (d == NULL) {
        client_close(c);
        error_set(err, ENOMEM, "kv");
        return NULL;
    }
    *d = (struct kv_daemon){.store = {&ops}, .client = c};
    return &d->store;
}
