#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/grammar.h"
#include "cli/run_options.h"
#include "cli/run_paths.h"
#include "cli/sources.h"
#include "cli/take_secrets.h"
#include "cli/view.h"
#include "config/paths.h"
#include "config/shape.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#define CA_BYTES_MAX (1024u * 1024u)

static int set_list(json_t *object, const char *key, const struct spec_strings *list,
                    struct error *err)
{
    if (list->count > 0 && json_object_set_new(object, key, shape_write_strings(list)) < 0) {
        return error_set(err, 0, "--%s: not UTF-8 text", key);
    }
    return 0;
}

static int give_text(json_t *object, char **out, struct error *err)
{
    *out = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    return *out != NULL ? 0 : error_set(err, ENOMEM, "spec");
}

static int fill_options(const struct run_options *o, struct spec *s, struct error *err)
{
    json_t *options = json_object();
    int rc = set_list(options, "allow", &o->allow, err);
    rc = rc < 0 ? rc : set_list(options, "deny", &o->deny, err);
    rc = rc < 0 ? rc : set_list(options, "inject", &o->inject, err);
    rc = rc < 0 ? rc : set_list(options, "allow_tcp", &o->allow_tcp, err);
    if (rc == 0 && o->no_internet) {
        json_object_set_new(options, "internet", json_false());
    }
    rc = rc < 0 ? rc : give_text(options, &s->options, err);
    json_decref(options);
    return rc;
}

static int read_ca(const char *path, json_t *app, struct error *err)
{
    struct buf text;
    int rc = config_read_file(path, CA_BYTES_MAX, &text, err);
    struct span pem = buf_span(&text);
    if (rc < 0) {
        error_prefix(err, "--upstream-ca");
    } else if (memmem(pem.ptr, pem.len, "PRIVATE KEY-----", 16) != NULL) {
        rc = error_set(err, 0, "--upstream-ca %s: holds a private key: give the certificate alone",
                       path);
    } else if (memmem(pem.ptr, pem.len, "-----BEGIN CERTIFICATE-----", 27) == NULL) {
        rc = error_set(err, 0, "--upstream-ca %s: expected a certificate in PEM", path);
    } else if (json_object_set_new(app, "upstream_ca", json_stringn(pem.ptr, pem.len)) < 0) {
        rc = error_set(err, 0, "--upstream-ca %s: not UTF-8 text", path);
    }
    buf_free(&text);
    return rc;
}

/* Those of a `run` are its own: no two processes ever open one object's database. */
static int set_objects_dir(json_t *app, const struct spec *s, struct error *err)
{
    cleanup_free char *dir = paths_objects_dir(s->state_dir, s->id);
    if (dir == NULL) {
        return error_set(err, ENOMEM, "spec");
    }
    int rc = json_object_set_new(app, "objects_dir", json_string(dir));
    return rc < 0 ? error_set(err, 0, "state folder %s: not UTF-8 text", s->state_dir) : 0;
}

static int fill_app(const struct run_options *o, json_t *app, struct spec *s, struct error *err)
{
    int rc = o->upstream_ca != NULL ? read_ca(o->upstream_ca, app, err) : 0;
    rc = rc < 0 ? rc : set_objects_dir(app, s, err);
    rc = rc < 0 ? rc : set_list(app, "resolve", &o->resolve, err);
    rc = rc < 0 ? rc : set_list(app, "allow_private", &o->allow_private, err);
    return rc < 0 ? rc : give_text(app, &s->app, err);
}

static int need_secret(void *arg, struct span name, struct error *err)
{
    const struct secrets *list = arg;
    for (size_t i = 0; i < list->count; i++) {
        if (!span_eq(span_str(list->items[i].name), name)) {
            continue;
        }
        if (strpbrk(list->items[i].value, "\r\n") != NULL) {
            return error_set(err, 0,
                             "--inject: the secret %s holds a newline: no header can carry it",
                             list->items[i].name);
        }
        return 0;
    }
    return error_set(err, 0, "--inject: ${%.*s} is no secret: add --secret %.*s",
                     (int)(name.len < 128 ? name.len : 128), name.ptr,
                     (int)(name.len < 128 ? name.len : 128), name.ptr);
}

static int check_injects(const struct run_options *o, struct secrets *list, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->inject.count; i++) {
        struct grammar_inject in;
        rc = grammar_inject(o->inject.items[i], &in, err);
        rc = rc < 0 ? rc : grammar_placeholders(in.value, need_secret, list, err);
    }
    return rc;
}

static int fill_bundle(const struct config *c, struct spec *s, struct error *err)
{
    struct sources src;
    int rc = sources_read(c, &src, err);
    if (rc == 0) {
        s->bundle_fd = steal_fd(&src.bundle_fd);
        s->map_fd = steal_fd(&src.map_fd);
        s->inputs = src.inputs;
    }
    return rc;
}

