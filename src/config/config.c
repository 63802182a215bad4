#include "config/config.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "config/paths.h"
#include "config/wrangler.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static const char *const names[] = {"wrangler.jsonc", "wrangler.json"};
static const char *const module_ends[] = {".ts", ".mts", ".js", ".mjs"};

static int read_into(int fd, size_t len, struct buf *out)
{
    char *to = buf_reserve(out, len);
    while (to != NULL && len > 0) {
        ssize_t n = read(fd, to, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : 0; /* it became shorter meanwhile: what is there counts */
        }
        buf_commit(out, (size_t)n);
        to += n;
        len -= (size_t)n;
    }
    return to != NULL ? 0 : -ENOMEM;
}

int config_read_file(const char *path, size_t max, struct buf *out, struct error *err)
{
    buf_init(out, max);
    /* A FIFO planted under this name must not stop us. */
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        return error_set(err, errno, "read %s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return error_set(err, 0, "read %s: not a regular file", path);
    }
    if ((size_t)st.st_size > max) {
        return error_set(err, 0, "read %s: larger than %zu bytes", path, max);
    }
    int rc = read_into(fd, (size_t)st.st_size, out);
    return rc < 0 ? error_set(err, -rc, "read %s", path) : 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static bool is_module(const char *path)
{
    for (size_t i = 0; i < sizeof module_ends / sizeof *module_ends; i++) {
        if (ends_with(path, module_ends[i])) {
            return true;
        }
    }
    return false;
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* The configuration of a folder in out->file. Of two none is chosen: the second may have been put
 * there by the sandbox of an earlier run. */
static int find_in_folder(const char *dir, struct config *out, struct error *err)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cleanup_free char *path = paths_clean(dir, names[i]);
        if (path == NULL || !is_there(path)) {
            continue;
        }
        if (out->file != NULL) {
            return error_set(err, 0, "config %s: both %s and %s are there: name one with -c", dir,
                             names[0], names[i]);
        }
        out->file = steal_ptr(&path);
    }
    if (out->file != NULL) {
        return 0;
    }
    cleanup_free char *toml = paths_clean(dir, "wrangler.toml");
    if (toml != NULL && is_there(toml)) {
        return error_set(err, 0,
                         "%s: TOML is not read: write it as JSON once: python3 -c 'import "
                         "json,sys,tomllib;json.dump(tomllib.load(sys.stdin.buffer),sys.stdout,"
                         "indent=2)' < wrangler.toml > wrangler.jsonc",
                         toml);
    }
    return error_set(err, 0,
                     "config %s: no wrangler.jsonc or wrangler.json in this folder: name a "
                     "file or a module with -c",
                     dir);
}

/* What the user named: fills file or module, and dir. */
static int find(const char *path, struct config *out, struct error *err)
{
    cleanup_free char *real = realpath(path, NULL);
    struct stat st;
    if (real == NULL || stat(real, &st) < 0) {
        return error_set(err, errno, "config %s", path);
    }
    if (S_ISDIR(st.st_mode)) {
        out->dir = strdup(real);
        return find_in_folder(real, out, err);
    }
    out->dir = paths_clean(real, "..");
    if (is_module(real)) {
        out->module = steal_ptr(&real);
        return 0;
    }
    if (!ends_with(real, ".jsonc") && !ends_with(real, ".json")) {
        return error_set(err, 0,
                         "config %s: expected a folder, a .jsonc or .json file, or a module "
                         "that ends in .ts, .mts, .js or .mjs",
                         path);
    }
    out->file = steal_ptr(&real);
    return 0;
}

static int load_wrangler(struct config *out, struct error *err)
{
    struct buf text;
    int rc = config_read_file(out->file, JSONC_BYTES_MAX, &text, err);
    struct jsonc doc = {.file = NULL};
    rc = rc < 0 ? rc : jsonc_parse(out->file, buf_span(&text), &doc, err);
    rc = rc < 0 ? rc : wrangler_read(&doc, out, err);
    if (rc == 0 && out->module == NULL) {
        rc = jsonc_error(&doc, NULL, 0, err, "expected \"main\", the path of the module");
    }
    if (rc == 0) {
        cleanup_free char *path = paths_clean(out->dir, out->module);
        char *real = path != NULL ? realpath(path, NULL) : NULL;
        if (real == NULL) {
            rc = jsonc_error(&doc, (struct jsonc_step[]){{.key = "main"}}, 1, err, "module %s: %s",
                             out->module, strerror(errno));
        } else {
            free(out->module);
            out->module = real;
        }
    }
    jsonc_free(&doc);
    buf_free(&text);
    return rc;
}

static int load_dev_vars(struct config *out, struct error *err)
{
    char *path = paths_clean(out->dir, ".dev.vars");
    if (path == NULL || !is_there(path)) {
        free(path);
        return 0;
    }
    out->dev_vars = path;
    struct buf text;
    int rc = config_read_file(path, DOTENV_BYTES_MAX, &text, err);
    rc = rc < 0 ? rc : dotenv_parse(path, buf_span(&text), &out->secrets, err);
    buf_wipe(&text);
    return rc;
}

json_t *config_plain_app(void)
{
    return json_pack("{s:s, s:b}", "name", "sandbox", "module", 0);
}

int config_load(const char *path, struct config *out, struct error *err)
{
    *out = (struct config){.app = config_plain_app()};
    int rc = out->app == NULL ? error_set(err, ENOMEM, "config") : find(path, out, err);
    if (rc == 0) {
        json_object_set_new(out->app, "module", json_true());
    }
    rc = rc < 0 || out->file == NULL ? rc : load_wrangler(out, err);
    rc = rc < 0 ? rc : load_dev_vars(out, err);
    if (rc < 0) {
        config_free(out);
    }
    return rc;
}

void config_free(struct config *c)
{
    free(c->dir);
    free(c->file);
    free(c->module);
    free(c->class_name);
    free(c->dev_vars);
    json_decref(c->app);
    secrets_free(&c->secrets);
    spec_strings_free(&c->crons);
    spec_strings_free(&c->notes);
    *c = (struct config){.dir = NULL};
}
