#include "tests/unit/js/fake_host.h"

#include "tests/unit/js/faults.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define WAIT_MS 10000

static void copy(char *to, size_t room, struct span from)
{
    size_t n = from.len < room - 1 ? from.len : room - 1;
    if (n != 0) {
        memcpy(to, from.ptr, n);
    }
    to[n] = '\0';
}

/* -- bodies --------------------------------------------------------------------------------- */

struct fake_source {
    struct source source;
    struct fake_host *host;
    const char *text;
    size_t len;
    size_t at;
    bool slow;
    bool waited;
    source_ready_fn ready;
    void *ready_arg;
    struct loop_timer *timer;
};

static void source_due(void *arg)
{
    struct fake_source *s = arg;
    source_ready_fn ready = s->ready;
    s->waited = true;
    s->ready = NULL;
    if (ready != NULL) {
        ready(s->ready_arg);
    }
}

static ssize_t fake_read(struct source *source, void *dst, size_t len)
{
    struct fake_source *s = (struct fake_source *)(void *)source;
    if (s->slow && !s->waited) {
        return -EAGAIN;
    }
    s->waited = false;
    size_t n = s->len - s->at;
    n = n < len ? n : len;
    n = s->slow && n > 1 ? 1 : n;
    memcpy(dst, s->text + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

static void fake_watch(struct source *source, source_ready_fn ready, void *arg)
{
    struct fake_source *s = (struct fake_source *)(void *)source;
    s->ready = ready;
    s->ready_arg = arg;
    if (s->timer == NULL) {
        s->timer = loop_timer_start(s->host->loop, 1, 0, source_due, s);
    } else {
        loop_timer_again(s->timer, 1);
    }
}

static void fake_close_source(struct source *source)
{
    struct fake_source *s = (struct fake_source *)(void *)source;
    loop_timer_cancel(s->timer);
    free(s);
}

static const struct source_ops fake_source_ops = {fake_read, fake_watch, fake_close_source};

static struct source *source_of(struct fake_host *h, const char *text, size_t len)
{
    struct fake_source *s = calloc(1, sizeof *s);
    s->source.ops = &fake_source_ops;
    s->source.length = (int64_t)len;
    s->len = len;
    s->host = h;
    s->text = text;
    s->slow = h->slow_body;
    return &s->source;
}

/* Reads a source that the room gave, to its end, from the loop. */
struct fake_drain {
    struct source *source;
    size_t max;
    char *to;
    size_t room;
    size_t *len;
    bool *ended;
    bool *broken;
};

static void drain_ready(void *arg)
{
    struct fake_drain *d = arg;
    char chunk[256];
    for (;;) {
        ssize_t n = source_read(d->source, chunk, sizeof chunk);
        if (n == -EAGAIN) {
            source_watch(d->source, drain_ready, d);
            return;
        }
        if (n <= 0 || (d->max != 0 && *d->len >= d->max)) {
            *d->ended = true;
            *d->broken = n < 0;
            source_close(d->source);
            free(d);
            return;
        }
        size_t take = (size_t)n < d->room - *d->len ? (size_t)n : d->room - *d->len;
        memcpy(d->to + *d->len, chunk, take);
        *d->len += take;
    }
}

static void drain(struct source *source, struct fake_drain to)
{
    struct fake_drain *d = malloc(sizeof *d);
    *d = to;
    d->source = source;
    source_watch(source, drain_ready, d);
}

/* -- answers from the loop ------------------------------------------------------------------- */

enum later_kind { LATER_FETCH, LATER_KV, LATER_POLICY, LATER_OBJECT };
struct later {
    struct fake_host *host;
    struct loop_timer *timer;
    enum later_kind kind;
    uint32_t id;
    bool found;
    char value[512];
    char metadata[256];
    char class_name[64];
    char name[64];
};

/* As the runtime does: the object is made, then its callers are told. */
static void make_object(struct fake_host *h, const struct later *l)
{
    struct error err = {0};
    struct buf facts;
    buf_init(&facts, 4096);
    assert_true(h->object_count < FAKE_OBJECTS);
    struct js_instance_spec spec = {
        .id = span_str(l->value),
        .name = span_str(l->name),
        .class_name = span_str(l->class_name),
        .task = FAKE_OBJECT_TASK + (uint32_t)h->object_count,
        .owner = (void *)(uintptr_t) "object",
    };
    struct js_instance *inst = js_instance_create(h->version, &spec, &facts, &err);
    if (inst != NULL) {
        h->objects[h->object_count++] = inst;
    }
    js_object_done(h->version, l->id, inst, span_str(err.text));
    buf_free(&facts);
}

void fake_objects_destroy(struct fake_host *h)
{
    while (h->object_count != 0) {
        js_instance_destroy(h->objects[--h->object_count]);
    }
}

static void later_due(void *arg)
{
    struct later *l = arg;
    struct fake_host *h = l->host;
    struct fake_fetch *f = l->kind == LATER_FETCH ? &h->fetches[l->id] : NULL;
    if (f != NULL && f->open && h->fail != NULL) {
        f->open = false;
        js_fetch_failed(h->version, l->id, span_str(h->fail));
    } else if (f != NULL && f->open) {
        struct js_response res = {
            .status = h->status, .body = h->response_body != NULL, .redirected = false};
        js_fetch_done(h->version, l->id, &res);
    } else if (l->kind == LATER_KV) {
        struct js_kv_result res = {true, l->found, span_str(l->value), span_str(l->metadata)};
        js_kv_done(h->version, l->id, &res);
    } else if (l->kind == LATER_POLICY) {
        js_policy_done(h->version, l->id, h->policy_error);
    } else if (l->kind == LATER_OBJECT && h->object_error != NULL) {
        js_object_done(h->version, l->id, NULL, span_str(h->object_error));
    } else if (l->kind == LATER_OBJECT) {
        make_object(h, l);
    }
    loop_timer_cancel(l->timer);
    free(l);
}

static struct later *later(struct fake_host *h, enum later_kind kind, uint32_t id)
{
    struct later *l = calloc(1, sizeof *l);
    l->host = h;
    l->kind = kind;
    l->id = id;
    l->timer = loop_timer_start(h->loop, 0, 0, later_due, l);
    return l;
}

/* -- the table --------------------------------------------------------------------------------- */

static struct span request_method(void *arg, uint32_t task)
{
    return span_str(((struct fake_host *)arg)->requests[task].method);
}

static struct span request_url(void *arg, uint32_t task)
{
    return span_str(((struct fake_host *)arg)->requests[task].url);
}

static bool request_has_body(void *arg, uint32_t task)
{
    return ((struct fake_host *)arg)->requests[task].has_body;
}

static bool request_headers(void *arg, uint32_t task, struct buf *out)
{
    return buf_append_str(out, ((struct fake_host *)arg)->requests[task].headers);
}

static struct source *request_body(void *arg, uint32_t task)
{
    struct fake_host *h = arg;
    return h->requests[task].has_body
               ? source_of(h, h->requests[task].body, strlen(h->requests[task].body))
               : NULL;
}

static struct span response_url(void *arg, uint32_t fetch)
{
    return span_str(((struct fake_host *)arg)->fetches[fetch].url);
}

static bool response_headers(void *arg, uint32_t fetch, struct buf *out)
{
    struct fake_host *h = arg;
    assert_true(h->fetches[fetch].open);
    return h->response_headers == NULL || buf_append_str(out, h->response_headers);
}

static struct source *response_body(void *arg, uint32_t fetch)
{
    struct fake_host *h = arg;
    assert_true(h->fetches[fetch].open);
    if (h->response_body == NULL) {
        return NULL;
    }
    return source_of(h, h->response_body,
                     h->response_len != 0 ? h->response_len : strlen(h->response_body));
}

static bool fetch_start(void *arg, const struct js_fetch *in)
{
    struct fake_host *h = arg;
    assert_true(in->fetch < FAKE_FETCHES);
    struct fake_fetch *f = &h->fetches[in->fetch];
    assert_false(f->open);
    memset(f, 0, sizeof *f);
    f->open = true;
    f->task = in->task;
    f->base = in->base;
    f->replace = in->headers.replace;
    f->redirect = in->redirect;
    f->body_kind = in->body.kind;
    copy(f->method, sizeof f->method,
         in->method.ptr != NULL ? in->method : span_str(h->requests[in->base].method));
    copy(f->url, sizeof f->url,
         in->url.ptr != NULL ? in->url : span_str(h->requests[in->base].url));
    copy(f->log, sizeof f->log, in->headers.log);
    if (in->body.kind == JS_BODY_BYTES) {
        copy(f->body, sizeof f->body, in->body.bytes);
        f->body_len = in->body.bytes.len;
    } else if (in->body.kind == JS_BODY_SOURCE) {
        static bool ended;
        static bool broken;
        drain(in->body.source, (struct fake_drain){.to = f->body,
                                                   .room = sizeof f->body - 1,
                                                   .len = &f->body_len,
                                                   .ended = &ended,
                                                   .broken = &broken});
    } else if (in->body.kind == JS_BODY_RESPONSE) {
        assert_true(h->fetches[in->body.id].open);
        h->fetches[in->body.id].open = false;
    }
    h->fetch_count++;
    if (h->answer) {
        later(h, LATER_FETCH, in->fetch);
    }
    return true;
}

static void fetch_close(void *arg, uint32_t fetch)
{
    struct fake_host *h = arg;
    assert_true(h->fetches[fetch].open);
    h->fetches[fetch].open = false;
    h->fetch_closed++;
}

static void done(void *arg, uint32_t task, const struct js_result *res)
{
    struct fake_host *h = arg;
    struct fake_result *r = &h->results[task];
    assert_false(r->done);
    r->kind = res->kind;
    r->more = res->more;
    r->status = res->status;
    r->base = res->base;
    r->replace = res->headers.replace;
    r->body_kind = res->body.kind;
    r->body_id = res->body.id;
    copy(r->log, sizeof r->log, res->headers.log);
    copy(r->error, sizeof r->error, res->error);
    if (res->base != 0) {
        assert_true(h->fetches[res->base].open);
    }
    if (res->body.kind == JS_BODY_BYTES) {
        copy(r->body, sizeof r->body, res->body.bytes);
        r->body_len = res->body.bytes.len;
    } else if (res->body.kind == JS_BODY_SOURCE) {
        r->body_length = res->body.source->length;
        drain(res->body.source, (struct fake_drain){.max = h->drain_max,
                                                    .to = r->body,
                                                    .room = sizeof r->body - 1,
                                                    .len = &r->body_len,
                                                    .ended = &r->body_ended,
                                                    .broken = &r->body_broken});
    } else if (res->body.kind == JS_BODY_RESPONSE) {
        assert_true(h->fetches[res->body.id].open);
        h->fetches[res->body.id].open = false;
    }
    r->done = true;
}

static void call_done(void *arg, uint32_t task, struct span result, struct span error)
{
    struct fake_call *c = &((struct fake_host *)arg)->calls[task];
    assert_false(c->done);
    copy(c->result, sizeof c->result, result);
    copy(c->error, sizeof c->error, error);
    c->done = true;
}

static void over(void *arg, uint32_t task)
{
    struct fake_host *h = arg;
    assert_true(h->results[task].done || h->calls[task].done);
    assert_false(h->results[task].over || h->calls[task].over);
    h->results[task].over = h->results[task].done;
    h->calls[task].over = h->calls[task].done;
}

static void object(void *arg, uint32_t call, struct span class_name, struct span id,
                   struct span name)
{
    struct fake_host *h = arg;
    struct later *l = later(h, LATER_OBJECT, call);
    copy(l->class_name, sizeof l->class_name, class_name);
    copy(l->value, sizeof l->value, id);
    copy(l->name, sizeof l->name, name);
    copy(h->object_name, sizeof h->object_name, name);
    h->object_asked++;
}

static uint64_t hash(struct span text, uint64_t h)
{
    for (size_t i = 0; i < text.len; i++) {
        h = (h ^ (unsigned char)text.ptr[i]) * 1099511628211u;
    }
    return h;
}

static bool object_id(void *arg, struct span class_name, struct span name, char out[65])
{
    struct fake_host *h = arg;
    uint64_t of_name = name.ptr != NULL ? hash(name, 1) : ++h->object_unique;
    snprintf(out, 65, "%032llx%032llx", (unsigned long long)of_name,
             (unsigned long long)hash(class_name, 2));
    return true;
}

static bool object_id_is(void *arg, struct span class_name, struct span id)
{
    char of_class[33];
    (void)arg;
    snprintf(of_class, sizeof of_class, "%032llx", (unsigned long long)hash(class_name, 2));
    return id.len == 64 && span_eq(span_from(id, 32), span_str(of_class));
}

static void kv(void *arg, const struct js_kv *in)
{
    struct fake_host *h = arg;
    struct later *l = later(h, LATER_KV, in->call);
    char key[64];
    copy(key, sizeof key, in->key);
    assert_true(span_eq(in->namespace_id, SPAN_LIT("ns1")));
    for (size_t i = 0; i < FAKE_KV; i++) {
        bool same = strcmp(h->kv[i].key, key) == 0;
        if (in->op == JS_KV_GET && same && key[0] != '\0') {
            l->found = true;
            snprintf(l->value, sizeof l->value, "%s", h->kv[i].value);
            snprintf(l->metadata, sizeof l->metadata, "%s", h->kv[i].metadata);
        } else if (in->op == JS_KV_DELETE && same) {
            h->kv[i].key[0] = '\0';
        } else if (in->op == JS_KV_PUT && (same || h->kv[i].key[0] == '\0')) {
            snprintf(h->kv[i].key, sizeof h->kv[i].key, "%s", key);
            copy(h->kv[i].value, sizeof h->kv[i].value, in->value);
            copy(h->kv[i].metadata, sizeof h->kv[i].metadata,
                 in->options.len != 0 ? SPAN_LIT("{\"m\":1}") : SPAN_LIT(""));
            break;
        }
    }
    if (in->op == JS_KV_LIST) {
        snprintf(l->value, sizeof l->value, "{\"keys\":[{\"name\":\"%s\"}],\"list_complete\":true}",
                 h->kv[0].key);
    }
}

static void policy_set(void *arg, uint32_t call, void *owner, struct span method, struct span args,
                       struct span facts)
{
    struct fake_host *h = arg;
    snprintf(h->policy, sizeof h->policy, SPAN_FMT " " SPAN_FMT " " SPAN_FMT " %s",
             SPAN_ARG(method), SPAN_ARG(args), SPAN_ARG(facts), (const char *)owner);
    later(h, LATER_POLICY, call);
}

static struct span secret(void *arg, struct span name)
{
    struct fake_host *h = arg;
    (void)name;
    return h->secret[0] != '\0' ? span_str(h->secret) : (struct span){NULL, 0};
}

static void write_log(void *arg, void *owner, enum js_log_level level, struct span text)
{
    struct fake_host *h = arg;
    size_t at = strlen(h->log);
    (void)owner;
    snprintf(h->log + at, sizeof h->log - at, "%d " SPAN_FMT "\n", (int)level, SPAN_ARG(text));
}

const struct js_host fake_host_table = {
    .request_method = request_method,
    .request_url = request_url,
    .request_has_body = request_has_body,
    .request_headers = request_headers,
    .request_body = request_body,
    .response_url = response_url,
    .response_headers = response_headers,
    .response_body = response_body,
    .fetch = fetch_start,
    .fetch_close = fetch_close,
    .done = done,
    .call_done = call_done,
    .over = over,
    .object = object,
    .object_id = object_id,
    .object_id_is = object_id_is,
    .kv = kv,
    .policy_set = policy_set,
    .secret = secret,
    .log = write_log,
};

struct wait {
    struct fake_host *host;
    const bool *flag;
    int left_ms;
};

static void wait_tick(void *arg)
{
    struct wait *w = arg;
    if ((w->flag != NULL && *w->flag) || --w->left_ms <= 0) {
        loop_stop(w->host->loop);
    }
}

void fake_wait(struct fake_host *h, const bool *flag)
{
    struct wait w = {h, flag, WAIT_MS};
    if (*flag) {
        return;
    }
    struct loop_timer *t = loop_timer_start(h->loop, 1, 1, wait_tick, &w);
    loop_run(h->loop);
    loop_timer_cancel(t);
    if (!*flag) {
        fail_msg("waited in vain; log:\n%s", h->log);
    }
}

void fake_spin(struct fake_host *h)
{
    struct wait w = {h, NULL, 5};
    struct loop_timer *t = loop_timer_start(h->loop, 1, 1, wait_tick, &w);
    loop_run(h->loop);
    loop_timer_cancel(t);
}
