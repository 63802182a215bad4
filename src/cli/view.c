#include "cli/view.h"
#include "base/cleanup.h"
#include "cli/grammar.h"
#include "config/paths.h"

#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>

bool view_is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strcmp(dir, "/") == 0 ||
           (strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

/* The real form of a path of which the last parts may not exist yet. NULL: memory is out. */
static char *real_or_clean(const char *path)
{
    char *real = realpath(path, NULL);
    if (real != NULL || strcmp(path, "/") == 0) {
        return real != NULL ? real : strdup(path);
    }
    cleanup_free char *up = paths_clean(path, "..");
    cleanup_free char *parent = up != NULL ? real_or_clean(up) : NULL;
    return parent != NULL ? paths_clean(parent, strrchr(path, '/') + 1) : NULL;
}

static const char *home_of_user(void)
{
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/') {
        const struct passwd *pw = getpwuid(geteuid());
        home = pw != NULL ? pw->pw_dir : NULL;
    }
    return home;
}

static bool holds_home(const char *folder)
{
    const char *home = home_of_user();
    cleanup_free char *real = home != NULL ? realpath(home, NULL) : NULL;
    return real != NULL && view_is_below(real, folder);
}

static bool meets_private(const char *folder, const char *private_path)
{
    cleanup_free char *real = real_or_clean(private_path);
    return real == NULL || view_is_below(real, folder) || view_is_below(folder, real);
}

/* Files of these names in the root of a bind show as empty inside. */
static bool is_masked(const char *file, const char *folder)
{
    size_t n = strlen(folder);
    const char *name = strrchr(file, '/') + 1;
    return (size_t)(name - file) == n + 1 &&
           (strcmp(name, ".dev.vars") == 0 || strncmp(name, ".env", 4) == 0);
}

static int refuse(const char *option, const char *folder, const char *why, struct error *err)
{
    return error_set(err, 0, "%s %s: %s", option, folder, why);
}

static int check_folder(const char *option, const char *folder, const struct spec *s,
                        const struct spec_strings *secret_files, struct error *err)
{
    if (strcmp(folder, "/") == 0) {
        return refuse(option, folder,
                      "is the whole system: cd to a project folder or name one with --bind", err);
    }
    if (access(folder, R_OK) < 0) {
        return error_set(err, 0,
                         "%s %s: %s: the sandbox would have no more rights than you: name "
                         "another folder with --bind",
                         option, folder, strerror(errno));
    }
    if (holds_home(folder)) {
        return refuse(option, folder,
                      "is your home folder or holds it: cd to a project folder or name one with "
                      "--bind",
                      err);
    }
    for (size_t i = 0; i < s->private_paths.count; i++) {
        if (meets_private(folder, s->private_paths.items[i])) {
            return error_set(err, 0,
                             "%s %s: meets our own state or sockets (%s): bind another "
                             "folder",
                             option, folder, s->private_paths.items[i]);
        }
    }
    for (size_t i = 0; i < secret_files->count; i++) {
        const char *file = secret_files->items[i];
        if (view_is_below(file, folder) && !is_masked(file, folder)) {
            return error_set(err, 0,
                             "%s %s: holds the secret file %s: keep it outside of what the "
                             "sandbox sees",
                             option, folder, file);
        }
    }
    return 0;
}

/* The real path of an existing folder or file; *out is given. */
static int find_source(const char *option, struct span text, char **out, struct error *err)
{
    cleanup_free char *path = strndup(text.ptr, text.len);
    *out = path != NULL ? realpath(path, NULL) : NULL;
    if (*out == NULL) {
        return error_set(err, errno, "%s %.*s", option, (int)text.len, text.ptr);
    }
    return 0;
}

static int add_bind(struct spec *s, struct spec_bind bind, struct error *err)
{
    struct spec_bind *binds = reallocarray(s->binds, s->bind_count + 1, sizeof *binds);
    if (binds == NULL || bind.source == NULL || bind.target == NULL) {
        s->binds = binds != NULL ? binds : s->binds;
        free(bind.source);
        free(bind.target);
        return error_set(err, ENOMEM, "--bind");
    }
    s->binds = binds;
    for (size_t i = 0; i < s->bind_count; i++) {
        if (strcmp(binds[i].target, bind.target) == 0) {
            error_set(err, 0, "--bind %s: two folders for one place", bind.target);
            free(bind.source);
            free(bind.target);
            return -1;
        }
    }
    /* Parents stand before what is mounted inside them. */
    size_t at = s->bind_count++;
    while (at > 0 && strlen(binds[at - 1].target) > strlen(bind.target)) {
        binds[at] = binds[at - 1];
        at--;
    }
    binds[at] = bind;
    return 0;
}

