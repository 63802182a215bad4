#include "config/spec.h"
#include "config/shape.h"
#include "base/cleanup.h"
#include "base/write.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char *const mode_names[] = {"run", "check", "up", NULL};

static const struct shape_field secret_fields[] = {
    {.name = "name", SHAPE_STRING, offsetof(struct spec_secret, name), true},
    {.name = "value", SHAPE_STRING, offsetof(struct spec_secret, value), true},
};
static const struct shape secret_shape = {sizeof(struct spec_secret), secret_fields, 2};

static const struct shape_field bind_fields[] = {
    {.name = "source", SHAPE_STRING, offsetof(struct spec_bind, source), true},
    {.name = "target", SHAPE_STRING, offsetof(struct spec_bind, target), true},
    {.name = "read_only", SHAPE_BOOL, offsetof(struct spec_bind, read_only), true},
};
static const struct shape bind_shape = {sizeof(struct spec_bind), bind_fields, 3};

#define STRING(f, need)                                                                            \
    {                                                                                              \
        .name = #f, SHAPE_STRING, offsetof(struct spec, f), need                                   \
    }
#define STRINGS(f)                                                                                 \
    {                                                                                              \
        .name = #f, SHAPE_STRINGS, offsetof(struct spec, f), false                                 \
    }
#define OBJECT(f)                                                                                  \
    {                                                                                              \
        .name = #f, SHAPE_JSON, offsetof(struct spec, f), true                                     \
    }
#define DESCRIPTOR(f)                                                                              \
    {                                                                                              \
        .name = #f, SHAPE_INT, offsetof(struct spec, f), true                                      \
    }
#define STRUCTS(f, n, e)                                                                           \
    {                                                                                              \
        .name = #f, SHAPE_STRUCTS, offsetof(struct spec, f), false, offsetof(struct spec, n), e    \
    }

static const struct shape_field spec_fields[] = {
    {.name = "mode", SHAPE_NAME, offsetof(struct spec, mode), true, .names = mode_names},
    STRING(id, false),
    STRING(class_name, false),
    {.name = "keep_state", SHAPE_BOOL, offsetof(struct spec, keep_state), false},
    OBJECT(app),
    OBJECT(options),
    DESCRIPTOR(bundle_fd),
    DESCRIPTOR(map_fd),
    STRUCTS(secrets, secret_count, &secret_shape),
    STRING(config, false),
    STRING(config_dir, false),
    STRINGS(inputs),
    STRING(dev_vars, false),
    STRINGS(dev_vars_ours),
    STRUCTS(binds, bind_count, &bind_shape),
    STRING(home, false),
    STRINGS(masks),
    STRINGS(writable),
    STRINGS(argv),
    STRINGS(env),
    STRING(cwd, false),
    STRING(listen, false),
    STRINGS(crons),
    {.name = "watch", SHAPE_BOOL, offsetof(struct spec, watch), false},
    STRING(check_method, false),
    STRINGS(check_urls),
    STRINGS(private_paths),
    STRING(log, false),
    STRING(state_dir, true),
    STRING(socket, false),
};
static const struct shape spec_shape = {sizeof(struct spec), spec_fields,
                                        sizeof spec_fields / sizeof *spec_fields};

static void free_wiped(void *p)
{
    if (p != NULL) {
        explicit_bzero(p, malloc_usable_size(p));
        free(p);
    }
}

void spec_json_wipe_on_free(void)
{
    json_set_alloc_funcs(malloc, free_wiped);
}

bool spec_strings_add(struct spec_strings *list, const char *text)
{
    char **items = reallocarray(list->items, list->count + 1, sizeof *items);
    if (items == NULL) {
        return false;
    }
    list->items = items;
    items[list->count] = strdup(text);
    if (items[list->count] == NULL) {
        return false;
    }
    list->count++;
    return true;
}

void spec_init(struct spec *s)
{
    *s = (struct spec){.bundle_fd = -1, .map_fd = -1};
}

void spec_free(struct spec *s)
{
    close_fd(&s->bundle_fd);
    close_fd(&s->map_fd);
    shape_free(&spec_shape, s);
    spec_init(s);
}

static int check_path(const char *name, const char *path, struct error *err)
{
    bool bad = path != NULL && (path[0] != '/' || strstr(path, "//") != NULL ||
                                strstr(path, "/./") != NULL || strstr(path, "/../") != NULL);
    return bad ? error_set(err, 0, "%s: not an absolute, clean path", name) : 0;
}

static int check_paths(const char *name, const struct spec_strings *list, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->count; i++) {
        rc = check_path(name, list->items[i], err);
    }
    return rc;
}

