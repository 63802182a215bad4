/* How esbuild is called: the options of each form, and the modules that stay outside the bundle. */
#include "config/esbuild.h"

#include "config/fnv.h"

#include <stdlib.h>
#include <string.h>

static const char *const options[] = {
    "--bundle",
    /* As wrangler has it: main fields browser, module, main, and the conditions of workerd. */
    "--platform=browser",
    "--conditions=workerd,worker,browser",
    "--keep-names",
    "--target=esnext",
    "--charset=utf8",
    "--color=false",
    "--log-level=error",
    "--sourcemap=inline",
    "--sources-content=false",
    "--define:process.env.NODE_ENV=\"production\"",
    "--loader:.js=jsx",
    "--loader:.mjs=jsx",
    "--loader:.cjs=jsx",
    "--loader:.txt=text",
    "--loader:.html=text",
    "--loader:.sql=text",
    "--loader:.bin=binary",
    "--tsconfig=/proc/self/fd/3",
    "--metafile=/proc/self/fd/4",
    "--outfile=/proc/self/fd/5",
};

/* As wrangler has it, Node's modules by their short names are Node's, not a package's. An alias is
 * one of all that stands below its name too, and esbuild appends what follows: beside each name is
 * what the async form needs of that. */
#define NODE_MODULES(X)                                                                            \
    X("assert", SUB("node:assert", "strict"))                                                      \
    X("async_hooks", "")                                                                           \
    X("buffer", "")                                                                                \
    X("child_process", "")                                                                         \
    X("cluster", "")                                                                               \
    X("console", "")                                                                               \
    X("constants", "")                                                                             \
    X("crypto", "")                                                                                \
    X("dgram", "")                                                                                 \
    X("diagnostics_channel", "")                                                                   \
    X("dns", SUB("node:dns", "promises"))                                                          \
    X("domain", "")                                                                                \
    X("events", "")                                                                                \
    X("fs", SUB("node:fs", "promises"))                                                            \
    X("http", "")                                                                                  \
    X("http2", "")                                                                                 \
    X("https", "")                                                                                 \
    X("inspector", SUB("node:inspector", "promises"))                                              \
    X("module", "")                                                                                \
    X("net", "")                                                                                   \
    X("os", "")                                                                                    \
    X("path", SUB("node:path", "posix") SUB("node:path", "win32"))                                 \
    X("perf_hooks", "")                                                                            \
    X("process", "")                                                                               \
    X("punycode", "")                                                                              \
    X("querystring", "")                                                                           \
    X("readline", SUB("node:readline", "promises"))                                                \
    X("repl", "")                                                                                  \
    X("stream", SUB("node:stream", "promises") SUB("node:stream", "web"))                          \
    X("string_decoder", "")                                                                        \
    X("sys", "")                                                                                   \
    X("timers", SUB("node:timers", "promises"))                                                    \
    X("tls", "")                                                                                   \
    X("tty", "")                                                                                   \
    X("url", "")                                                                                   \
    X("util", SUB("node:util", "types"))                                                           \
    X("v8", "")                                                                                    \
    X("vm", "")                                                                                    \
    X("wasi", "")                                                                                  \
    X("worker_threads", "")                                                                        \
    X("zlib", "")

/* The usual form: a function of module, exports and require. */
#define PLAIN_ALIAS(name, below) "--alias:" name "=node:" name,
static const char *const plain_options[] = {"--format=cjs",
                                            "--external:@cloudflare/containers",
                                            "--external:@cloudflare/sandbox",
                                            "--external:cloudflare:*",
                                            "--external:node:*",
                                            "--external:sallyport",
                                            NODE_MODULES(PLAIN_ALIAS)};

/* The same without a single `await`: promises in its place. The engine tells nobody of an `await`,
 * so AsyncLocalStorage (js/webapi/lazy/node/hooks.js) would lose its store there. */
