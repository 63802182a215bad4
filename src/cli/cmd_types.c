#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/types_file.h"
#include "config/paths.h"
#include "config/types.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>

#define EXIT_STALE 1

struct options {
    const char *config;
    const char *interface;
    bool check;
};

static const struct arg_option options[] = {
    {.name = "config",
     .letter = 'c',
     .value = "PATH",
     .help = "the Worker's folder, file or module (default: the current folder)",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, config)},
    {.name = "env-interface",
     .value = "NAME",
     .help = "what the interface is called (default: Env)",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, interface)},
    {.name = "check",
     .help = "writes nothing; status 1 when the file is not what would be written",
     .kind = ARG_FLAG,
     .offset = offsetof(struct options, check)},
    {.name = NULL},
};

/* As wrangler takes them. */
static bool is_interface(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return text[0] != '\0' && strchr(letters, text[0]) != NULL && text[strspn(text, more)] == '\0';
}

static bool ends_in_d_ts(const char *path)
{
    size_t len = strlen(path);
    return len > 5 && strcmp(path + len - 5, ".d.ts") == 0;
}

/* The folder that the file is to stand in, and its whole path. */
static int find_place(const struct config *c, const char *path, char **folder, char **file,
                      struct error *err)
{
    if (path == NULL) {
        *folder = strdup(c->dir);
        *file = *folder != NULL ? paths_clean(c->dir, TYPES_FILE) : NULL;
        return *file != NULL ? 0 : error_set(err, ENOMEM, "types");
    }
    const char *slash = strrchr(path, '/');
    cleanup_free char *above =
        slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    *folder = above != NULL ? realpath(above, NULL) : NULL;
    if (*folder == NULL) {
        return error_set(err, errno, "types %s: its folder", path);
    }
    *file = paths_clean(*folder, slash == NULL ? path : slash + 1);
    return *file != NULL ? 0 : error_set(err, ENOMEM, "types");
}

static int check(const char *file, enum types_state state)
{
    if (state != TYPES_FRESH) {
        struct error err;
        error_set(&err, 0, "types %s: %s: run `sallyport types`", file,
                  state == TYPES_STALE ? "out of date" : "not there");
        print_note(err.text);
        return EXIT_STALE;
    }
    return 0;
}

static int put(const struct config *c, const char *file, struct span text, enum types_state state)
{
    struct error err;
    if (state != TYPES_FRESH && types_file_put(file, text, &err) < 0) {
        return fail(&err);
    }
    for (size_t i = 0; i < c->notes.count; i++) {
        print_note(c->notes.items[i]);
    }
    fputs(state == TYPES_FRESH ? "up to date: " : "written: ", stdout);
    print_safe(file, strlen(file));
    putchar('\n');
    return 0;
}

static int types(const struct options *o, const char *path)
{
    struct error err;
    struct config c;
    struct buf text;
    cleanup_free char *folder = NULL;
    cleanup_free char *file = NULL;
    if (config_load(o->config != NULL ? o->config : ".", &c, &err) < 0) {
        return fail(&err);
    }
    enum types_state state = TYPES_ABSENT;
    int rc = find_place(&c, path, &folder, &file, &err);
    rc = rc < 0 ? rc
                : types_write(&c, folder, o->interface != NULL ? o->interface : TYPES_INTERFACE,
                              &text, &err);
    int status = EXIT_FAILED;
    if (rc == 0) {
        rc = types_file_look(file, buf_span(&text), &state, &err);
        status = rc < 0     ? EXIT_FAILED
                 : o->check ? check(file, state)
                            : put(&c, file, buf_span(&text), state);
        buf_free(&text);
    }
    config_free(&c);
    return rc < 0 ? fail(&err) : status;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {NULL, NULL, false};
    int n = 0;
    int status = ask_args(self, argc, argv, &o, &n);
    if (status == 0 && o.interface != NULL && !is_interface(o.interface)) {
        status = ask_usage(self, "--env-interface: expected letters, digits and _, a letter first");
    }
    if (status == 0 && n == 1 && !ends_in_d_ts(argv[0])) {
        status = ask_usage(self, "PATH: expected a file that ends in .d.ts");
    }
    return status != 0 ? status : types(&o, n == 1 ? argv[0] : NULL);
}

const struct command command_types = {
    .name = "types",
    .usage = "[PATH.d.ts] [-c PATH] [--env-interface NAME] [--check]",
    .summary = "writes the TypeScript types of a Worker's env, as `wrangler types` does",
    .options = options,
    .operands_most = 1,
    .run = run,
};
