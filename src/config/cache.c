#include "config/cache.h"
#include "base/cleanup.h"
#include "base/write.h"
#include "config/bundle.h"
#include "config/config.h"
#include "config/esbuild.h"
#include "config/fnv.h"
#include "config/paths.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

/* How long after a change another could leave the same stamp: the kernel's tick with room, or the
 * whole seconds of a file system that keeps no parts of them. */
#define SETTLED_NS        50000000u
#define SETTLED_COARSE_NS 2000000000u
#define SOURCES_MAX       20000u

/* What a line of the manifest stands for. */
static const char kind_file[] = "f";
static const char kind_folder[] = "d";
static const char kind_tool[] = "t";

static int64_t stamp_ns(const struct timespec *t)
{
    return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static char *cache_path(const char *module, const char *root)
{
    cleanup_free char *dir = NULL;
    if (paths_cache_dir(&dir, NULL) < 0) {
        return NULL;
    }
    uint64_t hash = fnv_add_str(fnv_add_str(esbuild_options_hash(), module), root);
    char name[40];
    snprintf(name, sizeof name, "bundles/%016" PRIx64, hash);
    return paths_clean(dir, name);
}

static json_t *describe(const char *kind, const char *path, const struct stat *st)
{
    return json_pack("[s,s,I,I,I,I,I]", kind, path, (json_int_t)st->st_dev, (json_int_t)st->st_ino,
                     (json_int_t)st->st_size, (json_int_t)stamp_ns(&st->st_mtim),
                     (json_int_t)stamp_ns(&st->st_ctim));
}

/* Whether the source is as it was described. */
static bool is_same(json_t *described)
{
    const char *kind = json_string_value(json_array_get(described, 0));
    const char *path = json_string_value(json_array_get(described, 1));
    struct stat st;
    if (kind == NULL || path == NULL || stat(path, &st) < 0) {
        return false;
    }
    json_t *now = describe(kind, path, &st);
    bool same = json_equal(now, described) == 1;
    json_decref(now);
    return same;
}

static bool check_manifest(struct span text, struct cache_entry *out)
{
    json_t *list = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool good = json_is_array(list);
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        json_t *source = json_array_get(list, i);
        good = is_same(source);
        const char *kind = json_string_value(json_array_get(source, 0));
        if (good && strcmp(kind, kind_file) == 0) {
            good = spec_strings_add(&out->inputs, json_string_value(json_array_get(source, 1)));
        }
    }
    json_decref(list);
    return good;
}

/* Fills the spans of out->file; false when the file is torn. */
static bool split(struct cache_entry *out, struct span *manifest)
{
    struct span all = buf_span(&out->file);
    char head[160];
    const char *end = memchr(all.ptr, '\n', all.len < sizeof head - 1 ? all.len : sizeof head - 1);
    if (end == NULL) {
        return false;
    }
    size_t head_len = (size_t)(end - all.ptr) + 1;
    memcpy(head, all.ptr, head_len);
    head[head_len] = '\0';
    size_t lens[3];
    uint64_t sum = 0;
    if (sscanf(head, "sallyport bundle 1 %zu %zu %zu %" SCNx64, &lens[0], &lens[1], &lens[2],
               &sum) != 4) {
        return false;
    }
    struct span rest = span_from(all, head_len);
    if (lens[0] > rest.len || lens[1] > rest.len - lens[0] ||
        lens[2] != rest.len - lens[0] - lens[1] || fnv_add(FNV_START, rest) != sum) {
        return false;
    }
    *manifest = span_of(rest.ptr, lens[0]);
    out->script = span_of(rest.ptr + lens[0], lens[1]);
    out->map = span_of(rest.ptr + lens[0] + lens[1], lens[2]);
    return true;
}

static bool is_ours(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 077) == 0;
}

bool cache_find(const char *module, const char *root, struct cache_entry *out)
{
    *out = (struct cache_entry){.inputs = {NULL, 0}};
    buf_init(&out->file, 3 * BUNDLE_BYTES_MAX);
    cleanup_free char *path = cache_path(module, root);
    struct span manifest;
    bool found = path != NULL && is_ours(path) &&
                 config_read_file(path, 3 * BUNDLE_BYTES_MAX, &out->file, NULL) == 0 &&
                 split(out, &manifest) && check_manifest(manifest, out);
    if (!found) {
        cache_entry_free(out);
    }
    return found;
}

void cache_entry_free(struct cache_entry *e)
{
    buf_free(&e->file);
    spec_strings_free(&e->inputs);
}