static int check_binds(const struct spec *s, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->bind_count; i++) {
        rc = check_path("binds", s->binds[i].source, err);
        rc = rc < 0 ? rc : check_path("binds", s->binds[i].target, err);
    }
    return rc;
}

static int check_mode(const struct spec *s, struct error *err)
{
    if (s->mode != SPEC_UP && s->id == NULL) {
        return error_set(err, 0, "id: missing");
    }
    if (s->mode == SPEC_UP && (s->listen == NULL || s->cwd == NULL || s->socket == NULL)) {
        return error_set(err, 0, "mode up: listen, cwd and socket are needed");
    }
    if (s->mode == SPEC_UP && s->watch && s->config == NULL) {
        return error_set(err, 0, "mode up: watch needs a config");
    }
    if (s->mode == SPEC_RUN && (s->argv.count == 0 || s->cwd == NULL || s->socket == NULL)) {
        return error_set(err, 0, "mode run: argv, cwd and socket are needed");
    }
    if (s->mode == SPEC_CHECK && (s->check_urls.count == 0 || s->check_method == NULL)) {
        return error_set(err, 0, "mode check: check_method and check_urls are needed");
    }
    return 0;
}

static int spec_check(const struct spec *s, struct error *err)
{
    const struct {
        const char *name, *path;
    } paths[] = {
        {"config", s->config},
        {"config_dir", s->config_dir},
        {"dev_vars", s->dev_vars},
        {"home", s->home},
        {"cwd", s->cwd},
        {"socket", s->socket},
        {"state_dir", s->state_dir},
    };
    int rc = check_mode(s, err);
    for (size_t i = 0; rc == 0 && i < sizeof paths / sizeof *paths; i++) {
        rc = check_path(paths[i].name, paths[i].path, err);
    }
    rc = rc < 0 ? rc : check_paths("inputs", &s->inputs, err);
    rc = rc < 0 ? rc : check_paths("writable", &s->writable, err);
    return rc < 0 ? rc : check_binds(s, err);
}

/* A number in the text becomes a descriptor of ours only when it is a memfd above 2. */
static int check_memfd(const char *name, int fd, struct error *err)
{
    if (fd <= 2 || fcntl(fd, F_GET_SEALS) < 0) {
        return error_set(err, 0, "%s: descriptor %d is not a memfd", name, fd);
    }
    return 0;
}

int spec_parse(struct span json, struct spec *out, struct error *err)
{
    spec_init(out);
    if (json.len > SPEC_BYTES_MAX) {
        return error_set(err, 0, "spec: larger than %u bytes", SPEC_BYTES_MAX);
    }
    json_error_t why;
    json_t *root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        return error_set(err, 0, "spec: line %d column %d: %s", why.line, why.column, why.text);
    }
    int rc = shape_read(&spec_shape, root, out, err);
    json_decref(root);
    rc = rc < 0 ? rc : spec_check(out, err);
    rc = rc < 0 ? rc : check_memfd("bundle_fd", out->bundle_fd, err);
    rc = rc < 0 ? rc : check_memfd("map_fd", out->map_fd, err);
    if (rc == 0 && out->bundle_fd == out->map_fd) {
        rc = error_set(err, 0, "map_fd: the same as bundle_fd");
    }
    if (rc < 0) {
        /* Numbers that were not proven to be ours are not closed. */
        out->bundle_fd = out->map_fd = -1;
        spec_free(out);
        error_prefix(err, "spec");
    }
    return rc;
}

int spec_read(int fd, struct spec *out, struct error *err)
{
    spec_init(out);
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > (off_t)SPEC_BYTES_MAX) {
        close(fd);
        return error_set(err, 0, "spec: descriptor %d holds no spec", fd);
    }
    size_t len = (size_t)st.st_size;
    char *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        return error_set(err, errno, "spec: map");
    }
    int rc = spec_parse(span_of(map, len), out, err);
    munmap(map, len);
    return rc;
}

int spec_write(const struct spec *s, struct error *err)
{
    json_t *root = shape_write(&spec_shape, s);
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (text == NULL) {
        return error_set(err, 0, "spec: an option is not UTF-8 text: give it as UTF-8");
    }
    int fd = memfd_create("spec", 0);
    int rc = fd < 0 ? error_set(err, errno, "spec: memfd_create") : 0;
    size_t len = strlen(text);
    if (rc == 0 && (len > SPEC_BYTES_MAX || write_all(fd, span_of(text, len)) < 0)) {
        rc = error_set(err, len > SPEC_BYTES_MAX ? E2BIG : errno, "spec: write");
        close(fd);
    }
    if (rc == 0) {
        lseek(fd, 0, SEEK_SET);
        rc = fd;
    }
    explicit_bzero(text, len);
    free(text);
    return rc;
}
