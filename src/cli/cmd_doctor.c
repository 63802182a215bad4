#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/start.h"
#include "config/bundle.h"
#include "isolate/probe.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    bool json;
};

static const struct arg_option options[] = {
    ARG_OPTION_JSON(struct options),
    {.name = NULL},
};

struct finding {
    const char *name;
    const char *result; /* "ok", "warn" or "missing" */
    const char *detail;
    const char *remedy; /* empty when ok */
};

static void print_finding(const struct finding *f, bool json)
{
    if (json) {
        json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "name", f->name, "result", f->result,
                              "detail", f->detail, "remedy", f->remedy);
        json_dumpf(o, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(o);
        return;
    }
    printf("%-8s %s: %s%s%s\n", f->result, f->name, f->detail, f->remedy[0] != '\0' ? ": " : "",
           f->remedy);
}

/* A program of the system that a sandbox needs; the package of the same name brings it. */
static bool check_program(const char *name, const char *path, const char *why, bool json)
{
    char detail[200];
    char remedy[100];
    bool there = path != NULL && access(path, X_OK) == 0;
    snprintf(detail, sizeof detail, "%s", there ? path : why);
    snprintf(remedy, sizeof remedy, "apt-get install %s", name);
    struct finding f = {name, there ? "ok" : "missing", detail, there ? "" : remedy};
    print_finding(&f, json);
    return there;
}

static bool check_siblings(bool json)
{
    static const char *const names[] = {"sallyport-supervisor", "sallyport-sidecar",
                                        "sallyport-runtime", "sallyport-launcher",
                                        "sallyport-agent"};
    struct error err;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cleanup_free char *path = NULL;
        if (start_find_program(names[i], &path, &err) < 0) {
            struct finding f = {"programs", "missing", err.text, ""};
            print_finding(&f, json);
            return false;
        }
    }
    struct finding f = {"programs", "ok", "all beside sallyport or in its libexec folder", ""};
    print_finding(&f, json);
    return true;
}

static bool check_kernel(bool json)
{
    static const char *const results[] = {[ISOLATE_CHECK_OK] = "ok",
                                          [ISOLATE_CHECK_WARN] = "warn",
                                          [ISOLATE_CHECK_MISSING] = "missing"};
    struct isolate_check checks[ISOLATE_CHECKS_MAX];
    size_t count = isolate_probe(checks);
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        struct finding f = {checks[i].name, results[checks[i].result], checks[i].detail,
                            checks[i].remedy};
        print_finding(&f, json);
        good &= checks[i].result != ISOLATE_CHECK_MISSING;
    }
    return good;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {false};
    int n = 0;
    int status = ask_args(self, argc, argv, &o, &n);
    if (status != 0) {
        return status;
    }
    bool good = check_siblings(o.json);
    good &= check_kernel(o.json);
    good &= check_program("esbuild", bundle_esbuild(),
                          "no TypeScript module without /usr/bin/esbuild", o.json);
    return good ? 0 : EXIT_FAILED;
}

const struct command command_doctor = {
    .name = "doctor",
    .usage = "[--json]",
    .summary = "what this machine allows, what is missing and the command that mends it",
    .options = options,
    .run = run,
};
