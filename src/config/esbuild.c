#include "config/esbuild.h"
#include "base/cleanup.h"
#include "config/bundle.h"
#include "config/config.h"
#include "config/fnv.h"
#include "config/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define DIAGNOSTICS_MAX (64u * 1024u)

/* Where each memfd stands in the child. */
enum { FD_TSCONFIG = 3, FD_META = 4, FD_SCRIPT = 5, FD_COUNT };

#define ASYNC_WHY "Top-level await is currently not supported"
static const char async_entry[] = "import * as m from %s;\nrequire('builtin:exports')(m);\n";

const char *bundle_esbuild(void)
{
    return access("/usr/bin/esbuild", X_OK) == 0 ? "/usr/bin/esbuild" : NULL;
}

uint64_t esbuild_options_hash(void)
{
    return fnv_add_str(esbuild_argv_hash(FNV_START), async_entry);
}

struct run {
    int fds[FD_COUNT]; /* ours; 0..2 unused */
    int errors;        /* memfd that gets the complaints */
    int entry;         /* memfd with the entry of the async form, or -1 */
    enum esbuild_form form;
};

static int open_memfds(struct run *r, const char *tsconfig, struct error *err)
{
    for (int i = 0; i < FD_COUNT; i++) {
        r->fds[i] = -1;
    }
    r->entry = -1;
    r->form = ESBUILD_PLAIN;
    r->errors = memfd_create("esbuild-errors", MFD_CLOEXEC);
    int rc = r->errors < 0 ? -1 : 0;
    for (int i = FD_TSCONFIG; rc == 0 && i < FD_COUNT; i++) {
        int fd = memfd_create("esbuild", MFD_CLOEXEC);
        /* Above every number that the child's table uses, so that no dup2 hits another's source. */
        r->fds[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_COUNT);
        close_fd(&fd);
        rc = r->fds[i] < 0 ? -1 : 0;
    }
    if (rc == 0 && write(r->fds[FD_TSCONFIG], tsconfig, strlen(tsconfig)) < 0) {
        rc = -1;
    }
    return rc < 0 ? error_set(err, errno, "esbuild: memfd_create") : 0;
}

static void close_memfds(struct run *r)
{
    close_fd(&r->errors);
    close_fd(&r->entry);
    for (int i = FD_TSCONFIG; i < FD_COUNT; i++) {
        close_fd(&r->fds[i]);
    }
}

static int spawn(const char *program, char *const *argv, const char *root, const struct run *r,
                 pid_t *pid)
{
    char *const no_env[] = {NULL};
    posix_spawn_file_actions_t a;
    int rc = posix_spawn_file_actions_init(&a);
    if (rc != 0) {
        return rc;
    }
    rc = r->entry >= 0 ? posix_spawn_file_actions_adddup2(&a, r->entry, 0)
                       : posix_spawn_file_actions_addopen(&a, 0, "/dev/null", O_RDONLY, 0);
    rc = rc != 0 ? rc : posix_spawn_file_actions_addopen(&a, 1, "/dev/null", O_WRONLY, 0);
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(&a, r->errors, 2);
    for (int i = FD_TSCONFIG; rc == 0 && i < FD_COUNT; i++) {
        rc = posix_spawn_file_actions_adddup2(&a, r->fds[i], i);
    }
    rc = rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(&a, FD_COUNT);
    rc = rc != 0 ? rc : posix_spawn_file_actions_addchdir_np(&a, root);
    rc = rc != 0 ? rc : posix_spawn(pid, program, &a, NULL, argv, no_env);
    posix_spawn_file_actions_destroy(&a);
    return rc;
}

static int read_memfd(int fd, size_t max, struct buf *out, struct error *err)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return config_read_file(path, max, out, err);
}