static int fill_id(const char *id, struct spec *s, struct error *err)
{
    unsigned char bytes[6];
    if (id == NULL && getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return error_set(err, errno, "id: random bytes");
    }
    char text[13];
    for (size_t i = 0; id == NULL && i < sizeof bytes; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    s->id = strdup(id != NULL ? id : text);
    s->keep_state = id != NULL;
    return s->id != NULL ? 0 : error_set(err, ENOMEM, "id");
}

static bool add_var(struct spec_strings *env, const char *name, const char *value)
{
    cleanup_free char *pair = NULL;
    if (asprintf(&pair, "%s=%s", name, value) < 0) {
        pair = NULL;
        return false;
    }
    return spec_strings_add(env, pair);
}

/* Only what --env says: what the environment starts from depends on the view of files, so the
 * launcher makes it. */
static int fill_env(const struct run_options *o, struct spec *s, struct error *err)
{
    bool good = true;
    for (size_t i = 0; good && i < o->env.count; i++) {
        const char *word = o->env.items[i];
        if (strchr(word, '=') != NULL) {
            good = spec_strings_add(&s->env, word);
        } else if (getenv(word) != NULL) {
            good = add_var(&s->env, word, getenv(word));
        }
    }
    return good ? 0 : error_set(err, ENOMEM, "--env");
}

/* What is deployed by itself must not come from a place that a sandbox can write: a file planted
 * beside util.ts would be found first. */
static int check_watch(const struct config *c, const struct spec *s, struct error *err)
{
    for (size_t i = 0; i < s->bind_count; i++) {
        const struct spec_bind *b = &s->binds[i];
        if (!b->read_only && view_is_below(c->dir, b->source)) {
            return error_set(err, 0,
                             "--watch: sandboxes may write in the Worker's folder %s: bind %s with "
                             ":ro",
                             c->dir, b->source);
        }
    }
    return 0;
}

static int fill_listen(const struct run_options *o, const struct config *c, struct spec *s,
                       struct error *err)
{
    int rc = o->watch ? check_watch(c, s, err) : 0;
    if (rc < 0) {
        return rc;
    }
    s->listen = strdup(o->listen != NULL ? o->listen : "127.0.0.1:8787");
    s->watch = o->watch;
    return s->listen != NULL ? 0 : error_set(err, ENOMEM, "--listen");
}

static int move_secrets(struct config *c, struct spec *s, const struct spec_strings *taken)
{
    s->secrets = c->secrets.items;
    s->secret_count = c->secrets.count;
    c->secrets = (struct secrets){NULL, 0};
    for (size_t i = 0; i < taken->count; i++) {
        if (!spec_strings_add(&s->dev_vars_ours, taken->items[i])) {
            return -1;
        }
    }
    return 0;
}

static int fill_config(const struct run_options *o, struct config *c, struct spec *s,
                       struct error *err)
{
    const char *name = o->class_name != NULL ? o->class_name : c->class_name;
    s->class_name = name != NULL ? strdup(name) : NULL;
    const char *file = c->file != NULL ? c->file : c->module;
    s->config = file != NULL ? strdup(file) : NULL;
    s->config_dir = c->dir != NULL ? strdup(c->dir) : NULL;
    s->dev_vars = c->dev_vars != NULL ? strdup(c->dev_vars) : NULL;
    int rc = fill_app(o, c->app, s, err);
    s->crons = c->crons;
    c->crons = (struct spec_strings){NULL, 0};
    return rc < 0 ? rc : fill_bundle(c, s, err);
}

/* Cheap refusals before the bundler runs. */
static int fill(const struct run_options *o, struct config *c, struct spec *s, struct error *err)
{
    struct spec_strings taken = {NULL, 0};
    struct spec_strings files = {NULL, 0};
    int rc = take_secrets(&o->secret, &c->secrets, &taken, &files, err);
    rc = rc < 0 ? rc : check_injects(o, &c->secrets, err);
    rc = rc < 0 || o->daemon ? rc : fill_id(o->id, s, err);
    rc = rc < 0 ? rc : run_paths_fill(o, s, err);
    rc = rc < 0 ? rc : view_fill(o, &files, s, err);
    rc = rc < 0 ? rc : fill_env(o, s, err);
    rc = rc < 0 ? rc : fill_options(o, s, err);
    rc = rc < 0 || !o->daemon ? rc : fill_listen(o, c, s, err);
    rc = rc < 0 ? rc : fill_config(o, c, s, err);
    if (rc == 0 && move_secrets(c, s, &taken) < 0) {
        rc = error_set(err, ENOMEM, "spec");
    }
    spec_strings_free(&taken);
    spec_strings_free(&files);
    return rc;
}

int run_options_spec(const struct run_options *o, struct spec *s, struct spec_strings *notes,
                     struct error *err)
{
    spec_init(s);
    struct config c = {.dir = NULL};
    int rc;
    if (o->config != NULL) {
        rc = config_load(o->config, &c, err);
    } else {
        c.app = config_plain_app();
        rc = c.app != NULL ? 0 : error_set(err, ENOMEM, "spec");
    }
    rc = rc < 0 ? rc : fill(o, &c, s, err);
    if (rc == 0 && o->daemon && c.has_image) {
        rc = spec_strings_add(&c.notes, "containers: \"image\" is not used: a sandbox sees the "
                                        "programs of this machine")
                 ? 0
                 : error_set(err, ENOMEM, "spec");
    }
    if (rc == 0) {
        *notes = c.notes;
        c.notes = (struct spec_strings){NULL, 0};
    } else {
        spec_free(s);
    }
    config_free(&c);
    return rc;
}
