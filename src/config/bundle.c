#include "config/bundle.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/write.h"
#include "config/cache.h"
#include "config/esbuild.h"
#include "config/paths.h"
#include "config/tsconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int seal(const char *name, struct span bytes, struct error *err)
{
    cleanup_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return error_set(err, errno, "bundle: memfd_create");
    }
    int rc = write_all(fd, bytes);
    if (rc < 0) {
        return error_set(err, -rc, "bundle: write");
    }
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
        return error_set(err, errno, "bundle: seal");
    }
    return steal_fd(&fd);
}

static int seal_both(struct span script, struct span map, struct bundle *out, struct error *err)
{
    out->script_fd = seal("bundle", script, err);
    out->map_fd = out->script_fd < 0 ? -1 : seal("source-map", map, err);
    return out->map_fd < 0 ? -1 : 0;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool base64_decode(struct span text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    char *to = buf_reserve(out, text.len);
    size_t n = 0;
    if (to == NULL) {
        return false;
    }
    for (size_t i = 0; i < text.len && base64_value(text.ptr[i]) >= 0; i++) {
        bits = bits << 6 | (uint32_t)base64_value(text.ptr[i]);
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[n++] = (char)(bits >> have & 0xff);
        }
    }
    buf_commit(out, n);
    return true;
}

/* Cuts the inline map off the end of script. */
static bool split_map(struct span *script, struct buf *map)
{
    static const char lead[] = "\n//# sourceMappingURL=data:application/json;base64,";
    const char *at = NULL;
    struct span rest = *script;
    for (const char *p; (p = memmem(rest.ptr, rest.len, lead, sizeof lead - 1)) != NULL;) {
        at = p; /* the last one: the user's code may hold such a line in a string */
        rest = span_from(rest, (size_t)(p - rest.ptr) + 1);
    }
    if (at == NULL) { /* a module of which nothing is left: types only */
        return buf_append_str(map, "{\"version\":3,\"sources\":[],\"names\":[],\"mappings\":\"\"}");
    }
    size_t start = (size_t)(at - script->ptr);
    struct span text = span_from(*script, start + sizeof lead - 1);
    script->len = start + 1;
    return base64_decode(text, map);
}

/* Sources come relative to the folder of the output, which is /proc/self/fd. */
static bool rename_sources(struct buf *map, const char *root)
{
    json_t *doc = json_loadb(buf_span(map).ptr, buf_len(map), 0, NULL);
    json_t *sources = json_object_get(doc, "sources");
    size_t root_len = strlen(root);
    for (size_t i = 0; i < json_array_size(sources); i++) {
        const char *name = json_string_value(json_array_get(sources, i));
        cleanup_free char *path = name != NULL ? paths_clean("/proc/self/fd", name) : NULL;
        if (path == NULL) {
            continue;
        }
        bool below = strncmp(path, root, root_len) == 0 && path[root_len] == '/';
        json_array_set_new(sources, i, json_string(below ? path + root_len + 1 : path));
    }
    cleanup_free char *text = doc != NULL ? json_dumps(doc, JSON_COMPACT) : NULL;
    json_decref(doc);
    buf_clear(map);
    return text != NULL && buf_append_str(map, text);
}

static int read_inputs(struct span meta, const struct tsconfig *tsconfig, const char *root,
                       struct cache_sources *s, struct error *err)
{
    json_t *doc = json_loadb(meta.ptr, meta.len, 0, NULL);
    json_t *inputs = json_object_get(doc, "inputs");
    const char *name;
    json_t *value;
    int rc = json_is_object(inputs) ? 0 : error_set(err, 0, "esbuild: no list of inputs");
    json_object_foreach(inputs, name, value)
    {
        cleanup_free char *path = paths_clean(root, name);
        struct stat st;
        /* Names such as `(disabled):x` stand for what was left out. */
        bool file = path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode);
        if (path == NULL || (file && !spec_strings_add(&s->files, path))) {
            rc = error_set(err, ENOMEM, "esbuild");
        }
    }
    json_decref(doc);
    for (size_t i = 0; rc == 0 && i < tsconfig->files.count; i++) {
        rc = spec_strings_add(&s->files, tsconfig->files.items[i])
                 ? 0
                 : error_set(err, ENOMEM, "esbuild");
    }
    if (rc == 0 && !cache_complete(root, s)) {
        rc = error_set(err, 0, "bundle: too many inputs");
    }
    return rc;
}

struct fresh {
    struct buf script;
    struct buf meta;
    struct buf map;
    struct cache_sources sources;
    struct tsconfig tsconfig;
};

static int make_fresh(const char *module, const char *root, struct fresh *f, struct bundle *out,
                      struct error *err)
{
    uint64_t began_ns = clock_ns(CLOCK_REALTIME);
    int rc = tsconfig_read(root, &f->tsconfig, err);
    rc = rc < 0 ? rc : esbuild_run(module, root, f->tsconfig.text, &f->script, &f->meta, err);
    if (rc < 0) {
        return rc;
    }
    struct span script = buf_span(&f->script);
    if (!split_map(&script, &f->map) || !rename_sources(&f->map, root)) {
        return error_set(err, 0, "esbuild: the source map in its output cannot be read");
    }
    rc = read_inputs(buf_span(&f->meta), &f->tsconfig, root, &f->sources, err);
    rc = rc < 0 ? rc : seal_both(script, buf_span(&f->map), out, err);
    if (rc == 0) {
        if (!f->tsconfig.maps) {
            cache_keep(module, root, &f->sources, script, buf_span(&f->map), began_ns);
        }
        out->inputs = f->sources.files;
        f->sources.files = (struct spec_strings){NULL, 0};
    }
    return rc;
}

int bundle_make(const char *module, const char *root, struct bundle *out, struct error *err)
{
    *out = (struct bundle){.script_fd = -1, .map_fd = -1};
    struct cache_entry e;
    int rc;
    if (cache_find(module, root, &e)) {
        rc = seal_both(e.script, e.map, out, err);
        out->inputs = e.inputs;
        out->from_cache = true;
        e.inputs = (struct spec_strings){NULL, 0};
        cache_entry_free(&e);
    } else {
        struct fresh f = {.sources = {{NULL, 0}, {NULL, 0}}};
        buf_init(&f.map, BUNDLE_BYTES_MAX);
        rc = make_fresh(module, root, &f, out, err);
        buf_free(&f.script);
        buf_free(&f.meta);
        buf_free(&f.map);
        tsconfig_free(&f.tsconfig);
        spec_strings_free(&f.sources.files);
        spec_strings_free(&f.sources.folders);
    }
    if (rc < 0) {
        bundle_free(out);
    }
    return rc;
}

int bundle_empty(struct bundle *out, struct error *err)
{
    *out = (struct bundle){.script_fd = -1, .map_fd = -1};
    int rc = seal_both(SPAN_LIT(""), SPAN_LIT(""), out, err);
    if (rc < 0) {
        bundle_free(out);
    }
    return rc;
}

void bundle_free(struct bundle *b)
{
    close_fd(&b->script_fd);
    close_fd(&b->map_fd);
    spec_strings_free(&b->inputs);
}