static int wait_for(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

/* text gets what it complained of. */
static int run_child(const char *module, const char *root, struct run *r, struct buf *text,
                     struct error *err)
{
    const char *program = bundle_esbuild();
    if (program == NULL) {
        return error_set(err, 0, "esbuild: not found in /usr/bin: apt-get install esbuild");
    }
    /* The async form has its module on standard input. */
    char **argv = esbuild_argv(r->form, r->form == ESBUILD_ASYNC ? NULL : module);
    pid_t pid = 0;
    int status = 0;
    int rc = argv != NULL ? spawn(program, argv, root, r, &pid) : ENOMEM;
    rc = rc != 0 ? error_set(err, rc, "esbuild: start %s", program) : wait_for(pid, &status);
    esbuild_argv_free(argv);
    if (rc == 0 && status != 0) {
        if (read_memfd(r->errors, DIAGNOSTICS_MAX, text, err) == 0) {
            esbuild_explain(root, buf_span(text), err);
        }
        rc = -1;
    }
    return rc;
}

/* The module by its absolute path as a string of JavaScript's, in the entry of the async form. */
static int open_entry(const char *module, struct run *r, struct error *err)
{
    json_t *name = json_string(module);
    cleanup_free char *quoted =
        name != NULL ? json_dumps(name, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
    json_decref(name);
    r->entry = memfd_create("esbuild-entry", MFD_CLOEXEC);
    r->form = ESBUILD_ASYNC;
    if (quoted == NULL || r->entry < 0 || dprintf(r->entry, async_entry, quoted) < 0 ||
        lseek(r->entry, 0, SEEK_SET) < 0 || lseek(r->errors, 0, SEEK_SET) < 0 ||
        ftruncate(r->errors, 0) < 0) {
        return error_set(err, errno, "esbuild: the module's entry");
    }
    return 0;
}

static int run_forms(const char *module, const char *root, struct run *r, struct error *err)
{
    struct buf text;
    buf_init(&text, DIAGNOSTICS_MAX);
    int rc = run_child(module, root, r, &text, err);
    struct span said = buf_span(&text);
    bool async = rc < 0 && said.len > 0 &&
                 memmem(said.ptr, said.len, ASYNC_WHY, sizeof ASYNC_WHY - 1) != NULL;
    if (async) {
        buf_free(&text);
        rc = open_entry(module, r, err);
        rc = rc < 0 ? rc : run_child(module, root, r, &text, err);
    }
    buf_free(&text);
    return rc;
}

static const char hooks_import[] = "require(\"node:async_hooks\")";

/* A bundle that keeps stores across an `await` is made again without any. This esbuild cannot do
 * that where there are async generators or `for await`: such a one stays as it is, and the js room
 * says so when it is loaded. */
static int rewrite_awaits(const char *module, const char *root, struct run *r, struct buf *script,
                          struct error *err)
{
    struct span text = buf_span(script);
    if (r->form != ESBUILD_PLAIN || text.len == 0 ||
        memmem(text.ptr, text.len, hooks_import, sizeof hooks_import - 1) == NULL) {
        return 0;
    }
    struct error why = {0};
    struct buf complaints;
    buf_init(&complaints, DIAGNOSTICS_MAX);
    r->form = ESBUILD_WITHOUT_AWAIT;
    int rc = 0;
    if (run_child(module, root, r, &complaints, &why) == 0) {
        buf_free(script);
        rc = read_memfd(r->fds[FD_SCRIPT], BUNDLE_BYTES_MAX, script, err);
    }
    buf_free(&complaints);
    return rc;
}

int esbuild_run(const char *module, const char *root, const char *tsconfig, struct buf *script,
                struct buf *meta, struct error *err)
{
    struct run r;
    buf_init(script, BUNDLE_BYTES_MAX);
    buf_init(meta, BUNDLE_BYTES_MAX);
    int rc = open_memfds(&r, tsconfig, err);
    rc = rc < 0 ? rc : run_forms(module, root, &r, err);
    rc = rc < 0 ? rc : read_memfd(r.fds[FD_SCRIPT], BUNDLE_BYTES_MAX, script, err);
    rc = rc < 0 ? rc : rewrite_awaits(module, root, &r, script, err);
    rc = rc < 0 ? rc : read_memfd(r.fds[FD_META], BUNDLE_BYTES_MAX, meta, err);
    close_memfds(&r);
    return rc;
}

static struct span next_line(struct span *text)
{
    const char *end = text->len > 0 ? memchr(text->ptr, '\n', text->len) : NULL;
    struct span line = span_of(text->ptr, end != NULL ? (size_t)(end - text->ptr) : text->len);
    *text = span_from(*text, line.len + 1);
    return line;
}

/* `    path:line:column:` with the column from 0. */
static bool read_place(struct span line, struct span *path, unsigned *row, unsigned *column)
{
    char tail[32];
    if (line.len < 10 || memcmp(line.ptr, "    ", 4) != 0 || line.ptr[line.len - 1] != ':') {
        return false;
    }
    size_t end = line.len - 1;
    size_t start = end;
    for (unsigned colons = 0; start > 4; start--) {
        if (line.ptr[start - 1] == ':' && ++colons == 2) {
            break;
        }
    }
    size_t len = end - start;
    if (start <= 5 || len >= sizeof tail) {
        return false;
    }
    memcpy(tail, line.ptr + start, len);
    tail[len] = '\0';
    int used = 0;
    if (sscanf(tail, "%9u:%9u%n", row, column, &used) != 2 || (size_t)used != len) {
        return false;
    }
    *path = span_of(line.ptr + 4, start - 5);
    return true;
}

static const char mark[] = "[ERROR] ";

static const char *find_mark(struct span line)
{
    return line.len > 0 ? memmem(line.ptr, line.len, mark, sizeof mark - 1) : NULL;
}

static char *absolute(const char *root, struct span path)
{
    cleanup_free char *text = strndup(path.ptr, path.len);
    return text != NULL ? paths_clean(root, text) : NULL;
}

void esbuild_explain(const char *root, struct span text, struct error *err)
{
    struct span message = {"no reason given", 15};
    struct span path = {NULL, 0};
    unsigned row = 0;
    unsigned column = 0;
    unsigned errors = 0;
    while (text.len > 0) {
        struct span line = next_line(&text);
        const char *at = find_mark(line);
        if (at != NULL && errors++ == 0) {
            at += sizeof mark - 1;
            message = span_of(at, line.len - (size_t)(at - line.ptr));
        } else if (at == NULL && errors == 1 && path.ptr == NULL) {
            read_place(line, &path, &row, &column);
        }
    }
    char more[48] = "";
    if (errors > 1) {
        snprintf(more, sizeof more, " (and %u more)", errors - 1);
    }
    cleanup_free char *file = path.ptr != NULL ? absolute(root, path) : NULL;
    if (file != NULL) {
        error_set(err, 0, "%s:%u:%u: %.*s%s", file, row, column + 1, (int)message.len, message.ptr,
                  more);
    } else {
        error_set(err, 0, "esbuild: %.*s%s", (int)message.len, message.ptr, more);
    }
}
