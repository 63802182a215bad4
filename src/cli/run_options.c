#include "cli/run_options.h"
#include "cli/grammar.h"

#include <stddef.h>

#define OPTION(n, l, v, k, f, h)                                                                   \
    {                                                                                              \
        .name = n, .letter = l, .value = v, .help = h, .kind = k,                                  \
        .offset = offsetof(struct run_options, f)                                                  \
    }

#define CONFIG_OPTIONS                                                                             \
    OPTION("config", 'c', "PATH", ARG_STRING, config,                                              \
           "folder with wrangler.jsonc, that file, or a .ts/.js/.mjs module"),                     \
        OPTION("class", 0, "NAME", ARG_STRING, class_name,                                         \
               "exported class (default: the only one)")

/* What shapes a sandbox, whoever starts it. */
#define SHARED_OPTIONS                                                                             \
    OPTION("allow", 0, "GLOB", ARG_LIST, allow, "adds to allowedHosts; may be repeated"),          \
        OPTION("deny", 0, "GLOB", ARG_LIST, deny, "adds to deniedHosts; may be repeated"),         \
        OPTION("no-internet", 0, NULL, ARG_FLAG, no_internet,                                      \
               "only what a list or handler lets out"),                                            \
        OPTION("inject", 0, "'HOST: HEADER: VALUE'", ARG_LIST, inject,                             \
               "sets HEADER on HTTPS to HOST; ${NAME} is a secret"),                               \
        OPTION("secret", 0, "NAME[=FROM]", ARG_LIST, secret,                                       \
               "FROM is env:VAR, file:PATH or fd:N (default: env:NAME)"),                          \
        OPTION("env", 0, "K[=V]", ARG_LIST, env,                                                   \
               "environment of the command; K alone takes yours"),                                 \
        OPTION("mask", 0, "GLOB", ARG_LIST, mask, "names in binds that show as empty"),            \
        OPTION("writable", 0, "PATH", ARG_LIST, writable,                                          \
               "lifts a read-only default, as .git/hooks"),                                        \
        OPTION("upstream-ca", 0, "FILE", ARG_STRING, upstream_ca,                                  \
               "PEM, trusted for upstreams too"),                                                  \
        OPTION("allow-tcp", 0, "HOST:PORT", ARG_LIST, allow_tcp, "raw TCP to that name and port"), \
        OPTION("resolve", 0, "HOST:PORT:ADDR[:PORT]", ARG_LIST, resolve,                           \
               "dials that address for that name; it may be private"),                             \
        OPTION("allow-private", 0, "GLOB", ARG_LIST, allow_private,                                \
               "these names may resolve to private addresses"),                                    \
        OPTION("log", 0, "FILE", ARG_STRING, log, "egress events as JSON lines; - is stderr")

const struct arg_option run_option_table[] = {
    CONFIG_OPTIONS,
    OPTION("id", 0, "ID", ARG_STRING, id, "name of the instance (default: random)"),
    SHARED_OPTIONS,
    OPTION("bind", 0, "SRC[:DST][:ro]", ARG_LIST, bind,
           "shows a folder (default: the current one, read-write)"),
    OPTION("home", 0, "DIR", ARG_STRING, home, "folder for $HOME (default: an empty one)"),
    {.name = NULL},
};

const struct arg_option up_option_table[] = {
    CONFIG_OPTIONS,
    OPTION("listen", 0, "ADDR:PORT", ARG_STRING, listen,
           "where the Worker's fetch() is served (default: 127.0.0.1:8787)"),
    OPTION("state", 0, "DIR", ARG_STRING, state, "folder of what is stored"),
    OPTION("watch", 0, NULL, ARG_FLAG, watch, "deploys when a file of the Worker changes"),
    SHARED_OPTIONS,
    OPTION("bind", 0, "SRC[:DST][:ro]", ARG_LIST, bind,
           "shows a folder to every sandbox (default: none)"),
    OPTION("home", 0, "DIR", ARG_STRING, home,
           "folder for $HOME of every sandbox (default: an empty one each)"),
    {.name = NULL},
};

typedef int (*word_check)(const char *text, struct error *err);

static int check_inject(const char *text, struct error *err)
{
    struct grammar_inject in;
    return grammar_inject(text, &in, err);
}

static int check_secret(const char *text, struct error *err)
{
    struct grammar_secret in;
    return grammar_secret(text, &in, err);
}

static int check_bind(const char *text, struct error *err)
{
    struct grammar_bind in;
    return grammar_bind(text, &in, err);
}

static int check_mask(const char *text, struct error *err)
{
    return text[0] != '\0' && text[0] != '/'
               ? 0
               : error_set(err, 0, "--mask \"%.200s\": expected a name or path below a bind", text);
}

static int check_tcp(const char *text, struct error *err)
{
    return grammar_endpoint(text, err) < 0 ? error_prefix(err, "--allow-tcp") : 0;
}

int run_options_check(const struct run_options *o, struct error *err)
{
    const struct {
        const struct spec_strings *list;
        word_check check;
    } lists[] = {
        {&o->allow, grammar_host_glob},
        {&o->deny, grammar_host_glob},
        {&o->allow_private, grammar_host_glob},
        {&o->inject, check_inject},
        {&o->secret, check_secret},
        {&o->env, grammar_env},
        {&o->bind, check_bind},
        {&o->mask, check_mask},
        {&o->allow_tcp, check_tcp},
        {&o->resolve, grammar_resolve},
    };
    int rc = o->id != NULL ? grammar_id(o->id, err) : 0;
    rc = rc < 0 || o->listen == NULL ? rc : grammar_listen(o->listen, err);
    if (rc == 0 && o->watch && o->config == NULL) {
        rc = error_set(err, 0, "--watch: there is nothing to watch: name the Worker with -c PATH");
    }
    for (size_t i = 0; rc == 0 && i < sizeof lists / sizeof *lists; i++) {
        for (size_t k = 0; rc == 0 && k < lists[i].list->count; k++) {
            rc = lists[i].check(lists[i].list->items[k], err);
        }
    }
    return rc;
}

void run_options_free(struct run_options *o)
{
    /* Both tables have the same lists. */
    for (const struct arg_option *a = run_option_table; a->name != NULL; a++) {
        if (a->kind == ARG_LIST) {
            spec_strings_free((struct spec_strings *)((char *)o + a->offset));
        }
    }
}