static bool has(const struct spec_strings *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether path stands in dir or is it. */
static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strcmp(dir, "/") == 0 ||
           (strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

static bool add_package(const char *folder, struct spec_strings *files)
{
    cleanup_free char *path = paths_clean(folder, "package.json");
    struct stat st;
    if (path == NULL) {
        return false;
    }
    return stat(path, &st) < 0 || !S_ISREG(st.st_mode) || has(files, path) ||
           spec_strings_add(files, path);
}

/* From root up to a folder that also holds path: there a nearer package could appear. */
static bool add_root_folders(const char *path, const char *root, struct cache_sources *s)
{
    char *dir = strdup(root);
    bool good = dir != NULL;
    while (good && !is_below(path, dir)) {
        good = has(&s->folders, dir) || spec_strings_add(&s->folders, dir);
        char *up = paths_clean(dir, "..");
        free(dir);
        dir = up;
        good = good && dir != NULL;
    }
    free(dir);
    return good;
}

/* Every folder from that of path up to the nearest one that also holds root. */
static bool add_folders(const char *path, const char *root, struct cache_sources *s)
{
    char *folder = paths_clean(path, "..");
    bool good = folder != NULL;
    while (good && !has(&s->folders, folder)) {
        good = s->folders.count < SOURCES_MAX && spec_strings_add(&s->folders, folder) &&
               add_package(folder, &s->files);
        if (is_below(root, folder)) {
            break;
        }
        char *up = paths_clean(folder, "..");
        free(folder);
        folder = up;
        good = good && folder != NULL;
    }
    free(folder);
    return good && add_root_folders(path, root, s);
}

bool cache_complete(const char *root, struct cache_sources *s)
{
    size_t count = s->files.count;
    bool good = count < SOURCES_MAX;
    for (size_t i = 0; good && i < count; i++) {
        good = add_folders(s->files.items[i], root, s);
    }
    return good;
}

static bool has_settled(const struct stat *st, uint64_t began_ns)
{
    uint64_t wait = st->st_ctim.tv_nsec != 0 ? SETTLED_NS : SETTLED_COARSE_NS;
    return (uint64_t)stamp_ns(&st->st_ctim) + wait < began_ns;
}

/* The manifest, or NULL when a source is too fresh or gone. */
static json_t *describe_all(const struct cache_sources *s, uint64_t began_ns)
{
    json_t *list = json_array();
    const char *tool = bundle_esbuild();
    const struct {
        const char *kind;
        char *const *items;
        size_t count;
    } parts[] = {{kind_file, s->files.items, s->files.count},
                 {kind_folder, s->folders.items, s->folders.count},
                 {kind_tool, (char *const[]){(char *)(uintptr_t)tool}, tool != NULL ? 1 : 0}};
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        for (size_t i = 0; i < parts[p].count; i++) {
            struct stat st;
            bool settled = stat(parts[p].items[i], &st) == 0 && has_settled(&st, began_ns);
            if (!settled ||
                json_array_append_new(list, describe(parts[p].kind, parts[p].items[i], &st)) < 0) {
                json_decref(list);
                return NULL;
            }
        }
    }
    return list;
}

static bool write_parts(int fd, const struct span *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (write_all(fd, parts[i]) < 0) {
            return false;
        }
    }
    return true;
}

static void write_file(const char *path, struct span manifest, struct span script, struct span map)
{
    cleanup_free char *dir = paths_clean(path, "..");
    cleanup_free char *aside = NULL;
    if (dir == NULL || paths_make_dir(dir, NULL) < 0 || asprintf(&aside, "%s.XXXXXX", path) < 0) {
        return;
    }
    cleanup_close int fd = mkostemp(aside, O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    char head[160];
    uint64_t sum = fnv_add(fnv_add(fnv_add(FNV_START, manifest), script), map);
    int n = snprintf(head, sizeof head, "sallyport bundle 1 %zu %zu %zu %016" PRIx64 "\n",
                     manifest.len, script.len, map.len, sum);
    struct span parts[] = {span_of(head, (size_t)n), manifest, script, map};
    if (!write_parts(fd, parts, 4) || rename(aside, path) < 0) {
        unlink(aside);
    }
}

void cache_keep(const char *module, const char *root, const struct cache_sources *sources,
                struct span script, struct span map, uint64_t began_ns)
{
    cleanup_free char *path = cache_path(module, root);
    json_t *list = path != NULL ? describe_all(sources, began_ns) : NULL;
    cleanup_free char *manifest = list != NULL ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    if (manifest != NULL) {
        write_file(path, span_str(manifest), script, map);
    }
}
