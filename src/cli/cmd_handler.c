#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/grammar.h"

#include <stddef.h>

struct options {
    const char *host;
    const char *params;
};

static const struct arg_option options[] = {
    {.name = "host",
     .value = "GLOB",
     .help = "for these hosts instead of all",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, host)},
    {.name = "params",
     .value = "JSON",
     .help = "what the handler sees as ctx.params",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, params)},
    {.name = NULL},
};

/* `…/outbound-handler`, or `…/hosts/GLOB`. */
static void start_path(struct client_request *r, const char *method, const char *id,
                       const char *host)
{
    ask_path(r, method, id, host != NULL ? "hosts" : "outbound-handler");
    if (host != NULL) {
        client_path_segment(r, span_str(host));
    }
}

static int set(const char *id, const char *name, const struct options *o, json_t *params)
{
    struct client_request r;
    struct error err;
    start_path(&r, "PUT", id, o->host);
    json_t *body = json_pack("{s:s}", "method", name);
    if (body != NULL && params != NULL) {
        json_object_set(body, "params", params);
    }
    int rc = body != NULL ? ask_instance(id, &r, body, NULL, &err)
                          : error_set(&err, 0, "handler name: not UTF-8 text");
    json_decref(body);
    return rc < 0 ? fail(&err) : 0;
}

static int set_checked(const struct command *self, char **argv, const struct options *o)
{
    json_error_t why;
    json_t *params = NULL;
    if (o->params != NULL) {
        params = json_loads(o->params, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
        if (params == NULL) {
            struct error err;
            error_set(&err, 0, "--params: column %d: expected JSON: %s", why.column, why.text);
            return fail_usage(self, &err);
        }
    }
    int status = set(argv[1], argv[2], o, params);
    json_decref(params);
    return status;
}

static int unset(const char *id, const struct options *o)
{
    struct client_request r;
    struct error err;
    start_path(&r, "DELETE", id, o->host);
    return ask_instance(id, &r, NULL, NULL, &err) < 0 ? fail(&err) : 0;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {NULL, NULL};
    int n = 0;
    int status = ask_args(self, argc, argv, &o, &n);
    if (status != 0) {
        return status;
    }
    struct error err;
    if (grammar_name(argv[1], &err) < 0 ||
        (o.host != NULL && grammar_host_glob(o.host, &err) < 0)) {
        return fail_usage(self, &err);
    }
    if (strcmp(argv[0], "set") == 0 && n == 3) {
        return set_checked(self, argv, &o);
    }
    if (strcmp(argv[0], "rm") == 0 && n == 2 && o.params == NULL) {
        return unset(argv[1], &o);
    }
    return ask_usage(self, "expected `set ID NAME` or `rm ID`");
}

const struct command command_handler = {
    .name = "handler",
    .usage = "set ID NAME [--host GLOB] [--params JSON]\nrm ID [--host GLOB]",
    .summary = "selects an outbound handler of a running instance, or takes it back",
    .options = options,
    .operands_least = 2,
    .operands_most = 3,
    .run = run,
};
