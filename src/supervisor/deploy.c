#include "supervisor/deploy.h"

#include "base/cleanup.h"
#include "base/write.h"
#include "config/bundle.h"
#include "supervisor/supervisor.h"
#include "supervisor/up.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Members of `app` that the options of `up` decide, not the configuration. */
static const char *const options[] = {"objects_dir", "upstream_ca", "resolve", "allow_private",
                                      NULL};

static int wrong(const char *key, struct error *err)
{
    return error_set(err, 0, "body: field %s: not known, or not what is expected", key);
}

static int sealed(const char *name, const json_t *text, int *out, struct error *err)
{
    size_t len = json_string_length(text);
    const char *bytes = json_string_value(text);
    if (bytes == NULL) {
        return wrong(name, err);
    }
    if (len > BUNDLE_BYTES_MAX) {
        return error_set(err, 0, "%s: %zu bytes, at most %u are allowed", name, len,
                         BUNDLE_BYTES_MAX);
    }
    cleanup_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return error_set(err, errno, "%s", name);
    }
    int rc = write_all(fd, span_of(bytes, len));
    if (rc < 0) {
        return error_set(err, -rc, "%s", name);
    }
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
        return error_set(err, errno, "%s", name);
    }
    close_fd(out);
    *out = steal_fd(&fd);
    return 0;
}

static bool text_take(const json_t *v, char **out)
{
    const char *text = json_string_value(v);
    if (text != NULL && strlen(text) == json_string_length(v)) {
        *out = strdup(text);
    }
    return json_is_null(v) || *out != NULL;
}

static bool strings_take(json_t *v, struct spec_strings *out)
{
    json_t *item;
    size_t i;
    json_array_foreach(v, i, item)
    {
        const char *text = json_string_value(item);
        if (text == NULL || strlen(text) != json_string_length(item) ||
            !spec_strings_add(out, text)) {
            return false;
        }
    }
    return json_is_array(v);
}

/* app: given by the body; laid over it what this daemon was started with. */
static int app_take(const struct supervisor *s, json_t *app, struct deploy *d, struct error *err)
{
    if (!json_is_object(app)) {
        return wrong("app", err);
    }
    json_t *now = json_loads(s->spec->app, 0, NULL);
    for (const char *const *key = options; *key != NULL; key++) {
        json_object_del(app, *key);
        json_t *v = json_object_get(now, *key);
        if (v != NULL) {
            json_object_set(app, *key, v);
        }
    }
    d->app = json_dumps(app, JSON_COMPACT);
    json_decref(now);
    return d->app != NULL ? 0 : error_set(err, ENOMEM, "deploy");
}

static int member_take(const struct supervisor *s, const char *key, json_t *v, struct deploy *d,
                       struct error *err)
{
    bool ok = false;
    if (strcmp(key, "app") == 0) {
        return app_take(s, v, d, err);
    }
    if (strcmp(key, "bundle") == 0) {
        return sealed("bundle", v, &d->bundle_fd, err);
    }
    if (strcmp(key, "map") == 0) {
        return sealed("map", v, &d->map_fd, err);
    }
    if (strcmp(key, "class") == 0) {
        ok = text_take(v, &d->class_name);
    } else if (strcmp(key, "config") == 0) {
        ok = text_take(v, &d->config);
    } else if (strcmp(key, "config_dir") == 0) {
        ok = text_take(v, &d->config_dir);
    } else if (strcmp(key, "dev_vars") == 0) {
        ok = text_take(v, &d->dev_vars);
    } else if (strcmp(key, "inputs") == 0) {
        ok = strings_take(v, &d->inputs);
    } else if (strcmp(key, "crons") == 0) {
        ok = strings_take(v, &d->crons);
    }
    return ok ? 0 : wrong(key, err);
}

int deploy_parse(struct supervisor *s, struct span body, struct deploy *out, struct error *err)
{
    json_error_t e;
    const char *key;
    json_t *v;
    *out = (struct deploy){.bundle_fd = -1, .map_fd = -1};
    json_t *root = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    int rc = root == NULL ? error_set(err, 0, "body: %s", e.text) : 0;
    json_object_foreach(root, key, v)
    {
        rc = rc < 0 ? rc : member_take(s, key, v, out, err);
    }
    json_decref(root);
    if (rc == 0 && (out->app == NULL || out->bundle_fd < 0 || out->map_fd < 0)) {
        rc = error_set(err, 0, "body: expected \"app\", \"bundle\" and \"map\"");
    }
    rc = rc < 0 ? rc : crontab_open(s, &out->crons, &out->crontab, err);
    if (rc < 0) {
        deploy_free(out);
    }
    return rc;
}

struct runtime_app deploy_app(const struct deploy *d)
{
    return (struct runtime_app){
        .name = "app", .json = span_str(d->app), .bundle_fd = d->bundle_fd, .map_fd = d->map_fd};
}

static void text_move(char **to, char **from)
{
    free(*to);
    *to = steal_ptr(from);
}

static void fd_move(int *to, int *from)
{
    close_fd(to);
    *to = steal_fd(from);
}

static void strings_move(struct spec_strings *to, struct spec_strings *from)
{
    spec_strings_free(to);
    *to = *from;
    *from = (struct spec_strings){0};
}

void deploy_commit(struct supervisor *s, struct deploy *d)
{
    struct spec *spec = s->spec;
    bool vars_moved = spec->dev_vars == NULL || d->dev_vars == NULL
                          ? spec->dev_vars != d->dev_vars
                          : strcmp(spec->dev_vars, d->dev_vars) != 0;
    text_move(&spec->app, &d->app);
    text_move(&spec->class_name, &d->class_name);
    text_move(&spec->config, &d->config);
    text_move(&spec->config_dir, &d->config_dir);
    strings_move(&spec->inputs, &d->inputs);
    strings_move(&spec->crons, &d->crons);
    fd_move(&spec->bundle_fd, &d->bundle_fd);
    fd_move(&spec->map_fd, &d->map_fd);
    s->app = supervisor_app(spec);
    s->deploys++;
    crontab_close(s->up->crontab);
    s->up->crontab = steal_ptr(&d->crontab);
    if (vars_moved) {
        supervisor_dev_vars_move(s, steal_ptr(&d->dev_vars));
    }
    runtimes_trial_keep(s->runtimes);
}

void deploy_free(struct deploy *d)
{
    free(d->app);
    free(d->class_name);
    free(d->config);
    free(d->config_dir);
    free(d->dev_vars);
    close_fd(&d->bundle_fd);
    close_fd(&d->map_fd);
    spec_strings_free(&d->inputs);
    spec_strings_free(&d->crons);
    crontab_close(d->crontab);
    *d = (struct deploy){.bundle_fd = -1, .map_fd = -1};
}
