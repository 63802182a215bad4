#include "cli/deploy.h"
#include "base/cleanup.h"
#include "cli/ask.h"
#include "config/fnv.h"
#include "config/shape.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

static json_t *text_of_memfd(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return NULL;
    }
    size_t len = (size_t)st.st_size;
    if (len == 0) {
        return json_string("");
    }
    char *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    json_t *text = json_stringn(map, len);
    munmap(map, len);
    return text;
}

static int fill_body(struct deploy *d, struct error *err)
{
    const struct config *c = &d->config;
    const char *file = c->file != NULL ? c->file : c->module;
    d->body = json_pack("{s:O, s:s?, s:s?, s:s?, s:s?}", "app", c->app, "class", c->class_name,
                        "config", file, "config_dir", c->dir, "dev_vars", c->dev_vars);
    int rc = json_object_set_new(d->body, "crons", shape_write_strings(&c->crons));
    rc |= json_object_set_new(d->body, "inputs", shape_write_strings(&d->sources.inputs));
    rc |= json_object_set_new(d->body, "bundle", text_of_memfd(d->sources.bundle_fd));
    rc |= json_object_set_new(d->body, "map", text_of_memfd(d->sources.map_fd));
    return rc != 0 ? error_set(err, 0, "deploy: a path or the bundle is not UTF-8 text") : 0;
}

static int hash_piece(const char *bytes, size_t len, void *hash)
{
    *(uint64_t *)hash = fnv_add(*(uint64_t *)hash, span_of(bytes, len));
    return 0;
}

int deploy_read(const char *path, struct deploy *out, struct error *err)
{
    *out = (struct deploy){.sources = {.bundle_fd = -1, .map_fd = -1}};
    int rc = config_load(path, &out->config, err);
    rc = rc < 0 ? rc : sources_read(&out->config, &out->sources, err);
    rc = rc < 0 ? rc : fill_body(out, err);
    if (rc == 0) {
        out->hash = FNV_START;
        json_dump_callback(out->body, hash_piece, &out->hash, JSON_COMPACT | JSON_SORT_KEYS);
    }
    return rc;
}

void deploy_free(struct deploy *d)
{
    json_decref(d->body);
    sources_free(&d->sources);
    config_free(&d->config);
    d->body = NULL;
}

int deploy_send(struct client *c, const struct deploy *d, json_t **answer, struct error *err)
{
    struct client_request r;
    struct client_reply reply;
    cleanup_free char *text = json_dumps(d->body, JSON_COMPACT);
    size_t len = text != NULL ? strlen(text) : 0;
    if (text == NULL || len > DEPLOY_BYTES_MAX) {
        return error_set(err, text == NULL ? ENOMEM : 0, "deploy: %zu bytes: at most %u", len,
                         DEPLOY_BYTES_MAX);
    }
    client_path_start(&r, "PUT", "/v1/app");
    r.body = span_of(text, len);
    int rc = client_do(c, &r, &reply, err);
    if (rc < 0) {
        return rc;
    }
    *answer = ask_json(&reply, err);
    client_reply_free(&reply);
    return *answer != NULL ? 0 : -1;
}
