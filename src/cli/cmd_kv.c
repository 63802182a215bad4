#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/find.h"
#include "cli/kv_daemon.h"
#include "config/config.h"
#include "config/paths.h"
#include "store/store.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

struct options {
    const char *config;
    const char *ttl;
    const char *metadata;
    const char *prefix;
};

static const struct arg_option options[] = {
    {.name = "config",
     .letter = 'c',
     .value = "PATH",
     .help = "NS may be a binding of this configuration",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, config)},
    {.name = "ttl",
     .value = "SECONDS",
     .help = "put: the value expires after so long (60 or more)",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, ttl)},
    {.name = "metadata",
     .value = "JSON",
     .help = "put: kept beside the value",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, metadata)},
    {.name = "prefix",
     .value = "TEXT",
     .help = "ls: only keys that start with it",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, prefix)},
    {.name = NULL},
};

/* The daemon's, whatever state folder it has; without one that of every `run` of this user, which
 * may be open more than once. */
static struct store *open_store(struct error *err)
{
    cleanup_free char *dir = NULL;
    struct client *daemon = find_daemon(err);
    if (daemon != NULL) {
        return kv_daemon_create(daemon, err);
    }
    if (!find_is_absent(err)) {
        return NULL;
    }
    return paths_state_dir(&dir, err) < 0 ? NULL : store_sqlite_create(dir, err);
}

static int read_ttl(const char *text, int64_t *expires_s, struct error *err)
{
    char *end = NULL;
    long long ttl = text != NULL ? strtoll(text, &end, 10) : 0;
    if (text == NULL) {
        return 0;
    }
    if (*end != '\0' || ttl < STORE_TTL_MIN_S || ttl > 100LL * 366 * 86400) {
        return error_set(err, 0, "--ttl \"%.40s\": expected a number of seconds, %u or more", text,
                         STORE_TTL_MIN_S);
    }
    *expires_s = (int64_t)time(NULL) + ttl;
    return 0;
}

static int check_metadata(const char *text, struct error *err)
{
    json_error_t why;
    json_t *doc = text != NULL ? json_loads(text, JSON_DECODE_ANY, &why) : NULL;
    int rc = text == NULL || doc != NULL
                 ? 0
                 : error_set(err, 0, "--metadata: expected JSON: %s", why.text);
    json_decref(doc);
    return rc;
}

static int put(struct store *s, char **argv, const struct options *o, struct error *err)
{
    struct buf value;
    struct store_put p = {
        .ns = span_str(argv[1]), .key = span_str(argv[2]), .metadata = span_str(o->metadata)};
    int rc = read_ttl(o->ttl, &p.expires_s, err);
    rc = rc < 0 ? rc : check_metadata(o->metadata, err);
    rc = rc < 0 ? rc : ask_stdin(STORE_VALUE_MAX, &value, err);
    if (rc == 0) {
        p.value = buf_span(&value);
        rc = s->ops->kv_put(s, &p, err);
    }
    if (rc == 0) {
        buf_wipe(&value);
    }
    return rc;
}

static int get(struct store *s, char **argv, struct error *err)
{
    struct store_entry e;
    int rc = s->ops->kv_get(s, span_str(argv[1]), span_str(argv[2]), &e, err);
    if (rc == 0) {
        return error_set(err, 0, "KV %.100s: no key \"%.200s\": `sallyport kv ls` lists them",
                         argv[1], argv[2]);
    }
    if (rc == 1) {
        fwrite(buf_span(&e.value).ptr, 1, buf_len(&e.value), stdout);
        store_entry_free(&e);
        rc = fflush(stdout) == 0 ? 0 : error_set(err, 0, "standard output: cannot be written");
    }
    return rc;
}

static bool print_key(void *arg, const struct store_key *key)
{
    (void)arg;
    print_safe(key->name.ptr, key->name.len);
    putchar('\n');
    return true;
}

static int list(struct store *s, const char *ns, const char *prefix, struct error *err)
{
    struct buf pages[2];
    buf_init(&pages[0], 2 * STORE_KEY_MAX);
    buf_init(&pages[1], 2 * STORE_KEY_MAX);
    int rc = 1;
    for (int page = 0; rc == 1; page = !page) {
        struct store_query q = {.ns = span_str(ns),
                                .prefix = prefix != NULL ? span_str(prefix) : SPAN_LIT(""),
                                .cursor = buf_span(&pages[page])};
        buf_clear(&pages[!page]);
        rc = s->ops->kv_list(s, &q, print_key, NULL, &pages[!page], err);
    }
    buf_free(&pages[0]);
    buf_free(&pages[1]);
    return rc;
}

static int act(struct store *s, int n, char **argv, const struct options *o, struct error *err)
{
    if (strcmp(argv[0], "put") == 0 && n == 3) {
        return put(s, argv, o, err);
    }
    if (strcmp(argv[0], "get") == 0 && n == 3) {
        return get(s, argv, err);
    }
    if (strcmp(argv[0], "ls") == 0 && n == 2) {
        return list(s, argv[1], o->prefix, err);
    }
    if (strcmp(argv[0], "rm") == 0 && n == 3) {
        return s->ops->kv_delete(s, span_str(argv[1]), span_str(argv[2]), err);
    }
    return 1;
}

/* The id of the namespace that the configuration binds to this name, a copy; the name itself when
 * it binds none. NULL with a sentence on failure. */
static char *namespace_id(const char *config, const char *name, struct error *err)
{
    struct config c = {.dir = NULL};
    if (config != NULL && config_load(config, &c, err) < 0) {
        return NULL;
    }
    const char *id = name;
    json_t *list = json_object_get(c.app, "kv");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *one = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(one, "binding")), name) == 0) {
            id = json_string_value(json_object_get(one, "id"));
        }
    }
    char *copy = strdup(id);
    config_free(&c);
    if (copy == NULL) {
        error_set(err, ENOMEM, "kv");
    }
    return copy;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {.config = NULL};
    int n = 0;
    int status = ask_args(self, argc, argv, &o, &n);
    if (status != 0) {
        return status;
    }
    struct error err;
    cleanup_free char *ns = namespace_id(o.config, argv[1], &err);
    if (ns == NULL) {
        return fail(&err);
    }
    argv[1] = ns;
    struct store *s = open_store(&err);
    int rc = s != NULL ? act(s, n, argv, &o, &err) : -1;
    if (s != NULL) {
        s->ops->close(s);
    }
    if (rc == 1) {
        return ask_usage(self, "expected `put NS KEY`, `get NS KEY`, `ls NS` or `rm NS KEY`");
    }
    return rc < 0 ? fail(&err) : 0;
}

const struct command command_kv = {
    .name = "kv",
    .usage =
        "put NS KEY [-c PATH] [--ttl SECONDS] [--metadata JSON]   (the value from standard input)\n"
        "get NS KEY [-c PATH]\nls NS [-c PATH] [--prefix TEXT]\nrm NS KEY [-c PATH]",
    .summary = "reads and writes KV namespaces; NS is the id in the configuration",
    .options = options,
    .operands_least = 2,
    .operands_most = 3,
    .run = run,
};