static const char *const without_await_options[] = {"--supported:async-await=false"};

/* A module with top-level await is an async function inside of that one, which esbuild makes of ESM
 * alone. There a built-in that stayed an import would be no statement of a function, so each is a
 * module of one require. The entry comes on standard input and hands over its exports. */
#define REQUIRE(name, builtin, below)                                                              \
    "--alias:" name "=data:text/javascript,module.exports=require('builtin:" builtin "');" below "1"
/* An import of name/sub makes the text end in `1/sub`: a division by what then takes its place. */
#define SUB(builtin, sub)                                                                          \
    "var " sub "={valueOf(){module.exports=require('builtin:" builtin "/" sub "')}};"
#define ASYNC_NODE(name, below)                                                                    \
    REQUIRE(name, "node:" name, below), REQUIRE("node:" name, "node:" name, below),
static const char *const async_options[] = {
    "--format=esm",
    "--banner:js=return (async () => {",
    "--footer:js=})();",
    "--external:builtin:*",
    REQUIRE("@cloudflare/containers", "@cloudflare/containers", ""),
    REQUIRE("@cloudflare/sandbox", "@cloudflare/sandbox",
            SUB("@cloudflare/sandbox", "bridge") SUB("@cloudflare/sandbox", "openai")
                SUB("@cloudflare/sandbox", "opencode") SUB("@cloudflare/sandbox", "xterm")),
    REQUIRE("cloudflare:email", "cloudflare:email", ""),
    REQUIRE("cloudflare:node", "cloudflare:node", ""),
    REQUIRE("cloudflare:sockets", "cloudflare:sockets", ""),
    REQUIRE("cloudflare:workers", "cloudflare:workers", ""),
    REQUIRE("cloudflare:workflows", "cloudflare:workflows", ""),
    REQUIRE("sallyport", "sallyport", ""),
    NODE_MODULES(ASYNC_NODE)};

struct list {
    const char *const *items;
    size_t count;
};
#define LIST(array)                                                                                \
    {                                                                                              \
        array, sizeof array / sizeof *array                                                        \
    }
#define LISTS_MAX 3

static const struct list forms[ESBUILD_FORMS][LISTS_MAX] = {
    [ESBUILD_PLAIN] = {LIST(options), LIST(plain_options)},
    [ESBUILD_WITHOUT_AWAIT] = {LIST(options), LIST(plain_options), LIST(without_await_options)},
    [ESBUILD_ASYNC] = {LIST(options), LIST(async_options)},
};

void esbuild_argv_free(char **argv)
{
    for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
        free(argv[i]);
    }
    free(argv);
}

char **esbuild_argv(enum esbuild_form form, const char *module)
{
    const struct list *lists = forms[form];
    size_t count = 3;
    for (size_t i = 0; i < LISTS_MAX; i++) {
        count += lists[i].count;
    }
    char **argv = calloc(count, sizeof *argv);
    size_t n = 0;
    if (argv != NULL) {
        argv[n++] = strdup("esbuild");
    }
    for (size_t i = 0; argv != NULL && i < LISTS_MAX; i++) {
        for (size_t k = 0; k < lists[i].count; k++) {
            argv[n++] = strdup(lists[i].items[k]);
        }
    }
    if (argv != NULL && module != NULL) {
        argv[n++] = strdup(module);
    }
    for (size_t i = 0; argv != NULL && i < n; i++) {
        if (argv[i] == NULL) {
            esbuild_argv_free(argv);
            return NULL;
        }
    }
    return argv;
}

uint64_t esbuild_argv_hash(uint64_t hash)
{
    for (size_t form = 0; form < ESBUILD_FORMS; form++) {
        for (size_t i = 0; i < LISTS_MAX; i++) {
            for (size_t k = 0; k < forms[form][i].count; k++) {
                hash = fnv_add_str(hash, forms[form][i].items[k]);
            }
        }
    }
    return hash;
}