static int bind_one(const char *word, struct spec *s, const struct spec_strings *secret_files,
                    struct error *err)
{
    struct grammar_bind in;
    char *source = NULL;
    int rc = grammar_bind(word, &in, err);
    rc = rc < 0 ? rc : find_source("--bind", in.source, &source, err);
    rc = rc < 0 ? rc : check_folder("--bind", source, s, secret_files, err);
    if (rc < 0) {
        free(source);
        return rc;
    }
    cleanup_free char *target = strndup(in.target.ptr, in.target.len);
    char *clean = in.target.len == 0 ? strdup(source)
                  : target != NULL   ? paths_clean("/", target)
                                     : NULL;
    if (clean != NULL && strcmp(clean, "/") == 0) {
        free(source);
        free(clean);
        return error_set(err, 0, "--bind %s: nothing can stand in place of /", word);
    }
    return add_bind(s, (struct spec_bind){source, clean, in.read_only}, err);
}

static int bind_here(struct spec *s, const char *here, const struct spec_strings *secret_files,
                     struct error *err)
{
    int rc = check_folder("the current folder", here, s, secret_files, err);
    return rc < 0 ? rc : add_bind(s, (struct spec_bind){strdup(here), strdup(here), false}, err);
}

/* Where the command starts: the current folder as the sandbox sees it, else the first bind. */
static int fill_cwd(bool daemon, struct spec *s, const char *here, struct error *err)
{
    const struct spec_bind *best = NULL;
    if (daemon) {
        s->cwd = strdup("/workspace"); /* of the daemon's sandboxes, whatever is bound */
        return s->cwd != NULL ? 0 : error_set(err, ENOMEM, "--bind");
    }
    for (size_t i = 0; i < s->bind_count; i++) {
        const struct spec_bind *b = &s->binds[i];
        if (view_is_below(here, b->source) &&
            (best == NULL || strlen(b->source) > strlen(best->source))) {
            best = b;
        }
    }
    if (best == NULL) {
        s->cwd = strdup(s->binds[0].target);
    } else {
        const char *rest = here + strlen(best->source);
        s->cwd = paths_clean(best->target, rest[0] == '/' ? rest + 1 : rest);
    }
    return s->cwd != NULL ? 0 : error_set(err, ENOMEM, "--bind");
}

static int fill_home(const char *home, struct spec *s, const struct spec_strings *secret_files,
                     struct error *err)
{
    int rc = find_source("--home", span_str(home), &s->home, err);
    struct stat st;
    if (rc == 0 && (stat(s->home, &st) < 0 || !S_ISDIR(st.st_mode))) {
        rc = error_set(err, ENOTDIR, "--home %s", home);
    }
    return rc < 0 ? rc : check_folder("--home", s->home, s, secret_files, err);
}

/* What is read-only by default is a repository's; the policy's own files are never lifted. */
static int check_writable(const struct spec *s, const char *word, const char *path,
                          struct error *err)
{
    static const char *const names[] = {".git", "hooks", "config", "config.worktree", "commondir"};
    bool bound = false;
    bool known = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        known |= strcmp(strrchr(path, '/') + 1, names[i]) == 0;
    }
    for (size_t i = 0; i < s->bind_count && !bound; i++) {
        bound = !s->binds[i].read_only && view_is_below(path, s->binds[i].source);
    }
    if (!bound || !known || strstr(path, "/.git") == NULL) {
        return error_set(err, 0, "--writable %s: expected .git, .git/hooks or .git/config%s", word,
                         bound ? ": no other default is lifted" : " in a bind that is not :ro");
    }
    return 0;
}

static int fill_names(const struct run_options *o, const char *here, struct spec *s,
                      struct error *err)
{
    bool good = true;
    for (size_t i = 0; good && i < o->mask.count; i++) {
        good = spec_strings_add(&s->masks, o->mask.items[i]);
    }
    int rc = 0;
    for (size_t i = 0; good && rc == 0 && i < o->writable.count; i++) {
        cleanup_free char *path = paths_clean(here, o->writable.items[i]);
        cleanup_free char *real = path != NULL ? real_or_clean(path) : NULL;
        good = real != NULL && spec_strings_add(&s->writable, real);
        rc = good ? check_writable(s, o->writable.items[i], real, err) : 0;
    }
    return good ? rc : error_set(err, ENOMEM, "--mask");
}

int view_fill(const struct run_options *o, const struct spec_strings *secret_files, struct spec *s,
              struct error *err)
{
    cleanup_free char *here = getcwd(NULL, 0);
    if (here == NULL) {
        return error_set(err, 0, "the current folder: %s: cd to one that exists", strerror(errno));
    }
    int rc = o->bind.count == 0 && !o->daemon ? bind_here(s, here, secret_files, err) : 0;
    for (size_t i = 0; rc == 0 && i < o->bind.count; i++) {
        rc = bind_one(o->bind.items[i], s, secret_files, err);
    }
    rc = rc < 0 || o->home == NULL ? rc : fill_home(o->home, s, secret_files, err);
    rc = rc < 0 ? rc : fill_names(o, here, s, err);
    return rc < 0 ? rc : fill_cwd(o->daemon, s, here, err);
}
